//! Does the probe see truly what real servers do? The third rung: unbound, knot and nginx in
//! namespaces, since our own idea of a protocol must not be its only judge.

mod messages;
mod stage;

use crate::{Entered, leave, possible};
use faultline_core::observation::{DnsTransport, Observation, Step};
use faultline_core::time::ClockQuality;
use faultline_internet::live::{find, plan};
use faultline_internet::run::{Finding, differences};
use faultline_internet::scenario::{Expect, Experiment, Measure};
use libtest_mimic::{Failed, Trial};
use stage::{BLOCKPAGE, HONEST, RESOLVER, Stage, ZONE};
use std::sync::Arc;

type Check = fn() -> Result<(), Failed>;

/// All trials.
pub(crate) fn trials(entered: &Entered) -> Vec<Trial> {
    let checks: [(&str, Check); 11] = [
        ("an_honest_world_is_ok", an_honest_world_is_ok),
        ("unbound_denies_a_name", unbound_denies),
        ("unbound_redirects_to_a_blockpage", unbound_redirects),
        ("unbound_refuses", unbound_refuses),
        ("unbound_says_nothing", unbound_says_nothing),
        (
            "nginx_is_down_or_refuses_or_does_not_know_the_name",
            outages,
        ),
        ("a_truncated_answer_is_asked_again_over_tcp", truncated),
        ("the_zone_that_is_printed_passes_unbound", zone_passes),
        ("unbound_has_a_namespace_of_its_own", own_namespace),
        ("unbound_is_reached_over_tls_and_http_2", encrypted),
        (
            "messages_are_read_as_another_witness_reads_them",
            messages::check,
        ),
    ];
    let trial = |(name, check): (&str, Check)| {
        let entered = Arc::clone(entered);
        Trial::test(format!("server_{name}"), move || {
            if let Some(package) = stage::missing() {
                println!("skipped: no {package} here (apt-get install {package})");
                return Ok(());
            }
            if possible(&entered) { check() } else { Ok(()) }
        })
    };
    checks.into_iter().map(trial).collect()
}

fn an_honest_world_is_ok() -> Result<(), Failed> {
    let stage = Stage::new("")?;
    for target in ["https://news.example/", "http://news.example/"] {
        expect(&stage, Experiment::Web, target, "ok", None)?;
    }
    for (name, outcome) in [
        ("news.example", "ok"),
        ("alias.example", "ok"),
        ("nobody.example", "down"), // denied to everybody, with proof
        ("www.bogus.example", "down"), // to everybody who validates
    ] {
        expect(&stage, Experiment::DnsConsistency, name, outcome, None)?;
    }
    Ok(())
}

fn unbound_denies() -> Result<(), Failed> {
    let stage = Stage::new("  local-zone: \"news.example.\" always_nxdomain\n")?;
    lied_about(&stage, "dns.nxdomain")
}

fn unbound_redirects() -> Result<(), Failed> {
    let stage = Stage::new(&format!(
        "  local-zone: \"news.example.\" redirect\n  \
         local-data: \"news.example. A {BLOCKPAGE}\"\n"
    ))?;
    lied_about(&stage, "dns.hijack.blockpage")
}

fn unbound_refuses() -> Result<(), Failed> {
    let stage = Stage::new("  local-zone: \"news.example.\" refuse\n")?;
    lied_about(&stage, "dns.refused")
}

fn unbound_says_nothing() -> Result<(), Failed> {
    let stage = Stage::new("  local-zone: \"news.example.\" deny\n")?;
    // Silence of one resolver is no accusation by itself.
    let dns = Experiment::DnsConsistency;
    expect(&stage, dns, "news.example", "inconclusive", None)?;
    expect(&stage, dns, "forbidden.example", "ok", None)
}

/// About this name, and about no other.
fn lied_about(stage: &Stage, mechanism: &str) -> Result<(), Failed> {
    let dns = Experiment::DnsConsistency;
    expect(stage, dns, "news.example", "anomaly", Some(mechanism))?;
    expect(stage, dns, "forbidden.example", "ok", None)
}

fn outages() -> Result<(), Failed> {
    let stage = Stage::new("")?;
    for (target, outcome) in [
        ("https://dark.example/", "down"),
        ("https://unknown.example/", "down"),
        ("https://forbidden.example/", "ok"),
    ] {
        expect(&stage, Experiment::Web, target, outcome, None)?;
    }
    Ok(())
}

fn truncated() -> Result<(), Failed> {
    let stage = Stage::new("")?;
    let finding = measure(&stage, Experiment::DnsConsistency, "many.example")?;
    let addresses = |transport| -> Vec<usize> {
        let observations = finding.measurement.observations.iter();
        let over = observations.filter_map(|o| asked(o, transport));
        over.collect()
    };
    assert!(
        addresses(DnsTransport::Tcp).contains(&120),
        "all over TCP: {:?}",
        addresses(DnsTransport::Tcp)
    );
    assert!(!addresses(DnsTransport::Udp).contains(&120));
    expect(
        &stage,
        Experiment::DnsConsistency,
        "many.example",
        "ok",
        None,
    )
}

