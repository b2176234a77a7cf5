//! What does a number say in plain words? Keys of messages with parameters, from the
//! evidence alone; `messages/en.json` has the English sentences. Each account says what was
//! seen, what else could explain it, and what is not covered.

use super::{
    estimate::NetworkRate,
    floors::FLOORS,
    indicator::{self, Dimension, SPECS, Spec},
    profile::{DIVIDED, DimensionScore, IndicatorScore, Interval, Profile},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A message to be filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Text {
    /// Which sentence.
    pub key: String,
    /// What goes into it.
    pub params: BTreeMap<String, Value>,
}

impl Text {
    fn new(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            params: BTreeMap::new(),
        }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.params.insert(name.into(), value.into());
        self
    }

    fn number(self, name: &str, value: f64) -> Self {
        self.with(name, rounded(value))
    }
}

/// What is said of one number.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Account {
    /// What was seen.
    pub explanation: Vec<Text>,
    /// What else could explain it.
    pub alternatives: Vec<Text>,
    /// What it does not cover.
    pub not_covered: Vec<Text>,
}

/// To two decimals: more is not known.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Of one indicator.
pub fn indicator(score: &IndicatorScore) -> Account {
    let (a, e) = (&score.assessment, &score.estimate);
    let (id, total) = (a.spec.id.label(), a.total());
    let mut explanation = vec![Text::new(format!("indicator.{id}.what"))];
    if e.published() {
        let deviating = a.deviating();
        let key = if deviating == 0 {
            "seen.none"
        } else {
            "seen.some"
        };
        let seen = Text::new(key)
            .with("networks", a.rates.networks.len())
            .with("targets", a.rates.targets)
            .with("measurements", total.trials);
        explanation.push(if deviating == 0 {
            seen
        } else if a.rates.user_share {
            let of = |of: fn(&NetworkRate) -> bool| {
                a.rates.networks.iter().filter(move |n| of(n)).count()
            };
            let users = a.rates.networks.iter().filter(|n| n.removed || n.added);
            Text::new("seen.users")
                .with("networks", a.rates.networks.len())
                .with("deviating", deviating)
                .with("removed", of(|n| n.removed))
                .with("added", of(|n| n.added))
                .number("percent", 100.0 * users.map(|n| n.weight).sum::<f64>())
        } else {
            seen.with("deviating", deviating)
                .with("deviations", total.deviations)
                .number("percent", 100.0 * a.rates.raw.unwrap_or(0.0))
        });
        explanation.push(if a.evidence.imported {
            Text::new("seen.imported")
        } else {
            Text::new("seen.probes").with("probes", a.rates.probes)
        });
        if deviating > 0 && !nameable(a) {
            explanation.push(Text::new("seen.not_nameable"));
        }
    } else {
        explanation.extend(e.reasons.iter().map(|reason| why(reason, a.spec)));
    }
    Account {
        explanation,
        alternatives: alternatives(a.spec),
        not_covered: vec![Text::new(format!("not_covered.{id}"))],
    }
}

/// Whether enough independent witnesses saw it to say so with a name.
fn nameable(a: &super::assess::Assessment) -> bool {
    let deviating: Vec<_> = a.rates.networks.iter().filter(|n| a.deviates(n)).collect();
    deviating.len() >= FLOORS.naming_networks as usize
        || deviating.iter().any(|n| n.probes >= FLOORS.naming_probes)
}

/// Why a number is not there, with the floor that was missed.
fn why(reason: &str, spec: &Spec) -> Text {
    let text = Text::new(reason);
    let percent = |share: f64| (share * 100.0).round();
    match reason {
        "floor.networks" | "floor.provisional" => text.with("need", FLOORS.networks),
        "floor.networks_without_shares" => text.with("need", FLOORS.networks_without_shares),
        "floor.probes" => text.with("need", FLOORS.probes),
        "floor.user_share" => text.with("need", percent(FLOORS.user_share)),
        "floor.days" if spec.dimension == Dimension::D3 => text.with("need", FLOORS.days_d3),
        "floor.days" => text.with("need", FLOORS.days),
        "floor.targets" => text.with("need", spec.min_targets.max(1)),
        "floor.weight" => text.with("need", percent(FLOORS.weight)),
        "floor.indicators" => text.with("need", FLOORS.indicators),
        _ => text,
    }
}

