//! Where the forger stands, what comes late, and what proves nothing.

use super::*;
use ResolverRole::{NonResolverAbroad, NonResolverInside};

const NEUTRAL: &str = "neutral.example";

fn at(role: ResolverRole, address: &str, name: &str, replies: Vec<Reply>) -> Observation {
    let failure = replies.is_empty().then_some(Failure::DnsTimeout);
    let mut lookup = lookup(role, name, replies);
    lookup.resolver = Some(ip(address));
    seen(Step::Lookup(lookup), failure)
}

fn forged() -> Vec<Reply> {
    vec![reply(&[LIE])]
}

fn judged(mut steps: Vec<Observation>) -> Verdict {
    steps.push(answer(Encrypted, &[TRUE]));
    steps.push(answer(Network, &[TRUE]));
    judge(
        &measurement(Experiment::DnsConsistency, steps),
        Some(&good_control()),
        &NoContext,
    )
}

fn says(verdict: &Verdict, rule: Rule) -> bool {
    verdict.reasons.iter().any(|reason| reason.rule == rule)
}

#[test]
fn addresses_on_both_sides_tell_where_the_forger_stands() {
    let name = "news.example";
    let abroad = |replies| at(NonResolverAbroad, "21.7.7.7", name, replies);
    let inside = |address, replies| at(NonResolverInside, address, name, replies);
    let other = Some(Mechanism::DnsInjectionOther);
    let border = judged(vec![
        abroad(forged()),
        inside("20.7.7.7", vec![]),
        inside("20.7.7.8", vec![]),
    ]);
    means(&border, Anomaly, other, Rule::NobodyAnswered);
    means(&border, Anomaly, other, Rule::InjectedAtBorder);
    let within = judged(vec![abroad(forged()), inside("20.7.7.7", forged())]);
    means(&within, Anomaly, other, Rule::InjectedInside);
    assert!(!says(&within, Rule::InjectedAtBorder));
    // One silence may be a lost packet, and none was asked for.
    for unclear in [vec![inside("20.7.7.7", vec![])], vec![]] {
        let verdict = judged([vec![abroad(forged())], unclear].concat());
        means(&verdict, Anomaly, other, Rule::NobodyAnswered);
        assert!(!says(&verdict, Rule::InjectedAtBorder));
    }
    let silent = judged(vec![abroad(vec![]), inside("20.7.7.7", vec![])]);
    means(&silent, Fine, None, Rule::SameAddress);
}

#[test]
fn who_answers_for_a_neutral_name_proves_nothing() {
    for role in [NonResolver, NonResolverInside, NonResolverAbroad] {
        let name = "news.example";
        let steps = |neutral| {
            vec![
                at(role, "21.7.7.7", name, forged()),
                at(role, "21.7.7.7", NEUTRAL, neutral),
            ]
        };
        let alone = judged(steps(vec![]));
        assert_eq!(alone.outcome, Anomaly);
        let runs_one = judged(steps(vec![reply(&["22.1.1.1"])]));
        means(&runs_one, Fine, None, Rule::NobodyAnswersAll);
        // Another address that runs one spoils that one alone.
        let mut both = steps(vec![reply(&["22.1.1.1"])]);
        both.push(at(role, "21.7.7.8", name, forged()));
        both.push(at(role, "21.7.7.8", NEUTRAL, vec![]));
        assert!(says(&judged(both), Rule::NobodyAnswered));
    }
}

#[test]
fn a_true_answer_that_comes_late_is_told() {
    for (after, late) in [
        (100_000, false),
        (500_001, false),
        (500_002, true),
        (4_900_000, true),
    ] {
        let truth = Reply {
            after,
            ..reply(&[TRUE])
        };
        let replies = [forged(), vec![truth]].concat();
        let verdict = judged(vec![at(Public, "21.1.0.53", "news.example", replies)]);
        let other = Some(Mechanism::DnsInjectionOther);
        means(&verdict, Anomaly, other, Rule::Injected);
        assert_eq!(says(&verdict, Rule::LateAnswer), late, "{after}");
    }
}
