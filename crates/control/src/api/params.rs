//! Parameters of queries that several routes have, for the document; they are read by hand
//! (`super::query`), which tells every mistake at once.

use utoipa::IntoParams;

/// Which part of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document")]
pub(super) struct PartParams {
    /// `next` of the part before
    #[param(pattern = "^[A-Za-z0-9_-]{4,512}$", nullable = false)]
    cursor: Option<String>,
    /// 50 without it
    #[param(minimum = 1, maximum = 200, nullable = false)]
    limit: Option<u32>,
}

/// Which deliveries.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document")]
pub(super) struct DeliveryParams {
    /// Of the event with this id, to webhooks that there are; with more than 1,000 of them, only
    /// beside a webhook
    #[param(min_length = 1, max_length = 255, nullable = false)]
    event: Option<String>,
    /// `waiting`, `delivered`, `dead` or `dropped`
    #[param(pattern = "^(waiting|delivered|dead|dropped)$", nullable = false)]
    state: Option<String>,
    /// Of this event type
    #[param(
        rename = "type",
        max_length = 64,
        pattern = "^[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)+$",
        nullable = false
    )]
    kind: Option<String>,
    /// Those whose last attempt was at or after this time
    #[param(format = DateTime, nullable = false)]
    since: Option<String>,
    /// Those whose last attempt was before this time
    #[param(format = DateTime, nullable = false)]
    until: Option<String>,
}
