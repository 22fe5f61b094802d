//! `[webhooks]`: where webhooks are kept and what holds for all of them.

use std::num::NonZeroU32;
use std::path::PathBuf;

use settings::{Section, Value};

use super::delivery::absolute;

/// Where webhooks are, and their common limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Webhooks {
    /// The store's URL, which names a store that this version has.
    pub(crate) store: String,
    pub(crate) state_dir: PathBuf,
    pub(crate) allow_http: bool,
    pub(crate) max_in_flight: NonZeroU32,
}

impl Webhooks {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let store = section.required("store", "a store URL", |value| {
            // Stores to come have passwords in their URLs.
            value.parse_hidden(|text| store::check_url(text).map(|()| text.to_owned()))
        });
        let state_dir = section.required("state_dir", "a folder", |value| value.parse(absolute));
        let allow_http = section.required("allow_http", "true or false", Value::boolean);
        let max_in_flight =
            section.required("max_in_flight", "a number", |value| value.integer(1..=10_000));
        Some(Self {
            store: store?,
            state_dir: state_dir?,
            allow_http: allow_http?,
            max_in_flight: NonZeroU32::new(max_in_flight?)?,
        })
    }
}
