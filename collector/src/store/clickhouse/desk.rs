//! What does one transaction do? The ledger's is begun; receipts and identities are noted in
//! it; rows are sent to the engine under a number that was given out before; the ledger
//! commits, and with it the number. A crash before the commit leaves a ledger that knows of
//! nothing, and rows that do not exist.

use super::{
    super::{
        Appended, Derive, Dropped, Incoming, Retention, StoreError,
        sqlite::{
            self, batches,
            retain::{Plan, forget_identities},
            shelf::Shelf,
        },
        writer::Books,
    },
    engine::Engine,
    loads,
    parcel::{Parcel, Rows},
    rows::{Cell, KeptBatch, Member, Newest, Number, Who},
    schema,
};
use faultline_core::time::UnixTime;
use rusqlite::params;
use std::{collections::HashMap, sync::Arc};

/// Who was met where, at hand; at most so many.
const AT_HAND: usize = 500_000;
/// Batches that are read together when rows are made again.
const TOGETHER: usize = 16;

/// The writer's connection to the ledger, and what it gathers for the engine.
pub(in crate::store) struct Desk {
    pub(in crate::store) books: sqlite::desk::Desk,
    engine: Arc<Engine>,
    /// The ledger's number, as the engine knows it.
    ledger: String,
    /// The number under which rows go out; the last that the ledger gave.
    load: i64,
    /// Whether anything was, or may have been, sent under it.
    used: bool,
    company: Company,
    parcel: Parcel,
    /// First days.
    met: HashMap<Member, i64>,
}

/// Who is in the transaction already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Company {
    Nobody,
    Uploads,
    /// What replaces or drops rows: it must see all others committed, or not at all.
    Replacement,
}

impl Books for Desk {
    /// The engine likes large inserts, and has its own price for each.
    const GROUP: usize = 256;

    fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let begun = self.begin();
        let done = begun.and_then(|()| work(self)).and_then(|done| {
            self.close()?;
            Ok(done)
        });
        if done.is_err() {
            self.parcel = Parcel::default();
            self.met.clear();
            if std::mem::take(&mut self.used) {
                self.load = 0; // what was sent under it must never exist
            }
            self.books.give_up()?;
        }
        done
    }
}

impl Desk {
    pub(super) fn new(books: sqlite::desk::Desk, engine: Arc<Engine>, ledger: String) -> Self {
        Self {
            books,
            engine,
            ledger,
            load: 0,
            used: false,
            company: Company::Nobody,
            parcel: Parcel::default(),
            met: HashMap::new(),
        }
    }

    /// Begins, holding the last number that the ledger gave out: loads become committed in
    /// the order of their numbers, whatever other process writes to this ledger.
    fn begin(&mut self) -> Result<(), StoreError> {
        self.company = Company::Nobody;
        loop {
            let db = &self.books.db;
            db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            if self.books.recall()? {
                self.met.clear();
            }
            let db = &self.books.db;
            if self.load != 0 && loads::last(db)? == self.load {
                return Ok(());
            }
            if self.load != 0 {
                loads::take_off(db, self.load)?; // nothing was ever sent under it
            }
            let load = loads::give_out(db)?;
            db.prepare_cached("COMMIT")?.execute([])?;
            self.load = load;
        }
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.send()?;
        let db = &self.books.db;
        let mut next = self.load;
        if self.used {
            loads::take_off(db, self.load)?;
            next = loads::give_out(db)?;
        }
        db.prepare_cached("COMMIT")?.execute([])?;
        (self.load, self.used) = (next, false);
        Ok(())
    }

    /// Sends what was gathered.
    pub(in crate::store) fn send(&mut self) -> Result<(), StoreError> {
        if self.parcel.is_empty() {
            return Ok(());
        }
        if !self.used {
            // An engine that is away costs no number; one that lost its tables, or holds
            // another ledger's, gets no rows.
            belongs(&self.engine, &self.ledger)?;
        }
        self.used = true;
        std::mem::take(&mut self.parcel).send(&self.engine, self.load)
    }

