//! What is sent under one number? Rows are gathered over a transaction of the ledger and
//! sent before its end: to four tables at once, each by one insert, and all of them are on
//! the engine's disk, or the transaction fails.

use super::{
    super::{Incoming, MeasurementRow, StoreError, query::day, sqlite::shelf::Shelf},
    engine::{Engine, PATIENCE},
    rows::{Cell, Member, NewBatch, NewCount, NewMeasurement, NewMember, narrow},
};
use clickhouse::{Client, error::Error};
use faultline_core::time::UnixTime;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Observations that are held before they are sent, at most.
const HELD: usize = 200_000;
/// Bytes of batches, likewise.
const HELD_BYTES: usize = 256 << 20;

/// Rows of one source, and which of them are kept and where.
struct Kept {
    rows: Rows,
    source: i64,
    which: Vec<(usize, Shelf)>,
}

/// Where rows are held: those of an upload are shared with whoever waits for it.
pub(super) enum Rows {
    Shared(Arc<Incoming>),
    Own(Vec<MeasurementRow>),
}

impl Rows {
    pub(super) fn all(&self) -> &[MeasurementRow] {
        match self {
            Self::Shared(incoming) => &incoming.rows,
            Self::Own(rows) => rows,
        }
    }
}

struct Batch {
    key: i64,
    received: i64,
    bytes: Bytes,
}

enum Bytes {
    Shared(Arc<Incoming>),
    Own(Vec<u8>),
}

/// What goes out together.
#[derive(Default)]
pub(in crate::store) struct Parcel {
    measurements: Vec<Kept>,
    batches: Vec<Batch>,
    cells: BTreeMap<Cell, (u64, u64)>,
    members: Vec<(Member, i64)>,
    observations: usize,
    bytes: usize,
}

impl Parcel {
    pub(super) fn is_empty(&self) -> bool {
        self.measurements.is_empty()
            && self.batches.is_empty()
            && self.cells.is_empty()
            && self.members.is_empty()
    }

    /// Whether it is time to send what there is.
    pub(super) fn is_full(&self) -> bool {
        self.observations > HELD
            || self.bytes > HELD_BYTES
            || self.cells.len() + self.members.len() > HELD
    }

    pub(super) fn keep(&mut self, rows: Rows, source: i64, which: Vec<(usize, Shelf)>) {
        if which.is_empty() {
            return;
        }
        let count = |m: &MeasurementRow| 1 + m.observations.len();
        self.observations += rows.all().iter().map(count).sum::<usize>();
        self.measurements.push(Kept {
            rows,
            source,
            which,
        });
    }

    /// One that is kept where it is.
    pub(in crate::store) fn keep_row(
        &mut self,
        row: MeasurementRow,
        source: i64,
        shelf: Shelf,
    ) {
        self.keep(Rows::Own(vec![row]), source, vec![(0, shelf)]);
    }

    pub(super) fn keep_batch(&mut self, key: i64, incoming: &Arc<Incoming>) {
        self.bytes += incoming.bytes.len();
        self.batches.push(Batch {
            key,
            received: incoming.receipt.received.0,
            bytes: Bytes::Shared(Arc::clone(incoming)),
        });
    }

    pub(in crate::store) fn keep_bytes(&mut self, key: i64, received: i64, bytes: Vec<u8>) {
        self.bytes += bytes.len();
        self.batches.push(Batch {
            key,
            received,
            bytes: Bytes::Own(bytes),
        });
    }

    pub(in crate::store) fn count(&mut self, cell: Cell, measurements: u64, observations: u64) {
        let sum = self.cells.entry(cell).or_default();
        sum.0 += measurements;
        sum.1 += observations;
    }

    pub(in crate::store) fn meet(&mut self, member: Member, day: i64) {
        self.members.push((member, day));
    }

    /// Sends all of it.
    pub(super) fn send(self, engine: &Engine, load: i64) -> Result<(), StoreError> {
        let client = engine.client.clone();
        engine.wait(PATIENCE * 5, async move {
            tokio::try_join!(
                measurements(&client, load, &self.measurements),
                batches(&client, load, &self.batches),
                counts(&client, load, &self.cells),
                members(&client, load, &self.members),
            )?;
            Ok(())
        })
    }
}

/// How long a piece may take to be taken.
const SEND: Option<Duration> = Some(Duration::from_mins(1));

async fn measurements(client: &Client, load: i64, kept: &[Kept]) -> Result<(), Error> {
    if kept.is_empty() {
        return Ok(());
    }
    let insert = client.insert::<NewMeasurement<'_>>("measurement").await?;
    let mut insert = insert.with_timeouts(SEND, None);
    for Kept {
        rows,
        source,
        which,
    } in kept
    {
        for (at, shelf) in which {
            if let Some(m) = rows.all().get(*at) {
                let row = NewMeasurement::of(m, load, *shelf, *source);
                insert.write(&row).await?;
            }
        }
    }
    insert.end().await
}

async fn batches(client: &Client, load: i64, kept: &[Batch]) -> Result<(), Error> {
    if kept.is_empty() {
        return Ok(());
    }
    let insert = client.insert::<NewBatch<'_>>("batch").await?;
    let mut insert = insert.with_timeouts(SEND, None);
    for batch in kept {
        let row = NewBatch {
            load: load as u64,
            day: narrow(day(UnixTime(batch.received))),
            key: batch.key,
            received: batch.received,
            bytes: match &batch.bytes {
                Bytes::Shared(incoming) => &incoming.bytes,
                Bytes::Own(bytes) => bytes,
            },
        };
        insert.write(&row).await?;
    }
    insert.end().await
}

async fn counts(
    client: &Client,
    load: i64,
    cells: &BTreeMap<Cell, (u64, u64)>,
) -> Result<(), Error> {
    if cells.is_empty() {
        return Ok(());
    }
    let insert = client.insert::<NewCount<'_>>("rollup").await?;
    let mut insert = insert.with_timeouts(SEND, None);
    for (cell, sums) in cells {
        insert.write(&NewCount::of(load, cell, *sums)).await?;
    }
    insert.end().await
}

async fn members(client: &Client, load: i64, met: &[(Member, i64)]) -> Result<(), Error> {
    if met.is_empty() {
        return Ok(());
    }
    let insert = client.insert::<NewMember<'_>>("member").await?;
    let mut insert = insert.with_timeouts(SEND, None);
    for (member, day) in met {
        insert.write(&NewMember::of(load, member, *day)).await?;
    }
    insert.end().await
}
