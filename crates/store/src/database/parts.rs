//! A row taken apart, however damaged it is: what can be read of it, and what is wrong with the rest.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{Any, Decode, Row, Type, ValueRef};
use subscriptions::WebhookId;

/// The most that is told of one part, in characters: what is wrong may quote what it found.
const TOLD: usize = 120;

/// See the module.
pub(super) struct Parts<'a> {
    row: Option<&'a AnyRow>,
    /// Its id, or what stands for one that cannot be read.
    pub(super) id: WebhookId,
    pub(super) revision: i64,
    wrong: Vec<String>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(row: &'a AnyRow) -> Self {
        let (id, wrong) = (WebhookId::unreadable(0), Vec::new());
        let mut parts = Self { row: Some(row), id, revision: 0, wrong };
        parts.revision = parts.column("revision").unwrap_or(0);
        let id = parts.column::<String>("id");
        let id = id.and_then(|id| parts.sound("id", WebhookId::try_new(&id)));
        parts.id = id.unwrap_or_else(|| WebhookId::unreadable(parts.revision));
        parts
    }

    /// A row of which nothing can be read, for this reason.
    pub(super) fn none(id: WebhookId, revision: i64, why: &sqlx::Error) -> Self {
        Self { row: None, id, revision, wrong: vec![told(why)] }
    }

    /// What a column holds.
    pub(super) fn column<T: Decode<'a, Any> + Type<Any>>(&mut self, name: &str) -> Option<T> {
        let row = self.row?;
        let value = row.try_get(name).map_err(|_| {
            let empty = row.try_get_raw(name).is_ok_and(|value| value.is_null());
            if empty { "is empty" } else { "is of another kind" }
        });
        value.map_err(|why| self.wrong.push(format!("its {name} {why}"))).ok()
    }

    /// What the JSON in a column says.
    pub(super) fn json<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let text = self.column::<&str>(name)?;
        self.sound(name, serde_json::from_str(text))
    }

    /// What a part of this name says, where nothing is wrong with it.
    pub(super) fn sound<T, E: Display>(&mut self, name: &str, part: Result<T, E>) -> Option<T> {
        part.map_err(|error| self.wrong.push(format!("its {name}: {}", told(error)))).ok()
    }

    /// Everything that is wrong, in one line; `None` where nothing is.
    pub(super) fn wrong(self) -> Option<String> {
        (!self.wrong.is_empty()).then(|| self.wrong.join("; "))
    }
}

/// An error in a few words that hold nothing but printable characters.
fn told(error: impl Display) -> String {
    let text = error.to_string();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TOLD).collect()
}
