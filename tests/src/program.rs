//! The program itself, as it is shipped: a process with a configuration file, signals and two
//! listeners. Tests know it only from outside.

mod metrics;

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio::sync::OnceCell;

use crate::eventually::eventually;
use crate::guard::{Group, Guard};
use crate::loopback::{self, Answer};
use crate::ports::Port;
use crate::setup::{Setup, Webhook, write_webhooks};
use crate::workspace;

pub use metrics::Metrics;

/// What the environment's variables of the program begin with; a test inherits none of them.
const PREFIX: &str = "BOOTTIFY_WEBHOOKS";

/// Longest start until ready: a debug build on a busy machine.
const READY: Duration = Duration::from_secs(60);

/// Lines of its log that are kept; older ones are forgotten.
const LINES: usize = 5_000;

/// Built once per process.
static BINARY: OnceCell<PathBuf> = OnceCell::const_new();

/// The path of the built program.
///
/// # Errors
///
/// When it does not build.
pub async fn binary() -> Result<&'static Path> {
    BINARY.get_or_try_init(workspace::program).await.map(PathBuf::as_path)
}

/// Runs the program to its end, as with the subcommands that print something.
///
/// # Errors
///
/// When it cannot be started.
pub async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
    let mut command = clean(binary().await?);
    command.args(arguments).envs(environment.iter().copied()).stdin(Stdio::null());
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true).output().await.context("failed to run the program")
}

/// A serving program. Dropped, it is killed and its folder removed.
#[derive(Debug)]
pub struct Program {
    // First, so that the process is dead before anything else is dropped.
    guard: Guard,
    group: Option<Group>,
    environment: Vec<(String, String)>,
    binary: Option<PathBuf>,
    operations: Port,
    admin: Port,
    log: Arc<Mutex<VecDeque<String>>>,
}

impl Program {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When it does not become ready; its log is part of the error.
    pub async fn start(setup: &Setup) -> Result<Self> {
        let mut program = Self::launch(setup, &[]).await?;
        program.ready().await?;
        Ok(program)
    }

