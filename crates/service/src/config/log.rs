//! `[log]`: how much is logged, and in which form.

use settings::Section;
use tracing::Level;

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: Level,
}

/// For whom lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object per line.
    Json,
}

impl Log {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let format = section.required("format", "\"text\" or \"json\"", |value| {
            value.choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)])
        });
        let level = section.required("level", "a level", |value| {
            value.choice(&[
                ("error", Level::ERROR),
                ("warn", Level::WARN),
                ("info", Level::INFO),
                ("debug", Level::DEBUG),
                ("trace", Level::TRACE),
            ])
        });
        Some(Self { format: format?, level: level? })
    }
}
