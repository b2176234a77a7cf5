//! Is what happens found, kept and told, whatever happens to the collector meanwhile? Real
//! stores, the real detector, in virtual time.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::connect_info::MockConnectInfo,
    http::{Request, StatusCode, header},
};
use faultline_collector::{
    api::{Scores, Service, router},
    config::Config,
    detect::{
        Settings,
        event::{EventId, Revision, State},
        input::{Action, Deed, Signal, Watcher},
    },
    export::{Hold, archive, gather, publish},
    ingest::{Ingest, Nowhere},
    rules::Rules,
    store::{
        StoreError,
        beats::{Beats, Heard, Whereabouts},
        events::{Events, Note, Sought},
        sqlite::{Sqlite, SqliteBeats, SqliteEvents},
    },
    watch::{Watch, WatchError, public, rebuild},
};
use faultline_core::{
    codec::Identity,
    engine::ledger::{BootId, Reach, Rung, State as Ladder},
    id::{Asn, Country, ProbeId},
    measurement::NetworkKind,
    protocol::Beat,
    time::{ClockQuality, UnixTime},
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};
use tower::ServiceExt as _;

/// A midnight.
const START: i64 = 1_799_971_200;
const MINUTE: i64 = 60_000_000;
/// Until something happens.
const CALM: i64 = 150;

fn at(minutes: i64) -> UnixTime {
    UnixTime(START * 1_000_000 + minutes * MINUTE)
}

fn settings() -> Settings {
    Settings {
        self_tested: true,
        ..Settings::default()
    }
}

struct Place {
    _folder: tempfile::TempDir,
    beats: Arc<SqliteBeats>,
    events: Arc<SqliteEvents>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| folder.path().join(name);
        Self {
            beats: Arc::new(SqliteBeats::open(&open("beats.db")).unwrap()),
            events: Arc::new(SqliteEvents::open(&open("events.db")).unwrap()),
            _folder: folder,
        }
    }

    fn watch(&self) -> Watch {
        Watch::new(self.beats.clone(), self.events.clone(), settings())
    }

    /// Six probes in two networks of XA, eight in two of XB, who beat in each minute.
    fn beat(&self, minute: i64, silent: &str) {
        for probe in 0..14u8 {
            let country = if probe < 6 { "XA" } else { "XB" };
            let asn = 64_500 + u32::from(probe % 2) + u32::from(probe / 6) * 2;
            if country == silent || silent == asn.to_string() {
                continue;
            }
            let received = UnixTime(at(minute).0 + 1_000_000 + i64::from(probe) * 1_000_000);
            let heard = Heard {
                probe: ProbeId([probe + 1; 16]),
                received,
                beat: Beat {
                    run: 1,
                    count: u32::try_from(minute + 10_000).unwrap(),
                    boot: BootId([probe; 16]),
                    uptime: 0,
                    wall: received,
                    clock: ClockQuality::Ntp,
                    state: Ladder::default()
                        .with(Rung::Link, Reach::Good)
                        .with(Rung::Foreign, Reach::Good),
                    since: 0,
                    last_good: None,
                    waiting: 0,
                    oldest: None,
                    interval: 60,
                },
                country: Country::new(country).unwrap(),
                asn: Asn(asn),
                whereabouts: Whereabouts {
                    site: u64::from(probe) + 1,
                    access: NetworkKind::Fixed,
                    region: String::new(),
                },
            };
            assert!(self.beats.hear(&heard).unwrap());
        }
    }

    /// Minutes in which the collector runs; `silent` is a country, or a network.
    fn run(&self, watch: &Watch, minutes: Range<i64>, silent: &str) {
        for minute in minutes {
            self.events.alive(at(minute)).unwrap();
            self.beat(minute, silent);
            self.events.alive(at(minute + 1)).unwrap();
            watch.step(after(minute + 1), false).unwrap();
        }
    }

    fn said(&self) -> Vec<Revision> {
        let mut said = Vec::new();
        let each = &mut |revision, _: &str| {
            said.push(revision);
            true
        };
        self.events.each_revision(at(1_000_000), each).unwrap();
        said
    }

    fn is_equal(&self) {
        let done = rebuild(&*self.beats, &*self.events, settings(), false).unwrap();
        assert!(done.is_equal(), "{done:?}");
    }
}

