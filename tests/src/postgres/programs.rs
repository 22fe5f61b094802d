//! PostgreSQL's programs, and the account that they run as.
//!
//! They are started directly, never through the system's service manager or Debian's wrappers, and
//! with an environment that holds only what is put into it here. A server refuses to run as root:
//! there, it runs as the system's user `postgres`, and otherwise as whoever runs the test.

use std::env;
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::debian;
use crate::report::Reporter;

/// Where Debian has a folder for every major version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The account that packages make.
const ACCOUNT: &str = "postgres";

/// The programs of one PostgreSQL.
#[derive(Debug)]
pub(super) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// The newest that is installed; where there is none, Debian's package is installed.
    pub(super) async fn find_or_install(report: &Reporter) -> Result<Self> {
        debian::find_or_install(&["postgresql"], report, Self::find).await
    }

    fn find() -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        newest(Path::new(VERSIONS))
            .into_iter()
            .chain(env::split_paths(&path))
            .find(|folder| is_complete(folder))
            .map(|folder| Self { folder })
    }

    /// A command that runs one of them, in a folder that every account may enter.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        // Variables like PGDATA and PGSERVICE speak of somebody else's server.
        command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
        command.env("LC_ALL", "C").current_dir("/");
        command
    }
}

/// An account that owns a server and is not ours.
#[derive(Debug)]
pub(super) struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// The account to run a server as, if it must not be our own.
    pub(super) fn to_run_as() -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let accounts =
            fs::read_to_string("/etc/passwd").context("failed to read the system's accounts")?;
        let account = find_account(&accounts, ACCOUNT).with_context(|| {
            format!("PostgreSQL does not run as root, and there is no user {ACCOUNT}")
        })?;
        Ok(Some(account))
    }

    /// Gives a file or an empty folder to it.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        chown(path, Some(self.user), Some(self.group))
            .with_context(|| format!("failed to give {} away", path.display()))
    }

    /// Lets a command run as it, in no other group than its own.
    pub(super) fn run(&self, command: &mut Command) {
        command.uid(self.user).gid(self.group);
    }
}

/// The folder of programs of the highest version.
fn newest(versions: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(versions).ok()?.filter_map(Result::ok);
    entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())))
        .map(|(version, folder)| (version, folder.join("bin")))
        .filter(|(_, folder)| is_complete(folder))
        .max()
        .map(|(_, folder)| folder)
}

/// Whether server and clients are there: both come in packages of their own.
fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres", "createdb", "psql"].iter().all(|name| folder.join(name).is_file())
}

/// An account in the text of `/etc/passwd`.
fn find_account(accounts: &str, name: &str) -> Option<Account> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let mut number = |n| fields.nth(n)?.parse().ok();
        Some(Account { user: number(1)?, group: number(0)? })
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{find_account, newest};

    #[test]
    fn the_newest_complete_version_counts_as_a_number() {
        let versions = tempfile::tempdir().unwrap();
        for (version, programs) in [
            ("9", &["initdb", "postgres", "createdb", "psql"][..]),
            ("15", &["initdb", "postgres", "createdb", "psql"]),
            ("16", &["createdb", "psql"]),
            ("common", &["initdb", "postgres", "createdb", "psql"]),
        ] {
            let folder = versions.path().join(version).join("bin");
            fs::create_dir_all(&folder).unwrap();
            for program in programs {
                fs::write(folder.join(program), "").unwrap();
            }
        }
        assert_eq!(newest(versions.path()), Some(versions.path().join("15/bin")));
    }

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\n\
                        postgresql:x:7:8::/:/bin/sh\n\
                        postgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        let account = find_account(accounts, "postgres").unwrap();
        assert_eq!((account.user, account.group), (101, 104));
        assert!(find_account(accounts, "nobody").is_none());
    }
}
