//! `cargo xtask check`: everything that holds without running the program.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use testbed::workspace;
use tokio::process::Command;

use crate::steps::Steps;
use crate::tidy;

/// Names a folder with the RustSec advisory database, as plain files.
const ADVISORIES: &str = "ADVISORY_DB";

/// The folder's name that cargo-deny derives from the database's usual address.
const DATABASE: &str = "advisory-db-3157b0e258782691";

/// Runs all checks, or the quick ones.
pub(crate) async fn run(fast: bool) -> Result<ExitCode> {
    let mut steps = Steps::default();
    steps.command("format", cargo(&["fmt", "--all", "--check"])).await;
    steps.complaints("tidy", tidy::complaints());
    let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"];
    steps.command("lints", cargo(&lints)).await;
    if fast {
        return Ok(steps.verdict());
    }
    let mut documentation =
        cargo(&["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"]);
    documentation.env("RUSTDOCFLAGS", "--deny warnings");
    steps.command("documentation", documentation).await;
    steps
        .command("examples in documentation", cargo(&["test", "--workspace", "--doc", "--quiet"]))
        .await;
    dependencies(&mut steps).await;
    Ok(steps.verdict())
}

async fn dependencies(steps: &mut Steps) {
    if !has_cargo_deny().await {
        let why = "cargo-deny is not installed (cargo install --locked cargo-deny)";
        steps.skip("dependencies", why);
        steps.skip("advisories", why);
        return;
    }
    let what = ["deny", "--log-level", "error", "check", "bans", "licenses", "sources"];
    steps.command("dependencies", cargo(&what)).await;
    let Some(folder) = env::var_os(ADVISORIES).map(PathBuf::from) else {
        let why = format!("{ADVISORIES} names no folder with the RustSec advisory database");
        steps.skip("advisories", &why);
        return;
    };
    match advisories(&folder).await {
        Ok(command) => steps.command("advisories", command).await,
        Err(error) => steps.complaints("advisories", Err(error)),
    }
}

async fn has_cargo_deny() -> bool {
    let mut version = cargo(&["deny", "--version"]);
    version.stdout(Stdio::null()).stderr(Stdio::null());
    version.status().await.is_ok_and(|status| status.success())
}

/// cargo-deny reads advisories from a git repository in a folder of its own choice: one is made of
/// the plain files, and the configuration is copied with the folder written into it.
async fn advisories(source: &Path) -> Result<Command> {
    let home = workspace::target().join("advisories");
    let copy = home.join(DATABASE);
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    fs::create_dir_all(&home)?;
    let mut cp = Command::new("cp");
    cp.arg("-r").arg(source).arg(&copy);
    succeeds(cp).await?;
    let mut writable = Command::new("chmod");
    writable.args(["-R", "u+w"]).arg(&copy);
    succeeds(writable).await?;
    let identity = ["-c", "user.name=check", "-c", "user.email=check@localhost"];
    let commit = ["commit", "--quiet", "--message", "the advisories of this check"];
    for arguments in [&["init", "--quiet"][..], &["add", "--all", "--force"], &commit] {
        let mut git = Command::new("git");
        git.current_dir(&copy).args(identity).args(arguments);
        succeeds(git).await?;
    }

    let own = workspace::root().join(".deny.toml");
    let text = fs::read_to_string(&own).context("failed to read .deny.toml")?;
    let header = "[advisories]\n";
    ensure!(text.contains(header), ".deny.toml has no section [advisories]");
    let path = serde_json::Value::from(home.display().to_string());
    let config = home.join("deny.toml");
    fs::write(&config, text.replacen(header, &format!("{header}db-path = {path}\n"), 1))?;

    // Offline, so that nothing newer is fetched in place of the given folder.
    let mut deny = cargo(&["deny", "--log-level", "error", "--offline", "--config"]);
    deny.arg(config).args(["check", "advisories"]);
    Ok(deny)
}

async fn succeeds(mut command: Command) -> Result<()> {
    let status = command.status().await?;
    ensure!(status.success(), "{:?} failed: {status}", command.as_std());
    Ok(())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = workspace::cargo();
    command.args(arguments);
    command
}
