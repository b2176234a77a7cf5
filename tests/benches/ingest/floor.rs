//! What does SQLite alone take for the same rows? Everything that a store holds is read
//! into memory, then written to a new file of the same schema: one transaction for each
//! batch, prepared statements, numbers and blobs ready to bind.

use crate::Cost;
use faultline_collector::store::sqlite::Sqlite;
use rusqlite::{Connection, params_from_iter, types::Value};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    time::Instant,
};

type Row = Vec<Value>;

/// All that one batch writes.
#[derive(Default)]
struct Part {
    receipt: Row,
    bytes: Row,
    seen: Vec<Row>,
    /// With the number of the table.
    measurements: Vec<(usize, Row)>,
    observations: Vec<(usize, Row)>,
    rollups: BTreeMap<[i64; 8], [i64; 2]>,
    probes: Vec<[i64; 5]>,
    networks: Vec<[i64; 5]>,
    sizes: BTreeMap<[i64; 3], [i64; 2]>,
}

/// Writes what the store at `from` holds to a new one at `to`.
pub(crate) fn insert(from: &Path, to: &Path) -> Cost {
    let source = Connection::open(from).expect("the store");
    drop(Sqlite::open(to).expect("a new store"));
    let db = Connection::open(to).expect("the new store");
    let days = copy_setup(&source, &db);
    let parts = read(&source, &days);
    let rows = parts.values().map(|p| p.observations.len()).sum();
    for (name, value) in [
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("cache_size", "-65536"),
        ("wal_autocheckpoint", "4096"),
    ] {
        db.pragma_update(None, name, value).expect("a pragma");
    }
    db.set_prepared_statement_cache_capacity(128);
    let (start, cpu) = (Instant::now(), cpu());
    for part in parts.values() {
        write(&db, part, &days);
    }
    Cost {
        rows,
        wall: start.elapsed().as_secs_f64(),
        cpu: self::cpu() - cpu,
    }
}

fn write(db: &Connection, part: &Part, days: &[String]) {
    let run = |sql: &str, row: &Row| {
        let mut statement = db.prepare_cached(sql).expect("a statement");
        statement.execute(params_from_iter(row)).expect("a row");
    };
    let many = |sql: &str, row: &[i64]| {
        let mut statement = db.prepare_cached(sql).expect("a statement");
        statement.execute(params_from_iter(row)).expect("a row");
    };
    db.prepare_cached("BEGIN IMMEDIATE")
        .and_then(|mut s| s.execute([]))
        .expect("to begin");
    run(
        "INSERT INTO receipt VALUES (?,?,?,?,?,?,?,?)",
        &part.receipt,
    );
    run("INSERT INTO batch VALUES (?,?)", &part.bytes);
    for row in &part.seen {
        run("INSERT INTO seen VALUES (?,?,?)", row);
    }
    for (day, day_name) in days.iter().enumerate() {
        let sql = format!(
            "INSERT INTO measurement_{day_name} VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
        );
        let mut insert = db.prepare_cached(&sql).expect("a statement");
        for (_, row) in part.measurements.iter().filter(|(at, _)| *at == day) {
            insert.execute(params_from_iter(row)).expect("a row");
        }
        let sql = format!("INSERT INTO observation_{day_name} VALUES (?,?,?,?,?,?,?)");
        let mut insert = db.prepare_cached(&sql).expect("a statement");
        for (_, row) in part.observations.iter().filter(|(at, _)| *at == day) {
            insert.execute(params_from_iter(row)).expect("a row");
        }
    }
    for (key, sums) in &part.rollups {
        let [
            hour,
            country,
            asn,
            target,
            experiment,
            source,
            outcome,
            mechanism,
        ] = *key;
        let [n, observations] = *sums;
        many(
            "INSERT INTO rollup VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE
             SET n = n + excluded.n, observations = observations + excluded.observations",
            &[
                hour,
                country,
                asn,
                target,
                experiment,
                source,
                outcome,
                mechanism,
                n,
                observations,
            ],
        );
        many(
            "INSERT INTO summary VALUES (?,?,?,?,?,?,?,?8,?8) ON CONFLICT DO UPDATE
             SET n = n + excluded.n, observations = observations + excluded.observations,
               first = min(first, excluded.first), last = max(last, excluded.last)",
            &[
                country,
                target,
                source,
                outcome,
                mechanism,
                n,
                observations,
                hour,
            ],
        );
    }
    for row in &part.probes {
        many("INSERT INTO summary_probe VALUES (?,?,?,?,?)", row);
    }
    for row in &part.networks {
        many("INSERT INTO summary_network VALUES (?,?,?,?,?)", row);
    }
    for ([country, target, source], [probes, networks]) in &part.sizes {
        many(
            "INSERT INTO summary_size VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE
             SET probes = probes + excluded.probes, networks = networks + excluded.networks",
            &[*country, *target, *source, *probes, *networks],
        );
    }
    db.prepare_cached("COMMIT")
        .and_then(|mut s| s.execute([]))
        .expect("to commit");
}

