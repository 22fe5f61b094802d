//! RabbitMQ 4 on a Debian whose own release is older, without touching the system.
//!
//! The system's own package sources are copied with the release's name replaced, apt downloads with
//! private lists and an empty state, so that it takes the whole dependency tree, and the packages
//! are unpacked into one folder that `chroot` enters. Signatures are checked with the keyring that
//! is on the machine already. The folder is a cache below cargo's build folder: made once, complete
//! or not there, and shared by all brokers, whose data lies elsewhere.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use crate::rabbitmq::Installation;
use crate::rabbitmq::packages::tell;
use crate::report::Reporter;
use crate::workspace;

/// The release that has RabbitMQ 4.0.
const SUITE: &str = "trixie";

/// The broker, and what its start scripts call.
const PACKAGES: [&str; 12] = [
    "rabbitmq-server",
    "bash",
    "dash",
    "coreutils",
    "sed",
    "grep",
    "mawk",
    "hostname",
    "util-linux",
    "base-files",
    "libc-bin",
    "findutils",
];

/// What the packages' own scripts would have written, which are not run.
const ACCOUNTS: [(&str, &str); 4] = [
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
    ("etc/group", "root:x:0:\n"),
    ("etc/hosts", "127.0.0.1 localhost\n"),
    ("etc/nsswitch.conf", "hosts: files\n"),
];

/// The unpacked RabbitMQ 4, made now if it is not there yet.
///
/// # Errors
///
/// When this is no Debian, we are not root, or apt fails.
pub(super) async fn rabbitmq_4(report: &Reporter) -> Result<Installation> {
    let cache = workspace::target().join("rabbitmq-4");
    let root = cache.join("root");
    fs::create_dir_all(&cache)?;
    let lock = File::create(cache.join("lock"))?;
    lock.lock().context("failed to wait for another process that unpacks RabbitMQ 4")?;
    if !root.is_dir() {
        ensure!(
            rustix::process::geteuid().is_root() && Path::new("/etc/debian_version").is_file(),
            "RabbitMQ 4 is unpacked from Debian's packages, which takes Debian and root: \
             elsewhere, give the URL of a running one"
        );
        report.step(format!(
            "fetching RabbitMQ 4 from Debian {SUITE}, once, into {}",
            cache.display()
        ));
        let work = tempfile::Builder::new().prefix("work-").tempdir_in(&cache)?;
        make_root(work.path(), report).await?;
        fs::rename(work.path().join("root"), &root).context("failed to put the root in place")?;
    }
    let installation = Installation::Unpacked { root };
    report.step(format!("broker: {installation}"));
    Ok(installation)
}

