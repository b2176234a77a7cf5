//! `faultline-probe doctor`: would a measurement work, and if not, what to do?
//!
//! Sends nothing without consent; with it, one request to the collector.

use super::Exit;
use crate::{
    config::Config,
    consent::Consent,
    identity,
    net::{Clock, Network},
    state::State,
    uplink::Collector,
};
use faultline_core::time::ClockQuality;
use std::io::Write;

pub(super) async fn doctor<N: Network, C: Clock>(
    net: &N,
    clock: &C,
    config: &Config,
    state: &State,
    collector: Option<&Collector>,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let mut report = Report {
        out,
        worst: Exit::Fine,
    };
    let folder = state.folder().display();
    match state
        .look()
        .and_then(|spool| Ok((spool.held()?, spool.waiting()?.len())))
    {
        Ok((held, waiting)) => {
            report.good(
                "folder",
                &format!("{folder}; {waiting} batches wait, {held} bytes"),
            )?;
        }
        Err(e) => report.bad("folder", &e.to_string())?,
    }
    match identity::load(&state.key()) {
        Ok(key) => report.good("key", &format!("this is probe {}", key.public().probe_id()))?,
        Err(identity::IdentityError::File { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            report.good("key", "none yet; drawn at the first measurement")?;
        }
        Err(e) => report.bad("key", &e.to_string())?,
    }
    match clock.quality() {
        ClockQuality::None => report.bad("clock", "not set; certificates cannot be judged")?,
        quality => report.good("clock", &format!("{} ({quality:?})", clock.unix()))?,
    }
    match net.announced_resolvers().as_slice() {
        [] => report.bad("resolvers", "the network announced none (no resolv.conf?)")?,
        some => report.good("resolvers", &format!("{some:?}"))?,
    }
    let left = state.budget(config).left(clock.unix());
    report.good(
        "budget",
        &format!("{left} of {} bytes are left today", config.budget.as_u64()),
    )?;
    let consent = Consent::read(&state.consent());
    match (&consent, collector) {
        (Err(e), _) => report.bad("consent", &e.to_string())?,
        (Ok(given), None) => {
            report.good("consent", &format!("groups {:?}", given.groups))?;
            report.good("collector", "none set; results stay on this machine")?;
        }
        (Ok(given), Some(collector)) => {
            report.good("consent", &format!("groups {:?}", given.groups))?;
            // An empty body is refused in the collector's own words: proof that it is there.
            match collector.reachable(net, clock).await {
                Ok(()) => report.good("collector", "answers")?,
                Err(e) => report.bad("collector", &e.to_string())?,
            }
        }
    }
    Ok(report.worst)
}

struct Report<'a> {
    out: &'a mut dyn Write,
    worst: Exit,
}

impl Report<'_> {
    fn good(&mut self, what: &str, text: &str) -> std::io::Result<()> {
        writeln!(self.out, "ok    {what:<10} {text}")
    }
    fn bad(&mut self, what: &str, text: &str) -> std::io::Result<()> {
        self.worst = Exit::Failed;
        writeln!(self.out, "WRONG {what:<10} {text}")
    }
}
