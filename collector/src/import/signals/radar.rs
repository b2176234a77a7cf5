//! What did Cloudflare Radar note? The reply of `/client/v4/radar/annotations/outages`: what
//! its editors say of outages that they saw, with a cause where they found one.

use super::{Found, SignalsError, cut, dates, link, rows, word};
use crate::detect::{
    event::{Cause, Class, Location},
    input::{Signal, Watcher},
};
use faultline_core::{
    id::{Asn, Country},
    time::UnixTime,
};
use serde_json::Value;

const WHAT: &str = "Radar's /radar/annotations/outages";

/// Signals of a reply: one for each place that an annotation names.
pub fn read(text: &str, received: UnixTime) -> Result<Found, SignalsError> {
    let mut found = Found::default();
    for (at, row) in rows(text, WHAT, &["result", "annotations"])?
        .iter()
        .enumerate()
    {
        match annotation(row, received) {
            Ok(signals) => found.signals.extend(signals),
            Err(why) => found.leave_out(format!("row {}", at + 1), why),
        }
    }
    Ok(found)
}

fn annotation(row: &Value, received: UnixTime) -> Result<Vec<Signal>, String> {
    let id = word(row.get("id")).filter(|id| !id.is_empty());
    let id = id.ok_or("it has no id")?;
    let time = |key: &str| match row.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let text = value.as_str().unwrap_or_default();
            let at = dates::time(text).ok_or_else(|| format!("{key} is no time: {value}"))?;
            Ok::<_, String>(Some(at))
        }
    };
    let from = time("startDate")?.ok_or("it has no startDate")?;
    let until = time("endDate")?;
    if until.is_some_and(|until| until < from) {
        return Err("it ends before it begins".into());
    }
    let outage = |key| row.get("outage").and_then(|outage| word(outage.get(key)));
    let kind = outage("outageType").unwrap_or_default();
    let reason = outage("outageCause").unwrap_or_default();
    let scope = word(row.get("scope")).unwrap_or_default();
    let parts = [
        word(row.get("description")).unwrap_or_default(),
        scope.clone(),
        kind.clone(),
    ];
    let parts = parts.iter().filter(|part| !part.is_empty());
    let words = parts.cloned().collect::<Vec<_>>().join("; ");
    let places = places(row)?;
    let signals = places.into_iter().map(|location| Signal {
        watcher: Watcher::Radar,
        id: format!("{id} {location}"),
        source: cut(&word(row.get("dataSource")).unwrap_or_default()),
        class: match kind.as_str() {
            "REGIONAL" => Some(Class::Regional),
            "NETWORK" => Some(Class::AsnOnly),
            "PLATFORM" => Some(Class::ServiceBlock),
            _ => None,
        },
        location,
        from,
        until,
        // Editors round to a quarter of an hour or worse.
        precision_s: 900,
        value: None,
        baseline: None,
        cause: cause(&reason),
        words: cut(&words),
        url: word(row.get("linkedUrl")).and_then(|url| link(&url)),
        received,
    });
    Ok(signals.collect())
}

/// Networks where it names some, else countries.
fn places(row: &Value) -> Result<Vec<Location>, String> {
    let list = |key: &str| {
        let list = row.get(key).and_then(Value::as_array);
        list.map_or(&[][..], Vec::as_slice)
    };
    let countries: Vec<Country> = list("locations")
        .iter()
        .filter_map(|code| Country::new(code.as_str()?))
        .collect();
    let asns: Vec<Asn> = list("asns")
        .iter()
        .filter_map(|asn| word(Some(asn))?.parse().ok().map(Asn))
        .collect();
    let places: Vec<Location> = match (asns.as_slice(), countries.as_slice()) {
        ([], countries) => countries.iter().copied().map(Location::Country).collect(),
        (asns, [country]) => {
            let one = |asn: &Asn| Location::NetworkIn(*country, *asn);
            asns.iter().map(one).collect()
        }
        (asns, _) => asns.iter().copied().map(Location::Network).collect(),
    };
    if places.is_empty() {
        return Err("it names no country and no network".into());
    }
    Ok(places)
}

fn cause(word: &str) -> Option<Cause> {
    Some(match word {
        "GOVERNMENT_DIRECTED" => Cause::Government,
        "POWER_OUTAGE" => Cause::Power,
        "CABLE_CUT" => Cause::Cable,
        "WEATHER" => Cause::Weather,
        "MILITARY_ACTION" => Cause::Military,
        "MAINTENANCE" => Cause::Maintenance,
        "CYBERATTACK" | "CYBER_ATTACK" => Cause::Cyber,
        "TECHNICAL_PROBLEM" | "TECHNICAL" | "FIRE" => Cause::Technical,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    #[test]
    fn annotations_become_signals_of_each_place() {
        let text = r#"{"success":true,"errors":[],"result":{"annotations":[
            {"id":"550","dataSource":"ALL","description":"Exams","scope":"nationwide",
             "startDate":"2023-08-06T01:00:00Z","endDate":null,"locations":["SY"],
             "locationsDetails":[{"code":"SY","name":"Syria"}],"asns":[],"asnsDetails":[],
             "eventType":"OUTAGE","linkedUrl":"https://radar.example/550",
             "outage":{"outageCause":"GOVERNMENT_DIRECTED","outageType":"NATIONWIDE"}},
            {"id":"551","startDate":"2023-08-06T04:30:00+03:30","endDate":"2023-08-07T00:00:00Z",
             "locations":["CA"],"asns":[812,813],
             "outage":{"outageCause":"ODD","outageType":"NETWORK"}},
            {"id":"552","startDate":"yesterday","locations":["CA"]},
            {"id":"553","startDate":"2023-08-06T01:00:00Z","locations":[],"asns":[]},
            {"startDate":"2023-08-06T01:00:00Z","locations":["CA"]}]}}"#;
        let found = read(text, NOW).unwrap();
        let places: Vec<_> = found
            .signals
            .iter()
            .map(|s| s.location.to_string())
            .collect();
        assert_eq!(
            places,
            ["country/SY", "country/CA/asn/812", "country/CA/asn/813"]
        );
        let first = &found.signals[0];
        assert_eq!(
            (first.cause, first.class, first.until),
            (Some(Cause::Government), None, None)
        );
        assert_eq!(first.words, "Exams; nationwide; NATIONWIDE");
        assert_eq!(found.signals[1].from, first.from);
        assert_eq!(found.signals[1].class, Some(Class::AsnOnly));
        let why: Vec<_> = found.left_out.iter().map(|(_, why)| why.as_str()).collect();
        assert_eq!(why.len(), 3, "{why:?}");
        assert!(
            why[0].contains("startDate")
                && why[1].contains("no country")
                && why[2].contains("id")
        );
    }
}
