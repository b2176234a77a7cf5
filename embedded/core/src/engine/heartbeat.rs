//! Is the probe alive, and does the collector know?
//!
//! One signed datagram each interval, without a handshake, and one signed answer to it. What
//! must not be lost goes over TLS in batches; a lost heartbeat is a fact of its own.
//!
//! ```text
//!   probe      ──── sealed Beat     (Purpose::Beat,    at most 256 octets) ────►  collector
//!              ◄─── sealed BeatAck  (Purpose::BeatAck, shorter than the beat) ───
//! ```
//!
//! The answer names the beat by its digest and carries the time, so that nobody can answer in
//! the collector's place or with an old answer: it proves that the way there and back is open,
//! and what time it is within the round trip. Beats are numbered by run and count, which only
//! grow, so that a repeated one is known as such. A heartbeat names the probe to whoever
//! watches the line; that this machine measures was to be seen before (`docs/threat-model.md`).

use super::ledger::{BootId, Fix, Reach, Source, State};
use crate::{
    codec::{Envelope, Identity, PublicKey, Purpose},
    protocol::{Beat, BeatAck},
    time::{ClockQuality, Duration, Instant, UnixTime},
    value::Blob,
};
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// Octets of the longest beat.
pub const MOST: usize = 256;
/// Octets of the shortest: its answer is shorter, so that nobody gains by asking in another's
/// name.
pub const LEAST: usize = 128;
/// How long an answer is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Beats in a row without an answer that mean more than one lost datagram.
const SILENT: u8 = 2;

/// What a beat says besides its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// The boot of the machine.
    pub boot: BootId,
    /// Every rung, as the last walk found it.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// When the Internet abroad was there last, in this run.
    pub last_good: Option<Instant>,
    /// What the wall clock claims.
    pub wall: UnixTime,
    /// How far that can be trusted.
    pub clock: ClockQuality,
    /// Epochs that wait to be sent.
    pub waiting: u32,
    /// The number of the oldest of them.
    pub oldest: Option<u64>,
}

/// Beats, and listens for the answers.
#[derive(Clone, Debug)]
pub struct Heart {
    run: u32,
    count: u32,
    interval: Duration,
    due: Instant,
    pending: Option<([u8; 8], Instant)>,
    silent: u8,
    collector: Reach,
}

impl Heart {
    /// Of a run whose number is durable, so that none carries it again. The first beat is due
    /// at once.
    pub fn new(run: u32, interval: Duration, now: Instant) -> Self {
        Self {
            run,
            count: 0,
            interval,
            due: now,
            pending: None,
            silent: 0,
            collector: Reach::Untested,
        }
    }

    /// Run and number of the newest beat that was made.
    pub const fn newest(&self) -> (u32, u32) {
        (self.run, self.count)
    }

    /// When the next beat is due.
    pub const fn poll_at(&self) -> Instant {
        self.due
    }

