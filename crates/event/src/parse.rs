//! From the bytes of a message to an event, or to the reason why it is none.

use std::fmt;

use bytes::Bytes;

use crate::body;
use crate::id::{EventId, ProjectId};
use crate::kind::{Catalog, EventType};
use crate::order;
use crate::path::quoted;
use crate::rejection::{Reason, Rejection};
use crate::time;
use crate::tree::{self, Node};

/// A valid event. Its body is canonical and shared, not copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    id: EventId,
    kind: EventType,
    created_at_ms: i64,
    project: Option<ProjectId>,
    body: Bytes,
}

impl Event {
    /// Parses what a publisher sent.
    ///
    /// `message_id` becomes the event's id; without one, or with one that is no [`EventId`] (empty,
    /// over 255 bytes, control characters, which no header could carry), the id is derived from
    /// `raw`, so that a redelivery repeats it. `max_bytes` bounds `raw`; the canonical body is no
    /// longer, but for numbers that JavaScript writes out, such as 1e20.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] says what is wrong; nothing is ever repaired or left out.
    pub fn parse(
        raw: &[u8],
        message_id: Option<&str>,
        catalog: &Catalog,
        max_bytes: usize,
    ) -> Result<Self, Rejection> {
        if raw.len() > max_bytes {
            let size = raw.len();
            return Err(Reason::TooLarge.because(format!("{size} bytes, at most {max_bytes}")));
        }
        let id = message_id.and_then(|id| EventId::try_new(id).ok());
        let id = id.unwrap_or_else(|| EventId::of_body(raw));
        Self::read(raw, id, |name| {
            catalog.get(name).cloned().ok_or_else(|| {
                let name = quoted(name);
                Reason::UnknownType.because(format!("type: {name} is not among the known types"))
            })
        })
    }

    /// An event that was parsed before and comes back from the broker: its type need not be known
    /// any more, since what was accepted once is delivered.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] where the body is no event. One that [`Event::body`] gave always is, and
    /// comes back byte for byte.
    pub fn restore(body: &[u8], id: EventId) -> Result<Self, Rejection> {
        Self::read(body, id, |name| {
            EventType::try_new(name)
                .map_err(|error| Reason::MistypedField.because(format!("type: {error}")))
        })
    }

    fn read(
        raw: &[u8],
        id: EventId,
        kind: impl FnOnce(&str) -> Result<EventType, Rejection>,
    ) -> Result<Self, Rejection> {
        let text = std::str::from_utf8(raw).map_err(|error| {
            Reason::NotJson.because(format!("no UTF-8 from byte {} on", error.valid_up_to()))
        })?;
        let mut node = tree::read(text)?;
        order::settle(&mut node);
        let Node::Object(_) = &node else {
            return Err(Reason::NotAnObject.because("the document is no object"));
        };
        let top = Place { outer: "", name: "", node: &node };
        let kind = kind(top.required("type")?.text()?)?;
        let created_at_ms = top.required("createdAt")?.time_ms()?;
        let project = project(&top, &kind)?;
        let mut body = Vec::with_capacity(raw.len());
        body::write(&node, &mut body)?;
        Ok(Self { id, kind, created_at_ms, project, body: body.into() })
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> &EventId {
        &self.id
    }

    /// The event's type.
    #[must_use]
    pub fn kind(&self) -> &EventType {
        &self.kind
    }

    /// `createdAt`, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn created_at_ms(&self) -> i64 {
        self.created_at_ms
    }

    /// The project that it belongs to; events of added families may belong to none.
    #[must_use]
    pub fn project(&self) -> Option<&ProjectId> {
        self.project.as_ref()
    }

    /// The canonical body: the exact bytes that are signed and sent.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body as values, for who looks into it; reads it anew each time.
    #[must_use]
    pub fn payload(&self) -> serde_json::Value {
        // A canonical body is JSON, whose numbers a double carries.
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Checks what a family must carry, and gives the project.
fn project(top: &Place<'_, '_>, kind: &EventType) -> Result<Option<ProjectId>, Rejection> {
    let ours = match kind.family() {
        "deployment" => {
            let deployment = top.required("deployment")?.object()?;
            deployment.required("id")?.name()?;
            for text in ["name", "url"] {
                deployment.optional(text).map(|place| place.text().map(drop)).transpose()?;
            }
            deployment.optional("meta").map(|meta| meta.object().map(drop)).transpose()?;
            true
        }
        "domain" => {
            top.required("domain")?.object()?.required("name")?.name()?;
            true
        }
        _ => false,
    };
    let project = match top.optional("project") {
        None if !ours => return Ok(None),
        _ => top.required("project")?.object()?,
    };
    project.optional("name").map(|name| name.text().map(drop)).transpose()?;
    let id = project.required("id")?;
    ProjectId::try_new(id.name()?).map(Some).map_err(|error| id.mistyped(error))
}

/// A value and where it stands, for whoever has to mend it. What is checked lies at most two
/// levels deep, so a path is two names and costs nothing while all is well.
struct Place<'n, 'a> {
    outer: &'static str,
    name: &'static str,
    node: &'n Node<'a>,
}

impl<'n, 'a> Place<'n, 'a> {
    /// A member that is there and not null.
    fn optional(&self, name: &'static str) -> Option<Place<'n, 'a>> {
        let Node::Object(members) = self.node else {
            return None;
        };
        let (_, node) = members.iter().find(|(member, _)| member == name)?;
        (*node != Node::Null).then_some(Place { outer: self.name, name, node })
    }

    fn required(&self, name: &'static str) -> Result<Place<'n, 'a>, Rejection> {
        self.optional(name).ok_or_else(|| {
            Reason::MissingField.because(format!("{} is missing", path(self.name, name)))
        })
    }

    fn object(self) -> Result<Self, Rejection> {
        if let Node::Object(_) = self.node { Ok(self) } else { Err(self.must_be("an object")) }
    }

    fn text(&self) -> Result<&'n str, Rejection> {
        match self.node {
            Node::String(text) => Ok(text),
            _ => Err(self.must_be("a string")),
        }
    }

    fn name(&self) -> Result<&'n str, Rejection> {
        match self.text()? {
            "" => Err(self.must_be("a string that is not empty")),
            text => Ok(text),
        }
    }

    fn time_ms(&self) -> Result<i64, Rejection> {
        time::milliseconds(self.text()?)
            .ok_or_else(|| self.must_be("a time of RFC 3339, such as 2024-01-15T10:30:00Z"))
    }

    /// Rejects the value for not being `what`.
    fn must_be(&self, what: &str) -> Rejection {
        self.mistyped(format_args!("must be {what}"))
    }

    fn mistyped(&self, complaint: impl fmt::Display) -> Rejection {
        Reason::MistypedField.because(format!("{} {complaint}", path(self.outer, self.name)))
    }
}

fn path(outer: &str, name: &str) -> String {
    if outer.is_empty() { name.to_owned() } else { format!("{outer}.{name}") }
}

#[cfg(test)]
mod tests;
