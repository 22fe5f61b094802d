//! `[shutdown]`: how the service ends.

use std::time::Duration;

use settings::Section;

/// How the service ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shutdown {
    /// How long what is in flight may take to end.
    pub(crate) grace: Duration,
}

impl Shutdown {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let most = Duration::from_secs(600);
        let grace =
            section.required("grace", "a duration", |value| value.duration(Duration::ZERO..=most));
        Some(Self { grace: grace? })
    }
}
