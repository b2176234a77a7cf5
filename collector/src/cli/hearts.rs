//! How are heartbeats taken in while the API is served? On a thread of their own, one datagram
//! after the other; what waits meanwhile waits in the socket.

use anyhow::{Context as _, Result};
use faultline_collector::{
    anchors::Anchors,
    config::Config,
    ingest::{AccessTable, Enricher, Silence, Sites, Terms, Ward},
    store::{Store, sqlite::SqliteBeats},
};
use faultline_core::{codec::PublicKey, engine::heartbeat::MOST, time::UnixTime};
use faultline_probe::{
    identity,
    random::{Entropy as _, OsEntropy},
};
use std::{
    net::{SocketAddr, UdpSocket},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

/// What listens, if the settings say so. `key` is the collector's, which is there; `own` signs
/// the beats by which it hears itself.
pub(super) fn ward(
    config: &Config,
    store: &Arc<dyn Store>,
    enricher: &Arc<dyn Enricher>,
    key: &Path,
    own: PublicKey,
) -> Result<Option<Arc<Ward>>> {
    let beats = &config.beats;
    let Some(listen) = beats.listen else {
        return Ok(None);
    };
    let anchors = match &beats.anchors {
        None => Anchors::default(),
        Some(path) => {
            let name = path.display();
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the anchors {name}"))?;
            Anchors::parse(&text).with_context(|| format!("cannot use the anchors {name}"))?
        }
    };
    let path = config.state.join("beats.db");
    let kept = SqliteBeats::open(&path)
        .with_context(|| format!("cannot open the heartbeats {}", path.display()))?;
    let terms = Terms {
        port: beats.port.unwrap_or(listen.port()),
        address: beats.address,
        interval: beats.interval,
        anchors,
    };
    let (store, enricher) = (Arc::clone(store), Arc::clone(enricher));
    let path = config.state.join("site.key");
    let sites = Sites::load_or_create(&path, &mut |bytes| OsEntropy.fill(bytes))?;
    let access = match &config.events.network_access {
        Some(path) => AccessTable::read(path)?,
        None => AccessTable::default(),
    };
    let ward = Ward::new(store, Arc::new(kept), enricher, identity::load(key)?, terms)
        .knowing(sites, access)
        .hearing_itself(own);
    Ok(Some(Arc::new(ward)))
}

/// Takes the address, so that port 0 works.
pub(super) fn bind(at: SocketAddr) -> Result<UdpSocket> {
    UdpSocket::bind(at).with_context(|| format!("cannot hear heartbeats on {at}: is it taken?"))
}

/// Hears beats until the process ends.
pub(super) fn listen(socket: UdpSocket, ward: Arc<Ward>, now: fn() -> UnixTime) -> Result<()> {
    println!("hearing heartbeats on {}", socket.local_addr()?);
    thread::Builder::new()
        .name("hearts".into())
        .spawn(move || hear(&socket, &ward, now))
        .context("cannot start the thread of heartbeats")?;
    Ok(())
}

fn hear(socket: &UdpSocket, ward: &Ward, now: fn() -> UnixTime) {
    // One octet more than any beat has: what fills it is none.
    let mut buffer = [0; MOST + 1];
    loop {
        let (length, from) = match socket.recv_from(&mut buffer) {
            Ok(came) => came,
            // An answer met a closed port, which says nothing of this socket.
            Err(error) => {
                tracing::debug!(%error, "a heartbeat was not received");
                continue;
            }
        };
        let octets = buffer.get(..length).unwrap_or_default();
        // A panic is a bug, and no reason to be deaf from then on.
        let heard = catch_unwind(AssertUnwindSafe(|| ward.hear(from, octets, now())));
        match heard {
            Ok(Ok(answer)) => {
                if let Err(error) = socket.send_to(&answer, from) {
                    tracing::debug!(%error, "a heartbeat was not answered");
                }
            }
            Ok(Err(Silence::Store(error))) => {
                tracing::error!(%error, "a heartbeat was not kept");
            }
            Ok(Err(silence)) => tracing::trace!(%silence, "no heartbeat"),
            Err(_) => {
                tracing::error!("a heartbeat was not taken in: this is a bug; others are");
            }
        }
    }
}

/// Drops what is older than the settings allow, now and every day.
pub(super) fn forget_daily(ward: Arc<Ward>, days: u32, now: fn() -> UnixTime) -> Result<()> {
    const DAY: Duration = Duration::from_hours(24);
    thread::Builder::new()
        .name("forgetting".into())
        .spawn(move || {
            loop {
                if let Err(error) = ward.beats().forget(DAY * days, now()) {
                    tracing::error!(%error, "old heartbeats were not dropped");
                }
                thread::sleep(DAY);
            }
        })
        .context("cannot start the thread that drops old heartbeats")?;
    Ok(())
}