/// Words, probes and the tables of days; gives the names of the days.
fn copy_setup(source: &Connection, db: &Connection) -> Vec<String> {
    for (table, marks) in [("word", "?,?"), ("probe", "?,?,?,?,?,?,?,?"), ("day", "?")] {
        for row in rows(source, &format!("SELECT * FROM {table}")) {
            db.execute(
                &format!("INSERT INTO {table} VALUES ({marks})"),
                params_from_iter(&row),
            )
            .expect("a row");
        }
    }
    let made = rows(
        source,
        "SELECT sql, name FROM sqlite_schema WHERE sql IS NOT NULL
         AND (name GLOB 'measurement_[0-9]*' OR name GLOB 'observation_[0-9]*')
         ORDER BY type = 'index'",
    );
    let mut days = Vec::new();
    for row in made {
        let [Value::Text(sql), Value::Text(name)] = &row[..] else {
            panic!("a table has a name and a text");
        };
        db.execute_batch(sql).expect("a table");
        if let Some(day) = name.strip_prefix("observation_") {
            days.push(day.to_owned());
        }
    }
    days
}

fn read(source: &Connection, days: &[String]) -> BTreeMap<i64, Part> {
    let mut parts: BTreeMap<i64, Part> = BTreeMap::new();
    for row in rows(source, "SELECT * FROM receipt") {
        let key = number(&row[0]);
        parts.entry(key).or_default().receipt = row;
    }
    for row in rows(source, "SELECT * FROM batch") {
        let key = number(&row[0]);
        parts.entry(key).or_default().bytes = row;
    }
    let probe_of: HashMap<i64, i64> = rows(source, "SELECT key, probe FROM receipt")
        .iter()
        .map(|row| (number(&row[0]), number(&row[1])))
        .collect();
    let mut shelves: HashMap<Vec<u8>, Row> = rows(source, "SELECT * FROM seen")
        .into_iter()
        .map(|row| {
            let Value::Blob(id) = &row[0] else {
                panic!("an identity is bytes")
            };
            (id.clone(), row)
        })
        .collect();
    for (day, name) in days.iter().enumerate() {
        let mut batch_of = HashMap::new();
        let mut count: HashMap<i64, i64> = HashMap::new();
        for row in rows(
            source,
            &format!("SELECT measurement FROM observation_{name}"),
        ) {
            *count.entry(number(&row[0])).or_default() += 1;
        }
        for row in rows(
            source,
            &format!("SELECT * FROM measurement_{name} ORDER BY key"),
        ) {
            let batch = number(&row[2]);
            let part = parts.entry(batch).or_default();
            batch_of.insert(number(&row[0]), batch);
            let Value::Blob(id) = &row[1] else {
                panic!("an identity is bytes")
            };
            part.seen.push(shelves.remove(id).expect("seen"));
            if number(&row[10]) == 1 {
                let of = |column: usize| number(&row[column]);
                let mechanism = if row[12] == Value::Null { 0 } else { of(12) };
                let hour = of(4).div_euclid(3_600_000_000);
                let key = [hour, of(7), of(8), of(6), of(5), of(3), of(11), mechanism];
                let sums = part.rollups.entry(key).or_default();
                sums[0] += 1;
                sums[1] += count.get(&of(0)).copied().unwrap_or(0);
            }
            part.measurements.push((day, row));
        }
        let all = format!("SELECT * FROM observation_{name} ORDER BY measurement, idx");
        for row in rows(source, &all) {
            let batch = batch_of[&number(&row[0])];
            parts
                .entry(batch)
                .or_default()
                .observations
                .push((day, row));
        }
    }
    let (mut probes, mut networks) = (BTreeSet::new(), BTreeSet::new());
    for (key, part) in &mut parts {
        for [hour, country, asn, target, _, source, ..] in part.rollups.keys().copied() {
            let line = [country, target, source];
            let size = part.sizes.entry(line).or_default();
            let row = |who| [country, target, source, who, hour.div_euclid(24)];
            if probes.insert((line, probe_of[key])) {
                part.probes.push(row(probe_of[key]));
                size[0] += 1;
            }
            if networks.insert((line, asn)) {
                part.networks.push(row(asn));
                size[1] += 1;
            }
        }
        part.sizes.retain(|_, size| *size != [0, 0]);
    }
    parts
}

fn rows(db: &Connection, sql: &str) -> Vec<Row> {
    let mut statement = db.prepare(sql).expect("a statement");
    let columns = statement.column_count();
    let rows = statement.query_map([], |r| (0..columns).map(|at| r.get(at)).collect());
    rows.expect("rows").collect::<Result<_, _>>().expect("rows")
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Integer(n) => *n,
        other => panic!("{other:?} is no number"),
    }
}

/// CPU seconds of this process so far, user and system.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("stat");
    let fields = stat.rsplit(')').next().expect("fields").split_whitespace();
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .map(|n| n.parse::<u64>().expect("a number"))
        .sum();
    ticks as f64 / 100.0
}
