//! What does one resolver answer to one question?
//!
//! One query over UDP (RFC 1035 section 4.2.1) and every datagram that comes back: until the
//! first, as long as patience lasts; from then on for a watch window, since an injected reply
//! often comes first and the true one after it (Duan et al., "Hold-On", 2012). Replies that
//! cannot be the answer (RFC 5452 section 9.1) are recorded too: two different answers to one
//! query are evidence, and at an address that runs no resolver any answer is (GFWatch, USENIX
//! Security 2021).
//!
//! A message that came over a stream (TCP, TLS, HTTPS) goes through the same engine, without
//! a watch. A try is one [`Inquiry`] and one observation; [`is_answer`] and [`is_truncated`]
//! tell a driver whether to try again or over TCP (RFC 7766 section 5). Known false
//! positives: a resolver that answers from another of its addresses, and middleboxes that
//! drop EDNS.

mod question;
mod reply;

pub use question::Question;
pub use reply::{addresses, is_answer, is_truncated};

use super::Want;
use crate::{
    failure::Failure,
    observation::{DnsTransport, Lookup, Observation, Reply, Step},
    time::{Duration, Instant},
    value::Ip,
};
use alloc::vec::Vec;
use core::net::SocketAddr;
use question::Asked;

/// How an [`Inquiry`] waits and what it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long the first reply is waited for.
    pub first: Duration,
    /// How long more are listened for after it. Streams have no such window.
    pub further: Duration,
    /// The largest UDP payload that we say to take; 1232 avoids fragments.
    pub udp_size: u16,
    /// Ask for DNSSEC records (RFC 3225).
    pub dnssec_ok: bool,
    /// Send an OPT record (RFC 6891); without, the two before mean nothing.
    pub edns: bool,
    /// Replies kept: a flood of forged ones must not fill memory.
    pub most_replies: usize,
    /// Addresses and aliases kept of one reply, each.
    pub most_records: usize,
    /// Octets kept of one reply.
    pub raw_cap: usize,
    /// Octets kept of all replies together, addresses and aliases included: whoever floods
    /// must not make the measurement too large to be uploaded.
    pub total_cap: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(4),
            further: Duration::from_millis(500),
            udp_size: 1232,
            dnssec_ok: true,
            edns: true,
            most_replies: 64,
            most_records: 256,
            raw_cap: 4096,
            total_cap: 24 * 1024,
        }
    }
}

/// One question to one resolver, once.
#[derive(Clone, Debug)]
pub struct Inquiry {
    question: Question,
    settings: Settings,
    attempt: u8,
    origin: Instant,
    started: Instant,
    /// `None` where the name is no domain name.
    asked: Option<Asked>,
    sent: Option<Instant>,
    /// When the first thing came.
    first: Option<Instant>,
    /// When waiting ends.
    deadline: Instant,
    replies: Vec<Reply>,
    /// Of each reply, whether it held records of the asked type, if that is no address.
    answered: Vec<bool>,
    /// What the network reported.
    failure: Option<Failure>,
}

impl Inquiry {
    /// Octets of chance that an inquiry takes: for the identifier and for letter case.
    pub const ENTROPY: usize = 34;

    /// `origin` is the start of the measurement, `attempt` counts tries of the same question
    /// from 0.
    pub fn new(
        question: Question,
        settings: Settings,
        attempt: u8,
        origin: Instant,
        now: Instant,
        entropy: &[u8; Self::ENTROPY],
    ) -> Self {
        let asked = Asked::new(&question, &settings, entropy);
        Self {
            question,
            settings,
            attempt,
            origin,
            started: now,
            asked,
            sent: None,
            first: None,
            deadline: now,
            replies: Vec::new(),
            answered: Vec::new(),
            failure: None,
        }
    }

    /// What is asked, and of whom.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// First the query, to be sent to the question's resolver from a fresh port; then
    /// patience.
    pub fn poll(&mut self, now: Instant) -> Want<'_> {
        let Some(asked) = &self.asked else {
            return Want::Nothing;
        };
        if self.sent.is_none() {
            self.sent = Some(now);
            self.deadline = now + self.settings.first;
            return Want::Send(&asked.wire);
        }
        if now < self.deadline && self.replies.len() < self.settings.most_replies {
            Want::Wait
        } else {
            Want::Nothing
        }
    }

    /// When [`Self::poll`] has something new to say if nothing comes; `None` where only
    /// [`Self::finish`] is left.
    pub fn poll_at(&self) -> Option<Instant> {
        self.asked.as_ref()?;
        if self.sent.is_none() {
            return Some(self.started);
        }
        (self.replies.len() < self.settings.most_replies).then_some(self.deadline)
    }

    /// A datagram came to the query's port, from whomever; or a message over the stream. What
    /// comes late is kept all the same.
    pub fn handle(
        &mut self,
        now: Instant,
        from: SocketAddr,
        payload: &[u8],
        hop_limit: Option<u8>,
    ) {
        let (Some(asked), Some(sent)) = (&self.asked, self.sent) else {
            return;
        };
        if self.replies.len() < self.settings.most_replies {
            let kept = self.replies.iter().map(reply::size).sum();
            let (mut reply, answered) =
                reply::read(asked, &self.question, &self.settings, from, payload);
            reply::cut(&mut reply, self.settings.total_cap.saturating_sub(kept));
            reply.after = now.since(sent).as_micros() as u64;
            reply.hop_limit = hop_limit;
            self.replies.push(reply);
            self.answered.push(answered);
        }
        self.watch(now);
    }

    /// The network reported an error: ICMP, or one that sending met. It may be forged like
    /// any datagram, so the answer is still waited for; a second one ends the wait.
    pub fn fail(&mut self, now: Instant, failure: Failure) {
        if self.failure.replace(failure).is_some() {
            self.deadline = self.deadline.min(now);
        }
        self.watch(now);
    }

    /// Listens on until so long after the first thing that came: a true reply may come
    /// seconds after a forged one. Returns until when; `None` where nothing came, or no more
    /// is kept.
    pub fn listen_on(&mut self, further: Duration) -> Option<Instant> {
        let first = self
            .first
            .filter(|_| self.question.transport == DnsTransport::Udp)
            .filter(|_| self.replies.len() < self.settings.most_replies)?;
        self.deadline = self.deadline.max(first + further);
        Some(self.deadline)
    }

    /// What was seen, and how it ended: by the first reply that can be an answer.
    pub fn finish(self, now: Instant) -> Observation {
        let offset = |at: Instant| at.since(self.origin).as_micros() as u64;
        let watched = self.first.map(|first| self.deadline.min(now).since(first));
        let failure = match &self.asked {
            Some(_) => reply::conclude(&self.replies, &self.answered, self.failure),
            None => Some(Failure::LocalError),
        };
        let question = self.question;
        Observation {
            started: offset(self.started),
            ended: offset(now),
            step: Step::Lookup(Lookup {
                name: question.name,
                rtype: question.rtype,
                role: question.role,
                transport: question.transport,
                resolver: Some(Ip(question.resolver.ip())),
                resolver_name: question.resolver_name,
                replies: self.replies,
                watched: watched.unwrap_or_default().as_micros() as u64,
                attempt: self.attempt,
            }),
            failure,
        }
    }

    /// The first thing that comes opens the window for others.
    fn watch(&mut self, now: Instant) {
        if self.first.is_none() {
            let further = match self.question.transport {
                DnsTransport::Udp => self.settings.further,
                _ => Duration::ZERO,
            };
            self.first = Some(now);
            self.deadline = now + further;
        }
    }
}
