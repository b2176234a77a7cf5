//! Which tables are there, and whose are they? Migrations numbered in a table, each of
//! statements that may be run again: the engine has no transactions over them. The database
//! belongs to one ledger, whose number it holds: another's rows are not its own.
//!
//! Every row of facts has the number of the load that it came with. What exists is what the
//! ledger says of that number ([`super::loads`]), so a table never has to forget in time.

use super::{
    super::StoreError,
    Address,
    engine::{Engine, PATIENCE, SOON, code},
};
use clickhouse::{Client, Row, error::Error};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Each is a list of statements.
const MIGRATIONS: &[&[&str]] = &[SCHEMA_1];

/// Rows are on the disk when an insert or a merge is done.
const DURABLE: &str =
    "fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1";

/// The months of `day`, in days since 1970.
const MONTHS: &str = "PARTITION BY toYYYYMM(toDate32(day))";

/// Readers want measurements by start and identity, so that is their order; the months of
/// retention are their partitions. Observations are arrays of their measurement: there is no
/// second table to join or to tear apart. The TTL knows no clock: `retain` moves its day.
const SCHEMA_1: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS measurement (
       load UInt64 CODEC(Delta, LZ4), day Int32 CODEC(Delta, LZ4), odd Bool,
       started Int64 CODEC(Delta, LZ4), id FixedString(16) CODEC(NONE),
       batch FixedString(16), probe FixedString(16), source UInt8,
       experiment LowCardinality(String), target LowCardinality(String),
       country LowCardinality(String), asn UInt32, known Bool, scored Bool,
       outcome LowCardinality(String), mechanism LowCardinality(Nullable(String)),
       reasons String CODEC(ZSTD(1)), rules UInt32,
       obs_at Array(Int64), obs_step Array(LowCardinality(String)),
       obs_failure Array(Nullable(UInt16)), obs_layer Array(Nullable(UInt8)),
       obs_payload Array(String) CODEC(ZSTD(1)),
       time DateTime64(6, 'UTC') ALIAS fromUnixTimestamp64Micro(started),
       INDEX by_id id TYPE bloom_filter(0.001) GRANULARITY 1,
       INDEX by_target target TYPE bloom_filter(0.01) GRANULARITY 1,
       INDEX by_country country TYPE set(64) GRANULARITY 1)
     ENGINE = MergeTree {months} ORDER BY (started, id)
     TTL if(day < -2147483648, toDateTime('1970-01-02 00:00:00', 'UTC'), toDateTime('2106-01-01 00:00:00', 'UTC'))
     SETTINGS index_granularity = 1024, {durable}",
    "CREATE TABLE IF NOT EXISTS batch (
       load UInt64, day Int32, key Int64, received Int64, bytes String CODEC(ZSTD(1)))
     ENGINE = MergeTree {months} ORDER BY key SETTINGS index_granularity = 32, {durable}",
    // What was counted of each load; a sum over loads is a rollup.
    "CREATE TABLE IF NOT EXISTS rollup (
       load UInt64, day Int32, hour Int64, country LowCardinality(String), asn UInt32,
       target LowCardinality(String), experiment LowCardinality(String), source UInt8,
       outcome LowCardinality(String), mechanism LowCardinality(Nullable(String)),
       n UInt64, observations UInt64)
     ENGINE = MergeTree {months} ORDER BY (hour, country, asn, target) SETTINGS {durable}",
    // Who stands behind a line: an identity (kind 0) or a network's number (kind 1).
    "CREATE TABLE IF NOT EXISTS member (
       load UInt64, day Int32, country LowCardinality(String),
       target LowCardinality(String), source UInt8, kind UInt8, who String)
     ENGINE = MergeTree {months} ORDER BY (country, target, source, kind, who)
     SETTINGS {durable}",
];

/// What every database has.
const FIRST: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS owner (ledger String) ENGINE = MergeTree ORDER BY ledger
     SETTINGS {durable}",
    "CREATE TABLE IF NOT EXISTS migration (version UInt32, at DateTime DEFAULT now())
     ENGINE = MergeTree ORDER BY version SETTINGS {durable}",
];

/// The tables that hold facts.
pub(super) const FACTS: [&str; 4] = ["measurement", "batch", "rollup", "member"];

fn statement(template: &str) -> String {
    template
        .replace("{months}", MONTHS)
        .replace("{durable}", DURABLE)
}

