//! What does the method say, in full? The executable specification: everything printed here
//! is read from the tables and constants that the scores are computed with.

use super::{
    aggregate::{EPSILON, RUNS},
    floors::FLOORS,
    indicator::{self, SPECS, Spec, Tier},
    posterior::{BETWEEN, DRAWS, WITHIN},
    profile::METHOD,
};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The title.
pub const TITLE: &str = "Fragmentation Evidence Profile";

/// Stands on every page and export.
pub const DISCLAIMER: &str = "Scores summarise technical observations mapped by this project to the dimensions of the IGF PNIF discussion framework. PNIF has not defined or endorsed indicators. D2-T reports technical traces only; it does not assess institutions, law or intent. `insufficient` does not mean `no fragmentation`.";

/// Formulas, by name.
pub const FORMULAS: &[(&str, &str)] = &[
    (
        "votes",
        "a judged page is a trial of U1, U2 and U6 and deviates in the one that its event is of; a judged name is a trial of U1; what is about a service is a trial of U3 alone; down and inconclusive are none",
    ),
    (
        "value",
        "v(target, probe) = days on which most of its measurements deviated / days on which it could tell; 0 where the country saw a deviation of the target on fewer than 2 days (for what is shown of a network: the network did)",
    ),
    (
        "minority",
        "for each target the probes' values are winsorised over the country: k = max(1, ceil(P / 10)), P = probes of the dimension; from below at the value ranked 2k + 1, from above at the mean of those ranked 2k + 1 to 3k + 1 (or to the middle); a target that no more than 4k probes tested is not testable (imports: k = 0)",
    ),
    (
        "network",
        "x_a = mean over testable targets of the median of v over the network's probes (mean where there are two), or over the country's where none of them tested it; a probe counts in the one network where it measured on most days; what is shown of a network, and enters the posterior, is the same with nothing winsorised",
    ),
    (
        "user_share",
        "G3 instead: r = max(A, B / 2), A = share w_a of networks with a confirmed removal, B = with a confirmed addition; confirmed: the same target in the same way on 2 days (other name servers: on 4, or on 2 that are 7 apart), at 2 resolvers (of one measurement, or of 2 probes) and by most probes of the network that tested it; none counts that no more than k probes have seen confirmed; posterior: A and B each as below",
    ),
    (
        "precedence",
        "a deviation of a name (U1, U3) by DNS counts not where a removal of its top-level domain counts in G3 in the same network, if more than 2k probes have seen that domain's removal confirmed",
    ),
    (
        "raw",
        "r = sum w_a x_a over observed networks, w_a = user share, renormalised, at most 1/2; equal where shares are unknown; 0 for a network without users where others' are known",
    ),
    ("score", "s = clamp((r - b) / (h - b), 0, 1)"),
    (
        "aggregate",
        "D = (1 - prod_i (1 - (1 - e) s_i)^w_i) / (1 - e), e = 0.05, weights renormalised over indicators that carry a number",
    ),
    (
        "contested",
        "[low, high] = bounds of D over every replacement of any k of the P probes, of whom nothing is assumed: what they report, of which targets, on which days, in which networks, known or new, or nothing; with what this does to confirmation, to removals that take deviations of names along, minority, testable targets, weights and floors",
    ),
    (
        "divided",
        "no point is published where it could be moved by more than 0.05, that is high - D or D - low; then the contested range is, and the interval; so of two worlds that differ in a tenth of the probes, if both are published, the points differ by no more than 0.05",
    ),
    (
        "posterior",
        "K networks, m = (sum x_a + 1/2) / (K + 1), n_a = min(P_a, 10) / rho; theta_a ~ Beta(x_a n_a + m, (1 - x_a) n_a + 1 - m); unobserved: mu ~ Beta(sum x_a + 1/2, K - sum x_a + 1/2), theta_j ~ Beta(mu q, (1 - mu) q), q = (1 - R) / R; r = sum share theta; without shares r ~ Beta(r n + 1/2, (1 - r) n + 1/2), n = 1 / sum w_a^2; no correction for sensitivity and specificity: uncalibrated, and b removes the background",
    ),
    (
        "interval",
        "5 % and 95 % quantiles of the draws, clipped to contain the point; the lower end is 0 where every x_a is 0, the upper end 1 where every x_a is 1",
    ),
    (
        "method_interval",
        "5 % and 95 % quantiles of the point over weights ~ Dirichlet(50 w), aggregation in {geometric, mean, half maximum and half mean}, h * U(0.7, 1.3), b * U(0.5, 1.5), one indicator and one network left out, each in half of the runs",
    ),
    (
        "bounds",
        "dimension: indicators without a number at s = 0 and at s = 1, weights of the whole dimension; indicator: users of unobserved networks at r = 0 and at r = 1",
    ),
    (
        "grade",
        "A: (K >= 10 or share >= 0.7) and width <= 0.15; B: (K >= 5 or share >= 0.5) and width <= 0.30; C: width <= 0.60; D: else",
    ),
    (
        "change",
        "claimed if P(now > before) or P(now < before) >= 0.95 for windows that do not overlap, same method and indicators, and if it survives leaving out any one network",
    ),
];