fn alternatives(spec: &Spec) -> Vec<Text> {
    let id = spec.id.label();
    (1..=spec.known_false_positives.len())
        .map(|at| Text::new(format!("alternative.{id}.{at}")))
        .collect()
}

/// Of one dimension.
pub fn dimension(profile: &Profile, score: &DimensionScore) -> Account {
    let (dimension, e) = (score.dimension, &score.estimate);
    let label = dimension.label();
    let own = || {
        let all = profile.indicators.iter();
        all.filter(move |i| i.assessment.spec.dimension == dimension)
    };
    let mut account = Account {
        explanation: vec![Text::new(format!("dimension.{label}.what"))],
        ..Account::default()
    };
    if let (Some(point), Some((low, high))) = (e.point, e.interval) {
        account.explanation.push(
            Text::new("dimension.value")
                .number("point", point)
                .number("low", low)
                .number("high", high)
                .with("networks", profile.coverage.networks),
        );
        let key = if profile.coverage.user_share.is_some() {
            "dimension.share"
        } else {
            "dimension.share_unknown"
        };
        let share = profile.coverage.user_share.unwrap_or(0.0) * 100.0;
        account
            .explanation
            .push(Text::new(key).with("percent", share.round()));
        let strongest = own()
            .filter_map(|i| Some((i, indicator::weight(i.assessment.spec) * i.estimate.point?)))
            .filter(|(_, part)| *part > 0.0)
            .max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((main, _)) = strongest {
            account.explanation.push(
                Text::new("dimension.main")
                    .with("indicator", main.assessment.spec.id.label())
                    .with("deviating", main.assessment.deviating())
                    .with("networks", main.assessment.rates.networks.len()),
            );
            account
                .explanation
                .push(Text::new(format!("dimension.{label}.people")));
            let deviating = own().filter(|i| i.estimate.point.is_some_and(|p| p > 0.0));
            account.alternatives = deviating
                .flat_map(|i| alternatives(i.assessment.spec))
                .collect();
        } else if absent(profile, high) {
            account.explanation.push(Text::new("dimension.absent"));
        } else {
            account.explanation.push(Text::new("dimension.calm"));
        }
    } else if let (Some(range), Some(interval)) = (e.contested, e.interval) {
        divided(&mut account, profile, dimension, range, interval);
    } else {
        account
            .explanation
            .push(Text::new("dimension.insufficient"));
        let Some(spec) = indicator::of(dimension).next() else {
            return account;
        };
        let reasons = e.reasons.iter();
        account
            .explanation
            .extend(reasons.map(|reason| why(reason, spec)));
    }
    account
        .not_covered
        .push(Text::new(format!("dimension.{label}.not_covered")));
    let missing = own().filter(|i| !i.estimate.published());
    let missing = missing.filter(|i| i.assessment.spec.tier.weight() > 0.0);
    account.not_covered.extend(
        missing.map(|i| Text::new(format!("missing.{}", i.assessment.spec.id.label()))),
    );
    account
}

/// Of a dimension without a point, because its probes disagree too much.
fn divided(
    account: &mut Account,
    profile: &Profile,
    dimension: Dimension,
    range: Interval,
    interval: Interval,
) {
    account.explanation.extend([
        Text::new(DIVIDED)
            .with("networks", profile.coverage.networks)
            .number("low", range.0)
            .number("high", range.1),
        Text::new("divided.interval")
            .number("low", interval.0)
            .number("high", interval.1),
    ]);
    let own = profile.indicators.iter().map(|i| &i.assessment);
    let own = own.filter(|a| a.spec.dimension == dimension && a.published());
    for a in own.filter(|a| a.deviating() > 0) {
        account.explanation.push(
            Text::new("divided.part")
                .with("indicator", a.spec.id.label())
                .with("deviating", a.deviating())
                .with("networks", a.rates.networks.len()),
        );
        account.alternatives.extend(alternatives(a.spec));
    }
}

