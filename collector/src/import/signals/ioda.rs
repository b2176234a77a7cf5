//! What did IODA see? Replies of its API, version 2: `/v2/outages/alerts`, and
//! `/v2/outages/events` in both formats, `codf` and `ioda` (InetIntel/ioda-api). An alert says
//! only that something began or is normal again; what began goes on until then.

use super::{Found, SignalsError, cut, number, rows, word};
use crate::detect::{
    event::Location,
    input::{Signal, Watcher},
};
use faultline_core::{
    id::{Asn, Country},
    time::UnixTime,
};
use serde_json::Value;
use std::collections::BTreeMap;

const WHAT: &str = "IODA's /v2/outages/alerts or /v2/outages/events";

/// Signals of a reply.
pub fn read(text: &str, received: UnixTime) -> Result<Found, SignalsError> {
    let mut found = Found::default();
    let mut alerts = Vec::new();
    for (at, row) in rows(text, WHAT, &["data"])?.iter().enumerate() {
        let place = format!("row {}", at + 1);
        let kept = if row.get("level").is_some() {
            alert(row).map(|alert| alerts.push(alert))
        } else {
            event(row, received).map(|signal| found.signals.push(signal))
        };
        if let Err(why) = kept {
            found.leave_out(place, why);
        }
    }
    pair(alerts, received, &mut found.signals);
    Ok(found)
}

struct Alert {
    location: Location,
    source: String,
    at: UnixTime,
    level: String,
    value: Option<f64>,
    history: Option<f64>,
}

fn alert(row: &Value) -> Result<Alert, String> {
    let level = word(row.get("level")).unwrap_or_default();
    if !matches!(level.as_str(), "normal" | "warning" | "critical") {
        return Err(format!(
            "level {level:?} is none of normal, warning, critical"
        ));
    }
    Ok(Alert {
        location: entity(row)?,
        source: source(row),
        at: time(row, "time")?,
        level,
        value: number(row.get("value")),
        history: number(row.get("historyValue")),
    })
}

/// From the first alert of a place and source to the next that says normal.
fn pair(mut alerts: Vec<Alert>, received: UnixTime, signals: &mut Vec<Signal>) {
    alerts.sort_by_key(|alert| alert.at);
    let mut open: BTreeMap<(Location, String), usize> = BTreeMap::new();
    for alert in alerts {
        let key = (alert.location.clone(), alert.source.clone());
        let normal = alert.level == "normal";
        match (open.get(&key).copied(), normal) {
            (Some(at), true) => {
                if let Some(signal) = signals.get_mut(at) {
                    signal.until = Some(alert.at);
                }
                open.remove(&key);
            }
            (Some(at), false) => {
                // It got worse: that is the same event.
                if let Some(signal) = signals.get_mut(at)
                    && alert.value < signal.value
                {
                    signal.value = alert.value;
                    signal.baseline = alert.history;
                    signal.words.clone_from(&alert.level);
                }
            }
            // Normal again after something that is not in this reply.
            (None, true) => {}
            (None, false) => {
                open.insert(key, signals.len());
                signals.push(Signal {
                    watcher: Watcher::Ioda,
                    id: format!(
                        "alert {} {} {}",
                        alert.source,
                        alert.location,
                        alert.at.secs()
                    ),
                    precision_s: precision(&alert.source),
                    source: alert.source,
                    location: alert.location,
                    from: alert.at,
                    until: None,
                    value: alert.value,
                    baseline: alert.history,
                    class: None,
                    cause: None,
                    words: alert.level,
                    url: None,
                    received,
                });
            }
        }
    }
}

fn event(row: &Value, received: UnixTime) -> Result<Signal, String> {
    let codf = row.get("location").is_some();
    let location = if codf {
        let text = word(row.get("location")).unwrap_or_default();
        let (kind, code) = text.split_once('/').unwrap_or_default();
        place(kind, code)?
    } else {
        entity(row)?
    };
    let from = time(row, if codf { "start" } else { "from" })?;
    let until = if codf {
        let lasted = number(row.get("duration")).filter(|seconds| *seconds >= 0.0);
        lasted.map(|seconds| UnixTime(from.0.saturating_add((seconds * 1e6) as i64)))
    } else {
        match row.get("until") {
            None | Some(Value::Null) => None,
            Some(_) => Some(time(row, "until")?),
        }
    };
    if until.is_some_and(|until| until < from) {
        return Err("it ends before it begins".into());
    }
    let source = source(row);
    let score = number(row.get("score"));
    let method = word(row.get("method")).unwrap_or_default();
    let words = match score {
        Some(score) => format!("score {score:.0}, method {method}"),
        None => format!("method {method}"),
    };
    Ok(Signal {
        watcher: Watcher::Ioda,
        id: format!("event {source} {location} {}", from.secs()),
        precision_s: precision(&source),
        source,
        location,
        from,
        until,
        value: number(row.get("fraction")),
        baseline: None,
        class: None,
        cause: None,
        words: cut(&words),
        url: None,
        received,
    })
}

fn source(row: &Value) -> String {
    cut(&word(row.get("datasource")).unwrap_or_default())
}

fn entity(row: &Value) -> Result<Location, String> {
    let of = |key| word(row.get("entity").and_then(|entity| entity.get(key)));
    match (of("type"), of("code")) {
        (Some(kind), Some(code)) => place(&kind, &code),
        _ => Err("it does not say where: entity with type and code is missing".into()),
    }
}