    /// Fails where two kinds do not go together; the writer then tries each alone.
    fn join(&mut self, company: Company) -> Result<(), StoreError> {
        if self.company == Company::Nobody
            || (self.company, company) == (Company::Uploads, Company::Uploads)
        {
            self.company = company;
            return Ok(());
        }
        let why = "a rebuild or a sweep does not share a transaction";
        Err(StoreError::Io(std::io::Error::other(why)))
    }

    /// What exists, apart from what is sent in this transaction.
    fn exists(&self, relation: &str) -> Result<String, StoreError> {
        Ok(loads::snapshot(&self.books.db)?.of(relation))
    }

    pub(super) fn append(
        &mut self,
        incoming: &Arc<Incoming>,
        enrichment: &[u8],
    ) -> Result<Appended, StoreError> {
        self.join(Company::Uploads)?;
        let r = &incoming.receipt;
        let Some(origin) = batches::note(&self.books.db, r, enrichment)? else {
            return Ok(Appended::Duplicate);
        };
        self.parcel.keep_batch(origin.batch, incoming);
        let rows = Rows::Shared(Arc::clone(incoming));
        self.rows(rows, origin.source, r.received, None)?;
        Ok(Appended::Stored)
    }

    /// Keeps rows, by the rules of the embedded engine: a measurement that is there already
    /// stays as it is; one of a day whose rows were dropped is counted and not kept; one of
    /// a day before `from`, if given, is passed over.
    fn rows(
        &mut self,
        rows: Rows,
        source: i64,
        received: UnixTime,
        from: Option<i64>,
    ) -> Result<(), StoreError> {
        let horizon = self.books.horizon()?;
        let mut kept = Vec::new();
        for (at, m) in rows.all().iter().enumerate() {
            let shelf = Shelf::of(m.started, m.network_known, received);
            if from.is_some_and(|from| shelf.day() < from) {
                continue;
            }
            let db = &self.books.db;
            let new = db
                .prepare_cached("INSERT INTO seen VALUES (?1, ?2, 0) ON CONFLICT DO NOTHING")?
                .execute(params![m.id.0, shelf.number()])?;
            if new == 0 {
                continue;
            }
            if shelf.day() >= horizon.rows {
                kept.push((at, shelf));
            }
            // What counts has a believable start, see `derive`.
            if m.scored && matches!(shelf, Shelf::Day(_)) {
                let hour = m.started.secs().div_euclid(3600);
                let cell = Cell {
                    hour,
                    country: m.country,
                    asn: m.asn.0,
                    target: m.target.clone(),
                    experiment: m.experiment,
                    source,
                    outcome: m.verdict.outcome.clone(),
                    mechanism: m.verdict.mechanism.clone(),
                };
                self.parcel.count(cell, 1, m.observations.len() as u64);
                for who in [Who::Probe(m.probe), Who::Network(m.asn.0)] {
                    let member = Member {
                        country: m.country,
                        target: m.target.clone(),
                        source,
                        who,
                    };
                    self.meet(member, hour.div_euclid(24));
                }
            }
        }
        self.parcel.keep(rows, source, kept);
        if self.parcel.is_full() {
            self.send()?;
        }
        Ok(())
    }

    /// Notes that somebody was met, unless that is at hand; twice does no harm.
    fn meet(&mut self, member: Member, day: i64) {
        if self.met.get(&member).is_some_and(|first| *first <= day) {
            return;
        }
        if self.met.len() >= AT_HAND {
            self.met.clear();
        }
        self.met.insert(member.clone(), day);
        self.parcel.meet(member, day);
    }

