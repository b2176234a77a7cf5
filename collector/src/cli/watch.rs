//! How are events found while the API is served? One thread hears whether the collector hears
//! itself, another goes through each minute that ended. Both go on after whatever went wrong,
//! and say so.

use anyhow::{Context as _, Result};
use faultline_collector::{
    config::Config,
    detect::Settings,
    store::{
        beats::Beats,
        events::Events,
        sqlite::{SqliteBeats, SqliteEvents},
    },
    watch::{Watch, rebuild},
};
use faultline_core::{
    codec::{Identity, PublicKey},
    engine::{
        heartbeat::{Heart, MOST, Vitals},
        ledger::{BootId, State},
    },
    id::{Asn, Country},
    time::{ClockQuality, Duration, Instant, UnixTime},
};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

/// Between two beats of its own.
const PULSE: Duration = Duration::from_secs(20);
/// How long an answer takes at most.
const PATIENCE: Duration = Duration::from_secs(5);
/// After the end of a minute, until it is gone through.
const LAG: Duration = Duration::from_secs(6);
const MINUTE: i64 = 60_000_000;

/// The file of events; the state folder is made.
pub(super) fn open(config: &Config) -> Result<Arc<SqliteEvents>> {
    super::ledger(config)?;
    let path = config.state.join("events.db");
    let events = SqliteEvents::open(&path);
    let events =
        events.with_context(|| format!("cannot open the events {}", path.display()))?;
    Ok(Arc::new(events))
}

/// How the detector is set, by what the operator knows.
pub(super) fn settings(config: &Config) -> Result<Settings> {
    let mut settings = Settings {
        self_tested: true,
        ..Settings::default()
    };
    let Some(path) = &config.network_users else {
        return Ok(settings);
    };
    let name = path.display();
    let mut table = csv::Reader::from_path(path)
        .with_context(|| format!("cannot read the users of networks {name}"))?;
    let (mut networks, mut countries) = (HashMap::new(), HashMap::new());
    for record in table.deserialize() {
        let (country, asn, users): (String, String, f64) =
            record.with_context(|| format!("cannot use the users of networks {name}"))?;
        if let (Some(country), Ok(asn)) =
            (Country::new(&country), asn.trim_start_matches("AS").parse())
            && users.is_finite()
            && users > 0.0
        {
            *networks.entry(Asn(asn)).or_default() += users;
            *countries.entry(country).or_default() += users;
        }
    }
    (settings.network_users, settings.country_users) = (networks, countries);
    Ok(settings)
}

/// Beats to its own socket, and notes when the answer came.
pub(super) fn pulse(
    at: SocketAddr,
    own: Identity,
    collector: PublicKey,
    events: Arc<dyn Events>,
    now: fn() -> UnixTime,
) -> Result<()> {
    // What hears everywhere hears here, too.
    let here = match at.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(here, 0))
        .and_then(|socket| socket.connect((here, at.port())).map(|()| socket))
        .and_then(|socket| socket.set_read_timeout(Some(PATIENCE)).map(|()| socket))
        .context("cannot hear whether heartbeats are heard")?;
    let mut heart = Heart::new(1, PULSE, Instant(0));
    let mut count = 0;
    let mut deaf = false;
    let mut beat = move || {
        count += 1;
        let at = Instant(count);
        let answer = exchange(&socket, &mut heart, &own, &collector, at, now());
        match answer.and_then(|()| events.alive(now()).map_err(|e| e.to_string())) {
            Ok(()) if deaf => {
                deaf = false;
                tracing::info!("the collector hears itself again");
            }
            Ok(()) => {}
            Err(why) => {
                deaf = true;
                tracing::error!(
                    why,
                    "the collector does not hear itself: no events are found meanwhile"
                );
            }
        }
    };
    every("pulse", move || {
        beat();
        PULSE
    })
}

fn exchange(
    socket: &UdpSocket,
    heart: &mut Heart,
    own: &Identity,
    collector: &PublicKey,
    at: Instant,
    wall: UnixTime,
) -> Result<(), String> {
    let vitals = Vitals {
        boot: BootId([0; 16]),
        state: State::default(),
        since: at,
        last_good: None,
        wall,
        clock: ClockQuality::Ntp,
        waiting: 0,
        oldest: None,
    };
    let beat = heart.beat(at, own, &vitals);
    socket.send(&beat).map_err(|e| e.to_string())?;
    let mut buffer = [0; MOST + 1];
    // What waits from before is none of this beat's.
    for _ in 0..8 {
        let length = socket.recv(&mut buffer).map_err(|e| e.to_string())?;
        let octets = buffer.get(..length).unwrap_or_default();
        if heart.handle(at, octets, collector).is_some() {
            return Ok(());
        }
    }
    Err("something else answers".into())
}

/// Goes through every minute; drops old bins once a day.
pub(super) fn minutes(watch: Arc<Watch>, bins_days: u32, now: fn() -> UnixTime) -> Result<()> {
    let mut swept = None;
    let day = move |now: UnixTime| now.secs().div_euclid(86_400);
    every("events", move || {
        match watch.step(now(), false) {
            Ok(0) => {}
            Ok(revisions) => tracing::info!(revisions, "events were revised"),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "events were not looked for");
            }
        }
        // By the last step, which believes no clock that leaps.
        let last = watch.events().steps().ok();
        let last = last.and_then(|steps| steps.last().map(|(_, until)| *until));
        if let Some(last) = last.filter(|last| swept != Some(day(*last))) {
            swept = Some(day(last));
            let keep = Duration::from_hours(24) * bins_days;
            if let Err(error) = watch.events().forget(keep, last) {
                tracing::error!(%error, "old bins were not dropped");
            }
        }
        let rest = MINUTE - now().0.rem_euclid(MINUTE);
        Duration::from_micros(rest.unsigned_abs()) + LAG
    })
}

/// Does it again and again, on a thread of its own, with the pause that it asks for.
fn every(
    name: &'static str,
    mut work: impl FnMut() -> Duration + Send + 'static,
) -> Result<()> {
    thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            loop {
                let pause = catch_unwind(AssertUnwindSafe(&mut work)).unwrap_or_else(|_| {
                    tracing::error!(thread = name, "this is a bug; it goes on");
                    PULSE
                });
                thread::sleep(pause);
            }
        })
        .with_context(|| format!("cannot start the thread {name}"))?;
    Ok(())
}

/// Makes all events again; gives how many revisions differ.
pub(super) fn again(config: &Config, replace: bool, leapt: bool, now: UnixTime) -> Result<u64> {
    let events: Arc<dyn Events> = open(config)?;
    let path = config.state.join("beats.db");
    let beats = SqliteBeats::open(&path)
        .with_context(|| format!("cannot open the heartbeats {}", path.display()))?;
    let beats: Arc<dyn Beats> = Arc::new(beats);
    let settings = settings(config)?;
    if leapt {
        let watch = Watch::new(Arc::clone(&beats), Arc::clone(&events), settings.clone());
        watch.step(now, true)?;
    }
    let done = rebuild(&*beats, &*events, settings, replace)?;
    println!("{} revisions made again, {} kept", done.made, done.kept);
    match &done.first {
        None => println!("equal"),
        Some(first) => println!(
            "{} differ, {first} first{}",
            done.different,
            if replace {
                "; what was made again is kept now"
            } else {
                ""
            }
        ),
    }
    Ok(if replace { 0 } else { done.different as u64 })
}