/// Six seconds after the end of a minute.
fn after(minute: i64) -> UnixTime {
    UnixTime(at(minute).0 + 6_000_000)
}

/// Calm, an hour without XA, and an hour after it.
fn outage(place: &Place, watch: &Watch) {
    place.run(watch, 0..CALM, "");
    place.run(watch, CALM..CALM + 60, "XA");
    place.run(watch, CALM + 60..CALM + 120, "");
}

fn of_country(said: &[Revision]) -> Vec<&Revision> {
    let whole = |r: &&Revision| r.location.to_string() == "country/XA";
    said.iter().filter(whole).collect()
}

#[test]
fn an_outage_is_said_while_it_lasts_and_a_rebuild_says_the_same() {
    let place = Place::new();
    outage(&place, &place.watch());
    let said = place.said();
    let country = of_country(&said);
    let first = |state| country.iter().find(|r| r.state == state).unwrap().as_of;
    let began = at(CALM);
    assert!(first(State::Suspected).0 - began.0 <= 5 * MINUTE);
    assert!(first(State::Confirmed).0 - began.0 <= 15 * MINUTE);
    assert!(country.iter().any(|r| r.state == State::Ended));
    for event in said.iter().map(|r| r.event_id) {
        let numbers: Vec<u32> = said
            .iter()
            .filter(|r| r.event_id == event)
            .map(|r| r.revision)
            .collect();
        let all: Vec<u32> = (1..=numbers.len() as u32).collect();
        assert_eq!(numbers, all, "each number once");
    }
    place.is_equal();
}

#[test]
fn a_collector_that_restarts_all_the_time_says_the_same() {
    let steady = Place::new();
    outage(&steady, &steady.watch());
    let shaken = Place::new();
    let mut watch = shaken.watch();
    shaken.run(&watch, 0..CALM, "");
    for minute in CALM..CALM + 120 {
        if minute % 3 == 0 {
            watch = shaken.watch();
        }
        let silent = if minute < CALM + 60 { "XA" } else { "" };
        shaken.run(&watch, minute..minute + 1, silent);
    }
    assert_eq!(shaken.said(), steady.said());
    shaken.is_equal();
}

#[test]
fn silence_while_the_collector_is_away_is_its_own() {
    let place = Place::new();
    let watch = place.watch();
    place.run(&watch, 0..CALM, "");
    drop(watch);
    // Suspended for three hours; then all are heard again.
    let watch = place.watch();
    place.run(&watch, CALM + 180..CALM + 300, "");
    assert_eq!(place.said(), []);
    let steps = place.events.steps().unwrap();
    assert_eq!(
        steps.len(),
        2,
        "minutes of which nothing is known are left out"
    );
    let mut deaf = 0;
    let each = &mut |noted: faultline_collector::store::events::Noted| {
        deaf += usize::from(matches!(noted.note, Note::Deaf { .. }));
        true
    };
    place.events.noted(at(0), each).unwrap();
    assert_eq!(deaf, 1);
    place.is_equal();
}

#[test]
fn a_clock_that_goes_back_is_waited_for_and_one_that_leaps_is_not_believed() {
    let place = Place::new();
    let watch = place.watch();
    place.run(&watch, 0..5, "");
    assert_eq!(watch.step(after(3), false).unwrap(), 0);
    let year = 366 * 1440;
    place.events.alive(at(year)).unwrap();
    let leapt = watch.step(after(year), false);
    assert!(
        matches!(leapt, Err(WatchError::ClockLeap { days: 365 | 366 })),
        "{leapt:?}"
    );
    assert_eq!(place.events.steps().unwrap(), [(at(1), at(5))]);
    watch.step(after(year), true).unwrap();
    assert_eq!(
        place.events.steps().unwrap().last(),
        Some(&(at(year), at(year)))
    );
}

/// Fails to keep steps as long as it is told to, as a full disk does.
struct Full {
    events: Arc<SqliteEvents>,
    full: std::sync::atomic::AtomicBool,
}

