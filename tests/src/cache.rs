//! What the testbed fetches and keeps: folders below `.cache` of the workspace, which git ignores.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace;

/// The file that says that a folder was made to its end.
const COMPLETE: &str = "complete";

/// The cached folder of this name, which `make` fills if it is not there yet. A name holds the
/// version of what is in it. Of several processes one makes it while the others wait.
///
/// # Errors
///
/// When `make` fails, or the cache cannot be written.
pub async fn folder(name: &str, make: impl AsyncFnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let cache = workspace::root().join(".cache");
    let folder = cache.join(name);
    if folder.join(COMPLETE).is_file() {
        return Ok(folder);
    }
    fs::create_dir_all(&cache).context("failed to make the cache")?;
    let lock = File::create(cache.join(format!("{name}.lock")))?;
    lock.lock().context("failed to wait for another process that fills the cache")?;
    if folder.join(COMPLETE).is_file() {
        return Ok(folder);
    }
    // What an interrupted attempt left.
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir(&folder)?;
    make(&folder).await?;
    File::create(folder.join(COMPLETE))?;
    Ok(folder)
}