async fn make_root(work: &Path, report: &Reporter) -> Result<()> {
    let sources = work.join("sources");
    fs::create_dir_all(&sources)?;
    fs::create_dir_all(work.join("lists/partial"))?;
    fs::create_dir_all(work.join("cache/archives/partial"))?;
    fs::write(work.join("status"), "")?;
    write_sources(&sources)?;

    let mut update = apt(work);
    update.arg("update");
    tell(update, report).await.context("failed to read Debian's lists of packages")?;
    let mut download = apt(work);
    download.args(["install", "-y", "--no-install-recommends", "--download-only"]).args(PACKAGES);
    tell(download, report).await.context("failed to download the packages")?;

    let root = work.join("root");
    let mut archives: Vec<PathBuf> = fs::read_dir(work.join("cache/archives"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    archives.retain(|path| path.extension().is_some_and(|extension| extension == "deb"));
    // base-files first: it makes /bin and /lib the links that all others unpack through.
    archives.sort_by_key(|path| !file_name(path).starts_with("base-files_"));
    report.step(format!("unpacking {} packages", archives.len()));
    for archive in &archives {
        let mut unpack = Command::new("dpkg");
        unpack.arg("-x").arg(archive).arg(&root);
        tell(unpack, report).await?;
    }
    finish(&root)
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// An apt that knows nothing of the system but its keyring.
fn apt(work: &Path) -> Command {
    let mut command = Command::new("apt-get");
    for (key, value) in [
        ("Dir::Etc::sourcelist", PathBuf::from("/dev/null")),
        ("Dir::Etc::sourceparts", work.join("sources")),
        ("Dir::State::lists", work.join("lists")),
        ("Dir::State::status", work.join("status")),
        ("Dir::Cache", work.join("cache")),
    ] {
        command.arg("-o").arg(format!("{key}={}", value.display()));
    }
    // The folders are root's, where apt's own unprivileged user cannot read.
    command.args(["-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none"]);
    command
}

fn finish(root: &Path) -> Result<()> {
    for folder in ["proc", "dev", "tmp", "testbed", "root"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for (path, text) in ACCOUNTS {
        fs::write(root.join(path), text).with_context(|| format!("failed to write {path}"))?;
    }
    let shell = root.join("usr/bin/sh");
    if fs::symlink_metadata(&shell).is_err() {
        std::os::unix::fs::symlink("dash", shell)?;
    }
    Ok(())
}

/// Writes the system's Debian sources with [`SUITE`] for its own release, in the form they have.
fn write_sources(folder: &Path) -> Result<()> {
    let release =
        fs::read_to_string("/etc/os-release").context("failed to read /etc/os-release")?;
    let own = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .context("/etc/os-release has no VERSION_CODENAME")?;
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(parts) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(parts.filter_map(Result::ok).map(|part| part.path()));
    }
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let (name, text) = match path.extension().and_then(|extension| extension.to_str()) {
            Some("sources") => ("suite.sources", stanzas(&text, &own)),
            Some("list") => ("suite.list", lines(&text, &own)),
            _ => continue,
        };
        if !text.is_empty() {
            return fs::write(folder.join(name), text).context("failed to write apt's sources");
        }
    }
    bail!("apt's sources do not name Debian {own}, so there is nothing to derive {SUITE} from")
}

/// deb822: every stanza that names the own release, naming [`SUITE`] alone.
fn stanzas(text: &str, own: &str) -> String {
    let names_own = |line: &str| {
        line.strip_prefix("Suites:")
            .is_some_and(|suites| suites.split_whitespace().any(|suite| suite == own))
    };
    text.split("\n\n")
        .filter(|stanza| stanza.lines().any(names_own))
        .map(|stanza| {
            let lines = stanza.lines().map(|line| {
                if names_own(line) { format!("Suites: {SUITE}\n") } else { format!("{line}\n") }
            });
            lines.collect::<String>() + "\n"
        })
        .collect()
}

/// One-line format: every `deb` line whose suite is the own release, with [`SUITE`] instead.
fn lines(text: &str, own: &str) -> String {
    text.lines()
        .filter(|line| line.starts_with("deb ") || line.starts_with("deb\t"))
        .filter_map(|line| {
            let mut words: Vec<&str> = line.split_whitespace().collect();
            // Options in brackets stand before the address and may hold spaces.
            let address = words.iter().position(|word| word.contains("://"))?;
            let suite = words.get_mut(address + 1).filter(|suite| **suite == own)?;
            *suite = SUITE;
            Some(words.join(" ") + "\n")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{lines, stanzas};

    #[test]
    fn a_stanza_of_the_own_release_becomes_one_of_the_suite() {
        let text = "Types: deb\nURIs: http://debian.example/debian\n\
                    Suites: bookworm bookworm-updates\nComponents: main\n\n\
                    Types: deb\nURIs: http://debian.example/security\nSuites: bookworm-security\n";
        let expected = "Types: deb\nURIs: http://debian.example/debian\n\
                        Suites: trixie\nComponents: main\n\n";
        assert_eq!(stanzas(text, "bookworm"), expected);
    }

    #[test]
    fn a_line_of_the_own_release_becomes_one_of_the_suite() {
        let text = "# deb http://debian.example/debian bookworm main\n\
                    deb [arch=amd64 signed-by=/k.gpg] http://debian.example/debian bookworm main\n\
                    deb-src http://debian.example/debian bookworm main\n\
                    deb http://other.example/ stable main\n";
        let expected =
            "deb [arch=amd64 signed-by=/k.gpg] http://debian.example/debian trixie main\n";
        assert_eq!(lines(text, "bookworm"), expected);
    }
}
