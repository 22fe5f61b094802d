//! `backup`: the embedded database and its key as one archive, taken while `serve` goes on.
//!
//! The database copies itself, so that the copy is of one moment. The archive is a tar, for the image
//! has no shell and nothing else that could bring two files out of a pod. Not here: the log of
//! deliveries, which may be lost.

use std::fs::{File, Permissions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use store::{open_database_with_key, own_key};
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;

use crate::config::Config;
use crate::exit::Failed;
use crate::print;
use crate::signals::Signals;
use crate::wiring;

/// What everything in a tar is a multiple of.
const BLOCK: usize = 512;
/// What is in the archive is its owner's alone.
const MODE: u64 = 0o600;

/// Where the archive goes.
enum Target {
    Output,
    /// It is written beside its place and moved there once it is whole.
    File {
        path: PathBuf,
        part: NamedTempFile,
    },
}

/// Writes the archive to a file that is not there yet, or to standard output (`-`).
pub(crate) async fn run(to: &Path, config: &Config) -> Result<(), Failed> {
    let mut signals = Signals::listen().context("listening for signals")?;
    tokio::select! {
        done = back_up(to, config) => done,
        // What was begun is dropped and removed. A terminal that closes ends it, too.
        _ = signals.next() => Err(anyhow!("a signal ended it before the archive was whole").into()),
    }
}

async fn back_up(to: &Path, config: &Config) -> Result<(), Failed> {
    let options = wiring::store_options(config)?;
    let database = open_database_with_key(config.webhooks.store.expose(), &options)
        .map_err(|error| Failed::Usage(error.to_string()))?
        .context("there is no database: webhooks are in a file, or none was made yet")?;
    let file = database.file().context("a PostgreSQL is backed up with its own pg_dump")?;
    let name = file.file_name().context("the database has no name")?.to_string_lossy();
    let target = Target::of(to)?;
    let mut folder = tempfile::Builder::new();
    folder.prefix("boottify-webhooks-").permissions(Permissions::from_mode(0o700));
    let folder = folder.tempdir().context("making a folder for the copy")?;
    let copy = folder.path().join("copy.db");
    database.copy_into(&copy).await.context("copying the database")?;
    let mut files = vec![(name.into_owned(), copy)];
    if config.webhooks.keys.is_some() {
        print::error("the key is not in it: keep that of webhooks.encryption_key, too");
    } else {
        let key = own_key(&config.webhooks.state_dir);
        files.push((key.file_name().unwrap_or_default().to_string_lossy().into_owned(), key));
    }
    Ok(target.fill(files).await?)
}

impl Target {
    fn of(to: &Path) -> Result<Self, Failed> {
        if to == Path::new("-") {
            if io::stdout().is_terminal() {
                return Err(Failed::Usage("standard output is a terminal; name a file".to_owned()));
            }
            return Ok(Self::Output);
        }
        let there = || to.display().to_string();
        if to.symlink_metadata().is_ok() {
            return Err(anyhow!("{}: something is there already", there()).into());
        }
        let part = tempfile::Builder::new().prefix(".backup-").tempfile_in(folder_of(to));
        Ok(Self::File { path: to.to_owned(), part: part.with_context(there)? })
    }

    /// Writes the archive there. Dropped meanwhile, it leaves no file.
    async fn fill(self, files: Vec<(String, PathBuf)>) -> Result<()> {
        const BROKE_OFF: &str = "writing the archive broke off";
        let Self::File { path, part } = self else {
            let written = spawn_blocking(move || archive(io::stdout().lock(), &files));
            return written.await.context(BROKE_OFF)?;
        };
        let there = || path.display().to_string();
        let out = part.as_file().try_clone().with_context(there)?;
        let written = spawn_blocking(move || {
            archive(&out, &files)?;
            Ok::<_, anyhow::Error>(out.sync_all()?)
        });
        written.await.context(BROKE_OFF)?.with_context(there)?;
        part.persist_noclobber(&path).map_err(|error| error.error).with_context(there)?;
        File::open(folder_of(&path)).and_then(|folder| folder.sync_all()).with_context(there)
    }
}

/// The folder that a file is in.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a tar of these files, by their names in it.
fn archive(mut out: impl Write, files: &[(String, PathBuf)]) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    for (name, path) in files {
        let mut file = File::open(path).with_context(|| path.display().to_string())?;
        let size = file.metadata()?.len();
        out.write_all(&header(name, size, now)?)?;
        ensure!(io::copy(&mut file, &mut out)? == size, "{} changes", path.display());
        let rest = usize::try_from(size % BLOCK as u64)?;
        out.write_all(&[0; BLOCK][..(BLOCK - rest) % BLOCK])?;
    }
    out.write_all(&[0; 2 * BLOCK])?;
    out.flush()?;
    Ok(())
}

/// What stands before a file in a tar (POSIX ustar).
fn header(name: &str, size: u64, modified: u64) -> Result<[u8; BLOCK]> {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        header.iter_mut().skip(at).zip(bytes).for_each(|(place, byte)| *place = *byte);
    };
    ensure!(name.len() < 100, "the name {name:?} is too long");
    ensure!(size < 1 << 33, "{name} is too large for an archive");
    put(0, name.as_bytes());
    put(100, format!("{MODE:07o}").as_bytes());
    // Owner and group are of no meaning elsewhere.
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, format!("{size:011o}").as_bytes());
    put(136, format!("{modified:011o}").as_bytes());
    // The sum is taken with blanks in its own place.
    put(148, b"        0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    let sum = format!("{sum:06o}\0");
    header.iter_mut().skip(148).zip(sum.as_bytes()).for_each(|(place, byte)| *place = *byte);
    Ok(header)
}
