//! What did the probe see of the world while the world did not see the probe?
//!
//! At each beat the probe climbs a [`Ladder`]: power, link, gateway, resolver, a host in the
//! country, one in the region, hosts abroad on three networks, services that are often singled
//! out, the collector. As long as every rung says the same, that is one [`Epoch`]; when one
//! changes, the epoch ends and the next begins. [`Ledger`] turns walks into [`Record`]s,
//! [`Book`] reads them back after whatever happened, and places them in time.
//!
//! ```text
//!   Ladder ──Walk──► Ledger ──Record──► (log of the driver) ──► Book ──► Chapter
//!                      ▲ Fix, wall clock                         place: utc ± error
//! ```
//!
//! Durations come from the monotonic clock alone. The wall clock is never believed: its jumps
//! are recorded, and what time it was is known from fixes, those of later included. The idea of
//! telling a probe's own silence from the network's by its uptime is Padmanabhan et al.,
//! "Reasons Dynamic Addresses Change", IMC 2016; that of taking notes during a disconnection
//! and reading them afterwards is Shah et al., "Disco", TMA 2017.

mod book;
mod ladder;
mod page;
mod place;
mod record;
mod state;

pub use book::{Book, Chapter, Run};
pub use ladder::{Ladder, NETWORKS, PURSE, TRIES, Target, Walk};
pub use page::Page;
pub use place::{DRIFT, Fix, Placed, Source, between, place};
pub use record::{Body, BootId, Epoch, FRAME, Record};
pub use state::{Extent, Reach, Rung, State};

use crate::time::{Duration, Instant, UnixTime};

/// How a ledger is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long an epoch goes on before it is written again, so that a power cut does not
    /// leave its end unknown by more.
    pub checkpoint: Duration,
    /// Two walks further apart are two epochs, whatever they found: nobody looked between.
    pub gap: Duration,
    /// The wall clock jumped if it moved by more against the monotonic one.
    pub step: Duration,
    /// How long a fix is good enough for.
    pub refix: Duration,
}

impl Policy {
    /// For walks every `interval`.
    pub fn every(interval: Duration) -> Self {
        Self {
            checkpoint: interval.max(Duration::from_mins(5)),
            gap: interval * 3,
            step: Duration::from_secs(2),
            refix: Duration::from_hours(6),
        }
    }
}

/// An entry for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What to append.
    pub record: Record,
    /// Whether it must be on the disk before the next walk. What need not may be lost in a
    /// power cut, and costs no erasing of flash.
    pub durable: bool,
}

/// Keeps the ledger of one run of the program.
#[derive(Clone, Debug)]
pub struct Ledger {
    run: u32,
    boot: BootId,
    policy: Policy,
    next: u64,
    open: Option<(u64, Epoch)>,
    written: Instant,
    good: Option<Instant>,
    /// What the wall clock said at monotonic zero.
    offset: Option<i64>,
    fixed: Option<Fix>,
}

impl Ledger {
    /// Begins a run: `run` and `next` are behind everything that was ever written (see
    /// [`Book`]). The entry must be durable before a heartbeat carries the run's number.
    pub fn begin(
        run: u32,
        next: u64,
        boot: BootId,
        now: Instant,
        policy: Policy,
    ) -> (Self, Entry) {
        let mut ledger = Self {
            run,
            boot,
            policy,
            next,
            open: None,
            written: now,
            good: None,
            offset: None,
            fixed: None,
        };
        let first = ledger.entry(Body::Run { boot, started: now }, true);
        (ledger, first)
    }

