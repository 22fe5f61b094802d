//! `[events]`: what counts as an event.

use event::{Catalog, EventType};
use settings::Section;

/// Which events are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Events {
    pub(crate) max_bytes: usize,
    /// The built-in types and the extra ones.
    pub(crate) catalog: Catalog,
}

impl Events {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let max_bytes =
            section.required("max_bytes", "a size", |value| value.size(1024..=16 * 1024 * 1024));
        let extra = section.required("extra_types", "a list of event types", |value| {
            value.list(|element| {
                // The error quotes the text.
                element.parse_hidden(|text| EventType::try_new(text).map(|_| text.to_owned()))
            })
        });
        Some(Self {
            max_bytes: usize::try_from(max_bytes?).ok()?,
            // Each of them was taken just before.
            catalog: Catalog::try_new(&extra?).ok()?,
        })
    }
}
