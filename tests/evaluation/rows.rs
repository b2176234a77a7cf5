//! What does the collector get of a life, and when? Presences as its store makes them of beats,
//! and ledgers as its book places them, each with the moment of its arrival.
//!
//! Single beats are not drawn: a presence goes from the first to the last beat of a stretch,
//! and breaks where two in a row or more are lost, as often as independent losses do that.
//! Ledgers go through [`Book`]: what a probe could not know the rows do not say.

use super::{
    chance::Chance,
    fleet::Member,
    timeline::{Stretch, Way},
};
use faultline_collector::{
    detect::input::{Input, Told},
    store::beats::{Presence, Whereabouts},
};
use faultline_core::{
    engine::ledger::{Body, Book, BootId, Epoch, Fix, Record, Source},
    time::{Duration, Instant, UnixTime},
};

const DAY: i64 = 86_400;
/// The store begins a new presence where beats are further apart than so many intervals.
const APART: f64 = 2.5;
/// Until the program runs after the power is back, seconds; not published.
const BOOTING: i64 = 25;
/// From the return to the upload of the ledger: minutes for most; not published.
const SOON: (f64, f64) = (240.0, 0.8);
/// Hours to days for the late.
const LATE: (f64, f64) = (36_000.0, 1.0);
const LATEST: f64 = 6.0 * DAY as f64;

/// A row and when the collector had it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub at: UnixTime,
    pub input: Input,
}

/// Everything of one probe. In no order.
pub fn of(member: &Member, life: &[Stretch], chance: &mut Chance) -> Vec<Row> {
    let beats = Beats::of(member, chance);
    let mut rows = Vec::new();
    for stretch in life.iter().filter(|stretch| stretch.way.is_heard()) {
        beats.presences(stretch, life, chance, &mut rows);
    }
    beats.ledgers(life, chance, &mut rows);
    rows
}

struct Beats<'a> {
    member: &'a Member,
    /// Microseconds by which its beats are after whole intervals, and underway.
    phase: i64,
}

impl<'a> Beats<'a> {
    fn of(member: &'a Member, chance: &mut Chance) -> Self {
        let phase = chance.between(0, i64::from(member.interval) * 1_000_000 - 1);
        Self { member, phase }
    }

    fn interval(&self) -> i64 {
        i64::from(self.member.interval) * 1_000_000
    }

    /// The first beat at or after a moment, microseconds.
    fn first(&self, at: i64) -> i64 {
        let since = at * 1_000_000 - self.phase;
        self.phase
            + since.div_euclid(self.interval()) * self.interval()
            + if since.rem_euclid(self.interval()) == 0 {
                0
            } else {
                self.interval()
            }
    }

    /// The last before one.
    fn last(&self, at: i64) -> i64 {
        self.first(at) - self.interval()
    }

    /// When the program is up in a stretch.
    fn up(stretch: &Stretch, life: &[Stretch]) -> i64 {
        let at = life.partition_point(|other| other.from < stretch.from);
        let before = at.checked_sub(1).and_then(|at| life.get(at));
        let booted = before.is_some_and(|before| before.run != stretch.run);
        stretch.from + if booted { BOOTING } else { 0 }
    }

    fn presences(
        &self,
        stretch: &Stretch,
        life: &[Stretch],
        chance: &mut Chance,
        rows: &mut Vec<Row>,
    ) {
        let loss = self.member.loss;
        let mut from = self.first(Self::up(stretch, life));
        // A second for the way.
        let mut last = self.last(stretch.until - 1);
        while chance.happens(loss) {
            from += self.interval();
        }
        while chance.happens(loss) {
            last -= self.interval();
        }
        // Beats that begin a pause of two or more: each with the square of the loss.
        let between = self.interval() as f64 / (loss * loss * (1.0 - loss));
        while from <= last {
            let pause = from + (chance.exponential(between) as i64);
            let pause = pause - (pause - from).rem_euclid(self.interval());
            let until = pause.min(last);
            self.heard(stretch, from, until, chance, rows);
            if pause >= last {
                break;
            }
            let mut missed = (APART.ceil() as i64) - 1;
            while chance.happens(loss) {
                missed += 1;
            }
            from = until + (missed + 1) * self.interval();
        }
    }

    /// A presence, cut at each midnight of UTC.
    fn heard(
        &self,
        stretch: &Stretch,
        from: i64,
        until: i64,
        chance: &mut Chance,
        rows: &mut Vec<Row>,
    ) {
        let member = self.member;
        let mut from = from;
        while from <= until {
            let midnight = (from.div_euclid(DAY * 1_000_000) + 1) * DAY * 1_000_000;
            let mut to = until;
            if until >= midnight {
                to = from + (midnight - 1 - from) / self.interval() * self.interval();
            }
            let beats = (to - from) / self.interval() + 1;
            let lost = (beats as f64 * member.loss) as i64;
            let jitter = chance.between(0, 900_000);
            rows.push(Row {
                at: UnixTime(from + jitter),
                input: Input::Heard(Presence {
                    probe: member.id,
                    from: UnixTime(from + jitter),
                    until: UnixTime(to + jitter),
                    beats: u32::try_from((beats - lost).max(1)).unwrap_or(u32::MAX),
                    longest_gap: if beats < 2 {
                        0
                    } else {
                        let gaps = if lost > 0 { 2 } else { 1 };
                        u32::from(member.interval) * gaps + 1
                    },
                    interval: member.interval,
                    state: stretch.way.state(),
                    run: stretch.run,
                    boot: boot(member, stretch.boot),
                    country: member.country,
                    asn: member.asn,
                    whereabouts: Whereabouts {
                        site: member.site + u64::from(stretch.moves),
                        access: member.access,
                        region: member.region_code(),
                    },
                }),
            });
            from = to + self.interval();
        }
    }

