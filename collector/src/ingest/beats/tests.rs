use super::*;
use crate::{
    ingest::{
        Nowhere,
        gate::{EACH, MISSES},
    },
    store::sqlite::{Sqlite, SqliteBeats},
};
use faultline_core::{
    engine::{
        heartbeat::{Heart, Vitals},
        ledger::{BootId, Reach, Rung, State},
    },
    time::{ClockQuality, Duration, Instant},
};

const MINUTE: Duration = Duration::from_mins(1);
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn key(byte: u8) -> Identity {
    Identity::from_bytes(&[byte; 32]).unwrap()
}

struct Place {
    _folder: tempfile::TempDir,
    store: Arc<Sqlite>,
    ward: Ward,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(&folder.path().join("collector.db")).unwrap());
    let beats = Arc::new(SqliteBeats::open(&folder.path().join("beats.db")).unwrap());
    let terms = Terms {
        port: 8056,
        address: None,
        interval: 60,
        anchors: Anchors::default(),
    };
    let probes = Arc::clone(&store);
    let ward = Ward::new(probes, beats, Arc::new(Nowhere), key(9), terms)
        .knowing(Sites::new(&[1; 32]), AccessTable::default());
    enrol(&store, 1);
    Place {
        _folder: folder,
        store,
        ward,
    }
}

fn enrol(store: &Sqlite, byte: u8) {
    let public = key(byte).public();
    store
        .enrol(&ProbeRecord {
            id: public.probe_id(),
            public_key: public.to_sec1(),
            consent: 2,
            software: "test".into(),
            enrolled: NOW,
            revoked: None,
            source: Source::Probe,
        })
        .unwrap();
}

fn from(last: u8) -> SocketAddr {
    ([192, 0, 2, last], 4000).into()
}

fn vitals(state: State) -> Vitals {
    Vitals {
        boot: BootId([5; 16]),
        state,
        since: Instant(0),
        last_good: None,
        wall: NOW,
        clock: ClockQuality::Ntp,
        waiting: 0,
        oldest: None,
    }
}

fn good() -> State {
    State::default().with(Rung::Foreign, Reach::Good)
}

#[test]
fn a_beat_is_kept_and_answered_once() {
    let place = place();
    let probe = key(1);
    let id = probe.public().probe_id();
    let mut heart = Heart::new(1, MINUTE, Instant(0));
    let beat = heart.beat(Instant(7), &probe, &vitals(good()));
    let answer = place.ward.hear(from(1), &beat, NOW).unwrap();
    assert!(answer.len() < beat.len());
    let fix = heart.handle(Instant(9), &answer, &key(9).public()).unwrap();
    assert_eq!(fix.utc, NOW);
    for _ in 0..2 {
        let again = place.ward.hear(from(2), &beat, NOW);
        assert!(matches!(again, Err(Silence::Repeated)), "{again:?}");
    }
    let last = place.ward.beats().last(id).unwrap().unwrap();
    assert_eq!((last.beat.run, last.beat.count), (1, 1));
    assert_eq!(last.received, NOW);
    // A probe that lost its ledger hears where to go on.
    let terms = place.ward.terms(id, None).unwrap();
    assert_eq!((terms.run, terms.count), (1, 1));
}

#[test]
fn whatever_else_comes_is_met_with_silence() {
    let place = place();
    let probe = key(1);
    let beat = Heart::new(1, MINUTE, Instant(0)).beat(Instant(7), &probe, &vitals(good()));
    let mut forged = beat.clone();
    let at = forged.len() - 1;
    forged[at] ^= 1;
    let stranger = Heart::new(1, MINUTE, Instant(0)).beat(Instant(7), &key(2), &vitals(good()));
    let other = probe.seal(Purpose::Request, &Vec::<u8>::from([7; 60]));
    for (octets, why) in [
        (Vec::new(), "Length"),
        (beat[..127].to_vec(), "Length"),
        (vec![0; 257], "Length"),
        (vec![0xd2; 200], "Malformed"),
        (forged, "Signature"),
        (stranger, "Stranger"),
        (other, "Signature"),
    ] {
        // Each from elsewhere, so that each has its allowance.
        let silence = place.ward.hear(from(octets.len() as u8), &octets, NOW);
        let silence = format!("{:?}", silence.unwrap_err());
        assert_eq!(silence, why);
    }
    assert!(place.ward.hear(from(1), &beat, NOW).is_ok());
    place.store.revoke(probe.public().probe_id(), NOW).unwrap();
    let next = Heart::new(2, MINUTE, Instant(0)).beat(Instant(7), &probe, &vitals(good()));
    let revoked = place.ward.hear(from(1), &next, NOW);
    assert!(matches!(revoked, Err(Silence::Stranger)), "{revoked:?}");
}

#[test]
fn a_flood_under_anothers_name_costs_only_its_sender() {
    let place = place();
    let probe = key(1);
    let mut heart = Heart::new(1, MINUTE, Instant(0));
    let beat = heart.beat(Instant(7), &probe, &vitals(good()));
    let mut junk = beat.clone();
    let at = junk.len() - 1;
    junk[at] ^= 1;
    let mut checked = 0;
    for _ in 0..1000 {
        let silence = place.ward.hear(from(66), &junk, NOW).unwrap_err();
        checked += u32::from(matches!(silence, Silence::Signature));
    }
    assert_eq!(checked, u32::from(EACH), "signatures checked of a thousand");
    assert!(place.ward.hear(from(1), &beat, NOW).is_ok());
    // In the next window the other has an allowance again.
    let later = NOW + Duration::from_secs(10);
    let silence = place.ward.hear(from(66), &junk, later).unwrap_err();
    assert!(matches!(silence, Silence::Signature));
}

