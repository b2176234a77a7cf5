//! What do the pages of blocking waves show? Counts of probes, no line of which is about fewer
//! than three of ours, nor tells by a difference what is held back.

use super::{
    ask::{Ask, Page, of_all},
    pages::{date, parse_country, rounded},
    refused::Refused,
    tally::{held_back, least},
};
use crate::{
    detect::wave::{Account, DETECTOR, Hour, Sum, Wave, WaveId},
    score::cell::{Source, day},
};
use axum::{extract::Path, response::Response};
use faultline_core::time::UnixTime;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn waves(mut ask: Ask) -> Result<Response, Refused> {
    let wanted = ask.part();
    if wanted.from.is_some() || wanted.until.is_some() {
        return Err(Refused::bad_query(
            "waves are listed whole, or of one country",
        ));
    }
    let country = wanted.country.as_deref().map(parse_country).transpose()?;
    let key = format!("waves {country:?}");
    ask.reply(key, "waves", of_all, move |page| {
        let mut watch = page.service.scores.watch();
        let category = |target: &str| page.service.category(target);
        let found = watch.waves(&category).to_vec();
        let of = |wave: &&Wave| country.is_none_or(|country| wave.country == country);
        let found = found.iter().filter(of);
        let lines = found.map(|wave| {
            page.brief(wave, &watch.account(wave), &|number| {
                watch.target_text(number).to_owned()
            })
        });
        Ok(json!({
            "simulated": page.simulated(),
            "detector": DETECTOR,
            "waves": lines.collect::<Vec<_>>(),
        }))
    })
    .await
}

pub(super) async fn wave(ask: Ask, Path(id): Path<String>) -> Result<Response, Refused> {
    let id: WaveId = id.parse().map_err(|_| {
        Refused::bad_query("the name of a wave is 26 digits and letters: /v1/waves lists them")
    })?;
    ask.reply(format!("wave {id}"), "target_lines", of_all, move |page| {
        let mut watch = page.service.scores.watch();
        let category = |target: &str| page.service.category(target);
        let wave = watch.wave(id, &category);
        let wave =
            wave.ok_or_else(|| Refused::not_found("no such wave: /v1/waves lists them"))?;
        let account = watch.account(&wave);
        let text = |number| watch.target_text(number).to_owned();
        let mut value = page.brief(&wave, &account, &text);
        for (name, more) in page.lines(&wave, &account, &text) {
            value[name] = more;
        }
        value["simulated"] = page.simulated().into();
        value["detector"] = DETECTOR.into();
        Ok(value)
    })
    .await
}

/// The start of an hour.
pub(super) fn time(hour: Hour) -> String {
    UnixTime::from_secs(i64::from(hour) * 3600).to_string()
}

