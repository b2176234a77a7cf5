//! How does a person read the link ledger? As a story: from when to when, how sure of that, and
//! what was there. Moments are UTC.

use faultline_core::{
    engine::ledger::{Book, BootId, Chapter, Extent, Placed, Reach, Rung, State},
    time::{Duration, Instant, UnixTime},
};
use serde::Serialize;
use std::io::{self, Write};

/// The whole story, oldest first; times in which nothing changed that can be told stand
/// together.
pub fn story(out: &mut dyn Write, book: &Book, damaged: usize) -> io::Result<()> {
    let chapters = book.chapters();
    if let Some((_, epochs)) = book.lost() {
        writeln!(
            out,
            "The oldest {epochs} entries were dropped for want of room."
        )?;
    }
    if damaged > 0 {
        writeln!(
            out,
            "{damaged} entries are torn or damaged, as power cuts leave them; the rest is whole."
        )?;
    }
    let mut before: Option<Chapter> = None;
    for chapter in alike(&chapters) {
        if let Some(last) = before {
            pause(out, &last, &chapter)?;
        }
        writeln!(out, "{}: {}.", when(&chapter), what(chapter.epoch.state))?;
        before = Some(chapter);
    }
    for (boot, at, from, to) in book.steps() {
        let placed = moment(book, boot, at);
        let at = placed.map_or_else(|| "Once".to_owned(), |at| format!("At {}", clock(at.at)));
        let (from, to) = (clock(from), clock(to));
        writeln!(out, "{at} this machine's clock jumped from {from} to {to}.")?;
    }
    Ok(())
}

/// Chapters of one run that read the same are told as one.
fn alike(chapters: &[Chapter]) -> Vec<Chapter> {
    let mut told: Vec<Chapter> = Vec::new();
    for chapter in chapters {
        match told.last_mut() {
            Some(last)
                if last.run == chapter.run
                    && chapter.epoch.from.since(last.epoch.until) <= UNSEEN
                    && what(last.epoch.state) == what(chapter.epoch.state) =>
            {
                last.until = chapter.until;
                last.epoch.until = chapter.epoch.until;
                last.epoch.checks = last.epoch.checks.saturating_add(chapter.epoch.checks);
                last.epoch.failures =
                    last.epoch.failures.saturating_add(chapter.epoch.failures);
            }
            _ => told.push(*chapter),
        }
    }
    told
}

/// What was there, in words.
pub fn what(state: State) -> String {
    let good = |rung| state.at(rung) == Reach::Good;
    let gateway = match state.at(Rung::Gateway) {
        Reach::Good => "the gateway answered",
        Reach::Bad => "the gateway did not answer",
        _ => "the link was up",
    };
    let rest = match state.extent() {
        Extent::NoLink => "no cable or radio link was there".to_owned(),
        Extent::NoGateway => {
            "the link was up, neither the gateway nor anything beyond it answered".into()
        }
        Extent::NoUpstream if good(Rung::Resolver) => {
            format!("{gateway}, so did the network's resolver, nothing beyond did")
        }
        Extent::NoUpstream => format!("{gateway}, nothing beyond it did"),
        Extent::Domestic => {
            format!("{gateway}, hosts in the country answered, nothing beyond the border did")
        }
        Extent::NoCanary => {
            "the Internet was there, the services that are often singled out were not".into()
        }
        Extent::NoCollector => "the Internet was there, the collector was not".into(),
        Extent::Whole => "the Internet was there".into(),
        Extent::Mixed => "now this, now that (told together to save room)".into(),
        _ => format!("{gateway}, nothing beyond it was asked"),
    };
    let power = match state.at(Rung::Power) {
        Reach::Good => "on mains and running",
        Reach::Bad => "on battery and running",
        _ => "powered and running",
    };
    format!("{power}, {rest}")
}

fn when(chapter: &Chapter) -> String {
    let lasted = span(chapter.epoch.lasted());
    match (chapter.from, chapter.until) {
        (Some(from), Some(until)) if chapter.by_clock => {
            let error = from.error.max(until.error);
            format!(
                "From {} to {} plus or minus {} ({lasted})",
                clock(from.at),
                clock(until.at),
                span(whole(error))
            )
        }
        (Some(some), _) => {
            let earliest = UnixTime(some.at.0 - some.error.as_micros() as i64);
            format!(
                "For {lasted}, some time between {} and {} (the clock was not known)",
                clock(earliest),
                clock(some.at + some.error)
            )
        }
        _ => format!("For {lasted}, nobody knows when (the clock was never known)"),
    }
}

/// Longer than the rarest beats are apart: nobody looked.
const UNSEEN: Duration = Duration::from_hours(2);

