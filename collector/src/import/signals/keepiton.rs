//! What did the KeepItOn coalition document? Its STOP list, as CSV or as the workbook that Access
//! Now publishes: one sheet a year, days without a time zone, rows that stand in several years.
//! It says who ordered what, by a source: a documented cause, never a detection.

use super::{Found, SignalsError, cut, dates, link};
use crate::{
    detect::{
        event::{Cause, Class, Location},
        input::{Signal, Watcher},
    },
    names::Names,
    score::vintage::hex,
};
use calamine::{Data, Reader as _, Xlsx};
use faultline_core::{
    id::Country,
    time::{Duration, UnixTime},
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::Cursor,
};

const DAY: Duration = Duration::from_hours(24);

/// Signals of the workbook; sheets without the columns hold something else.
pub fn read_xlsx(bytes: &[u8], received: UnixTime) -> Result<Found, SignalsError> {
    let mut book = Xlsx::new(Cursor::new(bytes))?;
    let mut reading = Reading::new(received);
    let mut sheets = 0;
    for name in book.sheet_names() {
        let range = book.worksheet_range(&name)?;
        let first = range.start().map_or(0, |(row, _)| row);
        let mut rows = range
            .rows()
            .map(|row| row.iter().map(cell).collect::<Vec<_>>());
        let Some(columns) = rows.next().and_then(|row| Columns::of(&row)) else {
            continue;
        };
        sheets += 1;
        for (row, number) in rows.zip(first + 2..) {
            reading.take(&columns, &row, &format!("sheet {name}, row {number}"));
        }
    }
    if sheets == 0 {
        return Err(SignalsError::Columns);
    }
    Ok(reading.found)
}

/// Signals of a CSV.
pub fn read_csv(text: &str, received: UnixTime) -> Result<Found, SignalsError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let titles: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let columns = Columns::of(&titles).ok_or(SignalsError::Columns)?;
    let mut reading = Reading::new(received);
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let row: Vec<String> = record.iter().map(str::to_owned).collect();
        reading.take(&columns, &row, &format!("line {line}"));
    }
    Ok(reading.found)
}

fn cell(data: &Data) -> String {
    match data {
        Data::DateTime(at) => at.as_f64().to_string(),
        Data::Empty => String::new(),
        other => other.to_string(),
    }
}

/// Which column is where: they changed with the years.
struct Columns(HashMap<String, usize>);

impl Columns {
    fn of(titles: &[String]) -> Option<Self> {
        let title = |title: &String| {
            let kept = title.chars().filter(|c| !c.is_whitespace());
            kept.collect::<String>().to_lowercase()
        };
        let columns: HashMap<_, _> = titles.iter().map(title).zip(0..).collect();
        let whole = ["start_date", "country"]
            .iter()
            .all(|name| columns.contains_key(*name));
        whole.then_some(Self(columns))
    }

    fn get<'a>(&self, row: &'a [String], name: &str) -> &'a str {
        let at = self.0.get(name).copied();
        at.and_then(|at| row.get(at)).map_or("", |text| text.trim())
    }
}

struct Reading {
    found: Found,
    seen: HashSet<String>,
    countries: BTreeMap<String, Country>,
    received: UnixTime,
}

impl Reading {
    fn new(received: UnixTime) -> Self {
        let names = Names::parse(None, None).unwrap_or_default();
        let countries = names.countries();
        Self {
            found: Found::default(),
            seen: HashSet::new(),
            countries: countries.map(|(code, name)| (plain(name), code)).collect(),
            received,
        }
    }

    fn take(&mut self, columns: &Columns, row: &[String], place: &str) {
        if row.iter().all(|field| field.trim().is_empty()) {
            return;
        }
        match self.signal(columns, row, place) {
            // The same event stands in each year that it touches; the newest sheet comes first.
            Ok(signal) if self.seen.insert(signal.id.clone()) => {
                self.found.signals.push(signal);
            }
            Ok(_) => self.found.repeated += 1,
            Err(why) => self.found.leave_out(place, why),
        }
    }

