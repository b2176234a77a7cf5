//! Who looks next? One loop on one thread: answers what is known, lets those who ask the same
//! wait together, starts as many looks as are allowed and queues the rest.

use super::{Cache, Denied, Errand, Eyes, Question, Rate};
use crate::config::Control;
use faultline_core::{
    id::ProbeId,
    measurement::ControlReport,
    time::{Duration, Instant},
};
use faultline_probe::net::{Clock, Network};
use futures_util::{StreamExt as _, future::LocalBoxFuture, stream::FuturesUnordered};
use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    rc::Rc,
    sync::Arc,
};
use tokio::sync::{mpsc, oneshot};

/// Octets of reports that are kept.
const CACHED: usize = 32 << 20;
/// Probes and hosts whose rate is remembered.
const REMEMBERED: usize = 100_000;
/// Looks of one probe that run or wait at the same time.
const OF_ONE_PROBE: usize = 4;
/// Hosts that one address may serve: content networks have many.
const SHARED: u32 = 10;
/// Looks that wait, for each that may run.
const WAITING: usize = 4;

/// The office behind a [`super::Desk`].
pub struct Office<N, C> {
    eyes: Rc<Eyes<N, C>>,
    errands: mpsc::Receiver<Errand>,
    at_once: usize,
    cache: Cache,
    of_probe: Rate<ProbeId>,
    at_host: Rate<String>,
    at_address: Rate<IpAddr>,
    flights: HashMap<Question, Flight>,
    queue: VecDeque<Question>,
}

/// A look that runs or waits, and who wants to know.
struct Flight {
    by: ProbeId,
    waiting: Vec<oneshot::Sender<super::Answer>>,
}

type Look = (Question, Option<ControlReport>);

impl<N: Network + 'static, C: Clock + 'static> Office<N, C> {
    pub(super) fn new(
        settings: &Control,
        eyes: Eyes<N, C>,
        errands: mpsc::Receiver<Errand>,
    ) -> Self {
        let keep = Duration::from_secs(settings.cache_for.into());
        Self {
            eyes: Rc::new(eyes),
            errands,
            at_once: settings.at_once.into(),
            cache: Cache::new(keep, CACHED),
            of_probe: Rate::new(settings.per_probe, REMEMBERED),
            at_host: Rate::new(settings.per_target, REMEMBERED),
            at_address: Rate::new(settings.per_target.saturating_mul(SHARED), REMEMBERED),
            flights: HashMap::new(),
            queue: VecDeque::new(),
        }
    }

    /// Works until the desk is gone and every look has ended.
    pub async fn serve(mut self) {
        let mut looks = FuturesUnordered::<LocalBoxFuture<'static, Look>>::new();
        let mut open = true;
        while open || !looks.is_empty() {
            tokio::select! {
                biased;
                Some((question, report)) = looks.next() => self.finish(question, report),
                errand = self.errands.recv(), if open => match errand {
                    Some(errand) => self.take(errand),
                    None => open = false,
                },
            }
            while looks.len() < self.at_once
                && let Some(question) = self.queue.pop_front()
            {
                let eyes = Rc::clone(&self.eyes);
                looks.push(Box::pin(async move {
                    let report = eyes.look(&question).await;
                    (question, report)
                }));
            }
        }
    }

    fn take(&mut self, errand: Errand) {
        let Errand {
            probe,
            question,
            answer,
        } = errand;
        let now = self.eyes.clock.now();
        if let Some(report) = self.cache.find(&question, now) {
            let _ = answer.send(Ok(report));
        } else if let Some(flight) = self.flights.get_mut(&question) {
            flight.waiting.push(answer);
        } else if let Err(denied) = self.admit(probe, &question, now) {
            let _ = answer.send(Err(denied));
        } else {
            let flight = Flight {
                by: probe,
                waiting: vec![answer],
            };
            self.flights.insert(question.clone(), flight);
            self.queue.push_back(question);
        }
    }

    /// Whether a new look may be taken on. A look refused for want of room is not counted.
    fn admit(&mut self, probe: ProbeId, at: &Question, now: Instant) -> Result<(), Denied> {
        let its = self.flights.values().filter(|flight| flight.by == probe);
        if self.queue.len() >= self.at_once * WAITING || its.count() >= OF_ONE_PROBE {
            return Err(Denied::Busy);
        }
        if !self.of_probe.take(probe, now) {
            return Err(Denied::ProbeRate);
        }
        // A probe may name a victim's address instead of a host's.
        let here = |ip: &IpAddr| self.at_address.take(*ip, now);
        if !self.at_host.take(at.host.clone(), now) || !at.told.iter().all(here) {
            return Err(Denied::TargetRate);
        }
        Ok(())
    }

    fn finish(&mut self, question: Question, report: Option<ControlReport>) {
        let report = report.map(Arc::new);
        let waiting = self.flights.remove(&question).map(|flight| flight.waiting);
        let answer = report.clone().ok_or(Denied::Unfinished);
        for asker in waiting.into_iter().flatten() {
            // Whoever does not wait any more may ask again.
            let _ = asker.send(answer.clone());
        }
        if let Some(report) = report {
            self.cache.insert(question, report, self.eyes.clock.now());
        }
    }
}