macro_rules! passed_on {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $gives:ty;)+) => {
        $(fn $name(&self, $($arg: $kind),*) -> Result<$gives, StoreError> {
            self.events.$name($($arg),*)
        })+
    };
}

impl Events for Full {
    fn keep(
        &self,
        step: &faultline_collector::store::events::Step<'_>,
    ) -> Result<(), StoreError> {
        if self.full.load(Ordering::Relaxed) {
            return Err(StoreError::Full);
        }
        self.events.keep(step)
    }
    passed_on! {
        note(note: &Note, received: UnixTime) -> bool;
        waiting(until: UnixTime) -> Vec<(i64, Note)>;
        noted(from: UnixTime, each: &mut dyn FnMut(faultline_collector::store::events::Noted) -> bool) -> ();
        acted() -> std::collections::BTreeMap<EventId, UnixTime>;
        deeds(event: EventId) -> Vec<Action>;
        steps() -> Vec<(UnixTime, UnixTime)>;
        replace(step: &faultline_collector::store::events::Step<'_>) -> ();
        alive(now: UnixTime) -> ();
        lives(since: UnixTime) -> Vec<(UnixTime, UnixTime)>;
        events(sought: &Sought) -> Vec<Revision>;
        revisions(event: EventId) -> Vec<Revision>;
        each_of(event: EventId, each: &mut dyn FnMut(Revision) -> bool) -> ();
        evidence(event: EventId) -> Vec<faultline_collector::detect::event::Evidence>;
        each_revision(until: UnixTime, each: &mut dyn FnMut(Revision, &str) -> bool) -> ();
        each_evidence(until: UnixTime, each: &mut dyn FnMut(faultline_collector::detect::event::Evidence) -> bool) -> ();
        bins(location: &faultline_collector::detect::event::Location, window: Range<UnixTime>) -> Vec<faultline_collector::detect::event::Bin>;
        each_bin(window: Range<UnixTime>, each: &mut dyn FnMut(faultline_collector::detect::event::Bin) -> bool) -> ();
        newest_bins(since: UnixTime) -> Vec<faultline_collector::detect::event::Bin>;
        coverage(days: Range<UnixTime>) -> Vec<faultline_collector::detect::event::Covered>;
        day(day: UnixTime) -> Arc<[faultline_collector::detect::event::Covered]>;
        coverage_in(country: Country, days: Range<UnixTime>) -> Vec<faultline_collector::detect::event::Covered>;
        forget(keep: std::time::Duration, now: UnixTime) -> u64;
    }
}

#[test]
fn what_a_full_disk_did_not_take_is_said_when_there_is_room() {
    let steady = Place::new();
    outage(&steady, &steady.watch());
    let place = Place::new();
    let full = Arc::new(Full {
        events: place.events.clone(),
        full: false.into(),
    });
    let watch = Watch::new(place.beats.clone(), full.clone(), settings());
    place.run(&watch, 0..CALM, "");
    for minute in CALM..CALM + 60 {
        let no_room = (CALM + 2..CALM + 20).contains(&minute);
        full.full.store(no_room, Ordering::Relaxed);
        place.events.alive(at(minute)).unwrap();
        place.beat(minute, "XA");
        place.events.alive(at(minute + 1)).unwrap();
        assert_eq!(watch.step(after(minute + 1), false).is_err(), no_room);
    }
    place.run(&watch, CALM + 60..CALM + 120, "");
    assert_eq!(place.said(), steady.said());
    place.is_equal();
}

fn ioda(received: UnixTime) -> Note {
    Note::Signal(Signal {
        watcher: Watcher::Ioda,
        id: "event overall country/XA 1".into(),
        source: "bgp".into(),
        location: "country/XA".parse().unwrap(),
        from: at(CALM),
        until: None,
        precision_s: 300,
        value: Some(0.1),
        baseline: Some(1.0),
        class: None,
        cause: None,
        words: "critical".into(),
        url: None,
        received,
    })
}

#[test]
fn analysts_and_imports_count_at_once_and_in_a_rebuild() {
    let place = Place::new();
    let watch = place.watch();
    place.run(&watch, 0..CALM, "");
    place.run(&watch, CALM..CALM + 20, "XA");
    place
        .events
        .note(&ioda(at(CALM + 20)), at(CALM + 20))
        .unwrap();
    place.run(&watch, CALM + 20..CALM + 30, "XA");
    let event = of_country(&place.said()).last().unwrap().event_id;
    let evidence = place.events.evidence(event).unwrap();
    assert!(
        evidence.iter().any(|e| e.signal == "import:ioda"),
        "{evidence:?}"
    );
    let before = place.events.revisions(event).unwrap().len();
    let act = |deed| {
        watch.act(Action {
            event,
            at: UnixTime(at(CALM + 30).0 + 30_000_000),
            by: "an analyst".into(),
            deed,
            reason: "a test".into(),
        })
    };
    let note = "as seen from the sea".to_owned();
    let noted = act(Deed::Annotate { note: note.clone() }).unwrap();
    assert_eq!(noted.revision as usize, before + 1);
    assert_eq!(
        noted.notes.last().map(|said| said.contains(&note)),
        Some(true)
    );
    let retracted = act(Deed::Retract).unwrap();
    assert_eq!(retracted.state, State::Retracted);
    let unknown = watch.act(Action {
        event: EventId(7),
        at: at(CALM),
        by: String::new(),
        deed: Deed::Retract,
        reason: "a test".into(),
    });
    assert!(matches!(unknown, Err(WatchError::NoEvent)));
    place.run(&watch, CALM + 30..CALM + 90, "");
    place.is_equal();
    // Whoever starts now knows of the deeds.
    drop(watch);
    let watch = place.watch();
    place.run(&watch, CALM + 90..CALM + 95, "");
    assert_eq!(
        place.events.revisions(event).unwrap().last().unwrap().state,
        State::Retracted
    );
    place.is_equal();
}

static SECONDS: AtomicI64 = AtomicI64::new(START);

fn now() -> UnixTime {
    UnixTime::from_secs(SECONDS.load(Ordering::Relaxed))
}

fn app(folder: &Path, place: &Place, watch: Arc<Watch>) -> Router {
    app_at(folder, place, watch, &Hold::default(), now)
}

fn app_at(
    folder: &Path,
    place: &Place,
    watch: Arc<Watch>,
    hold: &Hold,
    now: fn() -> UnixTime,
) -> Router {
    // printf %s sesame-sesame-sesame | sha256sum
    let mut config = Config::parse(
        "simulated = true\n[events]\npublic_url = 'https://collector.example/'\nanalysts = [{ name = 'Ada', token_sha256 = '95110539ec78814f54b3e6880ce91e3d703a3a3da34d56752ddc857d3ef7bb09' }]",
    )
    .unwrap();
    config.dataset.high_risk = hold.countries.iter().copied().collect();
    let store = Arc::new(Sqlite::open(&folder.join("collector.db")).unwrap());
    let identity = Identity::from_bytes(&[9; 32]).unwrap();
    let ingest = Ingest::new(
        Arc::clone(&store),
        Arc::new(Nowhere),
        Arc::new(Rules),
        identity.public(),
    );
    let scores = Arc::new(Scores::new(&config, None).unwrap());
    router(Arc::new(Service {
        events: Some(place.events.clone()),
        watch: Some(watch),
        ..Service::new(config, store, ingest, identity, scores, now)
    }))
    .layer(MockConnectInfo(SocketAddr::from(([192, 0, 2, 1], 5))))
}

async fn ask(app: &Router, request: Request<Body>) -> (StatusCode, String) {
    let reply = app.clone().oneshot(request).await.unwrap();
    let status = reply.status();
    let body = to_bytes(reply.into_body(), 32 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn get(app: &Router, path: &str) -> Value {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let (status, body) = ask(app, request).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

async fn signed(
    app: &Router,
    token: &str,
    path: &str,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let request = if body.is_some() {
        Request::post(path)
    } else {
        Request::get(path)
    };
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let request = request.header("x-analyst-token", token).body(body).unwrap();
    let (status, body) = ask(app, request).await;
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn everybody_reads_what_is_public_and_analysts_act() {
    let place = Place::new();
    let watch = Arc::new(place.watch());
    place.run(&watch, 0..CALM, "");
    place.run(&watch, CALM..CALM + 30, "XA");
    SECONDS.store(after(CALM + 30).secs(), Ordering::Relaxed);
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), &place, Arc::clone(&watch));

    let list = get(&app, "/v1/events?country=XA&state=confirmed").await;
    let listed = list["events"].as_array().unwrap();
    let whole = listed
        .iter()
        .find(|e| e["location"] == "country/XA")
        .unwrap();
    let id = whole["event_id"].as_str().unwrap().to_owned();
    assert!(whole["as_of"].as_str().unwrap().ends_with('Z'), "{whole}");
    assert_eq!(
        get(&app, "/v1/events?country=XB").await["events"],
        json!([])
    );
    let past = get(&app, "/v1/events?as_of=2020-01-01").await;
    assert_eq!(past["events"], json!([]), "nothing was known then");

    let one = get(&app, &format!("/v1/events/{id}")).await;
    assert_eq!(one["event"]["event_id"], json!(id));
    assert!(
        one["lag"]["confirmed_s"].as_u64().unwrap() <= 900,
        "{}",
        one["lag"]
    );
    let revisions = one["revisions"].as_array().unwrap();
    assert!(revisions.len() >= 2);
    let timeline = one["timeline"].as_array().unwrap();
    assert!(
        timeline.iter().any(|bin| bin["observed"] == 0),
        "{timeline:?}"
    );

    let live = get(&app, "/v1/live").await;
    assert_eq!(live["deaf"], false);
    assert_eq!(live["licence"], "CC-BY-4.0");
    let of = |country: &str| {
        let lines = live["countries"].as_array().unwrap();
        lines
            .iter()
            .find(|line| line["country"] == country)
            .cloned()
    };
    assert_eq!(of("XA").unwrap()["state"], "confirmed");
    assert_eq!(of("XA").unwrap()["event_id"], json!(id));

    let year = get(&app, "/v1/countries/XA/calendar?year=2027").await;
    let days = year["days"].as_array().unwrap();
    let lost: i64 = days
        .iter()
        .filter_map(|day| day["lost_minutes"].as_i64())
        .sum();
    assert!((25..35).contains(&lost), "{lost}");
    get(&app, "/v1/coverage/shutdowns").await;

    let request = Request::get("/v1/events.atom").body(Body::empty()).unwrap();
    let reply = app.clone().oneshot(request).await.unwrap();
    let kind = reply.headers()[header::CONTENT_TYPE]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(kind.starts_with("application/atom+xml"));
    let tag = reply.headers()[header::ETAG].clone();
    let feed = to_bytes(reply.into_body(), 1 << 20).await.unwrap();
    let feed = String::from_utf8(feed.to_vec()).unwrap();
    let number: EventId = id.parse().unwrap();
    let uuid = format!("{:032x}", number.0);
    assert!(
        feed.replace('-', "").contains(&format!("urn:uuid:{uuid}")),
        "{feed}"
    );
    assert!(feed.contains(&format!("href=\"https://collector.example/events/{id}\"")));
    let again = Request::get("/v1/events.atom").header(header::IF_NONE_MATCH, tag);
    let (status, _) = ask(&app, again.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::NOT_MODIFIED);

    let token = "sesame-sesame-sesame";
    let (_, queue) = signed(&app, token, "/v1/review", None).await;
    assert_eq!(queue["analyst"], "Ada");
    let waits = |queue: &Value| {
        let events = queue["events"].as_array().unwrap();
        events.iter().any(|event| event["event_id"] == json!(id))
    };
    assert!(waits(&queue));
    let path = format!("/v1/events/{id}/actions");
    for (deed, status) in [
        (json!({ "deed": "retract" }), StatusCode::BAD_REQUEST),
        (
            json!({ "deed": "retract", "reason": " " }),
            StatusCode::BAD_REQUEST,
        ),
        (
            json!({ "deed": "explode", "reason": "why not" }),
            StatusCode::BAD_REQUEST,
        ),
        (
            json!({ "deed": "document", "cause": "government", "status": "documented",
                    "sources": [], "reason": "I know" }),
            StatusCode::BAD_REQUEST,
        ),
        (
            json!({ "deed": "document", "cause": "government", "status": "documented",
                    "sources": ["javascript:alert(1)"], "reason": "I know" }),
            StatusCode::BAD_REQUEST,
        ),
        (
            json!({ "deed": "document", "cause": "government", "status": "documented",
                    "sources": ["https://gazette.example/1"], "reason": "the gazette" }),
            StatusCode::OK,
        ),
    ] {
        let (found, reply) = signed(&app, token, &path, Some(deed.clone())).await;
        assert_eq!(found, status, "{deed}: {reply}");
        if status == StatusCode::OK {
            assert_eq!(reply["cause"], "government");
            assert_eq!(reply["revision_reason"], "analyst");
            assert_eq!(reply["source_urls"], json!(["https://gazette.example/1"]));
        }
    }
    let (_, queue) = signed(&app, token, "/v1/review", None).await;
    assert!(!waits(&queue), "somebody looked at it");
    // Everybody reads what was done and why, and not by whom.
    let one = get(&app, &format!("/v1/events/{id}")).await;
    assert_eq!(
        one["actions"],
        json!([{ "at": at(CALM + 30).to_string(), "by": null, "deed": "document", "reason": "the gazette" }])
    );
    place.is_equal();

    // Ten wrong tokens from one place; then even the right one has to wait.
    for _ in 0..10 {
        let (status, reply) = signed(&app, "wrong", "/v1/review", None).await;
        assert_eq!(
            (status, &reply["code"]),
            (StatusCode::UNAUTHORIZED, &json!("not_signed_in"))
        );
    }
    let (status, _) = signed(&app, token, "/v1/review", None).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    let nobody = Request::get("/v1/review").body(Body::empty()).unwrap();
    assert_eq!(ask(&app, nobody).await.0, StatusCode::UNAUTHORIZED);
}

/// A whole calm day, so that what was covered is known, and an outage of XA after it.
const DAY: i64 = 1440;

/// A list of the API, without what it adds.
fn rows(reply: &Value, list: &str) -> Vec<Value> {
    reply[list].as_array().unwrap().clone()
}

/// As the API writes what the dataset has.
fn written<T>(all: &[T], as_written: impl Fn(&T) -> Value) -> Vec<Value> {
    all.iter().map(as_written).collect()
}

fn counts_in_threes(value: &Value, path: &str) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let sites = [
                    "affected_sites",
                    "eligible_sites",
                    "retro_evidence_sites",
                    "sites",
                    "observed",
                    "expected",
                    "eligible",
                ];
                if let (true, Some(count)) = (sites.contains(&key.as_str()), value.as_f64()) {
                    assert!((count % 3.0).abs() < f64::EPSILON, "{path}.{key}: {count}");
                }
                counts_in_threes(value, &format!("{path}.{key}"));
            }
        }
        Value::Array(all) => all.iter().for_each(|value| counts_in_threes(value, path)),
        _ => {}
    }
}

