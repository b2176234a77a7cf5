//! What does a step need to know of the measurement around it?

use super::{Plan, watch::Watched};
use crate::{
    net::{Attachment, Clock, Network},
    random::Entropy,
};
use faultline_core::{
    failure::Failure,
    measurement::Limit,
    observation::{Observation, Step},
    time::{Duration, Instant},
};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;

/// The world that an experiment runs in.
pub struct World<'a, N, C> {
    /// Packets and streams.
    pub net: &'a N,
    /// Time.
    pub clock: &'a C,
    /// Chance.
    pub entropy: &'a RefCell<dyn Entropy>,
}

/// One measurement while it runs.
pub(super) struct Run<'a, N, C> {
    pub(super) world: &'a World<'a, N, C>,
    pub(super) plan: &'a Plan,
    pub(super) start: Instant,
    pub(super) attached: Attachment,
    pub(super) traffic: Rc<Traffic>,
    limits: RefCell<Vec<Limit>>,
}

/// Bytes that passed.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) sent: Cell<u64>,
    pub(super) received: Cell<u64>,
}

impl Traffic {
    pub(super) fn add_sent(&self, bytes: usize) {
        self.sent.set(self.sent.get() + bytes as u64);
    }
    pub(super) fn add_received(&self, bytes: usize) {
        self.received.set(self.received.get() + bytes as u64);
    }
}

impl<'a, N: Network, C: Clock> Run<'a, N, C> {
    pub(super) fn new(world: &'a World<'a, N, C>, plan: &'a Plan) -> Self {
        Self {
            world,
            plan,
            start: world.clock.now(),
            attached: world.net.attach(),
            traffic: Rc::default(),
            limits: RefCell::default(),
        }
    }

    /// Microseconds since the start.
    pub(super) fn elapsed(&self) -> u64 {
        (self.world.clock.now() - self.start).as_micros() as u64
    }

    pub(super) fn random<const LEN: usize>(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        self.world.entropy.borrow_mut().fill(&mut bytes);
        bytes
    }

    pub(super) fn limit(&self, limit: Limit) {
        let mut limits = self.limits.borrow_mut();
        if !limits.contains(&limit) {
            limits.push(limit);
            limits.sort();
        }
    }

    pub(super) fn limits(&self) -> Vec<Limit> {
        self.limits.borrow().clone()
    }

    pub(super) fn ended(
        &self,
        started: u64,
        step: Step,
        failure: Option<Failure>,
    ) -> Observation {
        Observation {
            started,
            ended: self.elapsed(),
            step,
            failure,
        }
    }

    /// Runs `future` for at most `duration` by the world's clock.
    pub(super) async fn within<F: Future>(
        &self,
        duration: Duration,
        future: F,
    ) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.world.clock.sleep(duration) => None,
        }
    }

    /// A TCP connection whose bytes are counted and whose first ones are kept.
    pub(super) async fn connect(&self, to: SocketAddr) -> std::io::Result<Watched<N::Stream>> {
        let stream = self.world.net.connect(to).await?;
        Ok(Watched::new(stream, Rc::clone(&self.traffic)))
    }
}