#[test]
fn strangers_silence_nobody_but_newcomers_of_their_own_prefix() {
    let place = place();
    let other = |last| SocketAddr::from(([198, 51, 100, last], 4000));
    enrol(&place.store, 3);
    let mut heart = Heart::new(1, MINUTE, Instant(0));
    let mut known = || heart.beat(Instant(7), &key(1), &vitals(good()));
    // Heard from here before.
    place.ward.hear(from(1), &known(), NOW).unwrap();
    let mut asked = 0;
    let junk = known();
    for number in 0u32..2000 {
        let mut name = ProbeId([0; 16]);
        name.0[..4].copy_from_slice(&number.to_be_bytes());
        let beat = renamed(&junk, name);
        let silence = place.ward.hear(from(66), &beat, NOW).unwrap_err();
        asked += u32::from(matches!(silence, Silence::Stranger));
    }
    assert_eq!(asked, u32::from(MISSES), "times that the ledger was asked");
    // Who was heard from this very prefix still is, and so is a newcomer from elsewhere.
    let heard = place.ward.hear(from(1), &known(), NOW);
    assert!(heard.is_ok(), "{heard:?}");
    let newcomer = Heart::new(1, MINUTE, Instant(0)).beat(Instant(7), &key(3), &vitals(good()));
    let heard = place.ward.hear(other(1), &newcomer, NOW);
    assert!(heard.is_ok(), "{heard:?}");
    // One who moves into the flooded prefix waits for the next window.
    let moved = Heart::new(2, MINUTE, Instant(0)).beat(Instant(7), &key(3), &vitals(good()));
    let silence = place.ward.hear(from(2), &moved, NOW).unwrap_err();
    assert!(matches!(silence, Silence::TooMany), "{silence:?}");
    let heard = place
        .ward
        .hear(from(2), &moved, NOW + Duration::from_secs(10));
    assert!(heard.is_ok(), "{heard:?}");
}

/// The same beat under another's name.
fn renamed(beat: &[u8], name: ProbeId) -> Vec<u8> {
    let whose = key(1).public().probe_id().0;
    let at = beat.windows(16).position(|part| part == whose).unwrap();
    let mut beat = beat.to_vec();
    beat[at..at + 16].copy_from_slice(&name.0);
    beat
}

#[test]
fn sites_are_kept_and_the_collectors_own_beats_are_not() {
    let mut place = place();
    place.ward = place.ward.hearing_itself(key(8).public());
    let mut heart = Heart::new(1, MINUTE, Instant(0));
    for (last, received) in [(1, NOW), (200, NOW + MINUTE)] {
        let beat = heart.beat(Instant(7), &key(1), &vitals(good()));
        place.ward.hear(from(last), &beat, received).unwrap();
    }
    let id = key(1).public().probe_id();
    let last = place.ward.beats().last(id).unwrap().unwrap();
    let site = Sites::new(&[1; 32]).of(from(9).ip());
    assert_eq!(
        last.whereabouts.site, site,
        "of the prefix, not of the address"
    );
    let mut own = Heart::new(1, MINUTE, Instant(0));
    for _ in 0..10 {
        let beat = own.beat(Instant(7), &key(8), &vitals(good()));
        let answer = place.ward.hear(from(5), &beat, NOW).unwrap();
        assert!(own.handle(Instant(8), &answer, &key(9).public()).is_some());
    }
    let whose = key(8).public().probe_id();
    assert_eq!(place.ward.beats().last(whose).unwrap(), None);
    let forged = renamed(&heart.beat(Instant(7), &key(1), &vitals(good())), whose);
    let silence = place.ward.hear(from(5), &forged, NOW).unwrap_err();
    assert!(matches!(silence, Silence::Signature), "{silence:?}");
}

#[test]
fn presence_goes_on_until_something_changes_or_a_beat_is_missed() {
    let place = place();
    let probe = key(1);
    let mut heart = Heart::new(1, MINUTE, Instant(0));
    let dark = State::default().with(Rung::Foreign, Reach::Bad);
    let minutes = [0u64, 1, 2, 4, 5, 9, 10, 11, 12];
    for minute in minutes {
        let state = if minute < 11 { good() } else { dark };
        let beat = heart.beat(Instant(minute * 60_000_000), &probe, &vitals(state));
        let now = NOW + MINUTE * minute as u32;
        place.ward.hear(from(1), &beat, now).unwrap();
    }
    let mut seen = Vec::new();
    let window = NOW..NOW + Duration::from_hours(1);
    let each = &mut |presence: crate::store::beats::Presence| {
        let minute = |at: UnixTime| (at.secs() - NOW.secs()) / 60;
        seen.push((
            minute(presence.from),
            minute(presence.until),
            presence.beats,
            presence.longest_gap,
            presence.state == dark,
        ));
        true
    };
    place.ward.beats().presences(window, each).unwrap();
    assert_eq!(
        seen,
        [
            (0, 5, 5, 120, false),
            (9, 10, 2, 60, false),
            (11, 12, 2, 60, true)
        ]
    );
    // A clock that leapt is not believed at once.
    let beats = place.ward.beats();
    let (keep, now) = (MINUTE, NOW + Duration::from_mins(9));
    beats.forget(Duration::from_hours(1), NOW).unwrap();
    let year = NOW + Duration::from_hours(24 * 366);
    let leapt = beats.forget(keep, year);
    assert!(
        matches!(leapt, Err(StoreError::ClockLeap { days: 366 })),
        "{leapt:?}"
    );
    beats.forget(keep, now).unwrap();
    let mut left = 0;
    let all = UnixTime(i64::MIN)..UnixTime(i64::MAX);
    let each = &mut |_| {
        left += 1;
        true
    };
    place.ward.beats().presences(all, each).unwrap();
    assert_eq!(left, 2);
}