    fn signal(&mut self, c: &Columns, row: &[String], place: &str) -> Result<Signal, String> {
        let of = |name: &str| c.get(row, name);
        let country = self.country(of("country"))?;
        let from = dates::day(of("start_date"))
            .ok_or_else(|| format!("start_date is no day: {:?}", cut(of("start_date"))))?;
        if from > self.received + DAY {
            return Err(format!("it begins in the future: {from}"));
        }
        let end = of("end_date");
        let mut until = dates::day(end).map(|day| day + DAY);
        let open = end.is_empty()
            || matches!(
                end.to_lowercase().as_str(),
                "ongoing" | "unknown" | "na" | "n/a"
            );
        if until.is_none() && !open {
            let why = format!("end_date is no day and was left out: {:?}", cut(end));
            self.found.remarks.push((place.into(), why));
        }
        if until.is_some_and(|until| until <= from) {
            let why = "it ends before it begins: the end was left out";
            self.found.remarks.push((place.into(), why.into()));
            until = None;
        }
        // What names the event, not what became of it: that changes from year to year.
        let mut name = Sha256::new();
        name.update(from.0.to_be_bytes());
        for part in [
            "country",
            "area_name",
            "shutdown_type",
            "affected_network",
            "shutdown_extent",
        ] {
            name.update(plain(of(part)));
            name.update([0]);
        }
        let parts = [
            "shutdown_type",
            "shutdown_extent",
            "affected_network",
            "area_name",
            "ordered_by",
            "actual_cause",
        ];
        let parts = parts
            .iter()
            .map(|name| of(name))
            .filter(|part| !part.is_empty());
        let links = of("info_source_link");
        Ok(Signal {
            watcher: Watcher::KeepItOn,
            id: hex(&name.finalize()[..12]),
            source: cut(of("info_source")),
            location: Location::Country(country),
            from,
            until,
            precision_s: 86_400,
            value: None,
            baseline: None,
            class: class(c, row),
            cause: cause(c, row),
            words: cut(&parts.collect::<Vec<_>>().join("; ")),
            url: links
                .split(|c: char| c.is_whitespace() || c == ',' || c == ';')
                .find_map(link),
            received: self.received,
        })
    }

    /// By its name, as the list writes it.
    fn country(&self, name: &str) -> Result<Country, String> {
        const OTHERS: &[(&str, &str)] = &[
            ("turkey", "TR"),
            ("russian federation", "RU"),
            ("syrian arab republic", "SY"),
            ("democratic republic of the congo", "CD"),
            ("democratic republic of congo", "CD"),
            ("congo (democratic republic of the)", "CD"),
            ("lao people's democratic republic", "LA"),
            ("republic of moldova", "MD"),
            ("vietnam", "VN"),
            ("ivory coast", "CI"),
            ("swaziland", "SZ"),
            ("burma", "MM"),
            ("czech republic", "CZ"),
        ];
        let name = plain(name);
        let short = name.split([',', '(']).next().unwrap_or_default().trim();
        let other = |name: &str| {
            let found = OTHERS.iter().find(|(other, _)| *other == name);
            found.and_then(|(_, code)| Country::new(code))
        };
        let known = |name: &str| self.countries.get(name).copied().or_else(|| other(name));
        let found = known(&name).or_else(|| known(short));
        found.ok_or_else(|| format!("country {name:?} is none of ISO 3166-1"))
    }
}

