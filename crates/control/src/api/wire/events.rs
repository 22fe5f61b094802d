//! Events, their types, and whether a filter wants them.

use serde::Serialize;
use store::LoggedEvent;
use utoipa::ToSchema;

use crate::clock::text_of;
use crate::desk::{EventTypeInfo, TriedEvent};

/// An event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct EventOut {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    project: Option<String>,
    #[schema(format = DateTime)]
    published_at: String,
    /// The exact body of the requests; null where the log has forgotten it.
    body: Option<String>,
}

/// The known event types.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct EventTypes {
    items: Vec<EventTypeOut>,
}

/// An event type.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct EventTypeOut {
    #[serde(rename = "type")]
    #[schema(example = "deployment.succeeded")]
    kind: String,
    description: Option<String>,
}

/// Recent events, and whether the filter wants them.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Tried {
    /// How many of them it wants.
    wanted: u64,
    items: Vec<TriedOut>,
}

/// A recent event.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct TriedOut {
    event: EventOut,
    wanted: bool,
}

impl From<LoggedEvent> for EventOut {
    fn from(event: LoggedEvent) -> Self {
        let body = String::from_utf8_lossy(&event.body).into_owned();
        Self {
            id: event.id,
            kind: event.kind,
            project: event.project,
            published_at: text_of(event.published_ms),
            body: Some(body).filter(|body| !body.is_empty()),
        }
    }
}

impl From<Vec<EventTypeInfo>> for EventTypes {
    fn from(types: Vec<EventTypeInfo>) -> Self {
        let out = |info: EventTypeInfo| EventTypeOut {
            kind: info.kind.to_string(),
            description: info.description.map(str::to_owned),
        };
        Self { items: types.into_iter().map(out).collect() }
    }
}

impl From<Vec<TriedEvent>> for Tried {
    fn from(tried: Vec<TriedEvent>) -> Self {
        let wanted = tried.iter().filter(|tried| tried.wanted).count() as u64;
        let out = |tried: TriedEvent| TriedOut { event: tried.event.into(), wanted: tried.wanted };
        Self { wanted, items: tried.into_iter().map(out).collect() }
    }
}
