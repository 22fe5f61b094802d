//! PostgreSQL's programs, and the account that they run as.
//!
//! They are started directly, never through the system's service manager or Debian's wrappers, and
//! with an environment that holds only what is put into it here. A server refuses to run as root:
//! there, it runs as the system's user `postgres`, and otherwise as whoever runs the test.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::report::Reporter;
use crate::workspace;

/// Where Debian has a folder for every major version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The account that packages make.
const ACCOUNT: &str = "postgres";

/// Installs the package without the service that it would start: Debian's question to the
/// administrator whether it may is answered with no, unless the administrator has an answer.
const INSTALL: &str = r#"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y --no-install-recommends postgresql; }
install || { apt-get update && install; }
"#;

/// The programs of one PostgreSQL.
#[derive(Debug)]
pub(super) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// The newest that is installed; where there is none, Debian's package is installed.
    pub(super) async fn find_or_install(report: &Reporter) -> Result<Self> {
        if let Some(programs) = Self::find() {
            return Ok(programs);
        }
        fs::create_dir_all(workspace::target())?;
        let lock = File::create(workspace::target().join("postgresql.lock"))?;
        lock.lock().context("failed to wait for another process that installs PostgreSQL")?;
        // While we waited for the lock, somebody may have done it.
        if let Some(programs) = Self::find() {
            return Ok(programs);
        }
        install(report).await.context("there is no PostgreSQL: install postgresql")?;
        Self::find().context("PostgreSQL was installed, but it is nowhere to be found")
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

async fn install(report: &Reporter) -> Result<()> {
    let mut command = Command::new("sh");
    if !rustix::process::geteuid().is_root() {
        command = Command::new("sudo");
        command.args(["--non-interactive", "sh"]);
    }
    ensure!(
        Command::new("apt-get")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success()),
        "only Debian's package is installed from here, and there is no apt-get"
    );
    report.step("running: apt-get install postgresql");
    command.args(["-ec", INSTALL]);
    said(command).await.map(drop)
}

/// What a command says on standard output.
///
/// # Errors
///
/// When it cannot be started or fails; its standard error is part of the error.
pub(super) async fn said(command: Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = tokio::process::Command::from(command)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("failed to start {name}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} failed ({}): {}", output.status, complaint.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
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
