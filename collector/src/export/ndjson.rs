//! A table as newline-delimited JSON: an object a line, its keys in the order of the columns,
//! lists as lists, null as null.

use super::{
    moment,
    table::{Cell, Table},
};
use serde_json::Value;

pub(super) fn ndjson(table: &Table) -> Vec<u8> {
    let mut out = String::new();
    for row in &table.rows {
        let pairs = table.fields.iter().zip(&row.cells).map(|(field, cell)| {
            let (name, value) = (Value::from(field.name), value(cell));
            format!("{name}:{value}")
        });
        out.push('{');
        out.push_str(&pairs.collect::<Vec<_>>().join(","));
        out.push_str("}\n");
    }
    out.into_bytes()
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Text(text) => text.as_str().into(),
        Cell::Integer(number) => (*number).into(),
        Cell::Number(number) => (*number).into(),
        Cell::Truth(truth) => (*truth).into(),
        Cell::Time(at) => moment::iso(*at).into(),
        Cell::Day(at) => moment::day(*at).into(),
        Cell::Texts(texts) => texts.clone().into(),
        Cell::Integers(numbers) => numbers.clone().into(),
    }
}
