//! Keeps the audit within `[audit]`. Every replica does it; what one has forgotten is gone for all.

use std::time::Duration;

use store::{AuditBounds, Store};
use tokio::time::{MissedTickBehavior, interval};

/// How often what is beyond the bounds is forgotten: the audit grows as fast as people change things.
const PERIOD: Duration = Duration::from_secs(10 * 60);

/// Checks for ever. A store that is a file has no audit.
pub(crate) async fn run(store: Store, bounds: AuditBounds) {
    let mut checks = interval(PERIOD);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        checks.tick().await;
        let Some(database) = store.database() else { continue };
        match database.prune_audit(bounds).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!("the audit has forgotten its {rows} oldest changes"),
            Err(error) => tracing::debug!("the audit could not be shortened: {error}"),
        }
    }
}