#[derive(Row, Deserialize)]
struct Version {
    version: u32,
}

#[derive(Row, Serialize)]
struct Applied {
    version: u32,
}

#[derive(Row, Serialize, Deserialize)]
struct Owner {
    ledger: String,
}

/// Brings the database up to date; makes it where it is not there.
pub(super) fn migrate(engine: &Engine, address: &Address) -> Result<(), StoreError> {
    create(engine, &address.database)?;
    for template in FIRST {
        engine.execute(PATIENCE, &statement(template))?;
    }
    let known = MIGRATIONS.len();
    let query = engine
        .client
        .query("SELECT max(version) AS version FROM migration");
    let found = engine.all::<Version>(query)?;
    let found = found.first().map_or(0, |v| v.version) as usize;
    if found > known {
        return Err(StoreError::Newer {
            found: found as i64,
            known: known as i64,
        });
    }
    for (number, statements) in MIGRATIONS.iter().enumerate().skip(found) {
        for template in *statements {
            engine.execute(PATIENCE, &statement(template))?;
        }
        let version = number as u32 + 1;
        insert_one(engine, "migration", Applied { version })?;
    }
    Ok(())
}

/// Whoever may not make databases can be given one that is there.
fn create(engine: &Engine, database: &str) -> Result<(), StoreError> {
    let there = match engine.execute(SOON, "SELECT 1") {
        Err(StoreError::Facts(error)) => match error.downcast_ref::<Error>() {
            // UNKNOWN_DATABASE
            Some(Error::BadResponse(said)) if code(said) == Some(81) => false,
            _ => return Err(StoreError::Facts(error)),
        },
        done => done.map(|()| true)?,
    };
    if there {
        return Ok(());
    }
    let client: Client = engine.client.clone().with_database("default");
    let query = client.query_raw(&format!("CREATE DATABASE IF NOT EXISTS {database}"));
    engine.wait(PATIENCE, async move { query.execute().await })
}

/// Whose facts these are, if anybody's.
pub(super) fn owner(engine: &Engine) -> Result<Option<String>, StoreError> {
    let query = engine.client.query("SELECT ledger FROM owner LIMIT 1");
    let found = engine.wait(SOON, async move { query.fetch_all::<Owner>().await })?;
    Ok(found.into_iter().next().map(|owner| owner.ledger))
}

pub(super) fn own(engine: &Engine, ledger: &str) -> Result<(), StoreError> {
    let ledger = ledger.into();
    insert_one(engine, "owner", Owner { ledger })
}

fn insert_one<T>(engine: &Engine, table: &'static str, row: T) -> Result<(), StoreError>
where
    T: Row + for<'a> Row<Value<'a> = T> + Serialize + Send + Sync + 'static,
{
    let client = engine.client.clone();
    engine.wait(PATIENCE, async move {
        let mut insert = client.insert::<T>(table).await?;
        insert.write(&row).await?;
        insert.end().await
    })
}

/// Drops a database with everything in it: for tests, which made it.
pub fn drop_database(address: &Address) -> Result<(), StoreError> {
    let engine = Engine::start(address)?;
    let name = &address.database;
    let client = engine.client.clone().with_database("default");
    let query = client.query_raw(&format!("DROP DATABASE IF EXISTS {name} SYNC"));
    engine.wait(PATIENCE, async move { query.execute().await })
}

/// The statements for one node; or for a cluster: replicated tables on each of its nodes, and
/// beside each table one that reads it over all shards. `{cluster}`, `{shard}` and
/// `{replica}` are macros of the server's configuration.
pub fn ddl(cluster: bool) -> String {
    let tables = FIRST.iter().chain(MIGRATIONS.iter().copied().flatten());
    let mut text = String::new();
    for template in tables {
        let mut one = statement(template);
        if cluster {
            one = one.replacen(" (", " ON CLUSTER '{cluster}' (", 1).replacen(
                "ENGINE = MergeTree",
                "ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')",
                1,
            );
        }
        text = text + &one + ";\n";
    }
    if cluster {
        for table in FACTS {
            let _ = writeln!(
                text,
                "CREATE TABLE IF NOT EXISTS {table}_everywhere ON CLUSTER '{{cluster}}' AS {table}
     ENGINE = Distributed('{{cluster}}', currentDatabase(), {table});"
            );
        }
    }
    text
}
