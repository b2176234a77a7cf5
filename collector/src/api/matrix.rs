//! Which targets are blocked in which networks of a country, and on which days? A cell for each
//! target and network with the share of probes that see it blocked, and the same by day (by
//! week, where more than a month is wanted). A probe sees it blocked where most of its looks of
//! the day do; of the whole time its last day counts: a cell says how it is by now.

use super::{
    ask::{Ask, Page, Part},
    pages::{date, parse_country, rounded},
    refused::Refused,
    tally::{held_back, least},
};
use crate::score::{
    cell::{Day, Source},
    floors::FLOORS,
    index::Seen,
};
use axum::{extract::Path, response::Response};
use faultline_core::id::{Asn, Country};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Days that may be asked for.
const LONGEST: Day = 366;
/// Days that are shown one by one.
const MONTH: Day = 31;

/// What one probe saw: looks that found it blocked, less those that did not.
type Balance = BTreeMap<u32, i32>;

#[derive(Default)]
struct Cell {
    /// Of each probe its last day.
    whole: BTreeMap<u32, (Day, i32)>,
    /// By the first day of each step.
    steps: BTreeMap<Day, Balance>,
    mechanisms: BTreeMap<String, u32>,
}

pub(super) async fn matrix(
    mut ask: Ask,
    Path(code): Path<String>,
) -> Result<Response, Refused> {
    let country = parse_country(&code)?;
    let wanted = ask.part();
    if wanted.country.is_some() {
        return Err(Refused::bad_query("the country stands in the path already"));
    }
    let last = ask.service.scores.last((ask.service.now)());
    let (from, until) = days(&wanted, last)?;
    let key = format!("matrix {country} {from} {until}");
    let generation =
        move |s: &super::Service| s.scores.index().generation_in(country, from..=until);
    ask.reply(key, "cells", generation, move |page| {
        page.known(country)?;
        Ok(page.matrix(country, from, until))
    })
    .await
}

/// The days that are wanted.
fn days(wanted: &Part, last: Day) -> Result<(Day, Day), Refused> {
    let read = |name: &str, word: &Option<String>| {
        let of = |word: &String| {
            let at = super::moment::parse(word)
                .ok_or_else(|| Refused::bad_query(format!("{name} is a day: 2027-01-15")));
            at.map(|at| crate::score::cell::day(at.0))
        };
        word.as_ref().map(of).transpose()
    };
    let until = read("until", &wanted.until)?.unwrap_or(last);
    let from = read("from", &wanted.from)?;
    let from = from.unwrap_or(until - FLOORS.window_days as Day + 1);
    if from > until {
        return Err(Refused::bad_query("from is after until"));
    }
    if until - from >= LONGEST {
        return Err(Refused::bad_query(
            "a matrix is of a year at most: ask for less",
        ));
    }
    Ok((from, until))
}

/// Whether a look says blocked; none where it cannot tell.
fn says(seen: &Seen<'_>) -> Option<bool> {
    let kind = seen.kind;
    if !kind.scored || !matches!(kind.experiment, "web" | "dns_consistency") {
        return None;
    }
    match kind.outcome.as_str() {
        "ok" => Some(false),
        "anomaly" if kind.counts => Some(true),
        _ => None,
    }
}

fn blocked(balance: &Balance) -> usize {
    balance.values().filter(|balance| **balance > 0).count()
}

impl Page<'_> {
    fn matrix(&self, country: Country, from: Day, until: Day) -> Value {
        let step = if until - from < MONTH { 1 } else { 7 };
        let scores = &self.service.scores;
        let index = scores.index();
        let mut cells: BTreeMap<(u32, bool), BTreeMap<Asn, Cell>> = BTreeMap::new();
        for seen in index.seen(country, from..=until) {
            let Some(says) = says(&seen) else { continue };
            let imported = seen.source == Source::Import;
            let row = cells.entry((seen.target_number, imported)).or_default();
            let cell = row.entry(seen.asn).or_default();
            let of = if says { 1 } else { -1 };
            // Days come in order.
            let last = cell.whole.entry(seen.probe).or_insert((seen.day, 0));
            let before = if last.0 == seen.day { last.1 } else { 0 };
            *last = (seen.day, before + of);
            let at = from + (seen.day - from) / step * step;
            *cell
                .steps
                .entry(at)
                .or_default()
                .entry(seen.probe)
                .or_default() += of;
            if let (true, Some(mechanism)) = (says, &seen.kind.mechanism) {
                *cell.mechanisms.entry(mechanism.clone()).or_default() += 1;
            }
        }
        let mut lines = Vec::new();
        let (mut targets, mut networks) = (BTreeMap::new(), BTreeSet::new());
        for ((number, imported), row) in cells {
            let Some(target) = index.target(number) else {
                continue;
            };
            let floor = if imported { 0 } else { least(self.open) };
            let probes = |balance: &Balance| balance.keys().copied().collect::<BTreeSet<u32>>();
            let whole: BTreeMap<Asn, BTreeSet<u32>> = row
                .iter()
                .map(|(asn, cell)| (*asn, cell.whole.keys().copied().collect()))
                .collect();
            let held = held_back(whole.iter().map(|(asn, p)| (*asn, p)), floor);
            for (asn, cell) in row.into_iter().filter(|(asn, _)| !held.contains(asn)) {
                let steps: BTreeMap<Day, BTreeSet<u32>> = cell
                    .steps
                    .iter()
                    .map(|(day, b)| (*day, probes(b)))
                    .collect();
                let held = held_back(steps.iter().map(|(day, p)| (*day, p)), floor);
                let steps = cell.steps.iter().filter(|(day, _)| !held.contains(day));
                let steps = steps.map(|(day, balance)| {
                    let share = blocked(balance) as f64 / balance.len().max(1) as f64;
                    json!([day - from, rounded(share)])
                });
                let count = cell
                    .whole
                    .values()
                    .filter(|(_, balance)| *balance > 0)
                    .count();
                let most = cell
                    .mechanisms
                    .iter()
                    .max_by_key(|(word, count)| (**count, std::cmp::Reverse((*word).clone())));
                lines.push((
                    target.text.clone(),
                    asn,
                    json!({
                        "target": target.text,
                        "asn": asn,
                        "imported": imported,
                        "probes": (!imported).then_some(cell.whole.len()),
                        "probes_blocked": (!imported).then_some(count),
                        "share": rounded(count as f64 / cell.whole.len().max(1) as f64),
                        "mechanism": most.map(|(word, _)| word),
                        "steps": steps.collect::<Vec<_>>(),
                    }),
                ));
                networks.insert(asn);
                targets.insert(target.text.clone(), self.service.category(&target.text));
            }
        }
        lines.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let lines = lines.into_iter().map(|(.., line)| line);
        let targets = targets.into_iter();
        let targets =
            targets.map(|(target, category)| json!({ "target": target, "category": category }));
        let networks = networks.into_iter();
        let networks =
            networks.map(|asn| json!({ "asn": asn, "name": scores.names.network(asn) }));
        json!({
            "simulated": self.simulated(),
            "country": country,
            "name": scores.names.country(country),
            "window": { "from": date(from), "to": date(until), "days": until - from + 1 },
            "step_days": step,
            "targets": targets.collect::<Vec<_>>(),
            "networks": networks.collect::<Vec<_>>(),
            "cells": lines.collect::<Vec<_>>(),
        })
    }
}
