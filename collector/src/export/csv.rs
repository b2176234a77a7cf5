//! A table as CSV: RFC 4180, UTF-8, ISO 8601 with Z, lists joined by semicolons, nothing for
//! null.

use super::{
    moment,
    table::{Cell, Table},
};
use ::csv::{Terminator, WriterBuilder};

/// With a row of tags after the names, where they are given.
pub(super) fn csv(table: &Table, tags: Option<&[String]>) -> Vec<u8> {
    let names: Vec<String> = table.fields.iter().map(|f| f.name.into()).collect();
    let cells = table
        .rows
        .iter()
        .map(|row| row.cells.iter().map(text).collect());
    let heads = [Some(names), tags.map(<[String]>::to_vec)];
    lines(heads.into_iter().flatten().chain(cells))
}

/// Rows of texts.
pub(super) fn lines(rows: impl IntoIterator<Item = Vec<String>>) -> Vec<u8> {
    let mut builder = WriterBuilder::new();
    let mut writer = builder.terminator(Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        let written = writer.write_record(row);
        debug_assert!(
            written.is_ok(),
            "rows are of one length, and memory takes all"
        );
    }
    writer.into_inner().unwrap_or_default()
}

pub(super) fn text(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Integer(number) => number.to_string(),
        Cell::Number(number) => number.to_string(),
        Cell::Truth(truth) => truth.to_string(),
        Cell::Time(at) => moment::iso(*at),
        Cell::Day(at) => moment::day(*at),
        Cell::Texts(texts) => texts.join(";"),
        Cell::Integers(numbers) => {
            let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            texts.join(";")
        }
    }
}