    /// The collector asks for another interval, from the next beat on.
    pub fn every(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// The datagram to send now. An answer that has not come to the one before is late.
    pub fn beat(&mut self, now: Instant, key: &Identity, vitals: &Vitals) -> Vec<u8> {
        self.give_up();
        self.count = self.count.saturating_add(1);
        // In step with the last, unless beats were missed: then from now on.
        let next = self.due + self.interval;
        self.due = if next > now {
            next
        } else {
            now + self.interval
        };
        let sealed = key.seal(
            Purpose::Beat,
            &Beat {
                run: self.run,
                count: self.count,
                boot: vitals.boot,
                uptime: now.0,
                wall: vitals.wall,
                clock: vitals.clock,
                state: vitals.state,
                since: vitals.since.0,
                last_good: vitals.last_good.map(|at| at.0),
                waiting: vitals.waiting,
                oldest: vitals.oldest,
                interval: u16::try_from(self.interval.as_secs()).unwrap_or(u16::MAX),
            },
        );
        self.pending = Some((digest(&sealed), now));
        sealed
    }

    /// This beat is not sent; the next is due in step with the last, unless some were missed:
    /// then an interval from now.
    pub fn skip(&mut self, now: Instant) {
        let next = self.due + self.interval;
        self.due = if next > now {
            next
        } else {
            now + self.interval
        };
    }

    /// A datagram came back: what time it is, if it is the collector's answer to the beat that
    /// is waited for. Anything else changes nothing.
    pub fn handle(
        &mut self,
        now: Instant,
        octets: &[u8],
        collector: &PublicKey,
    ) -> Option<Fix> {
        let (of, sent) = self.pending?;
        let envelope = Envelope::parse(octets).ok()?;
        let ack: BeatAck = envelope.open(Purpose::BeatAck, collector).ok()?;
        if ack.of.0 != of {
            return None;
        }
        self.pending = None;
        self.silent = 0;
        self.collector = Reach::Good;
        Some(Fix::between(sent, now, ack.time, Source::Collector))
    }

    /// No answer will be waited for any longer.
    pub fn give_up(&mut self) {
        if self.pending.take().is_some() {
            self.silent = self.silent.saturating_add(1);
            if self.silent >= SILENT {
                self.collector = Reach::Bad;
            }
        }
    }

    /// Whether the newest beat was answered.
    pub const fn answered(&self) -> bool {
        self.silent == 0 && self.pending.is_none()
    }

    /// Whether the collector is there: one lost answer does not change that, two do.
    pub const fn collector(&self) -> Reach {
        self.collector
    }
}

/// What an answer names a beat by.
pub fn digest(sealed: &[u8]) -> [u8; 8] {
    let mut name = [0; 8];
    let sum = Sha256::digest(sealed);
    name.iter_mut().zip(sum).for_each(|(to, from)| *to = from);
    name
}

/// The collector's answer to a beat that it believes.
pub fn acknowledge(sealed: &[u8], collector: &Identity, now: UnixTime) -> Vec<u8> {
    let of = Blob(digest(sealed).to_vec());
    collector.seal(Purpose::BeatAck, &BeatAck { of, time: now })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::Rung;
    use proptest::prelude::*;

    fn key(byte: u8) -> Identity {
        Identity::from_bytes(&[byte; 32]).unwrap()
    }

    fn vitals() -> Vitals {
        Vitals {
            boot: BootId([9; 16]),
            state: State::default().with(Rung::Foreign, Reach::Good),
            since: Instant(1),
            last_good: None,
            wall: UnixTime(0),
            clock: ClockQuality::Rtc,
            waiting: 0,
            oldest: None,
        }
    }

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn an_answer_to_this_beat_by_the_collector_is_one_and_nothing_else_is() {
        let (probe, collector) = (key(1), key(2));
        let mut heart = Heart::new(1, MINUTE, Instant(0));
        let first = heart.beat(Instant(0), &probe, &vitals());
        let old = acknowledge(&first, &collector, UnixTime(7));
        let now = Instant(60_000_000);
        let beat = heart.beat(now, &probe, &vitals());
        let later = now + Duration::from_millis(40);
        let whose = collector.public();
        let ack = acknowledge(&beat, &collector, UnixTime(1_000_000));
        for wrong in [
            old,
            acknowledge(&beat, &key(3), UnixTime(1)),
            beat.clone(),
            [&ack[..], &[0]].concat(),
            Vec::new(),
        ] {
            assert_eq!(heart.handle(later, &wrong, &whose), None);
        }
        assert_eq!(heart.collector(), Reach::Untested, "one was lost, no more");
        let fix = heart.handle(later, &ack, &whose).unwrap();
        assert_eq!(fix.utc, UnixTime(1_000_000));
        assert_eq!(fix.error, Duration::from_micros(20_002));
        assert_eq!(heart.collector(), Reach::Good);
        assert_eq!(heart.handle(later, &ack, &whose), None, "once");
        for (beats, reach) in [(1, Reach::Good), (2, Reach::Bad), (3, Reach::Bad)] {
            heart.beat(later + MINUTE * beats, &probe, &vitals());
            heart.give_up();
            assert_eq!(heart.collector(), reach);
        }
    }

    #[test]
    fn beats_keep_step_and_never_hurry_after_a_pause() {
        let mut heart = Heart::new(1, MINUTE, Instant(0));
        heart.beat(Instant(2_000_000), &key(1), &vitals());
        assert_eq!(heart.poll_at(), Instant(60_000_000));
        heart.beat(Instant(600_000_000), &key(1), &vitals());
        assert_eq!(heart.poll_at(), Instant(660_000_000));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn beats_are_short_and_answers_are_shorter(
            run: u32, state: u32, numbers: (u64, u64, i64, u32, u64, i64), some: bool, now: u64,
        ) {
            let probe = key(1);
            let mut heart = Heart::new(run, MINUTE, Instant(0));
            let beat = heart.beat(Instant(now), &probe, &Vitals {
                boot: BootId([9; 16]),
                state: State(state),
                since: Instant(numbers.0),
                last_good: some.then_some(Instant(numbers.1)),
                wall: UnixTime(numbers.2),
                clock: ClockQuality::Ntp,
                waiting: numbers.3,
                oldest: some.then_some(numbers.4),
            });
            let ack = acknowledge(&beat, &key(2), UnixTime(numbers.5));
            prop_assert!((LEAST..=MOST).contains(&beat.len()), "{}", beat.len());
            prop_assert!(ack.len() < LEAST, "{}", ack.len());
            let opened: Beat = Envelope::parse(&beat).unwrap()
                .open(Purpose::Beat, &probe.public()).unwrap();
            prop_assert_eq!((opened.run, opened.count, opened.uptime), (run, 1, now));
        }
    }
}
