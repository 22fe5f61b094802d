//! Node.js, where it is there: the customer page's own JavaScript, and the `JSON.stringify` that
//! the program's bodies must be a fixed point of.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::eventually::eventually;
use crate::guard::{Group, Guard};
use crate::workspace;

/// Whether this machine has Node.js. Tests that need it say so and pass where it is missing.
pub fn is_there() -> bool {
    let mut command = Command::new("node");
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// One request as the page's recipe saw it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The path.
    pub path: String,
    /// The type of the event, as its header says.
    pub kind: String,
    /// The delivery id.
    pub delivery: String,
    /// The attempt's number.
    pub attempt: u64,
    /// Whether the page's recipe accepted the signature.
    pub verified: bool,
    /// What it was answered.
    pub status: u64,
    /// The exact body.
    pub body: Vec<u8>,
}

impl Checked {
    fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        Some(Self {
            path: text("path"),
            kind: text("kind"),
            delivery: text("delivery"),
            attempt: value["attempt"].as_u64().unwrap_or(0),
            verified: value["verified"].as_bool()?,
            status: value["status"].as_u64()?,
            body: hex::decode(text("body")).ok()?,
        })
    }
}

/// A server that runs the page's recipe. A path that ends in `/fail/N` refuses the first N
/// requests of every delivery with 503.
#[derive(Debug)]
pub struct PageReceiver {
    _guard: Guard,
    _group: Group,
    url: String,
    seen: Arc<Mutex<Vec<Checked>>>,
}

impl PageReceiver {
    /// Starts it with the secret of its webhooks.
    ///
    /// # Errors
    ///
    /// When there is no Node.js.
    pub async fn start(secret: &str) -> Result<Self> {
        let mut guard = Guard::new("receiver")?;
        let mut command = Command::new("node");
        command.arg(script("receiver.mjs")).env("WEBHOOK_SECRET", secret);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut group = guard.spawn(&mut command)?;
        let output = group.child().stdout.take().context("no pipe from node")?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, (first, url)) = (seen.clone(), oneshot::channel());
        thread::spawn(move || {
            let mut lines = BufReader::new(output).lines().map_while(Result::ok);
            // A receiver that nobody waits for any more is on its way out.
            first.send(lines.next()).unwrap_or_default();
            for checked in lines.filter_map(|line| Checked::parse(&line)) {
                locked(&kept).push(checked);
            }
        });
        let url = url.await?.context("the page's receiver did not start")?;
        Ok(Self { _guard: guard, _group: group, url, seen })
    }

    /// The URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Everything it saw so far, in order of arrival.
    pub fn requests(&self) -> Vec<Checked> {
        locked(&self.seen).clone()
    }

    /// Waits until it saw at least so many requests.
    ///
    /// # Errors
    ///
    /// When it did not at the deadline.
    pub async fn wait_for(&self, count: usize, deadline: Duration) -> Result<Vec<Checked>> {
        eventually(&format!("node has seen {count} requests"), deadline, || async {
            Some(self.requests()).filter(|seen| seen.len() >= count)
        })
        .await
    }
}

/// One Node process that is fed many documents.
#[derive(Debug)]
pub struct Stringify {
    _guard: Guard,
    _group: Group,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Stringify {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When there is no Node.js.
    pub fn start() -> Result<Self> {
        let mut guard = Guard::new("stringify")?;
        let mut command = Command::new("node");
        command.arg(script("stringify.mjs")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut group = guard.spawn(&mut command)?;
        let input = group.child().stdin.take().context("no pipe to node")?;
        let output = BufReader::new(group.child().stdout.take().context("no pipe from node")?);
        Ok(Self { _guard: guard, _group: group, input, output })
    }

    /// `JSON.stringify(JSON.parse(document))`; `None` for what is no JSON.
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub fn canonical(&mut self, document: &[u8]) -> Result<Option<Vec<u8>>> {
        writeln!(self.input, "{}", hex::encode(document))?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("node has ended");
        }
        let bytes = hex::decode(line.trim_end())?;
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

fn script(name: &str) -> PathBuf {
    workspace::root().join("tests/src").join(name)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
