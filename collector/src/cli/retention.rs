//! When does old data go? Once an hour while the collector serves, and by `retain`.

use anyhow::{Context as _, Result};
use faultline_collector::{
    config::Config,
    store::{Facts as _, Retention, Store},
};
use faultline_core::time::UnixTime;
use std::{sync::Arc, time::Duration};

const EVERY: Duration = Duration::from_hours(1);

/// What the settings say; `None` where all is kept.
fn policy(config: &Config, clock_checked: bool) -> Option<Retention> {
    let policy = Retention {
        observations: config.retention_days,
        batches: config.batch_retention_days,
        clock_checked,
    };
    (policy.observations.is_some() || policy.batches.is_some()).then_some(policy)
}

/// Drops what is old. Whoever runs this has looked at the clock.
pub(super) fn retain(config: &Config, now: UnixTime) -> Result<()> {
    let policy = policy(config, true)
        .context("nothing to drop: set retention_days or batch_retention_days")?;
    let dropped = super::open(config)?.retain(&policy, now)?;
    println!(
        "dropped {} measurements, {} batches, {} network tokens",
        dropped.measurements, dropped.batches, dropped.tokens
    );
    Ok(())
}

/// Drops what is old from now on, in a task that ends with the runtime.
pub(super) fn start(store: Arc<dyn Store>, config: &Config, now: fn() -> UnixTime) {
    let Some(policy) = policy(config, false) else {
        return;
    };
    tokio::spawn(async move {
        let mut hours = tokio::time::interval(EVERY);
        loop {
            hours.tick().await;
            let store = Arc::clone(&store);
            let sweep = move || store.retain(&policy, now());
            match tokio::task::spawn_blocking(sweep).await {
                Ok(Ok(dropped)) => tracing::debug!(?dropped, "retention"),
                Ok(Err(error)) => tracing::error!(%error, "old data was not dropped"),
                Err(error) => tracing::error!(%error, "old data was not dropped"),
            }
        }
    });
}
