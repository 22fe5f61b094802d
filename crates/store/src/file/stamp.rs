//! Has a file changed? Answered without reading it.
//!
//! A stamp is what the system says about a file: identity, length and times, down to the nanosecond,
//! including the time of change that nobody can set. Files are followed through symbolic links, so
//! that the swap of a `..data` link (as Kubernetes does with a ConfigMap) shows as another file.
//!
//! Clocks of file systems tick coarsely. A stamp younger than [`UNSETTLED`] may hide a second change
//! within the same tick; whoever keeps it looks again (see [`FileStamps::settled`]).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longer than the coarsest tick that a file system's times have (2 s on FAT).
const UNSETTLED: Duration = Duration::from_secs(3);

/// The stamps of several files, each `None` where it is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileStamps(Vec<Option<Stamp>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileStamps {
    /// The stamps of the main file and the others, as they are now.
    pub(crate) fn of(main: &Path, others: &[PathBuf]) -> Self {
        let others = others.iter().map(PathBuf::as_path);
        Self(std::iter::once(main).chain(others).map(Stamp::of).collect())
    }

    /// Whether a later change is certain to show in the stamps.
    pub(crate) fn settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let limit = i64::try_from(now.saturating_sub(UNSETTLED).as_secs()).unwrap_or(i64::MAX);
        self.0.iter().flatten().all(|stamp| stamp.modified.0 < limit && stamp.changed.0 < limit)
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}
