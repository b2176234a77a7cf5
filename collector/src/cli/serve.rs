//! How is the API brought up and taken down? The address is bound before anything is said,
//! so that port 0 works; on a signal, requests under way are finished.

use super::{hearts, watch};
use anyhow::{Context as _, Result};
use faultline_collector::{
    alert::{Hook, deliver},
    api::{Arrivals, Scores, Service, Vintages, router},
    config::Config,
    control,
    doors::{self, Limits},
    export::Hold,
    ingest::Ingest,
    store::{Store, sqlite::SqliteEvents},
    targets, tls,
    traces::Lists,
    watch::Watch,
};
use faultline_core::{codec::Identity, time::UnixTime};
use faultline_probe::{
    identity,
    random::{Entropy as _, OsEntropy},
};
use std::{future::Future, sync::Arc};
use tokio::signal::unix::{SignalKind, signal};

/// Between two looks at what others stored.
const NOTICE: std::time::Duration = std::time::Duration::from_secs(2);

pub(super) fn serve(mut config: Config, now: fn() -> UnixTime) -> Result<()> {
    let listen = config.listen;
    let secure = config.tls()?.map(|(cert, key)| tls::config(cert, key));
    let secure = secure.transpose()?;
    let listener = std::net::TcpListener::bind(listen)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .with_context(|| format!("cannot listen on {listen}: is it taken?"))?;
    // The control must know where its own API is, also where the system chose the port.
    config.listen = listener.local_addr()?;
    // So must probes, of where hearts are heard.
    let hearts = match config.beats.listen {
        Some(at) => Some(hearts::bind(at)?),
        None => None,
    };
    if let Some(socket) = &hearts {
        config.beats.listen = Some(socket.local_addr()?);
    }
    let own = fresh();
    let events = watch::open(&config)?;
    let (service, arrivals) = service(config, &own, &events, now)?;
    let service = Arc::new(service);
    publish(&service);
    if let (Some(socket), Some(ward)) = (hearts, service.ingest.ward()) {
        let at = socket.local_addr()?;
        hearts::listen(socket, Arc::clone(ward), now)?;
        hearts::forget_daily(Arc::clone(ward), service.config.beats.retention_days, now)?;
        watch::pulse(at, own, service.identity.public(), events.clone(), now)?;
    }
    if let Some(watch) = &service.watch {
        watch::minutes(Arc::clone(watch), service.config.events.bins_days, now)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let stop = stop()?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        super::retention::start(Arc::clone(&service.store), &service.config, now);
        let at = listener.local_addr()?;
        let published = tokio::spawn(publish_hourly(Arc::clone(&service)));
        for hook in &service.config.events.webhooks {
            let (hook, simulated) = (Hook::new(hook)?, service.config.simulated);
            let hold = Hold::of(&service.config.dataset);
            tokio::spawn(deliver(hook, Arc::clone(&events), hold, simulated, now));
        }
        let noticed = tokio::spawn(notice(Arc::clone(&service.store), arrivals));
        let scheme = if secure.is_some() { "https" } else { "http" };
        println!("listening on {scheme}://{at}");
        let mut limits = Limits::default();
        if service.config.behind_proxy {
            limits.each = None;
        }
        doors::serve(listener, secure, router(service), limits, stop).await;
        published.abort();
        noticed.abort();
        Ok(())
    })
}

/// A key for this run of the process.
fn fresh() -> Identity {
    loop {
        let mut secret = [0; 32];
        OsEntropy.fill(&mut secret);
        if let Some(identity) = Identity::from_bytes(&secret) {
            return identity;
        }
    }
}

fn service(
    config: Config,
    own: &Identity,
    events: &Arc<SqliteEvents>,
    now: fn() -> UnixTime,
) -> Result<(Service, Arc<Arrivals>)> {
    let store = super::open(&config)?;
    let path_of_key = config.state.join("collector.key");
    let identity = identity::load_or_create(&path_of_key, &mut |bytes| OsEntropy.fill(bytes))?;
    let enricher = super::enricher(&config)?;
    let path = config.state.join(super::import::KEY);
    let importer = identity::load_or_create(&path, &mut |bytes| OsEntropy.fill(bytes))?;
    let mut targets = targets::Lists::read(config.targets.as_deref())?;
    for problem in targets.problems() {
        tracing::warn!("targets: {problem}");
    }
    let importer = importer.public().probe_id();
    let scores = Arc::new(Scores::new(&config, Some(importer))?);
    let arrivals = Arc::new(Arrivals::load(Arc::clone(&scores), &*store)?);
    scores.warm(now());
    let watch = Arc::clone(&arrivals);
    let ingest = Ingest::new(
        Arc::clone(&store),
        Arc::clone(&enricher),
        super::judge(&config)?,
        identity.public(),
    )
    .watched_by(Arc::new(move |rows| watch.hear(rows)));
    let ward = hearts::ward(&config, &store, &enricher, &path_of_key, own.public())?;
    let (ingest, watch) = match ward {
        Some(ward) => {
            let (beats, events) = (Arc::clone(ward.beats()), events.clone());
            let watch = Watch::new(beats, events, watch::settings(&config)?);
            (ingest.hearing(ward), Some(Arc::new(watch)))
        }
        None => (ingest, None),
    };
    targets.add(scores.services().iter().map(targets::service));
    let control = if config.control.enabled {
        Some(control::open(&config, &targets)?)
    } else {
        None
    };
    let service = Service {
        traces: Lists::new(&config)?,
        targets,
        control,
        importer: Some(importer),
        vintages: Some(Vintages::open(config.state.join("vintages.jsonl"))?),
        events: Some(events.clone()),
        watch,
        ..Service::new(config, store, ingest, identity, scores, now)
    };
    Ok((service, arrivals))
}

/// Notices what an import, which is a process of its own, stored. Where nothing came, this
/// is one look at the end of an index.
async fn notice(store: Arc<dyn Store>, arrivals: Arc<Arrivals>) {
    let mut looks = tokio::time::interval(NOTICE);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let (store, arrivals) = (Arc::clone(&store), Arc::clone(&arrivals));
        let done = tokio::task::spawn_blocking(move || arrivals.look(&*store)).await;
        match done {
            Ok(Ok(0)) => {}
            Ok(Ok(batches)) => tracing::info!(batches, "took note of what was imported"),
            Ok(Err(error)) => tracing::error!(%error, "the store was not looked at"),
            Err(error) => tracing::error!(%error, "the store was not looked at"),
        }
    }
}

/// Publishes what is due. That it failed is no reason not to serve.
fn publish(service: &Service) {
    let Some(vintages) = &service.vintages else {
        return;
    };
    let (scores, now) = (&service.scores, (service.now)());
    match vintages.publish(scores, &service.references(), now) {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "published scores for good"),
        Err(error) => tracing::error!(%error, "scores were not published"),
    }
}

async fn publish_hourly(service: Arc<Service>) {
    let mut hours = tokio::time::interval(std::time::Duration::from_hours(1));
    loop {
        hours.tick().await;
        let service = Arc::clone(&service);
        let done = tokio::task::spawn_blocking(move || publish(&service)).await;
        if let Err(error) = done {
            tracing::error!(%error, "scores were not published");
        }
    }
}

/// Resolves when somebody wants the collector to stop.
fn stop() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for ctrl-c")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}
