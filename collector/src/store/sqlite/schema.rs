//! Which tables are there? Migrations numbered by `user_version`, each in a transaction.
//! Repeated words live in a dictionary; time leads every index but those of unique keys.

use super::super::StoreError;
use rusqlite::Connection;

const MIGRATIONS: &[&str] = &["
CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE probe (
  key INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, public_key BLOB NOT NULL,
  consent INTEGER NOT NULL, software TEXT NOT NULL, enrolled INTEGER NOT NULL, revoked INTEGER);
CREATE TABLE epoch (probe BLOB NOT NULL, issued INTEGER NOT NULL, token BLOB NOT NULL);
CREATE INDEX epoch_time ON epoch (issued);
CREATE TABLE audit (at INTEGER NOT NULL, what TEXT NOT NULL);
CREATE TABLE receipt (
  key INTEGER PRIMARY KEY, batch BLOB NOT NULL UNIQUE, probe INTEGER NOT NULL REFERENCES probe,
  sequence INTEGER NOT NULL, sha256 BLOB NOT NULL, received INTEGER NOT NULL,
  measurements INTEGER NOT NULL, enrichment BLOB NOT NULL);
CREATE TABLE batch (key INTEGER PRIMARY KEY REFERENCES receipt, bytes BLOB NOT NULL);
CREATE TABLE measurement (
  key INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, batch INTEGER NOT NULL,
  started INTEGER NOT NULL, experiment INTEGER NOT NULL, target INTEGER NOT NULL,
  country INTEGER NOT NULL, asn INTEGER NOT NULL, known INTEGER NOT NULL, scored INTEGER NOT NULL,
  outcome INTEGER NOT NULL, mechanism INTEGER, reasons BLOB NOT NULL, rules INTEGER NOT NULL);
CREATE INDEX measurement_time ON measurement (started, id);
CREATE TABLE observation (
  measurement INTEGER NOT NULL, idx INTEGER NOT NULL, at INTEGER NOT NULL, step INTEGER NOT NULL,
  failure INTEGER, layer INTEGER, payload BLOB NOT NULL, PRIMARY KEY (measurement, idx)) WITHOUT ROWID;
CREATE TABLE rollup (
  hour INTEGER NOT NULL, country INTEGER NOT NULL, asn INTEGER NOT NULL, target INTEGER NOT NULL,
  outcome INTEGER NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (hour, country, asn, target, outcome)) WITHOUT ROWID;
"];

pub(super) fn migrate(db: &mut Connection) -> Result<(), StoreError> {
    let found: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for (at, sql) in MIGRATIONS.iter().enumerate().skip(found as usize) {
        let tx = db.transaction()?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", at as i64 + 1)?;
        tx.commit()?;
    }
    Ok(())
}
