//! Do two probes see the same? What two measurements of one target in one world differ in
//! although both are right; the rest must be equal.
//!
//! The published list (`docs/firmware.md`):
//!
//! 1. times: of start, duration, each step, each reply, and the length of the watch;
//! 2. the measurement's own identity: number, software, driver, network token, control blob,
//!    consent;
//! 3. transaction identifiers and mixed letter case of queries, in the raw octets of replies;
//! 4. labels drawn at random;
//! 5. hop limits, which not every driver sees;
//! 6. amounts of traffic.

use faultline_core::{
    id::MeasurementId,
    measurement::{Driver, Measurement},
    observation::Step,
    time::UnixTime,
    value::Blob,
};

/// Letters of a random label.
const LABEL: usize = 12;

/// A measurement without what the list names.
pub fn normalised(mut measurement: Measurement) -> Measurement {
    let name = crate::run::named(&measurement.target).to_owned();
    measurement.id = MeasurementId::default();
    measurement.started = UnixTime::default();
    measurement.runtime = 0;
    measurement.software.clear();
    measurement.driver = Driver::Simulated;
    measurement.bytes_sent = 0;
    measurement.bytes_received = 0;
    measurement.network = None;
    measurement.control = None;
    measurement.consent = 0;
    for observation in &mut measurement.observations {
        observation.started = 0;
        observation.ended = 0;
        let Step::Lookup(lookup) = &mut observation.step else {
            continue;
        };
        lookup.watched = 0;
        let drawn = label(&lookup.name, &name);
        if drawn.is_some() {
            lookup.name = format!("random.{name}");
        }
        for reply in &mut lookup.replies {
            reply.after = 0;
            reply.hop_limit = None;
            if let Some(Blob(raw)) = &mut reply.raw {
                raw.iter_mut().take(2).for_each(|octet| *octet = 0);
                raw.make_ascii_lowercase();
                if let Some(drawn) = &drawn {
                    blot(raw, drawn.as_bytes());
                }
            }
        }
    }
    measurement
}

/// The random label before a name.
fn label(asked: &str, name: &str) -> Option<String> {
    let (first, rest) = asked.split_once('.')?;
    (first.len() == LABEL && rest == name).then(|| first.to_owned())
}

fn blot(raw: &mut [u8], drawn: &[u8]) {
    for at in 0..raw.len() {
        if let Some(there) = raw.get_mut(at..at + drawn.len())
            && there == drawn
        {
            there.fill(b'x');
        }
    }
}
