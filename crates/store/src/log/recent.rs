//! What was written last, remembered within a bound: a repeat mostly comes soon.

use std::collections::HashMap;
use std::hash::Hash;

use crate::log::id::BuildQuick;

/// Entries of one generation; there are two.
const GENERATION: usize = 32_768;

/// Numbers by key. Holds at least the last 32,768 entries and at most twice as many.
#[derive(Debug)]
pub(super) struct Recent<K> {
    young: HashMap<K, i64, BuildQuick>,
    old: HashMap<K, i64, BuildQuick>,
}

impl<K> Default for Recent<K> {
    fn default() -> Self {
        Self { young: HashMap::default(), old: HashMap::default() }
    }
}

impl<K: Hash + Eq> Recent<K> {
    pub(super) fn insert(&mut self, key: K, number: i64) {
        if self.young.len() >= GENERATION {
            // The room is used again.
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(key, number);
    }

    pub(super) fn get(&self, key: &K) -> Option<i64> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_known() {
        let mut recent = Recent::default();
        let many = i64::try_from(GENERATION).unwrap() * 5 / 2;
        (0..many).for_each(|n| recent.insert(n, n + 1));
        let generation = i64::try_from(GENERATION).unwrap();
        assert_eq!(recent.get(&(many - 1)), Some(many));
        assert!(recent.get(&(many - generation)).is_some());
        assert_eq!(recent.get(&0), None);
        assert!(recent.young.len() + recent.old.len() <= 2 * GENERATION);
    }
}