    /// Starts it with further variables of the environment and does not wait.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub async fn launch(setup: &Setup, environment: &[(&str, &str)]) -> Result<Self> {
        let guard = Guard::new("program")?;
        let operations = Port::take()?;
        let admin = Port::take()?;
        let setup = setup
            .clone()
            .set("operations.listen", operations.address().to_string())
            .set("admin.listen", admin.address().to_string());
        setup.write(guard.folder())?;
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = environment.iter().map(owned).collect();
        let log = Arc::default();
        let mut program =
            Self { guard, group: None, environment, binary: None, operations, admin, log };
        program.start_again().await?;
        Ok(program)
    }

    /// Starts it after its end with the same configuration and state; does not wait until ready.
    ///
    /// # Errors
    ///
    /// When it still runs or cannot be started.
    pub async fn start_again(&mut self) -> Result<()> {
        if self.group.is_some() {
            bail!("the program is running");
        }
        let mut command = match &self.binary {
            Some(binary) => clean(binary),
            None => clean(binary().await?),
        };
        command.args(["serve", "--config"]).arg(self.guard.folder().join("config.toml"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = self.guard.spawn(&mut command)?;
        if let Some(pipe) = group.child().stdout.take() {
            keep(pipe, self.log.clone());
        }
        if let Some(pipe) = group.child().stderr.take() {
            keep(pipe, self.log.clone());
        }
        self.group = Some(group);
        Ok(())
    }

    /// Takes another binary from the next start on, such as one of an earlier version; `None` is the
    /// one that is built here.
    pub fn set_binary(&mut self, binary: Option<PathBuf>) {
        self.binary = binary;
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    ///
    /// When it ends, or is not ready in time; its log is part of the error.
    pub async fn ready(&mut self) -> Result<()> {
        let address = self.operations.address();
        let group = self.group.as_mut().context("the program is not running")?;
        let outcome = eventually("the program is ready", READY, || {
            let ended = group.ended();
            async move {
                if let Ok(Some(status)) = ended {
                    return Some(Err(anyhow::anyhow!("the program ended ({status})")));
                }
                let answer = loopback::get(address, "/readyz").ok()?;
                (answer.status == 200).then_some(Ok(()))
            }
        })
        .await;
        outcome
            .and_then(|ready| ready)
            .with_context(|| format!("its log:\n{}", self.log().join("\n")))
    }

    /// Asks the operations listener.
    ///
    /// # Errors
    ///
    /// When it does not listen.
    pub fn get(&self, path: &str) -> Result<Answer> {
        loopback::get(self.operations.address(), path)
    }

    /// All metrics of this moment.
    ///
    /// # Errors
    ///
    /// When it does not listen or says no metrics.
    pub fn metrics(&self) -> Result<Metrics> {
        Metrics::parse(&self.get("/metrics")?.body)
    }

    /// The operations listener.
    pub fn operations(&self) -> SocketAddr {
        self.operations.address()
    }

    /// The admin listener.
    pub fn admin(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Its folder: `config.toml`, `webhooks.toml`, `state`.
    pub fn folder(&self) -> &Path {
        self.guard.folder()
    }

    /// Replaces the webhooks' file, which the program takes up by itself.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn set_webhooks(&self, webhooks: &[Webhook]) -> Result<()> {
        write_webhooks(self.folder(), webhooks)
    }

    /// Replaces the webhooks' file by any text.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn set_webhooks_text(&self, text: &str) -> Result<()> {
        fs::write(self.folder().join("webhooks.toml"), text)
            .context("failed to write webhooks.toml")
    }

    /// What it wrote to standard output and standard error, the last lines of all its runs.
    pub fn log(&self) -> Vec<String> {
        locked(&self.log).iter().cloned().collect()
    }

    /// Waits for a line of the log that has `text` in it.
    ///
    /// # Errors
    ///
    /// When there is none at the deadline.
    pub async fn logged(&self, text: &str, deadline: Duration) -> Result<String> {
        let what = format!("the log says {text:?}");
        let found = eventually(&what, deadline, || async {
            self.log().into_iter().find(|line| line.contains(text))
        });
        found.await.with_context(|| format!("its log:\n{}", self.log().join("\n")))
    }

    /// The process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.group.as_ref().map(Group::pid)
    }

    /// Its exit status, once it has ended.
    ///
    /// # Errors
    ///
    /// When it was not started.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.group.as_mut().context("the program is not running")?.ended()
    }

    /// Sends a signal: SIGTERM to drain, SIGHUP to reload.
    pub fn signal(&mut self, signal: Signal) {
        if let Some(group) = &mut self.group {
            group.signal(signal);
        }
    }

    /// Asks it to drain and end.
    pub fn sigterm(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Kills it in mid-work.
    ///
    /// # Errors
    ///
    /// When it was not running.
    pub fn kill9(&mut self) -> Result<()> {
        let group = self.group.take().context("the program is not running")?;
        self.guard.end(group)
    }

    /// Waits for its end; after it the program can be started again.
    ///
    /// # Errors
    ///
    /// When it still runs at the deadline; it goes on running then.
    pub async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let group = self.group.as_mut().context("the program is not running")?;
        let Some(status) = group.wait(deadline).await? else {
            bail!("the program still runs after {deadline:?}; its log:\n{}", self.log().join("\n"))
        };
        if let Some(group) = self.group.take() {
            self.guard.end(group)?;
        }
        Ok(status)
    }
}

/// All that a command wrote, for a test to show.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// The program, without what this process's environment would configure.
fn clean(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if [PREFIX, "OTEL_", "SSL_CERT_"].iter().any(|ours| name_text.starts_with(ours)) {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1");
    command
}

/// Keeps the last lines of a pipe; the thread ends with it.
fn keep(pipe: impl Read + Send + 'static, log: Arc<Mutex<VecDeque<String>>>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let mut lines = locked(&log);
            if lines.len() == LINES {
                lines.pop_front();
            }
            lines.push_back(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            line.clear();
        }
    });
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
