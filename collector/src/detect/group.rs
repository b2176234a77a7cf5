//! How many sites of a group are here, and how much speaks for an outage of some of them?
//! Everything is a sum that changes with the sites that change: a minute in which nothing
//! happens costs nothing.

use super::{
    cusum::{Cusum, Sums, Terms, minus, plus},
    event::Location,
    moment::{BIN, DAY, HOUR, later, since},
};
use faultline_core::time::UnixTime;
use std::collections::{BTreeSet, VecDeque};

/// Bins that are kept for the timeline of what comes.
const BINS: usize = 25;

/// What a site counts for in its groups now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Vote {
    pub counts: bool,
    pub lost: bool,
    /// Lost for so short a time that staying away says something.
    pub fresh: bool,
    /// Heard, and services are blocked.
    pub blocked: bool,
    /// The same for that.
    pub newly: bool,
    pub terms: Terms,
    /// Thousandths of the time that it is here.
    pub availability: u32,
}

/// One of the two things that may happen to a group.
#[derive(Clone, Debug, Default)]
pub(super) struct Channel {
    calm: Sums,
    gone: Sums,
    step: Sums,
    pub score: Cusum,
    /// Lost lately, and who stays counts.
    pub fresh: u32,
    /// Lost at all.
    pub lost: u32,
    /// Who went when, within the window.
    pub went: VecDeque<(UnixTime, usize)>,
}

impl Channel {
    fn leave(&mut self, terms: &Terms, lost: bool, fresh: bool) {
        if !lost {
            self.calm = minus(self.calm, terms.calm);
            return;
        }
        self.lost = self.lost.saturating_sub(1);
        if fresh {
            self.fresh = self.fresh.saturating_sub(1);
            self.gone = minus(self.gone, terms.gone);
        }
    }

    fn enter(&mut self, terms: &Terms, lost: bool, fresh: bool) {
        if !lost {
            self.calm = plus(self.calm, terms.calm);
            return;
        }
        self.lost += 1;
        if fresh {
            self.fresh += 1;
            self.gone = plus(self.gone, terms.gone);
        }
    }

    /// The minute ends.
    fn end(&mut self) {
        let by = plus(plus(self.calm, self.gone), self.step);
        self.step = [0; 4];
        self.score.step(by);
    }
}

pub(super) struct Group {
    pub location: Location,
    /// Everybody whose place is in it.
    pub sites: BTreeSet<usize>,
    pub eligible: u32,
    /// Heard, of those.
    pub heard: u32,
    /// Thousandths of the sum of how much each is here.
    pub expected: u64,
    pub loss: Channel,
    pub service: Channel,
    /// Whether every minute has to be looked at.
    pub awake: bool,
    pub bins: VecDeque<(UnixTime, u32, u32, u64)>,
    /// Counts were the same since then.
    known: UnixTime,
    /// Millionths heard and eligible, times microseconds, and these, of the present hour.
    hour: (i64, i64, i64),
    /// Millionths heard, and eligible, in each hour of four weeks, by hour since 1970.
    pub hours: VecDeque<(i64, u32, u32)>,
    /// Bins in a row in which too few were heard.
    pub low: u32,
}

impl Group {
    pub(super) fn new(location: Location, now: UnixTime) -> Self {
        Self {
            location,
            sites: BTreeSet::new(),
            eligible: 0,
            heard: 0,
            expected: 0,
            loss: Channel::default(),
            service: Channel::default(),
            awake: false,
            bins: VecDeque::new(),
            known: now,
            hour: (0, 0, 0),
            hours: VecDeque::new(),
            low: 0,
        }
    }

    /// A site votes otherwise than before. `moved`: it did not change, its place or weight did.
    pub(super) fn revote(
        &mut self,
        site: usize,
        old: &Vote,
        new: &Vote,
        now: UnixTime,
        moved: bool,
    ) {
        self.advance(now);
        if old.counts {
            self.eligible = self.eligible.saturating_sub(1);
            self.heard = self.heard.saturating_sub(u32::from(!old.lost));
            self.expected = self.expected.saturating_sub(old.availability.into());
            self.loss.leave(&old.terms, old.lost, old.fresh);
            self.service.leave(&old.terms, old.blocked, old.newly);
        }
        if new.counts {
            self.eligible += 1;
            self.heard += u32::from(!new.lost);
            self.expected += u64::from(new.availability);
            self.loss.enter(&new.terms, new.lost, new.fresh);
            self.service.enter(&new.terms, new.blocked, new.newly);
        }
        if old.counts && new.counts && !moved {
            let was_is = [(old.lost, new.lost), (old.blocked, new.blocked)];
            for (channel, (was, is)) in
                [&mut self.loss, &mut self.service].into_iter().zip(was_is)
            {
                if !was && is {
                    channel.step = plus(channel.step, new.terms.went);
                    channel.went.push_back((now, site));
                    self.awake = true;
                } else if was && !is {
                    channel.step = plus(channel.step, new.terms.came);
                }
            }
        }
    }

    /// The minute ends; whether the next may pass unseen.
    pub(super) fn end(&mut self, now: UnixTime, window: i64) {
        for channel in [&mut self.loss, &mut self.service] {
            channel.end();
            let old = later(now, -window);
            while channel.went.front().is_some_and(|(at, _)| *at <= old) {
                channel.went.pop_front();
            }
        }
        let busy = |channel: &Channel| {
            !channel.score.is_zero() || channel.fresh > 0 || !channel.went.is_empty()
        };
        let slow = self.eligible >= 3 && self.eligible - self.heard.min(self.eligible) >= 3;
        self.awake = busy(&self.loss) || busy(&self.service) || slow;
    }

    /// Writes down what did not change since the last time.
    pub(super) fn advance(&mut self, now: UnixTime) {
        if since(self.known, now) > 60 * DAY {
            self.bins.clear();
            self.hours.clear();
            self.hour = (0, 0, 0);
            self.known = later(now, -3 * HOUR);
        }
        let oldest = later(now, -(BIN * BINS as i64));
        let mut bin = UnixTime(self.known.0 - self.known.0.rem_euclid(BIN) + BIN)
            .max(UnixTime(oldest.0 - oldest.0.rem_euclid(BIN) + BIN));
        while bin <= now {
            self.bins
                .push_back((bin, self.heard, self.eligible, self.expected));
            bin = later(bin, BIN);
        }
        while self.bins.len() > BINS {
            self.bins.pop_front();
        }
        while self.known < now {
            let hour = self.known.0.div_euclid(HOUR);
            let until = UnixTime((hour + 1) * HOUR).min(now);
            let span = since(self.known, until);
            let share = (i64::from(self.heard) * 1_000_000)
                .checked_div(self.eligible.into())
                .unwrap_or(1_000_000);
            self.hour.0 += share * span;
            self.hour.1 += i64::from(self.eligible) * span;
            self.hour.2 += span;
            self.known = until;
            if until.0.rem_euclid(HOUR) == 0 && self.hour.2 > 0 {
                let (share, eligible, whole) = self.hour;
                let mean = |sum: i64| u32::try_from(sum / whole).unwrap_or(0);
                self.hours.push_back((hour, mean(share), mean(eligible)));
                self.hour = (0, 0, 0);
                if self.hours.len() > 28 * 24 {
                    self.hours.pop_front();
                }
            }
        }
    }
}
