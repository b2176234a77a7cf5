//! How does somebody get all events at once? The dataset as an archive, as it was known at the
//! last full hour. It is made once an hour, by the first who asks, and kept: the work does not
//! grow with the number of readers, and all of them get equal bytes.

use super::{
    Service, on_disk,
    refused::Refused,
    wire::{Keep, Sent},
};
use crate::export::{ArchiveError, archive};
use axum::{
    extract::State as Shared,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use faultline_core::time::UnixTime;
use std::sync::{Arc, Mutex, PoisonError};

const HOUR: i64 = 3_600_000_000;

/// The archive of the last hour in which somebody asked.
#[derive(Default)]
pub struct Archives(Mutex<Option<Archive>>);

#[derive(Clone)]
struct Archive {
    hour: i64,
    name: String,
    bytes: Arc<Vec<u8>>,
}

pub(super) async fn shutdowns(
    Shared(service): Shared<Arc<Service>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    on_disk(move || {
        let Archive { name, bytes, .. } = service.archive((service.now)())?;
        let sent = Sent::plain(bytes);
        let mut response = sent.respond("application/zip", Keep::AskAgain, &headers);
        let named = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
        let named = named.map_err(|e| Refused::internal(&e))?;
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, named);
        Ok(response)
    })
    .await
}

impl Service {
    fn archive(&self, now: UnixTime) -> Result<Archive, Refused> {
        let events = self.events.as_deref().ok_or_else(|| {
            Refused::new(
                StatusCode::NOT_FOUND,
                "no_events",
                "this collector looks for no shutdowns, so it has no dataset of them",
            )
        })?;
        let hour = now.0.div_euclid(HOUR);
        // Whoever comes meanwhile waits for what is being made.
        let mut kept = self
            .archives
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = kept.as_ref().filter(|made| made.hour == hour) {
            return Ok(made.clone());
        }
        let (dataset, simulated) = (&self.config.dataset, self.config.simulated);
        let made = archive(events, dataset, simulated, &self.scores.names, now);
        let (name, bytes) = made.map_err(|error| match error {
            ArchiveError::Store(error) => error.into(),
            other => Refused::internal(&other),
        })?;
        let made = Archive {
            hour,
            name,
            bytes: Arc::new(bytes),
        };
        *kept = Some(made.clone());
        Ok(made)
    }
}