#[tokio::test]
async fn the_api_says_what_the_dataset_says_and_no_more() {
    let place = Place::new();
    let watch = Arc::new(place.watch());
    place.run(&watch, 0..DAY + 30, "");
    place.run(&watch, DAY + 30..DAY + 60, "64502");
    place.run(&watch, DAY + 60..DAY + 120, "");
    place.run(&watch, DAY + 120..DAY + 180, "XB");
    place.run(&watch, DAY + 180..DAY + 300, "");
    place.is_equal();
    // The archive is of the last full hour: this one.
    let hour = at(DAY + 300);
    let folder = tempfile::tempdir().unwrap();
    for hold in [Hold::default(), risky("XB")] {
        let app = app_at(folder.path(), &place, Arc::clone(&watch), &hold, || {
            at(DAY + 300)
        });
        let endless = UnixTime(i64::MIN)..UnixTime(i64::MAX);
        let material = gather(&*place.events, hour, &endless, &hold).unwrap();
        let published = publish(&material, hour, &hold);
        let networks = published
            .revisions
            .iter()
            .filter(|r| r.location.asn().is_some());
        assert_eq!(networks.count() == 0, !hold.countries.is_empty());
        assert!(!published.revisions.is_empty());

        let list = get(&app, "/v1/events").await;
        counts_in_threes(&list, "list");
        let newest = published
            .revisions
            .chunk_by(|a, b| a.event_id == b.event_id);
        let mut newest: Vec<Value> = newest
            .filter_map(|event| event.last())
            .map(public::revision)
            .collect();
        let mut listed = rows(&list, "events");
        for all in [&mut newest, &mut listed] {
            all.sort_by_key(|event| event["event_id"].to_string());
        }
        assert_eq!(listed, newest);
        for event in &listed {
            let id = event["event_id"].as_str().unwrap();
            let one = get(&app, &format!("/v1/events/{id}")).await;
            counts_in_threes(&one, id);
            let id: EventId = id.parse().unwrap();
            let mut said = published.revisions.clone();
            said.retain(|one| one.event_id == id);
            assert_eq!(rows(&one, "revisions"), written(&said, public::revision));
            let mut seen = published.evidence.clone();
            seen.retain(|one| one.event_id == id);
            assert_eq!(rows(&one, "evidence"), written(&seen, public::evidence));
            let bins = written(&published.bins, public::bin);
            let timeline = rows(&one, "timeline");
            assert!(!timeline.is_empty());
            for bin in &timeline {
                assert!(bins.contains(bin), "{bin}");
            }
        }
        let day = at(0).to_string();
        let day = day.split('T').next().unwrap();
        let covered = get(&app, &format!("/v1/coverage/shutdowns?day={day}")).await;
        let of_day: Vec<_> = published
            .coverage
            .iter()
            .filter(|c| c.day == at(0))
            .collect();
        assert!(!of_day.is_empty());
        assert_eq!(
            rows(&covered, "rows"),
            written(&of_day, |row| public::covered(row))
        );
        // Today is not over: a count of a part would tell the rest by difference.
        let today = get(&app, "/v1/coverage/shutdowns").await;
        assert_eq!(today["day"], day);
        for path in ["/v1/live", "/v1/countries/XB/calendar?year=2027"] {
            counts_in_threes(&get(&app, path).await, path);
        }
        // An exact end would be found by asking minute by minute.
        for event in &listed {
            let end = event["end"].as_str().unwrap();
            assert!(
                end.ends_with("0:00.000000Z") || end.ends_with("0:00Z"),
                "{end}"
            );
            let path = format!("/v1/events?from={end}&until={}", at(DAY + 400));
            let found = rows(&get(&app, &path).await, "events");
            assert!(found.contains(event), "{path}");
        }
    }
}

