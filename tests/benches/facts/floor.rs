//! What does the client alone take for the same rows? Everything that a store left in
//! ClickHouse is read into memory, then inserted into the same tables of another database by
//! the same inserts: four tables for each load, at the same time.

use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;

#[derive(Row, Serialize, Deserialize)]
pub(crate) struct Measurement {
    load: u64,
    day: i32,
    odd: bool,
    started: i64,
    id: [u8; 16],
    batch: [u8; 16],
    probe: [u8; 16],
    source: u8,
    experiment: String,
    target: String,
    country: String,
    asn: u32,
    known: bool,
    scored: bool,
    outcome: String,
    mechanism: Option<String>,
    reasons: ByteBuf,
    rules: u32,
    obs_at: Vec<i64>,
    obs_step: Vec<String>,
    obs_failure: Vec<Option<u16>>,
    obs_layer: Vec<Option<u8>>,
    obs_payload: Vec<ByteBuf>,
}

#[derive(Row, Serialize, Deserialize)]
pub(crate) struct Batch {
    load: u64,
    day: i32,
    key: i64,
    received: i64,
    bytes: ByteBuf,
}

#[derive(Row, Serialize, Deserialize)]
pub(crate) struct Count {
    load: u64,
    day: i32,
    hour: i64,
    country: String,
    asn: u32,
    target: String,
    experiment: String,
    source: u8,
    outcome: String,
    mechanism: Option<String>,
    n: u64,
    observations: u64,
}

#[derive(Row, Serialize, Deserialize)]
pub(crate) struct Member {
    load: u64,
    day: i32,
    country: String,
    target: String,
    source: u8,
    kind: u8,
    who: ByteBuf,
}

/// All that one load sent.
#[derive(Default)]
pub(crate) struct Part {
    measurements: Vec<Measurement>,
    batches: Vec<Batch>,
    counts: Vec<Count>,
    members: Vec<Member>,
}

pub(crate) type Parts = BTreeMap<u64, Part>;

/// The client as the store has it.
pub(crate) fn client(url: &str, database: &str) -> Client {
    Client::default()
        .with_url(url)
        .with_user("default")
        .with_database(database)
        .with_setting("async_insert", "0")
        .with_setting("max_partitions_per_insert_block", "0")
}

async fn all<T>(client: &Client, table: &str) -> Vec<T>
where
    T: clickhouse::RowOwned + clickhouse::RowRead,
{
    let query = client.query(&format!("SELECT ?fields FROM {table}"));
    query.fetch_all::<T>().await.expect("rows")
}

/// What a store left behind, by load.
pub(crate) async fn read(client: &Client) -> Parts {
    let mut parts = Parts::new();
    for row in all::<Measurement>(client, "measurement").await {
        parts.entry(row.load).or_default().measurements.push(row);
    }
    for row in all::<Batch>(client, "batch").await {
        parts.entry(row.load).or_default().batches.push(row);
    }
    for row in all::<Count>(client, "rollup").await {
        parts.entry(row.load).or_default().counts.push(row);
    }
    for row in all::<Member>(client, "member").await {
        parts.entry(row.load).or_default().members.push(row);
    }
    parts
}

async fn insert<T>(client: &Client, table: &str, rows: &[T]) -> clickhouse::error::Result<()>
where
    T: Row + for<'a> Row<Value<'a> = T> + Serialize + Send + Sync,
{
    if rows.is_empty() {
        return Ok(());
    }
    let mut insert = client.insert::<T>(table).await?;
    for row in rows {
        insert.write(row).await?;
    }
    insert.end().await
}

pub(crate) async fn write(client: &Client, parts: &Parts) {
    for part in parts.values() {
        let sent = tokio::try_join!(
            insert(client, "measurement", &part.measurements),
            insert(client, "batch", &part.batches),
            insert(client, "rollup", &part.counts),
            insert(client, "member", &part.members),
        );
        sent.expect("to insert");
    }
}

/// The same in as few inserts as there are tables.
pub(crate) fn joined(parts: Parts) -> Parts {
    let mut one = Part::default();
    for part in parts.into_values() {
        one.measurements.extend(part.measurements);
        one.batches.extend(part.batches);
        one.counts.extend(part.counts);
        one.members.extend(part.members);
    }
    Parts::from([(0, one)])
}

#[derive(Row, Deserialize, PartialEq, Debug)]
pub(crate) struct Digest {
    rows: u64,
    sum: u64,
}

/// Whatever order they are in.
pub(crate) async fn digests(client: &Client) -> Vec<Digest> {
    let mut digests = Vec::new();
    for table in ["measurement", "batch", "rollup", "member"] {
        let query = client.query(&format!(
            "SELECT count() AS rows, sum(cityHash64(toString(tuple(*)))) AS sum FROM {table}"
        ));
        digests.push(query.fetch_one::<Digest>().await.expect("a digest"));
    }
    digests
}