impl Page<'_> {
    /// The waves in which a target is seen blocked by as many probes as may be told.
    pub(super) fn waves_of(&self, target: &str) -> Vec<Value> {
        let mut watch = self.service.scores.watch();
        let category = |target: &str| self.service.category(target);
        let found = watch.waves(&category).to_vec();
        let text = |number| watch.target_text(number).to_owned();
        let lines = found.iter().filter_map(|wave| {
            let is = |number: &&u32| watch.target_text(**number) == target;
            let number = wave.targets.iter().find(is)?;
            let account = watch.account(wave);
            let imported = wave.source == Source::Import;
            let shown = self.shown(imported, &account.targets);
            let told = shown.iter().any(|(shown, _)| *shown == number);
            told.then(|| self.brief(wave, &account, &text))
        });
        lines.collect()
    }

    fn brief(&self, wave: &Wave, account: &Account, text: &dyn Fn(u32) -> String) -> Value {
        let imported = wave.source == Source::Import;
        let count = |those: &BTreeSet<u64>| (!imported).then_some(those.len());
        let categories: BTreeSet<String> = (wave.targets.iter())
            .filter_map(|target| self.service.category(&text(*target)))
            .collect();
        let networks = account
            .networks
            .values()
            .filter(|sum| !sum.blocked.is_empty());
        json!({
            "id": wave.id,
            "state": wave.state,
            "country": wave.country,
            "name": self.service.scores.names.country(wave.country),
            "imported": imported,
            "standing": wave.standing,
            "start": time(wave.start),
            "not_before": wave.before.map(time),
            "raised": time(wave.raised),
            "end": wave.end.map(|(last, _)| time(last)),
            "end_before": wave.end.map(|(_, cleared)| time(cleared)),
            "last": time(wave.last),
            "share": rounded(account.total.share()),
            "probes_blocked": count(&account.total.blocked),
            "probes": count(&account.total.judged),
            "networks": networks.count(),
            "targets": wave.targets.len(),
            "alarms": wave.alarms,
            "categories": categories,
            "mechanisms": account.mechanisms.keys().collect::<Vec<_>>(),
            "direction": account.direction().word(),
        })
    }

    /// What of these sums is public: of imports all.
    fn shown<'a, K: Ord + Clone>(
        &self,
        imported: bool,
        sums: &'a BTreeMap<K, Sum>,
    ) -> Vec<(&'a K, &'a Sum)> {
        let floor = if imported { 0 } else { least(self.open) };
        let held = held_back(
            sums.iter().map(|(key, sum)| (key.clone(), &sum.judged)),
            floor,
        );
        sums.iter()
            .filter(|(key, _)| !held.contains(*key))
            .collect()
    }

    fn lines(
        &self,
        wave: &Wave,
        account: &Account,
        text: &dyn Fn(u32) -> String,
    ) -> Vec<(&'static str, Value)> {
        let imported = wave.source == Source::Import;
        let line = |sum: &Sum, mut line: Value| {
            line["share"] = rounded(sum.share()).into();
            line["probes_blocked"] = json!((!imported).then_some(sum.blocked.len()));
            line["probes"] = json!((!imported).then_some(sum.judged.len()));
            line
        };
        let networks = self.shown(imported, &account.networks).into_iter();
        let networks: Vec<Value> = networks
            .map(|(asn, sum)| {
                let name = self.service.scores.names.network(*asn);
                line(sum, json!({ "asn": asn, "name": name }))
            })
            .collect();
        let mut targets: Vec<_> = (self.shown(imported, &account.targets).into_iter())
            .map(|(target, sum)| (text(*target), sum))
            .collect();
        targets.sort_by(|a, b| a.0.cmp(&b.0));
        let hidden_targets = account.targets.len() - targets.len();
        let hidden_networks = account.networks.len() - networks.len();
        let targets: Vec<Value> = targets
            .into_iter()
            .map(|(target, sum)| {
                let category = self.service.category(&target);
                line(sum, json!({ "target": target, "category": category }))
            })
            .collect();
        let mut cells: Vec<Value> = Vec::new();
        for target in account.targets.keys() {
            let here = account.cells.range(
                (*target, faultline_core::id::Asn(0))
                    ..=(*target, faultline_core::id::Asn(u32::MAX)),
            );
            let here: BTreeMap<_, Sum> =
                here.map(|((_, asn), sum)| (*asn, sum.clone())).collect();
            for (asn, sum) in self.shown(imported, &here) {
                cells.push(line(sum, json!({ "target": text(*target), "asn": asn })));
            }
        }
        let days = self.shown(imported, &account.days).into_iter();
        let days = days.map(|(at, sum)| line(sum, json!({ "day": date(*at) })));
        let days: Vec<Value> = days.collect();
        let floor = if imported { 0 } else { least(self.open) };
        let mechanisms = account.mechanisms.iter();
        let mechanisms = mechanisms.map(|(mechanism, probes)| {
            let count = (!imported && probes.len() >= floor).then_some(probes.len());
            json!({ "mechanism": mechanism, "probes": count })
        });
        let those = |probes: &BTreeSet<u64>| {
            (!imported && (probes.is_empty() || probes.len() >= floor)).then_some(probes.len())
        };
        let until = wave.end.map_or(wave.last, |(last, _)| last);
        let (since, until) = (day_of(wave.start), day_of(until));
        let evidence = format!(
            "/v1/verdicts?country={}&outcome=anomaly&since={}&until={}",
            wave.country,
            date(since),
            date(until)
        );
        vec![
            ("mechanism_lines", mechanisms.collect()),
            (
                "attribution",
                json!({
                    "direction": account.direction().word(),
                    "on_path": those(&account.on_path),
                    "resolver": those(&account.by_resolver),
                }),
            ),
            ("network_lines", networks.into()),
            ("target_lines", targets.into()),
            ("cells", cells.into()),
            ("days", days.into()),
            (
                "hidden",
                json!({ "networks": hidden_networks, "targets": hidden_targets }),
            ),
            ("evidence", evidence.into()),
        ]
    }
}

fn day_of(hour: Hour) -> i32 {
    day(i64::from(hour) * 3_600_000_000)
}
