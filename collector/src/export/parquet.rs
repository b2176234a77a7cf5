//! A table as Parquet: zstd, times as `timestamp(us, UTC)`, words by dictionary, lists as lists,
//! a file for each year and country in Hive's folders: `year=2026/country=IR/part-0.parquet`.

use super::table::{Cell, Field, Kind, Row, Table};
use ::parquet::{
    basic::{Compression, ZstdLevel},
    data_type::{
        BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type,
    },
    errors::Result,
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::parser::parse_message_type,
};
use std::{collections::BTreeMap, sync::Arc};

const DAY: i64 = 86_400_000_000;
/// Rows that a reader may want to hold at once.
const GROUP: usize = 1 << 20;

/// A file for each partition, with its folder.
pub(super) fn partitions(table: &Table) -> Result<Vec<(String, Vec<u8>)>> {
    let mut parts: BTreeMap<(i64, &str), Vec<&Row>> = BTreeMap::new();
    for row in &table.rows {
        parts.entry((row.year, &row.country)).or_default().push(row);
    }
    let write = |((year, country), rows): ((i64, &str), Vec<&Row>)| {
        let path = format!("year={year}/country={country}/part-0.parquet");
        Ok((path, file(table, &rows)?))
    };
    parts.into_iter().map(write).collect()
}

fn file(table: &Table, rows: &[&Row]) -> Result<Vec<u8>> {
    let columns: Vec<String> = table.fields.iter().map(declaration).collect();
    let schema = format!("message {} {{ {} }}", table.name, columns.join(" "));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        // The version of the library is not part of the data.
        .set_created_by("faultline-collector".into())
        .build();
    let mut out = Vec::new();
    let schema = Arc::new(parse_message_type(&schema)?);
    let mut writer = SerializedFileWriter::new(&mut out, schema, Arc::new(properties))?;
    for rows in rows.chunks(GROUP) {
        let mut group = writer.next_row_group()?;
        for (place, field) in table.fields.iter().enumerate() {
            let cells = rows.iter().filter_map(|row| row.cells.get(place));
            let Some(mut column) = group.next_column()? else {
                break;
            };
            write(&mut column, field, cells)?;
            column.close()?;
        }
        group.close()?;
    }
    writer.close()?;
    Ok(out)
}

fn declaration(field: &Field) -> String {
    let name = field.name;
    let need = if field.required {
        "REQUIRED"
    } else {
        "OPTIONAL"
    };
    let list = |element: &str| {
        format!(
            "REQUIRED group {name} (LIST) {{ REPEATED group list {{ REQUIRED {element}; }} }}"
        )
    };
    match field.kind {
        Kind::Text | Kind::Word(_) => format!("{need} BYTE_ARRAY {name} (STRING);"),
        Kind::Integer => format!("{need} INT64 {name};"),
        Kind::Number => format!("{need} DOUBLE {name};"),
        Kind::Truth => format!("{need} BOOLEAN {name};"),
        Kind::Time => format!("{need} INT64 {name} (TIMESTAMP(MICROS,true));"),
        Kind::Day => format!("{need} INT32 {name} (DATE);"),
        Kind::Texts | Kind::Words(_) => list("BYTE_ARRAY element (STRING)"),
        Kind::Integers => list("INT64 element"),
    }
}

fn write<'c>(
    column: &mut SerializedColumnWriter<'_>,
    field: &Field,
    cells: impl Iterator<Item = &'c Cell>,
) -> Result<()> {
    let bytes = |text: &String| ByteArray::from(text.as_bytes().to_vec());
    let need = field.required;
    match field.kind {
        Kind::Text | Kind::Word(_) => {
            flat::<ByteArrayType>(column, need, cells, |cell| match cell {
                Cell::Text(text) => Some(bytes(text)),
                _ => None,
            })
        }
        Kind::Integer => flat::<Int64Type>(column, need, cells, |cell| match cell {
            Cell::Integer(number) => Some(*number),
            _ => None,
        }),
        Kind::Number => flat::<DoubleType>(column, need, cells, |cell| match cell {
            Cell::Number(number) => Some(*number),
            _ => None,
        }),
        Kind::Truth => flat::<BoolType>(column, need, cells, |cell| match cell {
            Cell::Truth(truth) => Some(*truth),
            _ => None,
        }),
        Kind::Time => flat::<Int64Type>(column, need, cells, |cell| match cell {
            Cell::Time(at) => Some(at.0),
            _ => None,
        }),
        Kind::Day => flat::<Int32Type>(column, need, cells, |cell| match cell {
            Cell::Day(at) => i32::try_from(at.0.div_euclid(DAY)).ok(),
            _ => None,
        }),
        Kind::Texts | Kind::Words(_) => {
            nested::<ByteArrayType>(column, cells, |cell| match cell {
                Cell::Texts(texts) => texts.iter().map(bytes).collect(),
                _ => Vec::new(),
            })
        }
        Kind::Integers => nested::<Int64Type>(column, cells, |cell| match cell {
            Cell::Integers(numbers) => numbers.clone(),
            _ => Vec::new(),
        }),
    }
}

/// Level 0 is null, 1 a value; a column that is never null has no levels.
fn flat<'c, T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    required: bool,
    cells: impl Iterator<Item = &'c Cell>,
    of: impl Fn(&Cell) -> Option<T::T>,
) -> Result<()> {
    let found: Vec<_> = cells.map(of).collect();
    let levels: Vec<i16> = found.iter().map(|value| value.is_some().into()).collect();
    let values: Vec<_> = found.into_iter().flatten().collect();
    let levels = (!required).then_some(levels.as_slice());
    column.typed::<T>().write_batch(&values, levels, None)?;
    Ok(())
}

/// Level 0 is an empty list, 1 an element; repetition 0 begins a row.
fn nested<'c, T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    cells: impl Iterator<Item = &'c Cell>,
    of: impl Fn(&Cell) -> Vec<T::T>,
) -> Result<()> {
    let (mut values, mut levels, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    for list in cells.map(of) {
        if list.is_empty() {
            levels.push(0);
            repeated.push(0);
        }
        for (place, value) in list.into_iter().enumerate() {
            values.push(value);
            levels.push(1);
            repeated.push((place > 0).into());
        }
    }
    column
        .typed::<T>()
        .write_batch(&values, Some(&levels), Some(&repeated))?;
    Ok(())
}
