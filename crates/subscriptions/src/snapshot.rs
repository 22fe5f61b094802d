//! All webhooks at one moment, and the index that finds those of an event.
//!
//! The index is a list of places per pair of a pattern (an exact type, a family, all) and a project
//! (or none). An event is looked up under three patterns, in each once under no project and once
//! under its own. No webhook is found twice: filters are normalised, so at most one of a webhook's
//! patterns covers a type, and a webhook is entered either under no project or under each of its
//! projects once.
//!
//! Cost: at most nine hash lookups per event, whatever the number of webhooks. Patterns and projects
//! are numbered, so that an entry takes some thirty bytes however long their names are. Nothing is
//! changed after [`Snapshot::build`].

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use event::{EventType, ProjectId};
use thiserror::Error;

use crate::filter::Pattern;
use crate::id::WebhookId;
use crate::webhook::Webhook;

/// An immutable set of webhooks. Share it by `Arc`; replace it whole.
#[derive(Debug, Default)]
pub struct Snapshot {
    generation: u64,
    enabled: usize,
    /// Sorted by id.
    webhooks: Box<[Arc<Webhook>]>,
    exact: HashMap<EventType, Number>,
    family: HashMap<Arc<str>, Number>,
    projects: HashMap<ProjectId, Number>,
    /// Where in `places` the list of a pattern and a project stands.
    lists: HashMap<(Number, Number), Range<u32>>,
    /// All lists, one after the other; a place is an index into `webhooks`.
    places: Box<[u32]>,
}

/// Stands for a pattern or a project.
type Number = u32;
/// The pattern `*`.
const ALL: Number = 0;
/// No project: the webhooks that want the events of every project, and of none.
const ANY_PROJECT: Number = 0;

/// Two webhooks have the same id.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("two webhooks have the id {0}")]
pub struct DuplicateId(pub WebhookId);

impl Snapshot {
    /// Builds the index over `webhooks`, given whole or shared with another snapshot.
    ///
    /// # Errors
    ///
    /// [`DuplicateId`] where two have one id.
    pub fn build<W: Into<Arc<Webhook>>>(
        webhooks: Vec<W>,
        generation: u64,
    ) -> Result<Self, DuplicateId> {
        let mut webhooks: Box<[Arc<Webhook>]> = webhooks.into_iter().map(Into::into).collect();
        webhooks.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(pair) = webhooks.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(DuplicateId(pair[0].id.clone()));
        }
        let mut snapshot = Self { generation, ..Self::default() };
        let mut entries = Vec::new();
        for (place, webhook) in (0u32..).zip(&webhooks) {
            snapshot.enabled += usize::from(webhook.enabled);
            if !(webhook.enabled || webhook.keep_while_disabled) {
                continue;
            }
            snapshot.number(webhook, |pattern, project| {
                entries.push((pattern, project, place));
            });
        }
        snapshot.webhooks = webhooks;
        snapshot.list(entries);
        Ok(snapshot)
    }

    /// The webhooks that want this event by its type and project, each once: enabled ones, and
    /// disabled ones for which it is kept. Their conditions are not looked at.
    #[must_use]
    pub fn matching(&self, kind: &EventType, project: Option<&ProjectId>) -> Matching<'_> {
        let exact = self.exact.get(kind).copied();
        let family = self.family.get(kind.family()).copied();
        let project = project.and_then(|project| self.projects.get(project)).copied();
        let mut lists: [&[u32]; 6] = [&[]; 6];
        for (pair, pattern) in lists.chunks_exact_mut(2).zip([exact, family, Some(ALL)]) {
            let Some(pattern) = pattern else { continue };
            pair[0] = self.list_of(pattern, ANY_PROJECT);
            pair[1] = project.map_or(&[], |project| self.list_of(pattern, project));
        }
        Matching { webhooks: &self.webhooks, lists, current: 0 }
    }

    /// The webhook with this id, enabled or not.
    #[must_use]
    pub fn get(&self, id: &WebhookId) -> Option<&Arc<Webhook>> {
        let place = self.webhooks.binary_search_by(|webhook| webhook.id.cmp(id)).ok()?;
        self.webhooks.get(place)
    }

    /// All webhooks, enabled or not, in the order of their ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Webhook>> {
        self.webhooks.iter()
    }

    /// How many webhooks there are, enabled or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.webhooks.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.webhooks.is_empty()
    }

    /// How many of them are enabled.
    #[must_use]
    pub fn enabled(&self) -> usize {
        self.enabled
    }

    /// Which change of the webhooks this is; it grows with every change.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Calls `enter` with the numbers of each pattern and project of this webhook.
    fn number(&mut self, webhook: &Webhook, mut enter: impl FnMut(Number, Number)) {
        for pattern in webhook.events.patterns() {
            let next = next_number(self.exact.len() + self.family.len());
            let pattern = match pattern {
                Pattern::All => ALL,
                Pattern::Family(name) => *self.family.entry(Arc::clone(name)).or_insert(next),
                Pattern::Exact(kind) => *self.exact.entry(kind.clone()).or_insert(next),
            };
            if webhook.projects.is_empty() {
                enter(pattern, ANY_PROJECT);
            }
            for project in &webhook.projects {
                let next = next_number(self.projects.len());
                let number = match self.projects.get(project) {
                    Some(number) => *number,
                    None => *self.projects.entry(project.clone()).or_insert(next),
                };
                enter(pattern, number);
            }
        }
    }

    /// Turns entries into lists. Double entries (a project that is named twice) become one.
    fn list(&mut self, mut entries: Vec<(Number, Number, u32)>) {
        entries.sort_unstable();
        entries.dedup();
        let mut start = 0;
        for list in entries.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let Some((pattern, project, _)) = list.first() else {
                continue;
            };
            let end = start + u32::try_from(list.len()).unwrap_or(u32::MAX);
            self.lists.insert((*pattern, *project), start..end);
            start = end;
        }
        self.places = entries.into_iter().map(|(_, _, place)| place).collect();
        self.lists.shrink_to_fit();
        self.projects.shrink_to_fit();
    }

    fn list_of(&self, pattern: Number, project: Number) -> &[u32] {
        let range = self.lists.get(&(pattern, project));
        let list = range.and_then(|r| self.places.get(r.start as usize..r.end as usize));
        list.unwrap_or_default()
    }
}

/// The number after so many others; 0 is taken by [`ALL`] and [`ANY_PROJECT`].
fn next_number(others: usize) -> Number {
    // 2^32 patterns or projects would not fit into memory.
    Number::try_from(others + 1).unwrap_or(Number::MAX)
}

/// The webhooks that want one event; made by [`Snapshot::matching`].
#[derive(Clone, Debug)]
pub struct Matching<'a> {
    webhooks: &'a [Arc<Webhook>],
    lists: [&'a [u32]; 6],
    current: usize,
}

impl<'a> Iterator for Matching<'a> {
    type Item = &'a Arc<Webhook>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(list) = self.lists.get_mut(self.current) {
            if let Some((place, rest)) = list.split_first() {
                *list = rest;
                return self.webhooks.get(*place as usize);
            }
            self.current += 1;
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.lists.iter().map(|list| list.len()).sum();
        (left, Some(left))
    }
}

impl ExactSizeIterator for Matching<'_> {}

#[cfg(test)]
mod tests;
