//! What happened, by an events file? Its columns and words as in the curated list of historic
//! shutdowns and controls:
//!
//! ```text
//! id,country_code,scope,area,asns,class,cause,start_utc,end_utc,time_quality,pattern,...
//! ```
//!
//! What the file does not say is made up and said so: hours of days are drawn, an event without
//! an end lasts the published median (5.5 h for shutdowns, 2 h for spontaneous outages;
//! Bischof et al., SIGCOMM 2023). What cannot be replayed is left out, with the reason.

use super::{
    calendar::{DAY, When},
    chance::Chance,
    score::Kind,
};
use faultline_collector::detect::event::{Cause, Class};
use faultline_core::id::{Asn, Country};
use serde::Deserialize;
use std::{fmt, io, path::Path};

/// A row as it stands.
#[derive(Clone, Debug, Deserialize)]
struct Line {
    id: String,
    country_code: String,
    scope: String,
    #[serde(default)]
    asns: String,
    class: String,
    cause: String,
    start_utc: String,
    end_utc: String,
    #[serde(default)]
    pattern: String,
}

/// How a class cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing gets through to anybody, or to a share of a hundred.
    Everything {
        percent: u8,
    },
    /// Abroad alone.
    Abroad,
    Mobile {
        percent: u8,
    },
    Fixed {
        percent: u8,
    },
    /// The networks that are named, or the largest.
    Network,
    Region,
    Services {
        mobile_only: bool,
    },
    Power,
    Cable,
}

/// Something to be replayed.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    pub id: String,
    pub kind: Kind,
    pub countries: Vec<Country>,
    pub asns: Vec<Asn>,
    pub cut: Cut,
    pub class: Class,
    pub cause: Cause,
    pub from: i64,
    pub until: i64,
    /// What was made up or not replayed.
    pub remarks: Vec<String>,
}

/// A file's stories, and what was left out and why.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub stories: Vec<Story>,
    pub left_out: Vec<(String, String)>,
}

/// Why a file is no history.
#[derive(Debug, thiserror::Error)]
pub enum NoHistory {
    #[error("{path}: {why}; is it the path of an events file?")]
    Unreadable { path: String, why: io::Error },
    #[error("{path}, line {line}: {why}; see docs/shutdown-evaluation.md for the columns")]
    Malformed {
        path: String,
        line: u64,
        why: String,
    },
    #[error("{path}: none of its {rows} rows can be replayed{}", first(.left_out))]
    Empty {
        path: String,
        rows: usize,
        left_out: Vec<(String, String)>,
    },
}

fn first(left_out: &[(String, String)]) -> String {
    let first = left_out.first();
    first.map_or_else(String::new, |(id, why)| format!(": {id} because {why}"))
}

impl History {
    /// From a file.
    pub fn open(path: &Path) -> Result<Self, NoHistory> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|why| NoHistory::Unreadable {
            path: name.clone(),
            why,
        })?;
        Self::read(&text, &name)
    }

    /// From its text; `path` is for messages.
    pub fn read(text: &str, path: &str) -> Result<Self, NoHistory> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let mut history = Self::default();
        let mut rows = 0;
        for line in reader.deserialize::<Line>() {
            let line = line.map_err(|error| NoHistory::Malformed {
                path: path.to_owned(),
                line: error.position().map_or(1, csv::Position::line),
                why: error.to_string(),
            })?;
            rows += 1;
            match story(&line) {
                Ok(story) => history.stories.push(story),
                Err(why) => history.left_out.push((line.id, why)),
            }
        }
        if history.stories.is_empty() {
            return Err(NoHistory::Empty {
                path: path.to_owned(),
                rows,
                left_out: history.left_out,
            });
        }
        Ok(history)
    }
}