fn plain(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

fn class(c: &Columns, row: &[String]) -> Option<Class> {
    let of = |name: &str| plain(c.get(row, name));
    let (kind, extent) = (of("shutdown_type"), of("shutdown_extent"));
    let (network, scope) = (of("affected_network"), of("geo_scope"));
    if kind == "throttle" {
        return Some(Class::Throttling);
    }
    if !kind.contains("shutdown") {
        return None;
    }
    if extent == "service-based" {
        return Some(Class::ServiceBlock);
    }
    if !extent.contains("full network") {
        return None;
    }
    Some(match network.as_str() {
        "mobile" => Class::MobileOnly,
        "broadband" => Class::FixedOnly,
        _ if scope.contains("only affected one") || scope.contains("same state") => {
            Class::Regional
        }
        _ => Class::TotalBlackout,
    })
}

/// By who ordered it; an exam is a reason that authorities give.
fn cause(c: &Columns, row: &[String]) -> Option<Cause> {
    let of = |name: &str| plain(c.get(row, name));
    let by = of("ordered_by");
    if of("actual_cause").contains("exam") {
        return Some(Cause::Exam);
    }
    match by.as_str() {
        "military" => Some(Cause::Military),
        "" | "unknown" | "non-government" => None,
        _ => Some(Cause::Government),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
    const TITLES: &str = "start_date,country,geo_scope,area_name,shutdown_type,affected_network,shutdown_extent,ordered_by,actual_cause,info_source_link,end_date,telco_ ack";

    #[test]
    fn rows_become_documented_causes_by_day() {
        let text = format!(
            "\u{feff}{TITLES}\n\
             44166,Uganda,It affected locations in more than one state,Nationwide,Shutdown,\"Broadband, Mobile\",Full network,Executive government,Elections,https://a.example/ and https://b.example/,44170,\n\
             44166,Uganda,It affected locations in more than one state,Nationwide,Shutdown,\"Broadband, Mobile\",Full network,Executive government,Elections,,ongoing,\n\
             2021-06-01,Syrian Arab Republic,,,Shutdown,Mobile,Full network,Unknown,Exam cheating,,ongoing,\n\
             2021-06-02,\"Tanzania, United Republic of\",,,Throttle,Mobile,Service-based,Military,,,4/1/2018 upon CAF visit,\n\
             2021-06-03,Somaliland,,,,,,,,,,\n\
             soon,Iran,,,,,,,,,,\n\
             ,,,,,,,,,,,\n"
        );
        let found = read_csv(&text, NOW).unwrap();
        assert_eq!((found.signals.len(), found.repeated), (3, 1));
        let first = &found.signals[0];
        assert_eq!(first.location.to_string(), "country/UG");
        assert_eq!(first.from.to_string(), "2020-12-01T00:00:00.000000Z");
        let until = first.until.unwrap().to_string();
        assert_eq!(
            until, "2020-12-06T00:00:00.000000Z",
            "the last day is whole"
        );
        assert_eq!(first.class, Some(Class::TotalBlackout));
        assert_eq!(first.cause, Some(Cause::Government));
        assert_eq!(first.url.as_deref(), Some("https://a.example/"));
        assert_eq!(first.precision_s, 86_400);
        assert_eq!(found.signals[1].cause, Some(Cause::Exam));
        assert_eq!(found.signals[2].class, Some(Class::Throttling));
        assert_eq!(found.remarks.len(), 1);
        assert_eq!(found.left_out.len(), 2, "{:?}", found.left_out);
    }

    #[test]
    fn what_is_no_such_table_is_refused() {
        assert!(matches!(
            read_csv("a,b\n1,2\n", NOW),
            Err(SignalsError::Columns)
        ));
        assert!(matches!(
            read_xlsx(b"PK no", NOW),
            Err(SignalsError::Workbook(_))
        ));
    }

    #[test]
    fn the_published_workbook_reads() {
        let shared = std::env::var("FAULTLINE_SHARED").unwrap_or("../../shared".into());
        let path =
            std::path::Path::new(&shared).join("data/shutdowns/keepiton-stop-2016-2023.xlsx");
        let Ok(bytes) = std::fs::read(&path) else {
            println!("skipped: no ../shared");
            return;
        };
        let found = read_xlsx(&bytes, NOW).unwrap();
        let rows = found.signals.len() + found.repeated + found.left_out.len();
        assert_eq!(rows, 1458, "as the publisher counts them");
        // Somaliland has no code of its own.
        let strange: Vec<_> = found
            .left_out
            .iter()
            .filter(|(_, why)| !why.contains("somaliland"))
            .collect();
        assert!(strange.is_empty(), "{strange:?}");
        assert_eq!(found.left_out.len(), 3);
        // Two ends are sentences.
        let sentences = found
            .remarks
            .iter()
            .filter(|(_, why)| why.contains("no day"));
        assert_eq!(sentences.count(), 2, "{:?}", found.remarks);
        println!(
            "{} signals, {} repeated, {} remarks",
            found.signals.len(),
            found.repeated,
            found.remarks.len()
        );
    }
}
