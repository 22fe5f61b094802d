//! Being told of changes by the system, so that they are seen at once and not at the next look.
//!
//! The folder is watched, not the file: editors and ConfigMap mounts replace files, and a watch on
//! the file itself would follow the old one. What is told may be too much (any file of the folder)
//! or nothing at all (a network file system); so it only wakes whoever looks.

use std::path::Path;
use std::sync::Arc;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Wakes `wake` whenever something changes in the folder of `path`, until the watcher is dropped.
pub(crate) fn watch(path: &Path, wake: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading a file is told too; waking for it would wake us for our own reading.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            wake.notify_one();
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
