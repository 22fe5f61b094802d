//! The processes of a browser: chromedriver, and the Chromium that it starts.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result};
use tokio::sync::oneshot;

use crate::debian;
use crate::guard::{Group, Guard};
use crate::report::Reporter;

/// Names that Chromium goes by.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// What every browser is started with: no window, nothing that talks to anybody else, no sandbox
/// (which needs rights that a container may not have), no shared memory (which it may lack).
const FLAGS: [&str; 13] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
];

/// Where the two programs are.
#[derive(Debug)]
struct Programs {
    browser: PathBuf,
    driver: PathBuf,
}

/// A running chromedriver. Whatever it starts is in its process group, and whatever they write is in
/// the guard's folder.
#[derive(Debug)]
pub(super) struct Driver {
    // First, so that the processes are dead before anything else is dropped.
    guard: Guard,
    _group: Group,
    browser: PathBuf,
    url: String,
}

impl Driver {
    /// Starts it on a port of its own. Where the programs are missing, Debian's packages are
    /// installed.
    pub(super) async fn start() -> Result<Self> {
        let packages = ["chromium", "chromium-driver"];
        let programs = debian::find_or_install(&packages, &Reporter::stderr(), find)
            .await
            .context("there is no Chromium with a chromedriver")?;
        let mut guard = Guard::new("browser")?;
        let mut command = Command::new(&programs.driver);
        // Neither a proxy nor a profile of whoever runs the test.
        command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
        command.env("LANG", "C.UTF-8").env("HOME", guard.folder()).env("TMPDIR", guard.folder());
        command.arg("--port=0").current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut group = guard.spawn(&mut command)?;
        let output = group.child().stdout.take().context("no pipe from chromedriver")?;
        let (first, port) = oneshot::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(output).lines().map_while(Result::ok);
            // A driver that nobody waits for any more is on its way out.
            first.send(lines.find_map(|line| port_of(&line))).unwrap_or_default();
            // Read on, so that it never waits for somebody to do so.
            lines.for_each(drop);
        });
        let port = port.await?.context("chromedriver did not start")?;
        let url = format!("http://127.0.0.1:{port}");
        Ok(Self { guard, _group: group, browser: programs.browser, url })
    }

    /// Where it listens.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The browser that it is to start.
    pub(super) fn browser(&self) -> &Path {
        &self.browser
    }

    /// What the browser is to be started with: a profile that is new and goes with the guard.
    pub(super) fn flags(&self) -> Vec<String> {
        let profile = self.guard.folder().join("profile");
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).into();
        flags.push(format!("--user-data-dir={}", profile.display()));
        flags
    }
}

fn find() -> Option<Programs> {
    let path = env::var_os("PATH")?;
    let in_path = |name: &str| {
        env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
    };
    Some(Programs {
        browser: BROWSERS.into_iter().find_map(in_path)?,
        driver: in_path("chromedriver")?,
    })
}

/// The port in the line by which chromedriver says that it is ready.
fn port_of(line: &str) -> Option<u16> {
    line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::port_of;

    #[test]
    fn the_port_is_taken_from_the_line_that_says_ready() {
        for (line, port) in [
            ("ChromeDriver was started successfully on port 34847.", Some(34847)),
            ("Starting ChromeDriver 156.0 (a21c) on port 0", None),
            ("ChromeDriver was started successfully.", None),
        ] {
            assert_eq!(port_of(line), port, "{line}");
        }
    }
}
