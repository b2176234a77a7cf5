//! What do QUIC and encrypted DNS cost, in octets and in time, and what does a port hear that
//! stays open?

use faultline_core::{observation::Step, time::ClockQuality};
use faultline_internet::{
    clock::SimClock,
    entropy::Seeded,
    network::SimNetwork,
    run::{self, run},
    scenario::Scenario,
    world::{NEUTRAL, World as Internet},
};
use faultline_probe::{
    experiment::{Outcome, Plan, World, ask_names, web},
    net::Clock as _,
};
use std::{cell::RefCell, path::Path, sync::Arc};

fn scenario(case: &str) -> Scenario {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    Scenario::read(&root.join(format!("{case}.toml"))).unwrap()
}

fn costs(cases: &[(&str, u64)]) {
    for (case, most) in cases {
        for finding in run(&scenario(case)).unwrap() {
            let seen = &finding.measurement;
            let seconds = seen.runtime as f64 / 1e6;
            let (sent, received) = (seen.bytes_sent, seen.bytes_received);
            println!("{case}: {sent} octets sent, {received} received, {seconds:.1} s");
            assert!(sent + received < *most, "{case}: {}", sent + received);
        }
    }
}

#[test]
fn what_a_target_costs_over_quic() {
    costs(&[
        ("benign/quic_clean", 5_000),
        ("benign/quic_not_offered", 1_000),
        ("benign/quic_firewall", 60_000),
        ("blocking/quic_sni", 45_000),
        ("blocking/quic_version_at_address", 50_000),
        ("blocking/quic_address", 50_000),
        ("blocking/quic_version_forged", 20_000),
        ("blocking/quic_closed", 20_000),
    ]);
}

#[test]
fn what_a_resolver_costs_over_encrypted_transports() {
    costs(&[
        ("benign/encrypted_clean", 10_000),
        ("benign/encrypted_no_doq", 6_000),
        ("benign/encrypted_down", 1_000),
        ("benign/encrypted_port_firewall", 60_000),
        ("blocking/dot_port_of_one", 10_000),
        ("blocking/doh_sni_reset", 10_000),
        ("blocking/doq_sni", 50_000),
        ("blocking/resolver_address", 60_000),
    ]);
}

/// Replies to lookups of the name at the network's resolver, and how long its ports were open.
fn heard(seen: &[faultline_core::observation::Observation]) -> (usize, u64) {
    let lookups = seen.iter().filter_map(|seen| match &seen.step {
        Step::Lookup(lookup) if lookup.name == "news.example" && lookup.rtype == 1 => {
            Some(lookup).filter(|lookup| lookup.resolver.is_some_and(|ip| ip.0 == OWN))
        }
        _ => None,
    });
    lookups.fold((0, 0), |(replies, watched), lookup| {
        (replies + lookup.replies.len(), watched.max(lookup.watched))
    })
}

const OWN: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(20, 1, 0, 53));

#[test]
fn a_true_answer_is_heard_until_five_seconds_after_a_forged_one() {
    let (mut by_half_a_second, mut by_five, mut told) = (0, 0, 0);
    for thinks in (100..6000).step_by(200) {
        let mut slow = scenario("dns/injector_true_answer_late");
        slow.resolver[0].thinks_ms = thinks;
        let finding = &run(&slow).unwrap()[0];
        let seen = &finding.measurement.observations;
        let (replies, watched) = heard(seen);
        // The forged one needs 20 ms one way, the true one 40 and what the resolver thinks.
        assert_eq!(replies, if thinks < 5000 { 2 } else { 1 }, "{thinks} ms");
        // Where two have come, nobody waits for a third.
        let waited = watched == 5_000_000;
        assert_eq!(waited, thinks >= 500, "{thinks} ms: {watched} us");
        assert!(finding.measurement.runtime < 5_100_000);
        by_half_a_second += u8::from(thinks < 500);
        by_five += u8::from(replies == 2);
        told += u8::from(run::differences(&slow.expect, &finding.verdict).is_empty());
    }
    println!(
        "of 30 true answers up to 6 s late: {by_half_a_second} heard in 0.5 s, {by_five} in 5 s; \
         {told} told to be late"
    );
    assert_eq!((by_half_a_second, by_five, told), (2, 25, 23));
}

#[test]
fn nobody_waits_for_what_is_late_where_answers_agree() {
    for (case, most) in [
        ("benign/doh_control", 700_000),
        ("benign/clean_dns", 700_000),
    ] {
        let finding = &run(&scenario(case)).unwrap()[0];
        let runtime = finding.measurement.runtime;
        assert!(runtime < most, "{case}: {runtime} us");
    }
}

#[test]
fn listening_beside_a_page_costs_no_time() {
    let mut slow = scenario("dns/injector_true_answer_late");
    slow.resolver[0].thinks_ms = 3000;
    // Nothing to compare with: on its own the answer is not suspicious.
    slow.resolver.truncate(1);
    slow.site[0].thinks_ms = 6000;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (names, took, page) = runtime.block_on(async {
        let internet = Arc::new(Internet::new(&slow).unwrap());
        let net = SimNetwork::probe(&internet, &slow.probe, 7);
        let clock = SimClock::new(0, ClockQuality::Ntp);
        let entropy = RefCell::new(Seeded::new(7, 0x22));
        let world = World {
            net: &net,
            clock: &clock,
            entropy: &entropy,
        };
        let mut plan = Plan::new(Arc::clone(&internet.roots), NEUTRAL);
        run::fill(&mut plan, &slow, &internet);
        // Its name would be asked of the slow resolver.
        plan.captive = None;
        let started = clock.now();
        let mut names = ask_names(&world, &plan, "news.example").await;
        let early = clock.now().since(started);
        assert!(early.as_millis() < 1000, "{early:?}");
        assert_eq!(heard(names.observations()).0, 1);
        // A page at its own address, since the forged one leads nowhere.
        let page = names
            .beside(Box::pin(web(&world, &plan, "http://21.1.0.80/", None)))
            .await;
        let after = clock.now();
        names.settle().await;
        assert_eq!(clock.now(), after, "nobody waited");
        let took = after.since(started);
        let names: Outcome = names.finish();
        (names, took, page)
    });
    assert_eq!(heard(&names.observations), (2, 5_000_000));
    assert!(page.runtime > 6_000_000 && took.as_micros() < u128::from(page.runtime) + 700_000);
    assert!(names.runtime < 5_100_000, "the page is no part of it");
}