fn risky(country: &str) -> Hold {
    Hold {
        countries: [Country::new(country).unwrap()].into(),
    }
}

#[tokio::test]
async fn the_dataset_is_one_address_and_is_made_once_an_hour() {
    let place = Place::new();
    let watch = Arc::new(place.watch());
    outage(&place, &watch);
    let folder = tempfile::tempdir().unwrap();
    let app = app_at(folder.path(), &place, watch, &Hold::default(), || {
        at(CALM + 119)
    });
    let ask_for = |held: Option<&header::HeaderValue>| {
        let mut request = Request::get("/v1/shutdown-events.zip");
        if let Some(tag) = held {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let request = request.header(header::ACCEPT_ENCODING, "gzip");
        app.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let reply = ask_for(None).await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    let head = reply.headers().clone();
    assert_eq!(head[header::CONTENT_TYPE], "application/zip");
    assert!(!head.contains_key(header::CONTENT_ENCODING), "it is packed");
    let bytes = to_bytes(reply.into_body(), 32 << 20).await.unwrap();
    let config = Config::parse("simulated = true").unwrap();
    let scores = Scores::new(&config, None).unwrap();
    let (name, same) = archive(
        &*place.events,
        &config.dataset,
        true,
        &scores.names,
        at(CALM + 90),
    )
    .unwrap();
    assert_eq!(
        head[header::CONTENT_DISPOSITION],
        format!("attachment; filename=\"{name}\"")
    );
    assert_eq!(bytes, same);
    assert!(bytes.starts_with(b"PK"));
    // What comes within the hour is of the next one.
    place.run(&place.watch(), CALM + 120..CALM + 121, "");
    let kept = ask_for(Some(&head[header::ETAG])).await.unwrap();
    assert_eq!(kept.status(), StatusCode::NOT_MODIFIED);
}
