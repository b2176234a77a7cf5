//! How do facts move from the file to ClickHouse? As they are: rows of frozen days cannot be
//! made again, and counts outlive what was counted. Each table is sent in pieces, each under
//! a number of its own, and how far it came is noted with the number, so that the copy goes
//! on where it was interrupted, and nothing is there twice. Before the file lets go of its
//! facts, both say the same.

use super::{
    Facts as _, StoreError,
    clickhouse::{Address, Cell, ClickHouse, Desk, Elsewhere, Member, Who, elsewhere},
    derive::intern,
    sqlite::{self, File as _, batches, count, read, shelf::Shelf},
};
use faultline_core::{
    id::{Country, ProbeId},
    time::UnixTime,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;

/// Batches, or measurements, of one piece.
const PIECE: usize = 5000;
/// Bytes of batches of one piece, about.
const BYTES: usize = 64 << 20;

/// Moves the facts of the file at `path`; `say` hears how it goes.
pub fn copy_facts(
    path: &Path,
    address: &Address,
    say: &mut dyn FnMut(&str),
) -> Result<(), StoreError> {
    let to = ClickHouse::connect(path, address, true)?;
    if let Some(Elsewhere { complete: true, .. }) = to.look(elsewhere)? {
        say("the facts are there already");
        return Ok(());
    }
    to.sweep()?;
    let mut pieces = |what: &str, piece: Piece| pieces(&to, what, piece, say);
    pieces("batch", batch)?;
    let days = to.look(days)?;
    for day in days.into_iter().map(Shelf::Day).chain([Shelf::Odd(0)]) {
        pieces(&format!("measurement_{}", day.suffix()), measurements)?;
    }
    pieces("rollup", rollup)?;
    pieces("summary_probe", members)?;
    pieces("summary_network", members)?;
    say("comparing");
    compare(&to)?;
    to.write(|desk| {
        sqlite::retain::let_go(&desk.books.db)?;
        desk.books
            .db
            .execute("UPDATE elsewhere SET complete = 1", [])?;
        Ok(())
    })?;
    say("done: from now on, start the collector with this --facts");
    Ok(())
}

/// Sends one table, piece by piece, from where it was interrupted.
fn pieces(
    to: &ClickHouse,
    what: &str,
    piece: Piece,
    say: &mut dyn FnMut(&str),
) -> Result<(), StoreError> {
    loop {
        let stage = what.to_owned();
        let now = to.write(move |desk| {
            let from = progress(&desk.books.db, &stage)?;
            let Some(up_to) = piece(desk, &stage, from)? else {
                return Ok(None);
            };
            desk.send()?;
            desk.books.db.execute(
                "INSERT INTO copied VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET last = excluded.last",
                params![stage, up_to],
            )?;
            Ok(Some(up_to))
        })?;
        match now {
            Some(up_to) => say(&format!("{what}: up to {up_to}")),
            None => return Ok(()),
        }
    }
}

/// Puts what comes after a key into the parcel; gives the last key of it.
type Piece = fn(&mut Desk, stage: &str, after: i64) -> Result<Option<i64>, StoreError>;

fn progress(db: &Connection, stage: &str) -> Result<i64, StoreError> {
    let last = db
        .query_row("SELECT last FROM copied WHERE stage = ?1", [stage], |r| {
            r.get(0)
        })
        .optional()?;
    Ok(last.unwrap_or(i64::MIN))
}

fn days(db: &Connection) -> Result<Vec<i64>, StoreError> {
    Ok(db
        .prepare("SELECT day FROM day ORDER BY day")?
        .query_map([], |r| r.get(0))?
        .collect::<Result<_, _>>()?)
}

fn batch(desk: &mut Desk, _: &str, after: i64) -> Result<Option<i64>, StoreError> {
    let (mut last, mut bytes) = (after, 0);
    for _ in 0..PIECE {
        let Some((key, found)) = batches::after(&desk.books.db, last)? else {
            break;
        };
        last = key;
        bytes += found.bytes.len();
        let received = found.receipt.received.0;
        desk.parcel().keep_bytes(key, received, found.bytes);
        if bytes > BYTES {
            break;
        }
    }
    Ok((last > after).then_some(last))
}

fn measurements(desk: &mut Desk, stage: &str, after: i64) -> Result<Option<i64>, StoreError> {
    let suffix = stage.trim_start_matches("measurement_");
    let found = read::raw(&desk.books.db, suffix, after, PIECE)?;
    let last = found.last().map(|found| found.key);
    for row in found {
        let shelf = Shelf::of(row.row.started, row.row.network_known, row.received);
        desk.parcel().keep_row(row.row, row.source, shelf);
    }
    Ok(last)
}

/// All of them at once: sums have no order of arrival.
fn rollup(desk: &mut Desk, _: &str, after: i64) -> Result<Option<i64>, StoreError> {
    if after != i64::MIN {
        return Ok(None);
    }
    let all = UnixTime(i64::MIN)..UnixTime(i64::MAX);
    let mut found = Vec::new();
    count::rollups(&desk.books.db, all, &mut |rollup| found.push(rollup))?;
    for r in found {
        let cell = Cell {
            hour: r.hour,
            country: r.country,
            asn: r.asn.0,
            target: r.target,
            experiment: intern(r.experiment),
            source: read::source_number(r.source),
            outcome: r.outcome,
            mechanism: r.mechanism,
        };
        desk.parcel().count(cell, r.count, r.observations);
        desk.relieve()?;
    }
    Ok(Some(0))
}

fn members(desk: &mut Desk, stage: &str, after: i64) -> Result<Option<i64>, StoreError> {
    if after != i64::MIN {
        return Ok(None);
    }
    let probes = stage == "summary_probe";
    let who = if probes {
        "(SELECT id FROM probe p WHERE p.key = s.who)"
    } else {
        "s.who"
    };
    let found: Vec<(Member, i64)> = desk
        .books
        .db
        .prepare(&format!(
            "SELECT c.text, t.text, s.source, s.first, {who} FROM {stage} s
             JOIN word c ON c.id = s.country JOIN word t ON t.id = s.target"
        ))?
        .query_map([], |r| {
            let country: String = r.get(0)?;
            let member = Member {
                country: Country::new(&country).unwrap_or_default(),
                target: r.get(1)?,
                source: r.get(2)?,
                who: if probes {
                    Who::Probe(ProbeId(r.get(4)?))
                } else {
                    Who::Network(r.get(4)?)
                },
            };
            Ok((member, r.get(3)?))
        })?
        .collect::<Result<_, _>>()?;
    for (member, first) in found {
        desk.parcel().meet(member, first);
        desk.relieve()?;
    }
    Ok(Some(0))
}

/// Whether both engines say the same of everything.
fn compare(to: &ClickHouse) -> Result<(), StoreError> {
    let differs = |what: &str| {
        StoreError::Misplaced(format!(
            "{what} are not the same in ClickHouse as in the file: the file keeps its facts; drop the database and copy again"
        ))
    };
    if to.look(count::digest)? != to.digest()? {
        return Err(differs("rows"));
    }
    // Reading a batch compares it with its receipt.
    let mut there = 0;
    to.batches(&mut |_| {
        there += 1;
        true
    })?;
    let here: i64 =
        to.look(|db| Ok(db.query_row("SELECT count(*) FROM batch", [], |r| r.get(0))?))?;
    if here != there {
        return Err(differs("batches"));
    }
    Ok(())
}
