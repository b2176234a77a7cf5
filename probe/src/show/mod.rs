//! How does a person read what the probe saw?

mod human;
mod story;

pub use human::human;
pub(crate) use human::printable;
pub use story::{story, story_csv, story_json, what};

use faultline_core::{dns::RecordType, measurement::Measurement, observation::Step};
use std::io::{self, Write};

/// One measurement as a JSON line, fields as published.
pub fn json(out: &mut dyn Write, measurement: &Measurement) -> io::Result<()> {
    serde_json::to_writer(&mut *out, measurement)?;
    writeln!(out)
}

/// Column names of [`csv`].
pub const CSV_HEADER: &str =
    "measurement,experiment,target,started,index,step,subject,milliseconds,failure";

/// One line an observation (RFC 4180), under [`CSV_HEADER`].
pub fn csv(out: &mut dyn Write, measurement: &Measurement) -> io::Result<()> {
    for (index, seen) in measurement.observations.iter().enumerate() {
        let (step, subject) = describe(&seen.step);
        let failure = seen.failure.map(|f| f.to_string()).unwrap_or_default();
        writeln!(
            out,
            "{},{:?},{},{},{index},{step},{},{:.3},{failure}",
            measurement.id,
            measurement.experiment,
            quoted(&measurement.target),
            measurement.started,
            quoted(&subject),
            seen.ended.saturating_sub(seen.started) as f64 / 1000.0,
        )?;
    }
    Ok(())
}

/// The kind of a step and what it was done to.
pub(crate) fn describe(step: &Step) -> (&'static str, String) {
    match step {
        Step::Lookup(l) => {
            let whom = l
                .resolver_name
                .clone()
                .or(l.resolver.map(|ip| ip.to_string()));
            let whom = whom.unwrap_or_else(|| "the system".into());
            (
                "lookup",
                format!("{} {} of {whom}", l.name, RecordType(l.rtype)),
            )
        }
        Step::Connect(c) => ("connect", endpoint(c.ip.0, c.port)),
        Step::Handshake(h) => {
            let name = h.server_name.as_deref().unwrap_or("no name");
            (
                "handshake",
                format!("{} as {name}", endpoint(h.ip.0, h.port)),
            )
        }
        Step::Quic(q) => {
            let name = q.server_name.as_deref().unwrap_or("no name");
            let version = q.version;
            let way = format!("{} as {name}", endpoint(q.ip.0, q.port));
            ("quic", format!("{way}, version {version:#x}"))
        }
        Step::Fetch(f) => (
            "fetch",
            format!("{} from {}", f.url, endpoint(f.ip.0, f.port)),
        ),
        _ => ("other", "a step that this version does not know".into()),
    }
}

fn endpoint(ip: std::net::IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(ip, port).to_string()
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn csv_fields_are_quoted_where_they_must_be() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