/// What lies between two chapters, where that is more than a change.
fn pause(out: &mut dyn Write, last: &Chapter, next: &Chapter) -> io::Result<()> {
    if last.run == next.run {
        let unseen = next.epoch.from.since(last.epoch.until);
        if unseen > UNSEEN {
            let unseen = span(unseen);
            writeln!(
                out,
                "Then for {unseen}: nothing was looked at (asleep, the budget spent, or no consent)."
            )?;
        }
        return Ok(());
    }
    let long = match (last.until, next.from) {
        (Some(until), Some(from)) if last.by_clock && next.by_clock => {
            let micros = from.at.0.saturating_sub(until.at.0).max(0).unsigned_abs();
            format!(" for {}", span(whole(Duration::from_micros(micros))))
        }
        _ => String::new(),
    };
    let why = if last.boot == next.boot {
        "the machine was on, the probe was not running"
    } else {
        "the machine was off or started anew"
    };
    writeln!(out, "Then{long}: {why}.")
}

fn moment(book: &Book, boot: BootId, at: Instant) -> Option<Placed> {
    let fixes: Vec<_> = book
        .fixes()
        .filter(|(of, _)| *of == boot)
        .map(|(_, fix)| fix)
        .collect();
    faultline_core::engine::ledger::place(&fixes, at)
}

fn clock(at: UnixTime) -> String {
    let text = at.to_string();
    let (date, rest) = text.split_once('T').unwrap_or((&text, ""));
    format!("{date} {}", rest.split('.').next().unwrap_or_default())
}

fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

/// `3 d 14 h`, `14 h 12 min`, `12 min 30 s`, `9 s`.
fn span(duration: Duration) -> String {
    let secs = duration.as_secs();
    let (days, hours, minutes) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
    let pair = |big: u64, one: &str, small: u64, two: &str| match small {
        0 => format!("{big} {one}"),
        _ => format!("{big} {one} {small} {two}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{secs} s"),
        (0, 0, _) => pair(minutes, "min", secs % 60, "s"),
        (0, ..) => pair(hours, "h", minutes, "min"),
        _ => pair(days, "d", hours, "h"),
    }
}

/// A chapter as programs read it.
#[derive(Serialize)]
struct Line {
    number: u64,
    run: u32,
    boot: BootId,
    from: Option<UnixTime>,
    until: Option<UnixTime>,
    error_seconds: Option<f64>,
    by_clock: bool,
    lasted_seconds: f64,
    extent: &'static str,
    state: String,
    checks: u32,
    failures: u32,
    sent: bool,
}

impl Line {
    fn of(chapter: &Chapter, book: &Book) -> Self {
        let error = chapter.from.zip(chapter.until);
        let error = error.map(|(from, until)| from.error.max(until.error).as_secs_f64());
        Self {
            number: chapter.number,
            run: chapter.run,
            boot: chapter.boot,
            from: chapter.from.map(|placed| placed.at),
            until: chapter.until.map(|placed| placed.at),
            error_seconds: error,
            by_clock: chapter.by_clock,
            lasted_seconds: chapter.epoch.lasted().as_secs_f64(),
            extent: chapter.epoch.state.extent().name(),
            state: chapter.epoch.state.to_string(),
            checks: chapter.epoch.checks,
            failures: chapter.epoch.failures,
            sent: Some(chapter.number) <= book.sent(),
        }
    }
}

/// One epoch a line, as JSON.
pub fn story_json(out: &mut dyn Write, book: &Book) -> io::Result<()> {
    for chapter in book.chapters() {
        serde_json::to_writer(&mut *out, &Line::of(&chapter, book))?;
        writeln!(out)?;
    }
    Ok(())
}

