//! Where things are in the source tree: the root, the build folder, the service's binary.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// Names the program to test, instead of the one that is built when it is needed.
pub const PROGRAM_VARIABLE: &str = "TESTBED_PROGRAM";

/// The root of the workspace.
pub fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// Cargo's build folder.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The cargo that runs us, or the one on the path.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The service's binary: the one named by [`PROGRAM_VARIABLE`], or the one built here and now in
/// the profile that this library was built in, without a word unless it fails.
///
/// # Errors
///
/// When it does not build; cargo's own words are on standard error.
pub async fn program() -> Result<PathBuf> {
    build(&["--package", "service", "--quiet"]).await
}

/// Builds the service as [`program`] does, with cargo's progress on standard error.
///
/// # Errors
///
/// When it does not build.
pub async fn build_aloud() -> Result<PathBuf> {
    build(&["--package", "service"]).await
}

/// Builds the service together with all tests: what they share is compiled once then, with the same
/// features for both.
///
/// # Errors
///
/// When something does not build.
pub async fn build_with_tests() -> Result<PathBuf> {
    build(&["--workspace", "--bins", "--tests"]).await
}

async fn build(arguments: &[&str]) -> Result<PathBuf> {
    if let Some(path) = env::var_os(PROGRAM_VARIABLE) {
        return Ok(path.into());
    }
    let release = !cfg!(debug_assertions);
    let mut build = cargo();
    build.arg("build").args(arguments);
    if release {
        build.arg("--release");
    }
    let status = build.status().await.context("failed to run cargo")?;
    ensure!(status.success(), "the service does not build");
    let profile = if release { "release" } else { "debug" };
    Ok(target().join(profile).join("boottify-webhooks"))
}
