//! `[audit]`: how long it is known who changed what.

use std::time::Duration;

use settings::Section;
use store::AuditBounds;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn read(section: &mut Section<'_, '_>) -> Option<AuditBounds> {
    let max_age =
        section.required("max_age", "a duration", |value| value.duration(DAY..=3_650 * DAY));
    let max_rows =
        section.required("max_rows", "a number", |value| value.integer(1_000..=100_000_000_u64));
    Some(AuditBounds { max_age: max_age?, max_rows: max_rows? })
}