/// Their words for places in ours. Their regions have numbers of their own.
fn place(kind: &str, code: &str) -> Result<Location, String> {
    let asn = |text: &str| text.trim_start_matches("AS").parse().ok().map(Asn);
    let found = match kind {
        "country" => Country::new(code).map(Location::Country),
        "asn" => asn(code).map(Location::Network),
        "geoasn" => code
            .split_once('-')
            .and_then(|(number, country)| asn(number).zip(Country::new(country)))
            .map(|(asn, country)| Location::NetworkIn(country, asn)),
        "continent" | "region" | "county" => {
            return Err(format!("a {kind} of theirs is no place of ours: {code}"));
        }
        _ => None,
    };
    found.ok_or_else(|| format!("{kind}/{code} is no country, asn or geoasn"))
}

fn time(row: &Value, key: &str) -> Result<UnixTime, String> {
    let seconds =
        number(row.get(key)).ok_or_else(|| format!("{key} is no number of seconds"))?;
    // 2000 to 2100, or it is something else.
    if !(946_684_800.0..4_102_444_800.0).contains(&seconds) {
        return Err(format!("{key} is no time in seconds since 1970: {seconds}"));
    }
    Ok(UnixTime::from_secs(seconds as i64))
}

/// Seconds between two values of a source.
fn precision(source: &str) -> u32 {
    match source {
        "bgp" | "merit-nt" => 300,
        s if s.starts_with("ping-slash24") => 600,
        s if s.starts_with("gtr") => 1800,
        "overall" => 600,
        _ => 3600,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    #[test]
    fn alerts_become_what_began_and_ended() {
        let alert = |time: i64, level: &str, value: u32, code: &str| {
            format!(
                r#"{{"datasource":"bgp","entity":{{"type":"country","code":"{code}","name":"X"}},"time":{time},"level":"{level}","condition":"< 0.99","value":{value},"historyValue":100,"method":"median"}}"#
            )
        };
        let text = format!(
            r#"{{"type":"outages.alerts","error":null,"data":[{},{},{},{},{}]}}"#,
            alert(1_600_000_600, "critical", 20, "XA"),
            alert(1_600_000_000, "warning", 80, "XA"),
            alert(1_600_003_600, "normal", 99, "XA"),
            alert(1_600_000_000, "warning", 70, "XB"),
            alert(1_600_009_000, "critical", 10, "XA"),
        );
        let found = read(&text, NOW).unwrap();
        assert_eq!((found.signals.len(), found.left_out.len()), (3, 0));
        let first = &found.signals[0];
        assert_eq!(first.location.to_string(), "country/XA");
        assert_eq!(first.from.secs(), 1_600_000_000);
        assert_eq!(first.until.map(UnixTime::secs), Some(1_600_003_600));
        assert_eq!((first.value, first.baseline), (Some(20.0), Some(100.0)));
        assert_eq!((first.precision_s, first.words.as_str()), (300, "critical"));
        assert!(found.signals[1].until.is_none() && found.signals[2].until.is_none());
        // What was open is closed by a later reply under the same name.
        let again = read(&text, NOW).unwrap();
        assert_eq!(again.signals[1].id, found.signals[1].id);
    }

    #[test]
    fn events_of_both_formats_say_the_same() {
        let codf = r#"{"data":[{"location":"geoasn/812-CA","location_name":"Rogers","start":1657270800,"duration":72000,"uncertainty":null,"status":0,"fraction":null,"score":12345.6,"method":"median","datasource":"ping-slash24","overlaps_window":true}]}"#;
        let ioda = r#"{"data":[{"from":1657270800,"until":1657342800,"score":12345.6,"alerts":[],"entity":{"type":"geoasn","code":"812-CA"},"datasource":"ping-slash24","method":"median"}]}"#;
        let (codf, ioda) = (read(codf, NOW).unwrap(), read(ioda, NOW).unwrap());
        assert_eq!(codf.signals.len(), 1);
        assert_eq!(codf.signals, ioda.signals);
        assert_eq!(codf.signals[0].location.to_string(), "country/CA/asn/812");
        assert_eq!(codf.signals[0].words, "score 12346, method median");
    }

    #[test]
    fn what_cannot_be_used_is_left_out_with_its_reason() {
        for (row, why) in [
            (
                r#"{"from":1,"until":2,"entity":{"type":"country","code":"XA"}}"#,
                "no time",
            ),
            (
                r#"{"from":1657270800,"until":1657270000,"entity":{"type":"country","code":"XA"}}"#,
                "before",
            ),
            (
                r#"{"from":1657270800,"entity":{"type":"region","code":"1826"}}"#,
                "region",
            ),
            (
                r#"{"from":1657270800,"entity":{"type":"country","code":"Iran"}}"#,
                "no country",
            ),
            (r#"{"from":1657270800}"#, "where"),
            (r#"{"level":"odd","time":1657270800}"#, "level"),
            (
                r#"{"level":"normal","time":"never","entity":{"type":"asn","code":"1"}}"#,
                "seconds",
            ),
            (r#"{"location":"country/XA","start":null}"#, "seconds"),
        ] {
            let found = read(&format!("[{row}]"), NOW).unwrap();
            assert!(found.signals.is_empty(), "{row}");
            assert!(found.left_out[0].1.contains(why), "{:?}", found.left_out);
        }
        assert!(matches!(
            read("<html>", NOW),
            Err(SignalsError::Json { .. })
        ));
        assert!(matches!(
            read("{}", NOW),
            Ok(Found { .. }) | Err(SignalsError::Shape(_))
        ));
        assert!(read("{\"data\":[]}", NOW).unwrap().signals.is_empty());
    }
}
