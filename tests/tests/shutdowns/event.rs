//! Does what a probe noted in the dark change the event? From the probe's own ledger on a disk,
//! through power cuts and wrong clocks, to what the detector says in the end.
//!
//! Five probes in one country go silent; sixty elsewhere do not. Each of the five writes its
//! ledger by the code of the probe ([`outage`]), the collector's book places it, and the
//! detector has it when they are back.

use faultline_collector::{
    detect::{
        Settings,
        event::{Cap, Class, Reason, Revision, State},
        input::{Input, Told},
    },
    store::beats::{Presence, Whereabouts},
};
use faultline_core::{
    engine::ledger::{Chapter, Rung},
    id::Country,
    time::UnixTime,
};
use faultline_internet::{
    clock::EPOCH,
    evaluation::{
        chance::Chance,
        fleet::{Member, Wish, draw},
        play::play,
        rows::Row,
        timeline::Way,
        world::World,
    },
    outage::{self, Outage, Phase},
};
use libtest_mimic::{Failed, Trial};
use std::path::Path;

const DAY: i64 = 86_400;
/// Seconds between beats: a month is long.
const INTERVAL: u16 = 300;

/// One trial per way to fall silent.
pub(super) fn trials(root: &Path) -> Vec<Trial> {
    let month = Outage::read(&root.join("month_dark.toml")).expect("a scenario");
    let day = |phases: Vec<Phase>| Outage {
        hours: 40,
        phase: phases,
        ..month.clone()
    };
    let dark = day(vec![phase(600, &[], false), phase(1200, &[], true)]);
    let deaf = day(vec![
        phase(600, &[Rung::Collector], true),
        phase(1200, &[], true),
    ]);
    vec![
        Trial::test("event/month_dark", move || check(&month, isolation)),
        Trial::test("event/power", move || check(&dark, power)),
        Trial::test("event/collector", move || check(&deaf, retracted)),
    ]
}

fn phase(minute: u32, silent: &[Rung], power: bool) -> Phase {
    Phase {
        minute,
        only: None,
        silent: silent.to_vec(),
        link: true,
        power,
    }
}

/// What was said of it, oldest first; truly it lasted from and until.
type Check = fn(&[Revision], UnixTime, UnixTime) -> Vec<String>;

