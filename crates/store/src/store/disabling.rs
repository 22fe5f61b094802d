//! What a turn does with webhooks that the service itself disables: live at once, remembered in the
//! state directory, handed over to a store that can keep it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use subscriptions::WebhookId;

use super::{Inner, Store};
use crate::disabled::Disabled;
use crate::entry::Entry;
use crate::notice::{Notice, Origin};

impl Store {
    /// Disables those of these that are there.
    pub(super) fn disable_now(
        &self,
        inner: &mut Inner,
        asked: BTreeMap<WebhookId, String>,
        notices: &mut Vec<Notice>,
    ) {
        let mut done = Vec::new();
        for (id, reason) in asked {
            if let Some(entry) = Entry::find(&inner.entries, &id) {
                inner.disabled.disable(entry, reason);
                done.push(Notice::Disabled(id));
            }
        }
        // The ids are distinct, for a snapshot was built of them before.
        if done.is_empty()
            || self.publish(&inner.entries, &inner.disabled, inner.origin, notices).is_err()
        {
            return;
        }
        notices.extend(done);
        self.save_disabled(inner, notices);
    }

    /// Leaves decisions to a store that can keep them itself; what it says then is read in this turn.
    pub(super) fn hand_over(&self, inner: &mut Inner, notices: &mut Vec<Notice>) {
        let decisions = inner.disabled.decisions();
        let taken: Vec<WebhookId> = decisions
            .filter(|(id, seen, reason)| self.0.backend.disable(id, *seen, reason))
            .map(|(id, ..)| id.clone())
            .collect();
        if !taken.is_empty() {
            taken.iter().for_each(|id| inner.disabled.hand_over(id));
            self.save_disabled(inner, notices);
        }
    }

    /// Goes on with the state directory, whose process of before is gone: with what that one decided,
    /// and what was decided here meanwhile.
    pub(super) fn take_over(&self, inner: &mut Inner, notices: &mut Vec<Notice>) {
        self.0.status.shared.store(false, Ordering::Relaxed);
        notices.push(Notice::Claimed(self.0.state_dir.clone()));
        let theirs = self.keep(Disabled::load(&self.0.state_dir), notices).unwrap_or_default();
        inner.disabled.join(theirs);
        inner.pace.hurry();
        if inner.origin == Origin::Store && self.0.status.is_loaded() {
            inner.pace.changed(self.0.status.read_at_ms());
            inner.disabled.lift(&inner.entries);
        }
        // The ids are distinct, for a snapshot was built of them before.
        if self.0.status.is_loaded() {
            self.publish(&inner.entries, &inner.disabled, inner.origin, notices)
                .unwrap_or_default();
        }
        self.save_disabled(inner, notices);
    }

    pub(super) fn save_disabled(&self, inner: &Inner, notices: &mut Vec<Notice>) {
        if self.0.claim.is_held() {
            self.keep(inner.disabled.save(&self.0.state_dir), notices);
        }
    }
}
