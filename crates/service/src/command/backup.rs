//! `backup`: the embedded database and its key as one archive, taken while `serve` goes on.
//!
//! The database copies itself, so that the copy is of one moment. The archive is a tar, for the image
//! has no shell and nothing else that could bring two files out of a pod. Not here: the log of
//! deliveries, which may be lost.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use store::{Database, open_present_database, own_key};

use crate::config::Config;
use crate::exit::Failed;
use crate::print;
use crate::wiring;

/// What everything in a tar is a multiple of.
const BLOCK: usize = 512;
/// A file that its owner alone reads.
const MODE: u64 = 0o600;

/// A folder for the copy, gone with this.
struct Folder(PathBuf);

/// Writes the archive to a file that is not there yet, or to standard output (`-`).
pub(crate) async fn run(to: &Path, config: &Config) -> Result<(), Failed> {
    let options = wiring::store_options(config)?;
    let database = open_present_database(config.webhooks.store.expose(), &options)
        .map_err(|error| Failed::Usage(error.to_string()))?
        .context("there is no database: webhooks are in a file, or none was made yet")?;
    let file = database.file().context("a PostgreSQL is backed up with its own pg_dump")?;
    let name = file.file_name().context("the database has no name")?.to_string_lossy();
    let copy = Folder::make()?;
    let copied = copy.0.join("copy.db");
    copied_into(&database, &copied).await?;
    let key = own_key(&config.webhooks.state_dir);
    let mut files = vec![(name.into_owned(), copied)];
    if config.webhooks.keys.is_some() {
        print::error("the key is not in it: keep that of webhooks.encryption_key, too");
    } else if key.exists() {
        files.push((key.file_name().unwrap_or_default().to_string_lossy().into_owned(), key));
    }
    if to == Path::new("-") {
        let out = io::stdout().lock();
        if out.is_terminal() {
            return Err(Failed::Usage("standard output is a terminal; name a file".to_owned()));
        }
        return Ok(archive(out, &files)?);
    }
    let out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let out = out.with_context(|| to.display().to_string())?;
    archive(&out, &files)?;
    out.sync_all().with_context(|| to.display().to_string())?;
    Ok(())
}

async fn copied_into(database: &Database, file: &Path) -> Result<()> {
    database.copy_into(file).await.context("copying the database")
}

impl Folder {
    fn make() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("boottify-webhooks-{}", std::process::id()));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
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
