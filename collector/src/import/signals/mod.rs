//! What did others see of shutdowns? Alerts and events of IODA, annotations of Cloudflare
//! Radar, the STOP list of the KeepItOn coalition: each row becomes a signal with their name on
//! it and their own identity, so that the same row, read again, replaces what it said before.
//! What cannot be used is left out with its place and the reason.

mod dates;
mod ioda;
mod keepiton;
mod radar;

pub use ioda::read as ioda;
pub use keepiton::{read_csv as keepiton_csv, read_xlsx as keepiton_xlsx};
pub use radar::read as radar;

use crate::detect::input::Signal;
use serde_json::Value;

/// Why a whole file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SignalsError {
    #[error("this is no JSON ({source}): save the reply of {what} as it came")]
    Json {
        what: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("there are no rows in it: expected the reply of {0}")]
    Shape(&'static str),
    #[error(
        "this is no table with the columns start_date and country: expected KeepItOn's STOP list, as CSV or XLSX"
    )]
    Columns,
    #[error("this is no XLSX file: save it as CSV, or download it again")]
    Workbook(#[from] calamine::XlsxError),
    #[error("this is no CSV")]
    Csv(#[from] csv::Error),
}

/// What a file held.
#[derive(Debug, Default)]
pub struct Found {
    pub signals: Vec<Signal>,
    /// Rows that say again what another one of the file says.
    pub repeated: usize,
    /// What was left out: where, and why.
    pub left_out: Vec<(String, String)>,
    /// What was taken with a part left out.
    pub remarks: Vec<(String, String)>,
}

impl Found {
    fn leave_out(&mut self, place: impl Into<String>, why: impl Into<String>) {
        self.left_out.push((place.into(), why.into()));
    }
}

/// The rows of a reply: its own list, one under these names, or one object a line.
fn rows(text: &str, what: &'static str, names: &[&str]) -> Result<Vec<Value>, SignalsError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text)
        .into_iter()
        .collect();
    let values = values.map_err(|source| SignalsError::Json { what, source })?;
    let mut rows = Vec::new();
    for value in values {
        let mut value = &value;
        while let Some(inside) = names.iter().find_map(|name| value.get(name)) {
            value = inside;
        }
        flatten(value, &mut rows);
    }
    if rows.is_empty() && !text.contains('[') {
        return Err(SignalsError::Shape(what));
    }
    Ok(rows)
}

/// Lists in lists are one list.
fn flatten(value: &Value, rows: &mut Vec<Value>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| flatten(value, rows)),
        Value::Object(_) => rows.push(value.clone()),
        _ => {}
    }
}

/// A number, also where it is written as text.
fn number(value: Option<&Value>) -> Option<f64> {
    let number = match value? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

fn word(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// At most so much of what others say is kept.
fn cut(text: &str) -> String {
    text.chars().take(500).collect()
}

/// A link, where it is one.
fn link(text: &str) -> Option<String> {
    let url = url::Url::parse(text.trim()).ok()?;
    let web = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    (web && text.len() <= 2000).then(|| url.to_string())
}
