//! A folder and the process that works in it, neither of which outlives its owner.
//!
//! The shell here works as that of a [`Guard`](crate::guard::Guard): it waits for the end of a pipe
//! from this process and then cleans up, also when this process was killed. But a guard kills, and
//! a PostgreSQL that is killed, or that loses its folder while it runs, leaves shared memory to the
//! machine. So this one lets the process end in its own way, and only then removes the folder.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

/// The last line that came through the pipe says what to do: a signal and a process, or nothing.
/// The bound is [`GONE`]. A dead process that nobody has waited for yet, as in a container whose
/// first process does not care, has ended.
const SCRIPT: &str = r#"
last=
while read -r line; do last=$line; done
set -- "$1" $last
if [ -n "$3" ]; then
    kill -s "$2" "$3"
    looks=0
    while kill -s 0 "$3" && ! grep -q '^State:.Z' "/proc/$3/status" && [ "$looks" -lt 300 ]; do
        sleep 0.1
        looks=$((looks + 1))
    done
    kill -s KILL "$3"
fi
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
"#;

/// Longest end of a process before it is killed after all. In an immediate shutdown, a server
/// itself kills workers that do not obey after 5 s.
const GONE: Duration = Duration::from_secs(30);

/// How often a process is looked at while its end is awaited.
const LOOK: Duration = Duration::from_millis(10);

/// How a process ends when its owner has gone.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// By an immediate shutdown (SIGQUIT), as a server does.
    Quit,
    /// By itself within seconds: `initdb` has no orderly end before its work is done.
    ByItself,
}

/// Owns a temporary folder, and one process at a time. Dropped, it waits for the end of both.
#[derive(Debug)]
pub(super) struct Keeper {
    folder: PathBuf,
    shell: Child,
    running: Option<(Child, Ending)>,
}

impl Keeper {
    /// Makes the folder.
    pub(super) fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("boottify-webhooks-postgres-")
            .tempdir()
            .context("failed to make a temporary folder")?
            .keep();
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "keeper"])
            .arg(&folder)
            .current_dir("/")
            // Its own group: a Ctrl-C on the terminal must not end it before its work.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("failed to start sh")?;
        Ok(Self { folder, shell, running: None })
    }

    /// The folder, which goes when the keeper goes.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether there is a process that was not seen to end.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Starts a process in a group of its own; what it says goes to `console`.
    pub(super) fn start(
        &mut self,
        mut command: Command,
        console: File,
        ending: Ending,
    ) -> Result<()> {
        ensure!(self.running.is_none(), "the keeper's process runs already");
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console)
            .spawn()
            .with_context(|| format!("failed to start {name}"))?;
        let order = format!("{} {}\n", ending.order(), child.id());
        self.running = Some((child, ending));
        self.tell(&order)
    }

    /// Sends the process a signal; one that has ended already is no error.
    pub(super) fn signal(&mut self, with: Signal) {
        if let Some((child, _)) = &mut self.running {
            signal(child, with);
        }
    }

    /// The exit status, once the process has ended.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let (child, _) = self.running.as_mut().context("the keeper has no process")?;
        let status = child.try_wait().context("failed to look after a process")?;
        if status.is_some() {
            // Its id may be another process' from now on.
            self.running = None;
            self.tell("\n")?;
        }
        Ok(status)
    }

    /// Waits until the process ends; `None` when it still runs at the deadline.
    pub(super) async fn wait(&mut self, deadline: Duration) -> Result<Option<ExitStatus>> {
        let end = Instant::now() + deadline;
        loop {
            let status = self.ended()?;
            if status.is_some() || Instant::now() >= end {
                return Ok(status);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn tell(&mut self, order: &str) -> Result<()> {
        let pipe = self.shell.stdin.as_mut().context("the keeper's pipe is closed")?;
        pipe.write_all(order.as_bytes()).context("failed to tell the keeper's shell")
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some((child, ending)) = &mut self.running {
            if let Ending::Quit = ending {
                signal(child, Signal::QUIT);
            }
            let began = Instant::now();
            while let Ok(None) = child.try_wait() {
                if began.elapsed() >= GONE {
                    eprintln!("testbed: PostgreSQL did not end within {GONE:?}: it is killed");
                    child.kill().and_then(|()| child.wait()).map(drop).unwrap_or_default();
                    break;
                }
                thread::sleep(LOOK);
            }
            // Should this fail, the pipe is broken and the shell has read its last line already.
            self.tell("\n").unwrap_or_default();
        }
        drop(self.shell.stdin.take());
        if let Err(error) = self.shell.wait() {
            eprintln!("testbed: failed to wait for the clean-up: {error}");
        }
    }
}

impl Ending {
    /// What `kill -s` is told; 0 only asks whether the process is there.
    fn order(self) -> &'static str {
        match self {
            Self::Quit => "QUIT",
            Self::ByItself => "0",
        }
    }
}

/// Sends a signal; a process that has ended already is no error.
fn signal(child: &mut Child, with: Signal) {
    // Only of a process that was not waited for yet does the id still mean this process.
    if let Ok(None) = child.try_wait()
        && let Some(pid) = Pid::from_raw(child.id().cast_signed())
    {
        kill_process(pid, with).unwrap_or_default();
    }
}
