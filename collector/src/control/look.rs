//! How does one look go? With the probe's own experiment, within bounds of place, time and
//! size.

use super::{Guarded, Keepout, Question};
use crate::config::Config;
use faultline_core::{
    codec::to_cbor, measurement::ControlReport, observation::Step, time::Duration,
};
use faultline_probe::{
    experiment::{self, Plan, World},
    net::{Clock, Network},
    random::OsEntropy,
    trust::RootCertStore,
};
use std::{cell::RefCell, net::IpAddr, sync::Arc};

/// Addresses of a target that are tried, the control's own and those told to a probe.
pub const TRIED: usize = 8;
/// Longest look.
const LONGEST: Duration = Duration::from_secs(50);
/// Octets of the largest report. It travels inside two measurements of every probe.
const LARGEST: usize = 256 << 10;

/// What the control looks with.
pub struct Eyes<N, C> {
    pub(super) clock: C,
    net: N,
    entropy: RefCell<OsEntropy>,
    plan: Plan,
    vantage: String,
    keepout: Keepout,
    configured: Vec<IpAddr>,
}

impl<N: Network, C: Clock> Eyes<N, C> {
    /// By the operator's settings; `roots` are the authorities whose certificates count.
    pub fn new(config: &Config, net: N, clock: C, roots: Arc<RootCertStore>) -> Self {
        let settings = &config.control;
        // A control shakes no hands with a neutral name; it asks resolvers for it.
        let mut plan = Plan::new(roots, "example.com");
        plan.max_addresses = TRIED;
        plan.max_redirects = 5;
        plan.contact_bogons = settings.allow_special;
        plan.usual_ports = !settings.allow_special;
        // Rules read length, digest, title and headers of a control's page, never its text.
        plan.excerpt_cap = 0;
        Self {
            clock,
            net,
            entropy: RefCell::new(OsEntropy),
            plan,
            vantage: settings.vantage.clone(),
            keepout: Keepout {
                own: Vec::new(),
                listen: config.listen,
                allow_special: settings.allow_special,
            },
            configured: settings.own_addresses.clone(),
        }
    }

    /// Looks; `None` where it does not come to an end in time or its report is too large.
    pub(super) async fn look(&self, question: &Question) -> Option<ControlReport> {
        let mut keepout = self.keepout.clone();
        keepout.own = self.net.attach().own;
        keepout.own.extend(&self.configured);
        let guarded = Guarded {
            net: &self.net,
            keepout: &keepout,
            port: question.port,
        };
        let world = World {
            net: &guarded,
            clock: &self.clock,
            entropy: &self.entropy,
        };
        let plan = Plan {
            transports: question.transports,
            ..self.plan.clone()
        };
        let (vantage, told) = (&self.vantage, &question.told);
        let looking = experiment::control(&world, &plan, vantage, &question.target, told);
        tokio::select! {
            biased;
            report = looking => fit(report),
            () = self.clock.sleep(LONGEST) => None,
        }
    }
}

/// Leaves out what rules do not read, step by step, until a report is small enough.
fn fit(mut report: ControlReport) -> Option<ControlReport> {
    let small = |report: &ControlReport| to_cbor(report).len() <= LARGEST;
    if small(&report) {
        return Some(report);
    }
    for observation in &mut report.observations {
        match &mut observation.step {
            Step::Handshake(shake) => shake.chain.truncate(1),
            Step::Quic(quic) => quic.chain.truncate(1),
            Step::Fetch(fetch) => {
                for header in &mut fetch.headers {
                    header.value.clear();
                }
            }
            Step::Lookup(lookup) => {
                for reply in &mut lookup.replies {
                    reply.raw = None;
                }
            }
            _ => {}
        }
    }
    small(&report).then_some(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::{
        observation::{Handshake, HandshakeRole, HandshakeStage, Observation},
        time::UnixTime,
        value::{Blob, Ip},
    };

    fn report(handshakes: usize, chain: usize) -> ControlReport {
        let shake = Handshake {
            ip: Ip([20, 1, 0, 1].into()),
            port: 443,
            server_name: None,
            role: HandshakeRole::Target,
            stage: HandshakeStage::Complete,
            version: None,
            cipher: None,
            alpn: None,
            chain: vec![Blob(vec![7; 8192]); chain],
            certificate: None,
            first_bytes: None,
            hop_limit: None,
        };
        let observation = Observation {
            started: 0,
            ended: 1,
            step: Step::Handshake(shake),
            failure: None,
        };
        ControlReport {
            target: "https://news.example/".into(),
            taken: UnixTime(0),
            vantage: "ZZ".into(),
            observations: vec![observation; handshakes],
        }
    }

    #[test]
    fn a_report_loses_chains_before_it_is_lost() {
        assert_eq!(fit(report(1, 8)), Some(report(1, 8)));
        assert_eq!(fit(report(8, 8)), Some(report(8, 1)));
        assert_eq!(fit(report(64, 8)), None);
    }
}
