//! The Control Center: the page, the API and sign-in.
//!
//! [`Desk`] says what can be done; the API and the page are two ways to ask for it.

mod api;
mod auth;
mod clock;
mod cursor;
mod desk;
mod metrics;
mod page;
mod problem;
mod router;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use api::fuzzing;
pub use auth::{
    Auth, By, InvalidAuth, InvalidTokens, Peer, Role, Tokens, Viewer, check_public_url,
};
pub use desk::{
    AddressCheck, AuditAsked, AuditEntry, Change, ClauseEdit, Course, DeadAct, DeadAsked, DeadPage,
    DeadWork, DeadWorked, DeliveriesAsked, Desk, Edit, EventTypeInfo, Found, Left, Listed,
    MAX_PAGE, Made, Moved, Parts, Progress, RateEdit, Reach, Recovered, Rest, RetryEdit, Rules,
    Sent, Standing, Standings, State, Stayed, Stays, TriedEvent, TryOut, Webhooks, WebhooksAsked,
    dead_reason, request_headers, rotated_again,
};
pub use metrics::Metrics;
pub use problem::{FieldError, Problem, ProblemKind};
pub use router::router;

/// What every route is answered from.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) desk: Desk,
    pub(crate) auth: Auth,
}
