//! A measurement as one document of OONI's: report, test keys, and the verdict that OONI's rules
//! give them.

use super::{super::package::hex, scrub, steps};
use crate::import::ooni::{Document, judge};
use faultline_core::{
    id::{Asn, Country},
    measurement::{ControlReport, Measurement, Setting},
    time::UnixTime,
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, net::IpAddr};

/// A measurement and what the collector knows of it.
pub struct Scene<'a> {
    pub measurement: &'a Measurement,
    /// What the control saw, where it could be had.
    pub control: Option<&'a ControlReport>,
    pub country: Country,
    pub asn: Asn,
    /// Networks of the addresses that were seen.
    pub networks: &'a BTreeMap<IpAddr, Asn>,
    /// Secret of the release.
    pub key: &'a [u8; 32],
    pub simulated: bool,
}

/// The test, in the version by whose rules it is to be read.
const TEST: (&str, &str) = ("web_connectivity", "0.5.28");

/// The document. What OONI's format has no word for is left out: why a handshake with another
/// name was made, bodies, how long a resolver was listened to after it spoke.
pub fn document(scene: &Scene<'_>) -> Value {
    let m = scene.measurement;
    let started = time(m.started);
    let (name, version) = m.software.rsplit_once(' ').unwrap_or(("", &m.software));
    let mut annotations = json!({
        "engine_name": if name.is_empty() { "faultline" } else { name },
        "engine_version": version,
        "origin": "faultline",
    });
    if m.settings.contains(&Setting::Vpn) {
        annotations["network_type"] = "vpn".into();
    }
    if scene.simulated {
        annotations["simulated"] = "true".into();
    }
    let helpers = scene.control.map_or_else(
        || json!({}),
        |control| json!({ "backend": { "address": control.vantage, "type": "faultline" } }),
    );
    let mut document = json!({
        "annotations": annotations,
        "data_format_version": "0.2.0",
        "extensions": { "dnst": 0, "httpt": 0, "netevents": 0, "tcpconnect": 0, "tlshandshake": 0 },
        "input": m.target,
        "input_hashes": [],
        "measurement_start_time": started,
        "options": [],
        "probe_asn": scene.asn.to_string(),
        "probe_cc": scene.country,
        "probe_ip": "127.0.0.1",
        "probe_network_name": "",
        "report_id": report(scene),
        "resolver_asn": "AS0",
        "resolver_ip": "127.0.0.2",
        "resolver_network_name": "",
        "software_name": "faultline",
        "software_version": version,
        "test_helpers": helpers,
        "test_keys": keys(scene),
        "test_name": TEST.0,
        "test_runtime": steps::seconds(m.runtime),
        "test_start_time": started,
        "test_version": TEST.1,
    });
    // OONI's own rules on what stands here now.
    let judged = judge(&Document::new(&document), &|ip| {
        scene.networks.get(&ip).map(|asn| asn.0)
    });
    if let (Ok(Value::Object(verdict)), Some(keys)) = (
        serde_json::to_value(&judged.verdict),
        document["test_keys"].as_object_mut(),
    ) {
        for (key, value) in verdict {
            keys.entry(key).or_insert(value);
        }
    }
    document
}

/// `2026-11-24 12:00:00`, UTC.
fn time(at: UnixTime) -> String {
    let text = at.to_string();
    let (seconds, _) = text.split_once('.').unwrap_or((&text, ""));
    seconds.replace('T', " ")
}

/// A report of its own: nothing ties two measurements together.
fn report(scene: &Scene<'_>) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, scene.key);
    let tag = ring::hmac::sign(&key, &scene.measurement.id.0);
    let tag = hex(tag.as_ref().get(..8).unwrap_or_default());
    let at = time(scene.measurement.started);
    let at: String = at.chars().filter(char::is_ascii_digit).collect();
    let (day, hour) = at.split_at(at.len().min(8));
    format!(
        "{day}T{hour}Z_{}_{}_{}_n1_{tag}",
        TEST.0.replace('_', ""),
        scene.country,
        scene.asn.0
    )
}

fn keys(scene: &Scene<'_>) -> Value {
    let told = steps::tell(scene);
    let mut keys = json!({
        "agent": "redirect",
        "client_resolver": "",
        "retries": null,
        "socksproxy": null,
        "network_events": [],
        "queries": told.queries,
        "requests": told.requests,
        "tcp_connect": told.connects,
        "tls_handshakes": told.handshakes,
        "x_dns_duplicate_responses": told.late,
    });
    if let (Some(control), Value::Object(map)) = (scene.control, &mut keys) {
        map.extend(helper(scene, control));
    } else if let Value::Object(map) = &mut keys {
        map.insert("control".into(), json!({}));
        map.insert(
            "control_failure".into(),
            "unknown_failure: no control".into(),
        );
    }
    keys
}

/// What the control saw, as a test helper says it.
fn helper(scene: &Scene<'_>, report: &ControlReport) -> Map<String, Value> {
    let helped = steps::help(&report.observations);
    let ips = helped.addresses.iter().filter_map(|ip| {
        let asn = scene.networks.get(ip)?;
        Some((ip.to_string(), json!({ "asn": asn.0, "flags": 2 })))
    });
    let infos: Map<String, Value> = ips.collect();
    let control = json!({
        "dns": { "failure": helped.dns_failure, "addrs": helped.addresses },
        "tcp_connect": helped.connects,
        "tls_handshake": helped.handshakes,
        "http_request": helped.page,
        "ip_info": infos,
    });
    let asked = json!({
        "http_request": scrub::url(&report.target),
        "http_request_headers": {},
        "tcp_connect": [],
    });
    let mut keys = Map::new();
    keys.insert("control".into(), control);
    keys.insert("control_failure".into(), Value::Null);
    keys.insert("x_control_request".into(), asked);
    keys
}