    /// Walks come at another pace from now on.
    pub const fn follow(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// The start of the program, counted from 1.
    pub const fn run(&self) -> u32 {
        self.run
    }

    /// The boot of the machine.
    pub const fn boot(&self) -> BootId {
        self.boot
    }

    /// The epoch that goes on, and its number.
    pub const fn open(&self) -> Option<(u64, Epoch)> {
        self.open
    }

    /// The last moment of this run at which the Internet abroad was there.
    pub const fn last_good(&self) -> Option<Instant> {
        self.good
    }

    /// Since when the state is what it is now.
    pub fn since(&self, now: Instant, state: State) -> Instant {
        match self.open {
            Some((_, open)) if self.goes_on(&open, now, state) => open.from,
            _ => now,
        }
    }

    /// A walk ended. Up to two entries: the end of one epoch and the start of the next, or
    /// that the same one still goes on.
    pub fn note(&mut self, now: Instant, walk: Walk) -> impl Iterator<Item = Entry> + use<> {
        if walk.state.extent().is_upstream() {
            self.good = Some(now);
        }
        let mut entries = [None; 2];
        match self.open {
            Some((number, mut open)) if self.goes_on(&open, now, walk.state) => {
                open.until = now;
                open.checks = open.checks.saturating_add(walk.checks);
                open.failures = open.failures.saturating_add(walk.failures);
                self.open = Some((number, open));
                if now.since(self.written) >= self.policy.checkpoint {
                    entries[0] = Some(self.save(now, number, open));
                }
            }
            before => {
                if let Some((number, open)) = before {
                    // Durable with the one that follows.
                    entries[0] = Some(Entry {
                        durable: false,
                        ..self.save(now, number, open)
                    });
                }
                let open = Epoch {
                    from: now,
                    until: now,
                    state: walk.state,
                    checks: walk.checks,
                    failures: walk.failures,
                };
                let number = self.next;
                entries[1] = Some(self.entry(Body::Epoch(open), true));
                self.open = Some((number, open));
                self.written = now;
            }
        }
        entries.into_iter().flatten()
    }

    /// What the wall clock says, at each walk: an entry where it jumped.
    pub fn wall(&mut self, now: Instant, wall: UnixTime) -> Option<Entry> {
        let uptime = i64::try_from(now.0).unwrap_or(i64::MAX);
        let offset = wall.0.saturating_sub(uptime);
        let before = self.offset.replace(offset)?;
        let moved = u128::from(offset.abs_diff(before));
        // Not so much as a jump: followed, so that a clock that is slewed never adds up to one.
        if moved <= self.policy.step.as_micros() {
            return None;
        }
        let from = UnixTime(before.saturating_add(uptime));
        Some(self.entry(
            Body::Step {
                at: now,
                from,
                to: wall,
            },
            true,
        ))
    }

    /// Somebody who knows said what time it is: an entry where that is worth one.
    pub fn fix(&mut self, fix: Fix) -> Option<Entry> {
        let worth = self.fixed.is_none_or(|last| {
            fix.source > last.source
                || (fix.source == last.source
                    && (fix.at.since(last.at) >= self.policy.refix
                        || fix.error * 4 < last.error))
        });
        if !worth {
            return None;
        }
        self.fixed = Some(fix);
        Some(self.entry(Body::Fix(fix), true))
    }

    /// The collector has everything up to the epoch of this number.
    pub fn sent(&mut self, through: u64) -> Entry {
        self.entry(Body::Sent { through }, false)
    }

    /// The epoch that goes on as it is now, for an orderly end of the program.
    pub fn close(&mut self, now: Instant) -> Option<Entry> {
        let (number, open) = self.open?;
        Some(self.save(now, number, open))
    }

    fn goes_on(&self, open: &Epoch, now: Instant, state: State) -> bool {
        open.state == state && now.since(open.until) <= self.policy.gap
    }

    fn save(&mut self, now: Instant, number: u64, epoch: Epoch) -> Entry {
        self.written = now;
        Entry {
            record: Record {
                number,
                run: self.run,
                body: Body::Epoch(epoch),
            },
            durable: true,
        }
    }

    fn entry(&mut self, body: Body, durable: bool) -> Entry {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        Entry {
            record: Record {
                number,
                run: self.run,
                body,
            },
            durable,
        }
    }
}

#[cfg(test)]
mod tests;
