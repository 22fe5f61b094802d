//! The archive: the same folder gives the same bytes.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Packs a folder, under its own name, into a file that is given back. Needs GNU tar and gzip.
///
/// # Errors
///
/// What the programs say.
pub(super) async fn pack(folder: &Path, file: &Path, epoch: i64) -> Result<PathBuf> {
    let parent = folder.parent().context("the folder stands in no other")?;
    let name = folder.file_name().context("the folder has no name")?;
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--format=ustar", "--numeric-owner"]);
    tar.args(["--owner=0", "--group=0", &format!("--mtime=@{epoch}")]);
    tar.arg("--directory").arg(parent).arg(name).stdout(Stdio::piped());
    let mut packing = tar.spawn().context("failed to start tar")?;
    let stream = packing.stdout.take().context("tar has no output")?;
    // Without the name and the time of what is packed.
    let mut gzip = Command::new("gzip");
    gzip.args(["--no-name", "-9"]).stdin(stream).stdout(File::create(file)?);
    let zipped =
        tokio::process::Command::from(gzip).status().await.context("failed to run gzip")?;
    ensure!(packing.wait()?.success() && zipped.success(), "{} is incomplete", file.display());
    Ok(file.to_owned())
}

/// Everything below a folder becomes readable for all and writable for its owner.
///
/// # Errors
///
/// Those of the file system.
pub(super) fn set_modes(folder: &Path) -> Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            set_modes(&entry.path())?;
        } else {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o644))?;
        }
    }
    Ok(())
}