/// One epoch a line, as CSV (RFC 4180).
pub fn story_csv(out: &mut dyn Write, book: &Book) -> io::Result<()> {
    writeln!(
        out,
        "number,run,boot,from,until,error_seconds,by_clock,lasted_seconds,extent,state,checks,failures,sent"
    )?;
    for chapter in book.chapters() {
        let line = Line::of(&chapter, book);
        let time = |at: Option<UnixTime>| at.map(|at| at.to_string()).unwrap_or_default();
        let error = line.error_seconds.map(|e| format!("{e:.3}"));
        writeln!(
            out,
            "{},{},{},{},{},{},{},{:.3},{},{},{},{},{}",
            line.number,
            line.run,
            line.boot,
            time(line.from),
            time(line.until),
            error.unwrap_or_default(),
            line.by_clock,
            line.lasted_seconds,
            line.extent,
            line.state,
            line.checks,
            line.failures,
            line.sent
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::engine::ledger::{Body, Epoch, Fix, Record, Source};

    fn secs(secs: u64) -> Instant {
        Instant(secs * 1_000_000)
    }

    fn state(good: &[Rung], bad: &[Rung]) -> State {
        let all = good.iter().map(|r| (r, Reach::Good));
        all.chain(bad.iter().map(|r| (r, Reach::Bad)))
            .fold(State::default(), |state, (rung, reach)| {
                state.with(*rung, reach)
            })
    }

    fn record(number: u64, run: u32, body: Body) -> Record {
        Record { number, run, body }
    }

    fn epoch(number: u64, run: u32, from: u64, until: u64, state: State) -> Record {
        let (from, until) = (secs(from), secs(until));
        let epoch = Epoch {
            from,
            until,
            state,
            checks: 9,
            failures: 8,
        };
        record(number, run, Body::Epoch(epoch))
    }

    #[test]
    fn a_shutdown_is_told_in_plain_words() {
        use Rung::{Collector, Domestic, Foreign, Gateway, Link};
        let light = state(&[Link, Gateway, Domestic, Foreign, Collector], &[]);
        let dark = state(&[Link, Gateway, Domestic], &[Foreign, Collector]);
        let unplugged = state(&[], &[Link]);
        let boot = |n| BootId([n; 16]);
        let run = |number, run, b| {
            let started = secs(20);
            record(
                number,
                run,
                Body::Run {
                    boot: boot(b),
                    started,
                },
            )
        };
        let fix = Fix {
            at: secs(60),
            utc: UnixTime::from_secs(1_750_250_000),
            error: Duration::from_millis(30),
            source: Source::Collector,
        };
        let step = Body::Step {
            at: secs(60),
            from: UnixTime::from_secs(0),
            to: UnixTime::from_secs(1_750_250_000),
        };
        let book = Book::read([
            run(1, 1, 1),
            epoch(2, 1, 60, 600, light),
            record(3, 1, Body::Fix(fix)),
            epoch(4, 1, 660, 80_000, dark),
            run(5, 2, 1),
            epoch(6, 2, 80_100, 80_100, unplugged),
            run(7, 3, 2),
            epoch(8, 3, 60, 120, dark),
            run(9, 4, 3),
            epoch(10, 4, 40, 400, light),
            epoch(13, 4, 9_400, 9_460, light),
            record(
                11,
                4,
                Body::Fix(Fix {
                    utc: UnixTime::from_secs(1_750_400_000),
                    ..fix
                }),
            ),
            record(12, 4, step),
        ]);
        let mut text = Vec::new();
        story(&mut text, &book, 1).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "\
1 entries are torn or damaged, as power cuts leave them; the rest is whole.
From 2025-06-18 12:33:20 to 2025-06-18 12:42:20 plus or minus 1 s (9 min): powered and running, the Internet was there.
From 2025-06-18 12:43:20 to 2025-06-19 10:45:40 plus or minus 9 s (22 h 2 min): powered and running, the gateway answered, hosts in the country answered, nothing beyond the border did.
Then for 1 min 40 s: the machine was on, the probe was not running.
From 2025-06-19 10:47:20 to 2025-06-19 10:47:20 plus or minus 9 s (0 s): powered and running, no cable or radio link was there.
Then: the machine was off or started anew.
For 1 min, some time between 2025-06-19 10:47:11 and 2025-06-20 06:12:60 (the clock was not known): powered and running, the gateway answered, hosts in the country answered, nothing beyond the border did.
Then: the machine was off or started anew.
From 2025-06-20 06:13:00 to 2025-06-20 06:19:00 plus or minus 1 s (6 min): powered and running, the Internet was there.
Then for 2 h 30 min: nothing was looked at (asleep, the budget spent, or no consent).
From 2025-06-20 08:49:00 to 2025-06-20 08:50:00 plus or minus 1 s (1 min): powered and running, the Internet was there.
At 2025-06-20 06:13:20 this machine's clock jumped from 1970-01-01 00:00:00 to 2025-06-18 12:33:20.
"
            .replace("06:12:60", "06:13:00")
        );
        let mut lines = Vec::new();
        story_json(&mut lines, &book).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        assert_eq!(lines.lines().count(), 6);
        let second: serde_json::Value =
            serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
        assert_eq!(second["extent"], "domestic_only");
        assert_eq!(second["lasted_seconds"], 79_340.0);
        let mut table = Vec::new();
        story_csv(&mut table, &book).unwrap();
        let table = String::from_utf8(table).unwrap();
        let columns = |line: &str| line.split(',').count();
        assert!(table.lines().all(|line| columns(line) == 13), "{table}");
    }
}
