//! The state directory: what is live is saved there, for a start without the store.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::{Inner, Store};
use crate::notice::{Notice, Origin};
use crate::saved::{self, Saved};
use crate::state_file::StateError;

impl Store {
    /// Saves what is live and not saved yet. Turns go on meanwhile: this may take its time.
    pub(super) fn save(&self) -> Vec<Notice> {
        if !self.0.claim.is_held() {
            return Vec::new();
        }
        let (unsaved, entries, revision) = {
            let mut inner = self.inner();
            let Some(unsaved) = inner.pace.begin() else { return Vec::new() };
            (unsaved, inner.entries.clone(), *self.0.revision.borrow())
        };
        let (began, mut notices) = (Instant::now(), Vec::new());
        let saved =
            saved::save(&self.0.state_dir, &self.origin(), &entries, unsaved, revision.max(0));
        let saved = self.keep(saved, &mut notices);
        let pace = &mut self.inner().pace;
        match saved {
            Some(()) => pace.saved(Instant::now(), began.elapsed()),
            None => pace.failed(Instant::now(), unsaved),
        }
        notices
    }

    /// Makes live what was saved, where the store cannot be read at a start.
    pub(super) fn take_saved(&self, inner: &mut Inner, notices: &mut Vec<Notice>) {
        let loaded = saved::load(&self.0.state_dir, &self.origin(), inner.rules.url);
        let Some(Some(Saved { entries, read_at_ms })) = self.keep(loaded, notices) else {
            return;
        };
        // Ids were distinct when this was saved, and the checksum holds.
        if self.publish(&entries, &inner.disabled, Origin::Saved, notices).is_ok() {
            (inner.entries, inner.origin) = (entries, Origin::Saved);
            self.note_unopened(inner, notices);
            self.0.status.read_at_ms.store(read_at_ms, Ordering::Relaxed);
        }
    }

    /// A result of the state directory: its failure is told and counted, and nothing waits for it.
    pub(super) fn keep<T>(
        &self,
        result: Result<T, StateError>,
        notices: &mut Vec<Notice>,
    ) -> Option<T> {
        result
            .map_err(|error| {
                self.0.status.count_error();
                notices.push(Notice::State(Arc::new(error)));
            })
            .ok()
    }

    fn origin(&self) -> saved::Of<'_> {
        saved::Of { store: &self.0.name, keys: self.0.backend.keys() }
    }
}
