//! `faultline-probe doctor`: would a measurement work, and if not, what to do?
//!
//! Sends nothing without consent; with it, one request to the collector.

use super::{Exit, consent::terms};
use crate::{
    config::Config,
    consent::Consent,
    identity,
    net::{Clock, Network},
    state::State,
    uplink::Collector,
};
use bytesize::ByteSize;
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
                &format!("{folder}; {waiting} batches wait, {held} bytes in all"),
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
        ClockQuality::Ntp => {
            report.good("clock", &format!("{}, synchronised", clock.unix()))?;
        }

        _ => report.good(
            "clock",
            &format!(
                "{}, no sign of NTP: dates of certificates are judged with care",
                clock.unix()
            ),
        )?,
    }
    let attached = net.attach();
    match (attached.vpn, config.line_is_tunnel) {
        (false, _) => report.good("network", "no VPN seen")?,
        (true, true) => report.good("network", "through a tunnel, which is the line")?,
        (true, false) => report.note(
            "network",
            "packets leave through a tunnel: results are labelled as taken behind a VPN and \
             never scored; set line_is_tunnel = true if the line itself is one (PPPoE)",
        )?,
    }
    match net.announced_resolvers().as_slice() {
        [] => report.bad("resolvers", "the network announced none (no resolv.conf?)")?,
        some => {
            let some: Vec<_> = some.iter().map(ToString::to_string).collect();
            report.good("resolvers", &some.join(", "))?;
        }
    }
    let left = ByteSize(state.budget(config).left(clock.unix()));
    if left.as_u64() == 0 {
        report.bad("budget", "spent for today; measuring goes on tomorrow")?;
    } else {
        let text = format!(
            "{} of {} are left today",
            left.display().si(),
            config.budget.display().si()
        );
        report.good("budget", &text)?;
    }
    let consent = Consent::read(&state.consent());
    match (&consent, collector) {
        (Err(e), _) => report.bad("consent", &e.to_string())?,
        (Ok(given), None) => {
            report.good("consent", &terms(given))?;
            report.good("collector", "none set; results stay on this machine")?;
        }
        (Ok(given), Some(collector)) => {
            report.good("consent", &terms(given))?;
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
    /// Nothing is wrong, but what is measured counts for less.
    fn note(&mut self, what: &str, text: &str) -> std::io::Result<()> {
        writeln!(self.out, "note  {what:<10} {text}")
    }
    fn bad(&mut self, what: &str, text: &str) -> std::io::Result<()> {
        self.worst = Exit::Failed;
        writeln!(self.out, "WRONG {what:<10} {text}")
    }
}
