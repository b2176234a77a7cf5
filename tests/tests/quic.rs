//! What does a target cost over QUIC, in octets and in time?

use faultline_internet::{run::run, scenario::Scenario};
use std::path::Path;

#[test]
fn what_a_target_costs_over_quic() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    for (case, most) in [
        ("benign/quic_clean", 5_000),
        ("benign/quic_not_offered", 1_000),
        ("benign/quic_firewall", 60_000),
        ("blocking/quic_sni", 45_000),
        ("blocking/quic_version_at_address", 50_000),
        ("blocking/quic_address", 50_000),
        ("blocking/quic_version_forged", 20_000),
        ("blocking/quic_closed", 20_000),
    ] {
        let scenario = Scenario::read(&root.join(format!("{case}.toml"))).unwrap();
        for finding in run(&scenario).unwrap() {
            let seen = &finding.measurement;
            let seconds = seen.runtime as f64 / 1e6;
            let (sent, received) = (seen.bytes_sent, seen.bytes_received);
            println!("{case}: {sent} octets sent, {received} received, {seconds:.1} s");
            assert!(sent + received < most, "{case}: {}", sent + received);
        }
    }
}