/// The whole method for machines.
pub fn document() -> Value {
    let indicators: Vec<Value> = SPECS.iter().map(one).collect();
    json!({
        "method": METHOD,
        "title": TITLE,
        "disclaimer": DISCLAIMER,
        "direction": "0 = no evidence of deviation from the common Internet, 1 = maximal; fixed for ever",
        "floors": FLOORS,
        "constants": {
            "epsilon": EPSILON,
            "draws": DRAWS,
            "method_runs": RUNS,
            "correlation_within_network": WITHIN,
            "correlation_between_networks": BETWEEN,
        },
        "formulas": FORMULAS.iter().map(|(n, f)| json!({ "name": n, "formula": f })).collect::<Vec<_>>(),
        "indicators": indicators,
        "text": text(),
    })
}

fn one(spec: &Spec) -> Value {
    let mut value = json!(spec);
    if let Value::Object(map) = &mut value {
        map.insert("weight".into(), json!(indicator::weight(spec)));
    }
    value
}

/// The whole method for people.
pub fn text() -> String {
    let mut out = format!("{TITLE}, method {METHOD}\n\n{DISCLAIMER}\n\nIndicators\n\n");
    let _ = writeln!(out, "  id  dim  tier  weight      b      h  computed  what");
    for spec in SPECS {
        let tier = if spec.tier == Tier::Context {
            "-".to_owned()
        } else {
            format!("{:?}", spec.tier)
        };
        let _ = writeln!(
            out,
            "  {:<3} {:<4} {:<4}  {:>6.4}  {:>5}  {:>5}  {:<8}  {}",
            spec.id.label(),
            spec.dimension.label(),
            tier,
            indicator::weight(spec),
            spec.b,
            spec.h,
            if spec.implemented { "yes" } else { "not yet" },
            spec.title,
        );
    }
    let _ = writeln!(out, "\nFormulas\n");
    for (name, formula) in FORMULAS {
        let _ = writeln!(out, "  {name}: {formula}");
    }
    let _ = writeln!(out, "\nFloors\n");
    if let Ok(Value::Object(floors)) = serde_json::to_value(FLOORS) {
        for (name, value) in floors {
            let _ = writeln!(out, "  {name}: {value}");
        }
    }
    let _ = writeln!(
        out,
        "\nEvidence beyond the floors, sources, what looks like it and is not\n"
    );
    for spec in SPECS {
        let _ = writeln!(out, "  {}: {}.", spec.id.label(), spec.evidence);
        let _ = writeln!(out, "      sources: {}.", spec.sources.join("; "));
        let _ = writeln!(
            out,
            "      false positives: {}.",
            spec.known_false_positives.join("; ")
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_names_every_indicator_and_the_disclaimer() {
        let (text, json) = (text(), document());
        for spec in SPECS {
            assert!(text.contains(spec.title));
        }
        assert!(text.contains(DISCLAIMER));
        let indicators = json["indicators"].as_array().unwrap();
        assert_eq!(indicators.len(), SPECS.len());
        assert_eq!(indicators[0]["id"], "U1");
        assert_eq!(indicators[0]["dimension"], "d1");
        assert_eq!(json["floors"]["networks"], 3);
    }
}