    /// Makes all rows again that can be, under one number; when it is committed, the old ones
    /// do not exist any more.
    pub(super) fn rederive(&mut self, derive: &Derive) -> Result<(), StoreError> {
        self.join(Company::Replacement)?;
        let from = self.books.horizon()?.frozen;
        let batch = self.exists("batch")?;
        for relation in ["measurement", "rollup", "member"] {
            loads::cut(&self.books.db, relation, self.load, from, i64::MAX)?;
        }
        forget_identities(&self.books.db, from)?;
        self.met.clear();
        self.used = true;
        let mut after = i64::MIN;
        loop {
            let query = self.engine.client.query(&format!(
                "SELECT key, bytes FROM batch WHERE {batch} AND key > {} ORDER BY key
                 LIMIT {TOGETHER}",
                super::read::int(after)
            ));
            let page = self.engine.all::<KeptBatch>(query)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.key;
            for found in page {
                let db = &self.books.db;
                let stored = batches::with_receipt(db, found.key, found.bytes.into_vec())?;
                let source = db
                    .prepare_cached("SELECT source FROM probe WHERE id = ?1")?
                    .query_row([stored.receipt.probe.0], |r| r.get(0))?;
                let rows = Rows::Own(derive(&stored)?);
                self.rows(rows, source, stored.receipt.received, Some(from))?;
            }
        }
    }

    pub(super) fn retain(
        &mut self,
        policy: &Retention,
        now: UnixTime,
    ) -> Result<Dropped, StoreError> {
        self.join(Company::Replacement)?;
        let engine = Arc::clone(&self.engine);
        let rows = self.exists("measurement")?;
        let plan = Plan::new(&mut self.books, policy, now, |_| {
            let query = engine.client.query(&format!(
                "SELECT max(day) AS day, count() AS rows FROM measurement
                 WHERE {rows} AND NOT odd"
            ));
            let found = engine.all::<Newest>(query)?.into_iter().next();
            Ok(found.filter(|n| n.rows > 0).map(|n| i64::from(n.day)))
        })?;
        let mut gone = [0; 2];
        let drops = [("measurement", plan.rows), ("batch", plan.batches)];
        for (count, (relation, before)) in gone.iter_mut().zip(drops) {
            if before == i64::MIN {
                continue;
            }
            let exists = self.exists(relation)?;
            let query = self.engine.client.query(&format!(
                "SELECT count() AS number FROM {relation} WHERE {exists} AND day < {before}"
            ));
            let found = self.engine.all::<Number>(query)?;
            *count = found.first().map_or(0, |n| n.number);
            if *count > 0 {
                // Whatever comes from now on has a higher number.
                loads::cut(&self.books.db, relation, self.load + 1, i64::MIN, before)?;
                self.used = true;
            }
        }
        let [measurements, batches] = gone;
        plan.note(&mut self.books, now, measurements, batches)
    }

    /// For the copy of a store: what it has is put into a parcel as it is.
    pub(in crate::store) fn parcel(&mut self) -> &mut Parcel {
        &mut self.parcel
    }

    /// Sends what there is, where it is much.
    pub(in crate::store) fn relieve(&mut self) -> Result<(), StoreError> {
        if self.parcel.is_full() {
            self.send()?;
        }
        Ok(())
    }
}

impl Drop for Desk {
    /// A number that was not used is given back; that it is not is no harm.
    fn drop(&mut self) {
        if self.load != 0 && !self.used {
            let _ = loads::take_off(&self.books.db, self.load);
        }
    }
}

/// Whether the engine answers, and holds this ledger's facts.
pub(super) fn belongs(engine: &Engine, ledger: &str) -> Result<(), StoreError> {
    let owner = match schema::owner(engine) {
        Ok(owner) => owner,
        // The table, or the database, is not there.
        Err(StoreError::Facts(_)) => None,
        Err(error) => return Err(error),
    };
    match owner {
        Some(owner) if owner == ledger => Ok(()),
        Some(_) => Err(not_ours(engine)),
        None => Err(StoreError::Misplaced(format!(
            "{} has none of the facts that this ledger has receipts for: bring the database back from a backup, or see that `facts` names the right one",
            engine.address()
        ))),
    }
}

pub(super) fn not_ours(engine: &Engine) -> StoreError {
    StoreError::Misplaced(format!(
        "the facts in {} belong to another ledger: give each collector a database of its own, or bring back the state folder that belongs to it",
        engine.address()
    ))
}
