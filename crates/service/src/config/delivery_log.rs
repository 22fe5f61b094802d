//! `[delivery_log]`: what is remembered of deliveries, and for how long.

use std::time::Duration;

use settings::{Section, Value};
use store::LogBounds;

use super::webhooks::StoreUrl;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is remembered; `bounds` count where it is anything at all.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeliveryLog {
    pub(crate) enabled: bool,
    /// `None` for the place that goes with the webhooks.
    pub(crate) store: Option<StoreUrl>,
    pub(crate) bounds: LogBounds,
}

impl DeliveryLog {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let enabled = section.required("enabled", "true or false", Value::boolean);
        let store = section.optional_secret("store", |text| {
            store::check_log_url(text).map(|()| StoreUrl::new(text))
        });
        let ages = HOUR..=3_650 * DAY;
        let max_age =
            section.required("max_age", "a duration", |value| value.duration(ages.clone()));
        let rows = 1_000..=1_000_000_000_u64;
        let max_rows =
            section.required("max_rows", "a number", |value| value.integer(rows.clone()));
        let sizes = 1024 * 1024..=4 * 1024 * 1024 * 1024;
        let max_waiting_bytes =
            section.required("max_waiting_bytes", "a size", |value| value.size(sizes.clone()));
        Some(Self {
            enabled: enabled?,
            store,
            bounds: LogBounds {
                max_waiting_bytes: usize::try_from(max_waiting_bytes?).ok()?,
                max_age: max_age?,
                max_rows: max_rows?,
            },
        })
    }
}