/// Whether it may be said that nothing was there to be seen.
fn absent(profile: &Profile, high: f64) -> bool {
    let seen = profile.coverage.networks >= FLOORS.absence_networks
        || profile
            .coverage
            .user_share
            .is_some_and(|s| s >= FLOORS.absence_share);
    seen && high <= FLOORS.absence_upper
}

/// The English sentences.
pub const ENGLISH: &str = include_str!("messages/en.json");

/// Sentences by key.
#[derive(Clone, Debug)]
pub struct Messages(BTreeMap<String, String>);

impl Messages {
    /// Reads a message file.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json).map(Self)
    }

    /// Fills a sentence; the key itself where there is none.
    pub fn fill(&self, text: &Text) -> String {
        let sentence = self.0.get(&text.key).unwrap_or(&text.key).clone();
        text.params
            .iter()
            .fold(sentence, |sentence, (name, value)| {
                let value = match value {
                    Value::String(word) => word.clone(),
                    // 12.0 is written 12.
                    number => number
                        .as_f64()
                        .map_or(number.to_string(), |n| n.to_string()),
                };
                sentence.replace(&format!("{{{name}}}"), &value)
            })
    }
}

/// Every key that can be used.
pub fn keys() -> Vec<String> {
    let mut keys: Vec<String> = KEYS.iter().map(|key| (*key).to_owned()).collect();
    for dimension in Dimension::ALL {
        let label = dimension.label();
        keys.extend(
            ["what", "people", "not_covered"].map(|k| format!("dimension.{label}.{k}")),
        );
    }
    for spec in SPECS {
        let id = spec.id.label();
        keys.push(format!("indicator.{id}.title"));
        keys.push(format!("indicator.{id}.what"));
        keys.push(format!("not_covered.{id}"));
        keys.push(format!("missing.{id}"));
        keys.extend(alternatives(spec).into_iter().map(|text| text.key));
    }
    keys
}

const KEYS: &[&str] = &[
    "dimension.absent",
    "dimension.calm",
    "dimension.insufficient",
    "dimension.main",
    "dimension.share",
    "dimension.share_unknown",
    "dimension.value",
    "divided",
    "divided.interval",
    "divided.part",
    "floor.days",
    "floor.indicators",
    "floor.networks",
    "floor.networks_without_shares",
    "floor.not_implemented",
    "floor.probes",
    "floor.provisional",
    "floor.targets",
    "floor.tier_a",
    "floor.user_share",
    "floor.weight",
    "method.disclaimer",
    "seen.imported",
    "seen.none",
    "seen.not_nameable",
    "seen.probes",
    "seen.some",
    "seen.users",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::method::DISCLAIMER;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_has_a_sentence_and_no_sentence_is_left_over() {
        let messages = Messages::parse(ENGLISH).unwrap();
        let there: BTreeSet<&str> = messages.0.keys().map(String::as_str).collect();
        let keys = keys();
        let used: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
        assert_eq!(there, used);
        assert_eq!(messages.0["method.disclaimer"], DISCLAIMER);
        for spec in SPECS {
            assert_eq!(
                messages.0[&format!("indicator.{}.title", spec.id.label())],
                spec.title
            );
        }
    }

    #[test]
    fn keys_stand_in_order() {
        let lines = ENGLISH
            .lines()
            .filter_map(|line| line.trim().split('"').nth(1));
        let lines: Vec<&str> = lines.collect();
        assert!(lines.is_sorted(), "sort messages/en.json by key");
    }

    #[test]
    fn sentences_are_filled() {
        let messages = Messages::parse(ENGLISH).unwrap();
        let text = Text::new("seen.probes").with("probes", 12);
        assert!(messages.fill(&text).contains("12 probes"));
    }
}