fn story(line: &Line) -> Result<Story, String> {
    let mut remarks = Vec::new();
    let countries = listed(&line.country_code, "country", Country::new)?;
    let number = |text: &str| text.parse().ok().map(Asn);
    let asns = if line.asns.is_empty() {
        Vec::new()
    } else {
        listed(&line.asns, "network", number)?
    };
    let (cut, class) = class(line, &asns)?;
    let cause = cause(&line.cause)?;
    let control = matches!(line.class.as_str(), "power" | "cable" | "operator");
    // The same row is replayed the same, whatever else is in the file.
    let seed = line.id.bytes().fold(7, |sum: u64, octet| {
        sum.wrapping_mul(131).wrapping_add(octet.into())
    });
    let mut chance = Chance::new(seed, 0x55);
    let when = |text: &str, what| {
        When::read(text)
            .ok_or_else(|| format!("its {what} {text} is neither a date nor a time"))
    };
    if line.start_utc.is_empty() {
        return Err("it says no start".to_owned());
    }
    let from = match when(&line.start_utc, "start")? {
        When::At(at) => at,
        When::On(day) => {
            remarks.push("the hour of the start is drawn".to_owned());
            day + chance.between(0, 23 * 60) * 60
        }
    };
    let until = if line.end_utc.is_empty() {
        let hours = if control { 2.0 } else { 5.5 };
        remarks.push(format!("the end is not known: replayed as {hours} h"));
        from + (hours * 3600.0) as i64
    } else {
        match when(&line.end_utc, "end")? {
            When::At(at) => at,
            When::On(day) if day + DAY <= from => {
                return Err("it ends before it begins".to_owned());
            }
            When::On(day) => {
                remarks.push("the hour of the end is drawn".to_owned());
                // Some time of that day, but after the start.
                (day + chance.between(0, 24 * 60 - 1) * 60).max(from + 3600)
            }
        }
    };
    if until <= from {
        return Err("it ends before it begins".to_owned());
    }
    if until - from > 400 * DAY {
        return Err("it lasts more than 400 days".to_owned());
    }
    if !matches!(line.pattern.as_str(), "" | "single") {
        remarks.push(format!("first event only of: {}", line.pattern));
    }
    Ok(Story {
        id: line.id.clone(),
        kind: if control { Kind::Control } else { Kind::Event },
        countries,
        asns,
        cut,
        class,
        cause,
        from,
        until,
        remarks,
    })
}

