//! Plain lines for people: the target, then one line a step.

use super::describe;
use faultline_core::{
    measurement::{Experiment, Measurement},
    observation::{Observation, Step},
};
use std::io::{self, Write};

/// A measurement as a short list. Text that came from the network is cleaned of control
/// characters: a hostile page must not write to the owner's terminal.
pub fn human(out: &mut dyn Write, measurement: &Measurement) -> io::Result<()> {
    let kind = match measurement.experiment {
        Experiment::Web => "page",
        Experiment::Namespace => "top-level domain",
        Experiment::SpecialNames => "special-use name",
        Experiment::DnsTransparency => "way of the DNS",
        Experiment::Hello => "hello",
        Experiment::Quic => "QUIC",
        Experiment::EncryptedDns => "encrypted DNS",
        Experiment::Ech => "ECH",
        _ => "name",
    };
    writeln!(
        out,
        "{} {kind} {}  ({:.1} s, {} bytes sent, {} received)",
        measurement.started,
        printable(&measurement.target),
        measurement.runtime as f64 / 1e6,
        measurement.bytes_sent,
        measurement.bytes_received,
    )?;
    for seen in &measurement.observations {
        let (step, subject) = describe(&seen.step);
        let time = seen.ended.saturating_sub(seen.started) as f64 / 1000.0;
        writeln!(
            out,
            "  {step:<9} {time:>8.1} ms  {}: {}",
            printable(&subject),
            printable(&end(seen))
        )?;
    }
    for limit in &measurement.limits {
        writeln!(out, "  not whole: {limit:?}")?;
    }
    for setting in &measurement.settings {
        writeln!(out, "  behind: {setting:?} (labelled, never scored)")?;
    }
    Ok(())
}

fn end(seen: &Observation) -> String {
    if let Some(failure) = seen.failure {
        return failure.to_string();
    }
    match &seen.step {
        Step::Lookup(lookup) => {
            let mut addresses: Vec<_> = lookup
                .replies
                .iter()
                .flat_map(|r| &r.addresses)
                .map(ToString::to_string)
                .collect();
            addresses.dedup();
            if addresses.is_empty() {
                addresses.push("answered".into());
            }
            match lookup.replies.len() {
                0 | 1 => addresses.join(" "),
                n => format!("{} ({n} replies)", addresses.join(" ")),
            }
        }
        Step::Handshake(shake) => match &shake.certificate {
            Some(validity) => match validity.failure {
                None => "ok, certificate valid".into(),
                Some(failure) => format!("ok, but {failure}"),
            },
            None => "ok".into(),
        },
        Step::Quic(quic) => match quic.status {
            Some(status) => format!("ok, HTTP/3 status {status}"),
            None => "ok".into(),
        },
        Step::Fetch(fetch) => {
            let title = fetch
                .title
                .as_deref()
                .map(|t| format!(", \"{t}\""))
                .unwrap_or_default();
            let status = fetch.status.unwrap_or_default();
            format!("{status}, {} bytes{title}", fetch.body_length)
        }
        _ => "ok".into(),
    }
}

pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_the_network_can_drive_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\r"), "a\u{fffd}[2Jb\u{fffd}");
    }
}
