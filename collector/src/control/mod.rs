//! What does a clean place see of a target, and for whom does it look there?
//!
//! The collector's control, OONI's test helper: off unless the operator switches it on. It
//! looks with the probe's own experiment code (decision 0006). Anybody may enrol a probe, so
//! what probes ask for is not trusted:
//!
//! - [`Admission`]: only targets of the operator's list, only ordinary pages;
//! - [`Guarded`]: no connection to special-purpose or own addresses or to unusual ports,
//!   whatever names, redirects or probes say;
//! - [`Rate`]: so many looks an hour for each probe and at each host;
//! - [`Cache`] and one look for all that ask the same at the same time;
//! - [`Office`]: so many looks at once, the others wait in a bounded queue.

mod admission;
mod cache;
mod guard;
mod look;
mod office;
mod rate;

pub use admission::{Admission, Question};
pub use cache::Cache;
pub use guard::{Guarded, Keepout};
pub use look::{Eyes, TRIED};
pub use office::Office;
pub use rate::Rate;

use crate::config::Config;
use faultline_core::{
    id::ProbeId,
    measurement::ControlReport,
    protocol::{ControlRequest, TargetItem},
    time::Duration,
};
use faultline_probe::{
    net::{Clock, Network, OsNetwork, SystemClock},
    trust::{self, TrustError},
};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Why the control does not look.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// Not a page or a name that may be looked at at all.
    #[error("{0}")]
    BadTarget(String),
    /// Not on the list.
    #[error("this target is not on the collector's list: measure it without its control")]
    UnknownTarget,
    /// The probe asked for too much.
    #[error("this probe has asked for too many looks within an hour: ask again later")]
    ProbeRate,
    /// Too many asked about one host.
    #[error("this host was looked at too often within an hour: ask again later")]
    TargetRate,
    /// Too much at once.
    #[error("the control is busy: ask again in a minute, or measure without it")]
    Busy,
    /// The look came to nothing.
    #[error("the control's look did not come to an end: ask again later")]
    Unfinished,
}

impl Denied {
    /// A stable word.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadTarget(_) => "bad_target",
            Self::UnknownTarget => "unknown_target",
            Self::ProbeRate | Self::TargetRate => "control_rate",
            Self::Busy => "control_busy",
            Self::Unfinished => "control_unfinished",
        }
    }

    /// Whether the same request may be granted later.
    pub const fn retry(&self) -> bool {
        !matches!(self, Self::BadTarget(_) | Self::UnknownTarget)
    }
}

/// What was seen, or why nobody looked.
pub type Answer = Result<Arc<ControlReport>, Denied>;

/// A question on its way to the office.
pub(crate) struct Errand {
    probe: ProbeId,
    question: Question,
    answer: oneshot::Sender<Answer>,
}

/// Where requests are handed in. Looking itself is bound to one thread (the experiments share
/// their state without locks); this end may be used from any.
pub struct Desk {
    admission: Admission,
    errands: mpsc::Sender<Errand>,
}

/// Longest wait for an answer; a probe gives up after a minute.
const WAIT: Duration = Duration::from_secs(55);
/// Requests between desk and office.
const BETWEEN: usize = 64;

/// Why the control cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The roots cannot be read.
    #[error(transparent)]
    Roots(#[from] TrustError),
    /// No thread or runtime.
    #[error("cannot start the control's thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Opens the control of `config` on a thread of its own, with the system's sockets.
pub fn open(config: &Config, targets: &[TargetItem]) -> Result<Desk, ControlError> {
    let resolvers = config.control.resolvers.clone();
    let roots = Arc::new(trust::roots(config.control.extra_roots.as_deref())?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (desk, errands) = desk(admission(config, targets));
    let config = config.clone();
    tracing::info!(
        resolvers = config.control.resolvers.len(),
        targets = targets.len(),
        "the control is open: targets are contacted on behalf of probes"
    );
    for (set, says) in [
        (
            config.control.any_target,
            "control.any_target: anybody can have any public page fetched from here",
        ),
        (
            config.control.allow_special,
            "control.allow_special: private addresses are contacted; for closed worlds only",
        ),
    ] {
        if set {
            tracing::warn!("{says}");
        }
    }
    std::thread::Builder::new()
        .name("control".into())
        .spawn(move || {
            runtime.block_on(async {
                let net = match resolvers.as_slice() {
                    [] => OsNetwork::new(),
                    some => OsNetwork::asking(some),
                };
                let eyes = Eyes::new(&config, net, SystemClock::new(), roots);
                Office::new(&config.control, eyes, errands).serve().await;
            });
        })?;
    Ok(desk)
}

/// A desk and its office over any network and clock: the caller runs [`Office::serve`].
pub fn over<N: Network + 'static, C: Clock + 'static>(
    config: &Config,
    targets: &[TargetItem],
    eyes: Eyes<N, C>,
) -> (Desk, Office<N, C>) {
    let (desk, errands) = desk(admission(config, targets));
    (desk, Office::new(&config.control, eyes, errands))
}

fn admission(config: &Config, targets: &[TargetItem]) -> Admission {
    Admission::new(&config.control, targets).with_resolvers(&config.encrypted_resolvers)
}

fn desk(admission: Admission) -> (Desk, mpsc::Receiver<Errand>) {
    let (errands, taken) = mpsc::channel(BETWEEN);
    (Desk { admission, errands }, taken)
}

impl Desk {
    /// The control's view of what a known probe asks about.
    pub async fn ask(&self, probe: ProbeId, request: &ControlRequest) -> Answer {
        let question = self.admission.admit(request)?;
        let (answer, answered) = oneshot::channel();
        let errand = Errand {
            probe,
            question,
            answer,
        };
        self.errands.try_send(errand).map_err(|_| Denied::Busy)?;
        match tokio::time::timeout(WAIT, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Denied::Unfinished),
            // The look goes on, and whoever asks again finds its result.
            Err(_) => Err(Denied::Busy),
        }
    }
}
