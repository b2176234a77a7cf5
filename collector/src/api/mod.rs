//! What does the collector answer over HTTP? Probes post CBOR (`faultline_core::protocol`);
//! everybody reads JSON under `/v1`. Handlers know HTTP and formats; the store knows SQL.

mod analysts;
mod app;
mod archive;
mod arrivals;
mod ask;
mod calendar;
mod country;
mod events;
mod evidence;
mod feed;
mod filter;
mod lists;
mod live;
mod matrix;
pub(crate) mod moment;
mod openapi;
mod pages;
mod probes;
mod read;
mod refused;
mod scores;
mod summary;
mod table;
mod tally;
mod vintages;
mod walk;
mod waves;
mod wire;
mod world;

pub use analysts::SignIns;
pub use archive::Archives;
pub use arrivals::Arrivals;
pub use openapi::document as openapi;
pub use scores::{Scores, ScoresError};
pub use vintages::{Vintages, VintagesError};

use crate::{
    config::Config,
    control::Desk,
    ingest::{Enricher, Ingest, MAX_BATCH},
    store::{Store, events::Events},
    targets,
    traces::Lists,
    watch::Watch,
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use faultline_core::{codec::Identity, id::ProbeId, time::UnixTime};
use refused::Refused;
use std::sync::Arc;

/// What handlers work with.
pub struct Service {
    /// Settings.
    pub config: Config,
    /// Probes, receipts, rows.
    pub store: Arc<dyn Store>,
    /// The way in for batches.
    pub ingest: Ingest,
    /// Where addresses are.
    pub enricher: Arc<dyn Enricher>,
    /// The collector's key.
    pub identity: Identity,
    /// Under which identity imports are kept, where there were any.
    pub importer: Option<ProbeId>,
    /// What probes are asked to measure.
    pub targets: targets::Lists,
    /// What of the DNS itself they are asked to look at.
    pub traces: Lists,
    /// Where the control is asked, where it is open.
    pub control: Option<Desk>,
    /// Facts and scores.
    pub scores: Arc<Scores>,
    /// What was published, where it is kept.
    pub vintages: Option<Vintages>,
    /// What happened, where it is kept.
    pub events: Option<Arc<dyn Events>>,
    /// Who finds it, where hearts are listened to.
    pub watch: Option<Arc<Watch>>,
    /// Wrong tokens of analysts.
    pub sign_ins: SignIns,
    /// The dataset of the hour.
    pub archives: Archives,
    /// The wall clock.
    pub now: fn() -> UnixTime,
}

impl Service {
    /// With what every collector has. The rest is empty: `Service { targets, ..Service::new(..) }`.
    pub fn new(
        config: Config,
        store: Arc<dyn Store>,
        ingest: Ingest,
        identity: Identity,
        scores: Arc<Scores>,
        now: fn() -> UnixTime,
    ) -> Self {
        Self {
            enricher: Arc::clone(ingest.enricher()),
            config,
            store,
            ingest,
            identity,
            importer: None,
            targets: targets::Lists::default(),
            traces: Lists::default(),
            control: None,
            scores,
            vintages: None,
            events: None,
            watch: None,
            sign_ins: SignIns::default(),
            archives: Archives::default(),
            now,
        }
    }
}

/// Requests that are not uploads are small.
const MAX_REQUEST: usize = 64 << 10;

/// All routes. Serve with `into_make_service_with_connect_info::<SocketAddr>()`.
pub fn router(service: Arc<Service>) -> Router {
    let small = DefaultBodyLimit::max(MAX_REQUEST);
    Router::new()
        .route("/v1/probes", post(probes::enrol).layer(small))
        .route("/v1/check-in", post(probes::check_in).layer(small))
        .route("/v1/control", post(probes::control).layer(small))
        .route(
            "/v1/batches",
            post(probes::batch).layer(DefaultBodyLimit::max(MAX_BATCH)),
        )
        .route("/v1/health", get(read::health))
        .route("/v1/measurements", get(read::measurements))
        .route("/v1/measurements/{id}", get(read::measurement))
        .route("/v1/verdicts", get(read::verdicts))
        .route("/v1/atlas", get(world::atlas))
        .route("/v1/world", get(world::world))
        .route("/v1/coverage", get(world::coverages))
        .route("/v1/countries/{country}", get(country::country))
        .route(
            "/v1/countries/{country}/indicators/{indicator}",
            get(country::indicator),
        )
        .route("/v1/countries/{country}/vintages", get(vintages::vintages))
        .route("/v1/countries/{country}/matrix", get(matrix::matrix))
        .route("/v1/waves", get(waves::waves))
        .route("/v1/waves/{id}", get(waves::wave))
        .route("/v1/networks/{asn}", get(lists::network))
        .route("/v1/targets", get(lists::targets))
        .route("/v1/targets/{target}", get(lists::target))
        .route("/v1/method", get(lists::method))
        .route("/v1/summary", get(summary::summary))
        .route("/v1/events", get(events::list))
        .route("/v1/events.atom", get(feed::feed))
        .route("/v1/events/{id}", get(events::one))
        .route("/v1/events/{id}/actions", post(analysts::act).layer(small))
        .route("/v1/shutdown-events.zip", get(archive::shutdowns))
        .route("/v1/live", get(live::live))
        .route("/v1/coverage/shutdowns", get(live::coverage))
        .route("/v1/countries/{country}/calendar", get(calendar::calendar))
        .route("/v1/review", get(analysts::review))
        .route("/v1/openapi.json", get(openapi::serve))
        .fallback(app::serve)
        .method_not_allowed_fallback(refused::wrong_method)
        .with_state(service)
}

/// Runs what waits for the disk where waiting is allowed.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|panic| Err(Refused::internal(&panic)))
}