    /// What it hands in: after each return from silence, or from a state that was noted.
    fn ledgers(&self, life: &[Stretch], chance: &mut Chance, rows: &mut Vec<Row>) {
        let (median, sigma) = if self.member.late { LATE } else { SOON };
        let mut told = i64::MIN;
        let mut upload = i64::MIN;
        for pair in life.windows(2) {
            let [before, after] = pair else { continue };
            let back = after.way == Way::Whole && before.way != Way::Whole;
            if !back || after.from <= upload {
                continue;
            }
            let delay = chance.lognormal(median, sigma).clamp(60.0, LATEST) as i64;
            let Some(at) = online(life, after.from + delay) else {
                return;
            };
            let chapters = self.book(life, told, at).chapters();
            rows.push(Row {
                at: UnixTime::from_secs(at),
                input: Input::Told(Told {
                    probe: self.member.id,
                    received: UnixTime::from_secs(at),
                    chapters,
                }),
            });
            (told, upload) = (at, at);
        }
    }

    /// The ledger as known at `at`, from a little before the last telling.
    fn book(&self, life: &[Stretch], told: i64, at: i64) -> Book {
        let since = life.partition_point(|stretch| stretch.until < told);
        // The boot before says where one without a clock can begin.
        let mut since = since.saturating_sub(2);
        // An epoch is told whole, and by the same number each time.
        while since > 0 && goes_on(&life[since - 1], &life[since]) {
            since -= 1;
        }
        let known = life[since..]
            .iter()
            .take_while(|stretch| stretch.from <= at);
        let mut records = Vec::new();
        let mut open: Option<(u32, u64, Epoch)> = None;
        let mut runs = 0;
        let noted = (since..).zip(known).filter(|(_, s)| s.way.is_noted());
        for (nth, stretch) in noted {
            let number = nth as u64 * 4;
            let up = Self::up(stretch, life);
            let booted = booted(life, stretch.boot);
            let clock = |micros: i64| self.monotonic(micros - booted * 1_000_000);
            let (from, until) = (self.first(up), self.last(stretch.until.min(at)));
            if stretch.run != runs {
                runs = stretch.run;
                records.push(Record {
                    number: number + 1,
                    run: stretch.run,
                    body: Body::Run {
                        boot: boot(self.member, stretch.boot),
                        started: clock(up * 1_000_000),
                    },
                });
            }
            if until < from {
                continue;
            }
            if stretch.way.is_heard() {
                // A round trip of a fifth of a second; what it said is within half of that.
                records.push(Record {
                    number: number + 2,
                    run: stretch.run,
                    body: Body::Fix(Fix {
                        at: clock(from),
                        utc: UnixTime(from + 40_000),
                        error: Duration::from_millis(100),
                        source: Source::Collector,
                    }),
                });
            }
            let state = stretch.way.state();
            let walks = ((until - from) / self.interval() + 1) as u32;
            let failures = if stretch.way == Way::Whole {
                0
            } else {
                walks * 3
            };
            match &mut open {
                Some((run, _, epoch)) if *run == stretch.run && epoch.state == state => {
                    epoch.until = clock(until);
                    epoch.checks += walks * 4;
                    epoch.failures += failures;
                }
                _ => {
                    records.extend(open.take().map(of_epoch));
                    let epoch = Epoch {
                        from: clock(from),
                        until: clock(until),
                        state,
                        checks: walks * 4,
                        failures,
                    };
                    open = Some((stretch.run, number + 3, epoch));
                }
            }
        }
        records.extend(open.take().map(of_epoch));
        Book::read(records)
    }

    fn monotonic(&self, micros: i64) -> Instant {
        let off = i128::from(micros) * i128::from(self.member.ppm) / 1_000_000;
        Instant((micros + off as i64).max(0).unsigned_abs())
    }
}

/// Whether two stretches are one to who keeps the ledger.
fn goes_on(one: &Stretch, two: &Stretch) -> bool {
    one.way == two.way && one.run == two.run && one.way.is_noted()
}

fn of_epoch((run, number, epoch): (u32, u64, Epoch)) -> Record {
    Record {
        number,
        run,
        body: Body::Epoch(epoch),
    }
}