fn check(outage: &Outage, wrong: Check) -> Result<(), Failed> {
    let (from, until) = span(outage);
    let country = Country::new("XA").expect("two letters");
    let mut chance = Chance::new(outage.seed, 1);
    let members = draw(&Wish::plain(country, 5), 0, &mut chance);
    let mut fleet = Vec::new();
    for code in ["XB", "XC", "XD", "XE", "XF", "XG"] {
        let country = Country::new(code).expect("two letters");
        let wish = Wish::plain(country, 10);
        fleet.extend(draw(&wish, 100 + fleet.len(), &mut chance));
    }
    let life = (EPOCH.secs() - 15 * DAY, until.secs() + 16 * DAY);
    let mut world = World::live(fleet, &[], Vec::new(), &[], life, &mut chance);
    for (nth, member) in members.iter().enumerate() {
        let chapters = ledger(outage, nth)?;
        world.rows.extend(rows(member, &chapters, outage, life));
    }
    world.rows.sort_by_key(|row| row.at);
    let played = play(&world, Settings::default());
    let about = |revision: &&Revision| revision.countries.contains(&country);
    let said: Vec<Revision> = played.revisions.iter().filter(about).cloned().collect();
    // Others may have taken part; the event is the one that is not merged.
    let last = said.iter().rfind(|r| r.state != State::Merged);
    let event = last.map(|last| last.event_id);
    let said: Vec<Revision> = said
        .into_iter()
        .filter(|revision| Some(revision.event_id) == event)
        .collect();
    let mut wrong = wrong(&said, from, until);
    if said.is_empty() {
        wrong.push("nothing was said".to_owned());
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let all: Vec<String> = said.iter().map(line).collect();
    Err(format!("{}\n{}", wrong.join("; "), all.join("\n")).into())
}

fn line(said: &Revision) -> String {
    format!(
        "{} {} {} {} {} {}..{} to {:?}, {} of {} sites, belief {:.3}, {:?}, {} told",
        said.as_of,
        said.revision_reason,
        said.location,
        said.state,
        said.disruption_class,
        said.start_lower,
        said.start_upper,
        said.end,
        said.affected_sites,
        said.eligible_sites,
        said.belief,
        said.confidence_caps,
        said.retro_evidence_sites,
    )
}

/// The first and the last change of the story.
fn span(outage: &Outage) -> (UnixTime, UnixTime) {
    let minute = |phase: Option<&Phase>| {
        let minute = phase.map_or(0, |phase| phase.minute);
        UnixTime::from_secs(EPOCH.secs() + i64::from(minute) * 60)
    };
    (minute(outage.phase.first()), minute(outage.phase.last()))
}

/// The probe's own ledger, as the collector's book has it in the end.
fn ledger(outage: &Outage, nth: usize) -> Result<Vec<Chapter>, Failed> {
    let mut outage = outage.clone();
    outage.seed += nth as u64;
    outage.interval = INTERVAL;
    let mut probe = outage.probe.first().ok_or("a probe")?.clone();
    probe.drift_ppm = [60, -40, 20, 0, -60][nth];
    let folder = tempfile::tempdir()?;
    Ok(outage::run(&outage, &probe, folder.path())?.chapters)
}

/// What the collector hears of a member, and what it is told.
fn rows(
    member: &Member,
    chapters: &[Chapter],
    outage: &Outage,
    (begins, ends): (i64, i64),
) -> Vec<Row> {
    let (Some(first), Some(last)) = (chapters.first(), chapters.last()) else {
        return Vec::new();
    };
    let (from, until) = span(outage);
    let mut rows = Vec::new();
    for (from, until, chapter) in [(begins, from.secs(), first), (until.secs(), ends, last)] {
        let step = i64::from(INTERVAL);
        let phase = i64::from(member.id.0[7]) * 7 % step;
        let mut at = from + phase;
        while at < until {
            let midnight = (at.div_euclid(DAY) + 1) * DAY;
            let stop = until.min(midnight);
            let beats = (stop - 1 - at) / step;
            rows.push(Row {
                at: UnixTime::from_secs(at),
                input: Input::Heard(Presence {
                    probe: member.id,
                    from: UnixTime::from_secs(at),
                    until: UnixTime::from_secs(at + beats * step),
                    beats: beats as u32 + 1,
                    longest_gap: u32::from(INTERVAL) + 1,
                    interval: INTERVAL,
                    state: Way::Whole.state(),
                    run: chapter.run,
                    boot: chapter.boot,
                    country: member.country,
                    asn: member.asn,
                    whereabouts: Whereabouts {
                        site: member.site,
                        access: member.access,
                        region: member.region_code(),
                    },
                }),
            });
            at += (beats + 1) * step;
        }
    }
    let received = UnixTime::from_secs(until.secs() + 3600);
    rows.push(Row {
        at: received,
        input: Input::Told(Told {
            probe: member.id,
            received,
            chapters: chapters.to_vec(),
        }),
    });
    rows
}

fn ensure(wrong: &mut Vec<String>, good: bool, what: &str) {
    if !good {
        wrong.push(what.to_owned());
    }
}

fn confirmed_before(said: &[Revision], moment: UnixTime) -> bool {
    said.iter()
        .any(|r| r.state == State::Confirmed && r.as_of < moment)
}

fn isolation(said: &[Revision], from: UnixTime, until: UnixTime) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(last) = said.last() else {
        return wrong;
    };
    let early = said.iter().rfind(|r| r.as_of < until);
    ensure(
        &mut wrong,
        confirmed_before(said, until),
        "not confirmed by silence",
    );
    ensure(
        &mut wrong,
        early.is_some_and(|r| r.confidence_caps.contains(&Cap::NoLateEvidence)),
        "not capped before anybody told",
    );
    let late = |r: &&Revision| r.revision_reason == Reason::LateProbeEvidence;
    ensure(
        &mut wrong,
        said.iter().any(|r| late(&r)),
        "no revision by late evidence",
    );
    let class = last.disruption_class == Class::InternationalIsolation;
    ensure(&mut wrong, class, "not an isolation in the end");
    let ended = matches!(last.state, State::Ended | State::Final);
    ensure(&mut wrong, ended, "not over");
    ensure(
        &mut wrong,
        last.retro_evidence_sites == 5,
        "not told by five",
    );
    let caps = &last.confidence_caps;
    let lifted = !caps.contains(&Cap::NoLateEvidence);
    ensure(&mut wrong, lifted, "still capped");
    // Placed in time: within what is stated, and that is not more than beats and drift allow.
    let within = last.start_lower <= from && from <= last.start_upper;
    ensure(&mut wrong, within, "the start is outside of its interval");
    let width = last.start_upper.secs() - last.start_lower.secs();
    ensure(&mut wrong, width <= 1800, "the start is vague");
    let end = last.end_lower.zip(last.end_upper);
    let within = end.is_some_and(|(lower, upper)| lower <= until && until <= upper);
    ensure(&mut wrong, within, "the end is outside of its interval");
    wrong
}

fn power(said: &[Revision], _: UnixTime, until: UnixTime) -> Vec<String> {
    let mut wrong = Vec::new();
    let class = said.last().map(|last| last.disruption_class);
    ensure(
        &mut wrong,
        confirmed_before(said, until),
        "not confirmed by silence",
    );
    ensure(
        &mut wrong,
        class == Some(Class::Power),
        "not power in the end",
    );
    wrong
}

fn retracted(said: &[Revision], _: UnixTime, _: UnixTime) -> Vec<String> {
    let mut wrong = Vec::new();
    let state = said.last().map(|last| last.state);
    ensure(
        &mut wrong,
        state == Some(State::Retracted),
        "the silence was ours, and it is not retracted",
    );
    wrong
}
