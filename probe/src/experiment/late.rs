//! What comes after a lookup has been answered?
//!
//! A forged reply wins the race, and the true one may come seconds later, over a slow path or
//! from a resolver that had to ask others (Duan et al., Hold-On, 2012; OONI listens for half a
//! second). The ports of lookups stay open while other work goes on: listening costs no
//! packet, and no time where nobody waits for it.

use super::lookup::headers;
use super::run::Run;
use crate::net::{Clock, Flow, Network};
use faultline_core::{engine::lookup::Inquiry, observation::Observation, time::Instant};
use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// Errors of one port (ICMP) that are taken note of by listening on; then it is closed.
const ERRORS: u8 = 4;

/// Ports that are listened at. Whoever opens one does so in the task that hears.
#[derive(Default)]
pub(super) struct Ears(RefCell<Vec<Late>>);

/// A lookup whose port is open.
struct Late {
    inquiry: Inquiry,
    sent: Instant,
    /// `None` once it is closed.
    flow: Option<Box<dyn Flow>>,
    errors: u8,
}

impl Ears {
    /// Takes a port over; its number among them.
    pub(super) fn open(&self, inquiry: Inquiry, flow: Box<dyn Flow>, sent: Instant) -> usize {
        let mut all = self.0.borrow_mut();
        all.push(Late {
            inquiry,
            sent,
            flow: Some(flow),
            errors: 0,
        });
        all.len() - 1
    }

    /// Takes in what comes, for as long as it is polled.
    pub(super) async fn hear<N: Network, C: Clock>(&self, run: &Run<'_, N, C>) -> Infallible {
        poll_fn(|cx| {
            for late in self.0.borrow_mut().iter_mut() {
                late.take_in(run, cx);
            }
            Poll::Pending
        })
        .await
    }

    /// When the last port closes; `None` where none is open.
    pub(super) fn until<N: Network, C: Clock>(&self, run: &Run<'_, N, C>) -> Option<Instant> {
        let mut all = self.0.borrow_mut();
        let open = all.iter_mut().filter(|late| late.flow.is_some());
        open.filter_map(|late| late.inquiry.listen_on(run.plan.timeouts.late))
            .max()
    }

    /// What each lookup has seen by now.
    pub(super) fn close<N: Network, C: Clock>(self, run: &Run<'_, N, C>) -> Vec<Observation> {
        let now = run.world.clock.now();
        let all = self.0.into_inner().into_iter().map(|mut late| {
            let until = late.inquiry.listen_on(run.plan.timeouts.late);
            late.inquiry
                .finish(until.map_or(now, |until| until.min(now)))
        });
        all.collect()
    }
}

impl Late {
    fn take_in<N: Network, C: Clock>(&mut self, run: &Run<'_, N, C>, cx: &mut Context<'_>) {
        while let Some(flow) = &mut self.flow {
            let until = self.inquiry.listen_on(run.plan.timeouts.late);
            // Before the first datagram nothing is late, and after the last nothing is kept.
            if until.is_none_or(|until| run.world.clock.now() >= until) {
                self.flow = None;
                return;
            }
            match flow.poll_receive(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(datagram)) => {
                    let octets = datagram.payload.len() + headers(self.inquiry.question());
                    run.traffic.add_received(octets);
                    let at = self.sent + datagram.after;
                    let from = datagram.from;
                    (self.inquiry).handle(at, from, &datagram.payload, datagram.hop_limit);
                }
                Poll::Ready(Err(_)) => {
                    self.errors += 1;
                    if self.errors >= ERRORS {
                        self.flow = None;
                    }
                }
            }
        }
    }
}