fn listed<T>(
    text: &str,
    what: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, String> {
    text.split(';')
        .map(|one| read(one.trim()).ok_or_else(|| format!("{one:?} is no {what}")))
        .collect()
}

/// The file's coarse word in ours.
fn class(line: &Line, asns: &[Asn]) -> Result<(Cut, Class), String> {
    let all = Cut::Everything { percent: 100 };
    if line.scope == "regional" {
        return Ok((Cut::Region, Class::Regional));
    }
    if line.scope == "asn" && asns.is_empty() {
        return Err("its scope is a network, and it names none".to_owned());
    }
    let services = |mobile_only| Cut::Services { mobile_only };
    Ok(match line.class.as_str() {
        "total" if line.scope == "asn" => (Cut::Network, Class::AsnOnly),
        "total" => (all, Class::TotalBlackout),
        "partial" => (Cut::Everything { percent: 60 }, Class::TotalBlackout),
        "international_isolation" => (Cut::Abroad, Class::InternationalIsolation),
        "mobile" => (Cut::Mobile { percent: 100 }, Class::MobileOnly),
        "mobile_partial" => (Cut::Mobile { percent: 60 }, Class::MobileOnly),
        "fixed" => (Cut::Fixed { percent: 100 }, Class::FixedOnly),
        "fixed_partial" => (Cut::Fixed { percent: 60 }, Class::FixedOnly),
        "asn" | "operator" => (Cut::Network, Class::AsnOnly),
        "service" => (services(false), Class::ServiceBlock),
        "service_mobile" => (services(true), Class::ServiceBlock),
        "power" => (Cut::Power, Class::Power),
        "cable" => (Cut::Cable, Class::Cable),
        "throttling" => {
            return Err("heartbeats are too small to show throttling".to_owned());
        }
        other => return Err(format!("its class {other:?} is none that is known")),
    })
}

fn cause(word: &str) -> Result<Cause, String> {
    let known = Cause::ALL.iter().find(|cause| cause.word() == word);
    known
        .copied()
        .ok_or_else(|| format!("its cause {word:?} is none that is known"))
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything { percent: 100 } => f.write_str("everything"),
            Self::Everything { percent } => write!(f, "everything at {percent} %"),
            Self::Abroad => f.write_str("abroad"),
            Self::Mobile { percent } => write!(f, "mobile at {percent} %"),
            Self::Fixed { percent } => write!(f, "fixed at {percent} %"),
            Self::Network => f.write_str("network"),
            Self::Region => f.write_str("region"),
            Self::Services { mobile_only: true } => f.write_str("services, mobile"),
            Self::Services { .. } => f.write_str("services"),
            Self::Power => f.write_str("power"),
            Self::Cable => f.write_str("cable"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "id,country_code,scope,area,asns,class,cause,start_utc,end_utc,\
                        time_quality,pattern,asn_quality,source,notes\n";

    fn read(rows: &str) -> Result<History, NoHistory> {
        History::read(&format!("{HEAD}{rows}"), "events.csv")
    }

    #[test]
    fn what_is_not_said_is_drawn_and_remarked() {
        let rows = "A,UG,national,,,total,government,2021-01-13,,q,daily,,,\n\
                    B,AR;UY,national,,,power,power,2019-06-16T10:00Z,2019-06-16,q,,,,\n";
        let history = read(rows).unwrap();
        let [one, two] = history.stories.as_slice() else {
            panic!("{history:?}");
        };
        assert_eq!(one.until - one.from, 19_800);
        assert_eq!(one.remarks.len(), 3, "{one:?}");
        assert_eq!(two.countries.len(), 2);
        assert_eq!(two.kind, Kind::Control);
        assert!(two.until > two.from);
        assert_eq!(read(rows).unwrap().stories, history.stories);
    }

    #[test]
    fn traps_of_curated_lists_are_left_out_with_the_reason() {
        let good = "G,UG,national,,,total,exam,2021-01-13T10:00Z,2021-01-13T11:00Z,q,,,,\n";
        for (row, why) in [
            ("X,UG,national,,,total,exam,,,q,,,,", "no start"),
            (
                "X,UG,national,,,total,exam,2021-01-13T10:00Z,2021-01-12,q,,,,",
                "ends before",
            ),
            (
                "X,UG,national,,,total,exam,2021-01-13T10:00Z,2021-01-13T09:00Z,q,,,,",
                "ends before",
            ),
            (
                "X,UG,national,,,slow,exam,2021-01-13T10:00Z,,q,,,,",
                "class \"slow\"",
            ),
            (
                "X,Uganda,national,,,total,exam,2021-01-13T10:00Z,,q,,,,",
                "no country",
            ),
            (
                "X,UG,asn,,,operator,technical,2021-01-13T10:00Z,,q,,,,",
                "names none",
            ),
            ("X,UG,national,,,total,exam,44166,,q,,,,", "neither a date"),
            (
                "X,UG,national,,,total,boredom,2021-01-13,,q,,,,",
                "cause \"boredom\"",
            ),
        ] {
            let history = read(&format!("{good}{row}\n")).unwrap();
            let said = history.left_out.first().map_or("", |(_, why)| why);
            assert!(said.contains(why), "{row}: {said:?}");
        }
    }

    #[test]
    fn other_files_are_refused_with_what_to_do() {
        let error = History::read("a,b\n1,2\n", "x.csv").unwrap_err();
        assert!(error.to_string().contains("x.csv, line 2"), "{error}");
        let error = read("X,UG,national,,,total,exam,,,q,,,,\n").unwrap_err();
        assert!(error.to_string().contains("no start"), "{error}");
    }
}
