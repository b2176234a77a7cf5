//! When is a message sent, and when again? In the order in which revisions were made, one at a
//! time to each receiver. What was not taken is sent again after a pause that doubles, up to an
//! hour, for three days; then the receiver goes on with the next. How far each has come is on
//! the disk: a restart loses nothing and repeats at most the message that was under way.

use super::{Hook, message, post};
use crate::{
    export::Hold,
    store::{
        StoreError,
        events::{Events, Outbox, Parcel, Progress},
    },
    watch::public::{self, Public},
};
use faultline_core::time::{Duration, UnixTime};
use rustls::ClientConfig;
use std::sync::Arc;

/// Between two looks at what there is to send.
const LOOK: std::time::Duration = std::time::Duration::from_secs(2);
/// The first pause, and the longest.
const PAUSE: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_hours(1);
/// Attempts: 9 in the first hour and a half, then one an hour, for three days.
const ATTEMPTS: u32 = 80;

/// Tells one receiver everything, until the runtime ends.
pub async fn deliver<S: Events + Outbox + 'static>(
    hook: Hook,
    store: Arc<S>,
    hold: Hold,
    simulated: bool,
    now: fn() -> UnixTime,
) {
    let tls = post::trust();
    let hook = Arc::new(hook);
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        // As long as there is something that is taken.
        loop {
            match attempt(&hook, &store, &tls, &hold, simulated, now).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(%error, host = hook.host(), "a webhook's progress is not kept");
                    break;
                }
            }
        }
    }
}

/// Sends what is due; whether there may be more.
pub(super) async fn attempt<S: Events + Outbox + 'static>(
    hook: &Arc<Hook>,
    store: &Arc<S>,
    tls: &Arc<ClientConfig>,
    hold: &Hold,
    simulated: bool,
    now: fn() -> UnixTime,
) -> Result<bool, StoreError> {
    let (of, kept, hold) = (Arc::clone(hook), Arc::clone(store), hold.clone());
    let due = on_disk(move || due(&of, &*kept, &hold, now())).await?;
    let Some((progress, parcel, event)) = due else {
        return Ok(false);
    };
    let sent = now();
    let done = match event {
        // Of a group that is too small, there is nothing to tell.
        None => Ok(()),
        Some(event) => {
            let body = message(&parcel, &event, simulated, sent)
                .to_string()
                .into_bytes();
            let stamp = sent.secs();
            let headers = [
                ("x-faultline-timestamp", stamp.to_string()),
                ("x-faultline-signature", hook.sign(stamp, &body)),
                ("x-faultline-delivery", parcel.number.to_string()),
            ];
            post::post(hook, tls, &headers, body).await
        }
    };
    let next = after(progress, &parcel, done.is_ok(), now());
    if let Err(why) = &done {
        let host = hook.host();
        if next.taken == parcel.number {
            tracing::error!(
                host,
                why,
                delivery = parcel.number,
                "a webhook took nothing for three days: given up"
            );
        } else {
            tracing::warn!(
                host,
                why,
                failures = next.failures,
                "a webhook did not take a message"
            );
        }
    }
    let (of, kept) = (Arc::clone(hook), Arc::clone(store));
    on_disk(move || kept.note_progress(of.name(), next)).await?;
    Ok(next.taken == parcel.number)
}

type Due = (Progress, Parcel, Option<serde_json::Value>);

fn due<S: Events + Outbox>(
    hook: &Hook,
    store: &S,
    hold: &Hold,
    now: UnixTime,
) -> Result<Option<Due>, StoreError> {
    let progress = store.progress(hook.name())?;
    // A clock that went back does not keep anybody waiting for longer than the longest pause.
    let waits = now < progress.next && progress.next < now + LONGEST + PAUSE;
    if waits {
        return Ok(None);
    }
    let Some(parcel) = store.parcel(progress.taken)? else {
        return Ok(None);
    };
    // A message is sent once: what is dated at the end of these ten minutes is sent now.
    let until = UnixTime(now.0.saturating_add(public::BLUNT));
    let said = Public::new(store, hold, until).revisions(parcel.revision.event_id)?;
    let mut said = said.iter();
    let event = said.find(|one| one.revision == parcel.revision.revision);
    let event = event.map(public::revision);
    Ok(Some((progress, parcel, event)))
}

/// Where a receiver stands after an attempt.
fn after(progress: Progress, parcel: &Parcel, taken: bool, now: UnixTime) -> Progress {
    let failures = progress.failures + 1;
    if taken || failures >= ATTEMPTS {
        return Progress {
            taken: parcel.number,
            failures: 0,
            next: UnixTime(0),
        };
    }
    let pause = PAUSE * 2u32.saturating_pow(progress.failures.min(16));
    Progress {
        taken: progress.taken,
        failures,
        next: now + pause.min(LONGEST),
    }
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(StoreError::Stopped))
}

#[cfg(test)]
mod tests;
