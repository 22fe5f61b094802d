//! Nothing that is started here outlives its owner, not even when the owner is killed.
//!
//! A [`Guard`] is a folder and a shell that waits for its standard input to end. The input is a
//! pipe from this process, so it ends when the guard is dropped and just as well when the process
//! dies. Then the shell kills exactly the process groups and containers that its list names at
//! that moment, and removes the folder. There is one way of cleaning up, and it is always taken.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Reads the list only after the pipe has ended. A second `rm` catches what a dying process wrote.
const SCRIPT: &str = r#"
read -r _
while read -r kind name; do
    case "$kind" in
        group) kill -s KILL -- "-$name" ;;
        container) docker rm --force --volumes "$name" ;;
        project) docker compose --project-name "$name" down --volumes --remove-orphans ;;
    esac
done < "$1/undo"
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
"#;

/// How often a process is looked at while its end is awaited.
const LOOK: Duration = Duration::from_millis(10);

/// Owns a temporary folder and whatever was started through it.
#[derive(Debug)]
pub struct Guard {
    folder: PathBuf,
    shell: Child,
    undo: Vec<String>,
}

impl Guard {
    /// Makes the folder; `name` becomes part of its name.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or there is no `sh`.
    pub fn new(name: &str) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("boottify-webhooks-{name}-"))
            .tempdir()
            .context("failed to make a temporary folder")?
            .keep();
        fs::write(folder.join("undo"), "")?;
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "guard"])
            .arg(&folder)
            .current_dir("/")
            // Its own group: a Ctrl-C on the terminal must not end it before its work.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("failed to start sh")?;
        Ok(Self { folder, shell, undo: Vec::new() })
    }

    /// The folder, which goes when the guard goes.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts a command as the leader of a process group of its own.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn spawn(&mut self, command: &mut Command) -> Result<Group> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child =
            command.process_group(0).spawn().with_context(|| format!("failed to start {name}"))?;
        let group = Group { child };
        self.remember(format!("group {}", group.pid()))?;
        Ok(group)
    }

    /// Puts a container on the list, before it is started.
    ///
    /// # Errors
    ///
    /// When the list cannot be written.
    pub fn remember_container(&mut self, name: &str) -> Result<()> {
        self.remember(format!("container {name}"))
    }

    /// Puts a compose project on the list, before it is brought up.
    ///
    /// # Errors
    ///
    /// When the list cannot be written.
    pub fn remember_project(&mut self, name: &str) -> Result<()> {
        self.remember(format!("project {name}"))
    }

    /// Kills what is left of a group and takes it off the list.
    ///
    /// # Errors
    ///
    /// When the list cannot be written.
    pub fn end(&mut self, mut group: Group) -> Result<()> {
        group.signal_all(Signal::KILL);
        group.child.wait().context("failed to wait for a killed process")?;
        let entry = format!("group {}", group.pid());
        self.undo.retain(|line| *line != entry);
        self.write()
    }

    fn remember(&mut self, entry: String) -> Result<()> {
        self.undo.push(entry);
        self.write()
    }

    /// Replaces the list whole, because the shell may read it at any moment.
    fn write(&self) -> Result<()> {
        let next = self.folder.join("undo.next");
        let lines: String = self.undo.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        fs::write(&next, lines)?;
        fs::rename(&next, self.folder.join("undo")).context("failed to write the list to undo")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        if let Err(error) = self.shell.wait() {
            eprintln!("testbed: failed to wait for the clean-up: {error}");
        }
    }
}

/// A started process with its group. Dropping it leaves the process to the guard, so whoever holds
/// both declares the guard first.
#[derive(Debug)]
pub struct Group {
    child: Child,
}

impl Group {
    /// The leader's process id, which is the group's id too.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The leader, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends a signal to the leader; one that has ended already is no error.
    pub fn signal(&mut self, signal: Signal) {
        // Only of a leader that was not waited for yet does the id still mean this process.
        if let Ok(None) = self.child.try_wait()
            && let Some(pid) = Pid::from_raw(self.child.id().cast_signed())
        {
            kill_process(pid, signal).unwrap_or_default();
        }
    }

    /// Sends a signal to the whole group; one that has ended already is no error.
    pub fn signal_all(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            kill_process_group(pid, signal).unwrap_or_default();
        }
    }

    /// The leader's exit status, once it has ended.
    ///
    /// # Errors
    ///
    /// When the system cannot tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("failed to look after a process")
    }

    /// Waits until the leader ends; `None` when it still runs at the deadline.
    ///
    /// # Errors
    ///
    /// When the system cannot tell.
    pub async fn wait(&mut self, deadline: Duration) -> Result<Option<ExitStatus>> {
        let end = tokio::time::Instant::now() + deadline;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            if tokio::time::Instant::now() >= end {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Kills the group and waits for its leader, without a runtime.
    pub fn kill(&mut self) {
        self.signal_all(Signal::KILL);
        while let Ok(None) = self.child.try_wait() {
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The guard killed it; this only takes the dead process off the system's table.
        self.child.try_wait().unwrap_or_default();
    }
}