/// When a boot began; the first was up for a while before the story.
fn booted(life: &[Stretch], boot: u32) -> i64 {
    let at = life.partition_point(|stretch| stretch.boot < boot);
    let from = life.get(at).map_or(0, |stretch| stretch.from);
    if boot == 1 { from - 3 * DAY } else { from }
}

/// The first moment from `at` on at which something can be sent.
fn online(life: &[Stretch], at: i64) -> Option<i64> {
    let next = life.partition_point(|stretch| stretch.until <= at);
    let found = life.get(next..)?.iter().find(|s| s.way.is_heard())?;
    Some(if found.from < at {
        at
    } else {
        (found.from + 120).min(found.until - 1)
    })
}

fn boot(member: &Member, number: u32) -> BootId {
    let mut id = member.id.0;
    id[12..].copy_from_slice(&number.to_be_bytes());
    BootId(id)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            fleet::{Wish, draw},
            timeline::{Trouble, stretches},
        },
        *,
    };
    use faultline_core::{engine::ledger::Extent, id::Country};

    const START: i64 = 1_700_000_000 / DAY * DAY;

    fn member() -> Member {
        let wish = Wish::plain(Country::new("XA").unwrap(), 3);
        let mut member = draw(&wish, 0, &mut Chance::new(1, 1)).remove(0);
        (member.interval, member.loss, member.late) = (60, 0.001, false);
        member
    }

    fn rows(troubles: &[Trouble], days: i64) -> Vec<Row> {
        let life = stretches(troubles, &[], START, START + days * DAY);
        of(&member(), &life, &mut Chance::new(5, 5))
    }

    fn presences(rows: &[Row]) -> Vec<&Presence> {
        let heard = rows.iter().filter_map(|row| match &row.input {
            Input::Heard(presence) => Some(presence),
            _ => None,
        });
        heard.collect()
    }

    #[test]
    fn no_presence_spans_midnight_or_a_silence() {
        let silence = Trouble {
            from: START + DAY + 36_000,
            until: START + DAY + 72_000,
            way: Way::NoUpstream,
        };
        let rows = rows(&[silence], 5);
        for presence in presences(&rows) {
            let day = |at: UnixTime| at.secs().div_euclid(DAY);
            assert_eq!(day(presence.from), day(presence.until));
            let from = presence.from.secs();
            assert!(presence.until.secs() < silence.from || from >= silence.until);
            assert!(presence.until >= presence.from);
            let beats = (presence.until.secs() - from) / 60 + 1;
            assert!(i64::from(presence.beats) <= beats + 1);
        }
    }

    #[test]
    fn a_ledger_tells_of_the_silence_within_the_error_that_it_states() {
        let silence = Trouble {
            from: START + DAY + 36_000,
            until: START + DAY + 72_000,
            way: Way::Domestic,
        };
        let told: Vec<Told> = rows(&[silence], 5)
            .into_iter()
            .filter_map(|row| match row.input {
                Input::Told(told) => Some(told),
                _ => None,
            })
            .collect();
        let [told] = told.as_slice() else {
            panic!("{told:?}");
        };
        assert!(told.received.secs() > silence.until);
        let chapter = told
            .chapters
            .iter()
            .find(|c| c.epoch.state.extent() == Extent::Domestic)
            .unwrap();
        for (placed, truly) in [
            (chapter.from.unwrap(), silence.from),
            (chapter.until.unwrap(), silence.until),
        ] {
            let off = (placed.at.secs() - truly).unsigned_abs();
            assert!(off <= placed.error.as_secs() + 61, "{placed:?}, {truly}");
        }
        assert!(chapter.by_clock);
    }

    #[test]
    fn a_boot_that_was_never_online_is_placed_by_order() {
        let at = |hour: i64| START + DAY + hour * 3600;
        let trouble = |from, until, way| Trouble {
            from: at(from),
            until: at(until),
            way,
        };
        let rows = rows(
            &[
                trouble(1, 9, Way::NoUpstream),
                trouble(3, 4, Way::Off),
                trouble(6, 7, Way::Off),
            ],
            3,
        );
        let chapters = rows.iter().find_map(|row| match &row.input {
            Input::Told(told) => Some(&told.chapters),
            _ => None,
        });
        let unsure: Vec<_> = chapters.unwrap().iter().filter(|c| !c.by_clock).collect();
        let [chapter] = unsure.as_slice() else {
            panic!("{unsure:?}");
        };
        let placed = chapter.from.unwrap();
        let truly = at(4);
        let off = (placed.at.secs() - truly).unsigned_abs();
        assert!(off <= placed.error.as_secs() + 61);
    }

    #[test]
    fn power_gives_a_new_boot_and_no_notes() {
        let cut = Trouble {
            from: START + DAY,
            until: START + DAY + 7200,
            way: Way::Off,
        };
        let rows = rows(&[cut], 3);
        let found = presences(&rows);
        let before = found.iter().rfind(|p| p.from.secs() < cut.from).unwrap();
        let after = found.iter().find(|p| p.from.secs() >= cut.until).unwrap();
        assert_ne!(before.boot, after.boot);
        assert!(after.run > before.run);
        assert!(after.from.secs() >= cut.until + BOOTING);
    }
}