/// What `faultline-collector test-zone` prints, served by knot, signed, and asked of unbound.
fn zone_passes() -> Result<(), Failed> {
    let stage = Stage::new("")?;
    for check in faultline_core::trace::Check::ALL {
        let target = faultline_core::trace::target(&check.name(ZONE));
        expect(&stage, Experiment::DnsTransparency, &target, "ok", None)?;
    }
    Ok(())
}

fn own_namespace() -> Result<(), Failed> {
    let (names, special) = (Experiment::Namespace, Experiment::SpecialNames);
    let honest = Stage::new("")?;
    expect(&honest, names, "example.", "ok", None)?;
    expect(&honest, names, "geek.", "ok", None)?;
    for target in ["invalid.", "alt.", "localhost."] {
        expect(&honest, special, target, "ok", None)?;
    }
    let stage = Stage::new(&format!(
        "  local-zone: \"example.\" always_nxdomain\n  \
         local-zone: \"geek.\" static\n  local-data: \"geek. NS ns.geek.\"\n  \
         local-zone: \"alt.\" redirect\n  local-data: \"alt. A {BLOCKPAGE}\"\n"
    ))?;
    expect(
        &stage,
        names,
        "example.",
        "anomaly",
        Some("namespace.removed"),
    )?;
    expect(&stage, names, "geek.", "anomaly", Some("namespace.added"))?;
    expect(&stage, special, "alt.", "anomaly", Some("special.answered"))?;
    expect(&stage, special, "invalid.", "ok", None)
}

/// Unbound speaks no HTTP older than version 2.
fn encrypted() -> Result<(), Failed> {
    let stage = Stage::new("")?;
    let target = format!("resolver:{RESOLVER}@{HONEST}");
    let finding = measure(&stage, Experiment::EncryptedDns, &target)?;
    let both = [
        &finding.control.observations,
        &finding.measurement.observations,
    ];
    for seen in both {
        for (transport, port, protocol) in [
            (DnsTransport::Tls, 853, None),
            (DnsTransport::Https, 443, Some("h2")),
        ] {
            let answered = |seen: &Observation| {
                matches!(&seen.step, Step::Lookup(lookup)
                    if lookup.transport == transport && !lookup.replies.is_empty())
            };
            assert!(seen.iter().any(answered), "{transport:?}: {seen:?}");
            let agreed = |seen: &Observation| {
                matches!(&seen.step, Step::Handshake(shake)
                    if shake.port == port && shake.alpn.as_deref() == protocol)
            };
            assert!(seen.iter().any(agreed), "{transport:?}: {seen:?}");
        }
    }
    expect(&stage, Experiment::EncryptedDns, &target, "ok", None)
}

/// How many addresses an answer about `many.example` held.
fn asked(observation: &Observation, over: DnsTransport) -> Option<usize> {
    match &observation.step {
        Step::Lookup(lookup)
            if lookup.transport == over
                && lookup.rtype == 1
                && lookup.name == "many.example" =>
        {
            Some(lookup.replies.first()?.addresses.len())
        }
        _ => None,
    }
}

fn measure(stage: &Stage, experiment: Experiment, target: &str) -> Result<Finding, Failed> {
    let plan = plan(&stage.world);
    let wanted = Measure {
        experiment,
        target: target.to_owned(),
    };
    let clock = (0, ClockQuality::Ntp);
    let plans = (&plan, &plan);
    Ok(find(
        &stage.internet,
        &stage.world,
        plans,
        clock,
        7,
        &wanted,
    )?)
}

fn expect(
    stage: &Stage,
    experiment: Experiment,
    target: &str,
    outcome: &str,
    mechanism: Option<&str>,
) -> Result<(), Failed> {
    let finding = measure(stage, experiment, target)?;
    let expected = Expect {
        outcome: outcome.to_owned(),
        mechanism: mechanism.map(str::to_owned),
        layer: mechanism.map(|_| "dns".to_owned()),
        reason: None,
    };
    let wrong = differences(&expected, &finding.verdict);
    if wrong.is_empty() {
        return Ok(());
    }
    let mut report = format!("{target}: {}\n", wrong.join("; "));
    for (side, observations) in [
        ("vantage", &finding.control.observations),
        ("probe", &finding.measurement.observations),
    ] {
        for observation in observations {
            report.extend([side, " ", &serde_json::to_string(observation)?, "\n"]);
        }
    }
    report += &serde_json::to_string(&finding.verdict)?;
    let name = format!("server_{}", target.replace('/', "_"));
    report += &leave(&name, &stage.internet.capture());
    Err(report.into())
}
