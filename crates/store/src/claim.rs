//! Whose the state directory is: one process at a time writes there, the others only read.
//!
//! The one that holds a lock on the folder. It ends with the process, so that during a rolling update
//! the next one takes it when the one before is gone; until then it looks again at every turn.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::state_file;

/// See the module.
#[derive(Debug)]
pub(crate) struct Claim {
    /// `None` where the folder cannot be opened: then nothing can be written either.
    folder: Option<File>,
    held: AtomicBool,
}

impl Claim {
    /// Claims the state directory for this process, if nobody else has.
    pub(crate) fn new(state_dir: &Path) -> Self {
        let claim = Self { folder: File::open(state_dir).ok(), held: AtomicBool::new(false) };
        claim.take(state_dir);
        claim
    }

    /// Whether this process may write there.
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    /// Takes it where it is free; `true` where it was not held and is now. What the process before
    /// was writing when it was killed is removed.
    pub(crate) fn take(&self, state_dir: &Path) -> bool {
        if self.is_held() {
            return false;
        }
        let taken = match self.folder.as_ref().map(File::try_lock) {
            Some(Ok(())) => {
                state_file::sweep(state_dir);
                true
            }
            Some(Err(TryLockError::WouldBlock)) => false,
            // A file system without locks says nothing.
            Some(Err(TryLockError::Error(_))) | None => true,
        };
        self.held.store(taken, Ordering::Relaxed);
        taken
    }
}
