//! What people wait for where there are very many webhooks: page, API and changes of the service, with
//! its webhooks in SQLite and in PostgreSQL.
//!
//! Webhooks are made through the API, as many requests at a time as [`AT_ONCE`]; the figures are of one
//! request after the other, on a new connection each.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::loopback::{self, Answer};
use testbed::memory::memory_mb;
use testbed::ports::Port;
use testbed::{eventually, workspace};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::process::cpu_seconds;

/// Requests at a time while webhooks are made.
const AT_ONCE: u32 = 128;
/// Requests for one figure.
const TIMES: usize = 15;
/// Longest start.
const START: Duration = Duration::from_secs(60);

/// What was measured of one store.
#[derive(Debug)]
pub(crate) struct Figures {
    store: &'static str,
    /// What was asked for, the median in ms, the longest, and CPU milliseconds of the service.
    rows: Vec<(&'static str, f64, f64, f64)>,
    /// Figures of another kind, with their units.
    others: Vec<(&'static str, String)>,
}

/// The service with its Control Center. Dropped, it is killed.
struct Center {
    child: Child,
    admin: Port,
    _operations: Port,
}

/// Makes so many webhooks in the store at `url`, and asks about them.
pub(crate) async fn measure(
    amqp_url: &str,
    store: &'static str,
    url: Option<&str>,
    webhooks: u32,
) -> Result<Figures> {
    let folder = tempfile::tempdir()?;
    let program = workspace::program().await?;
    let start = || Center::start(&program, amqp_url, url, &folder);
    let mut center = start().await?;
    let began = Instant::now();
    fill(center.admin.address(), webhooks)?;
    let seconds = began.elapsed().as_secs_f64();
    let mut others =
        vec![("made through the API, per second", format!("{:.0}", f64::from(webhooks) / seconds))];
    // As after any start: what making them took is no part of what having them takes.
    center.end().await?;
    let center = start().await?;
    let pid = center.pid()?;
    others.push(("peak after a start, MB", format!("{:.0}", memory_mb(pid, "VmHWM")?)));
    let rows = center.ask(webhooks)?;
    let (began, parts) = (Instant::now(), center.walk(webhooks)?);
    let walk = format!("{:.1} s in {parts} parts", began.elapsed().as_secs_f64());
    others.push(("the API's list to its end", walk));
    others.push(("peak after all of this, MB", format!("{:.0}", memory_mb(pid, "VmHWM")?)));
    Ok(Figures { store, rows, others })
}

/// A table of all stores, side by side.
pub(crate) fn table(all: &[Figures]) -> Result<String> {
    let Some(first) = all.first() else { return Ok(String::new()) };
    let mut text = String::from("|");
    all.iter().try_for_each(|figures| {
        write!(text, " | {store}, ms | longest | CPU ms", store = figures.store)
    })?;
    text += " |\n| ---";
    all.iter().for_each(|_| text += " | --- | --- | ---");
    text += " |\n";
    for (at, (name, ..)) in first.rows.iter().enumerate() {
        write!(text, "| {name}")?;
        for (_, middle, longest, cpu) in all.iter().filter_map(|figures| figures.rows.get(at)) {
            write!(text, " | {middle:.1} | {longest:.1} | {cpu:.1}")?;
        }
        text += " |\n";
    }
    for (at, (name, _)) in first.others.iter().enumerate() {
        write!(text, "| {name}")?;
        for (_, value) in all.iter().filter_map(|figures| figures.others.get(at)) {
            write!(text, " | {value} | |")?;
        }
        text += " |\n";
    }
    Ok(text)
}

impl Center {
    /// Starts it and waits until it is ready.
    async fn start(
        program: &Path,
        amqp_url: &str,
        store: Option<&str>,
        folder: &TempDir,
    ) -> Result<Self> {
        let (admin, operations) = (Port::take()?, Port::take()?);
        let (config, state) = (folder.path().join("config.toml"), folder.path().join("state"));
        let embedded = format!("sqlite://{}", folder.path().join("webhooks.db").display());
        let text = format!(
            "broker.url = \"{amqp_url}\"\nwebhooks.store = \"{}\"\nwebhooks.state_dir = \"{}\"\n\
             webhooks.encryption_key = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n\
             webhooks.allow_http = true\ndelivery.allow_addresses = [\"127.0.0.0/8\"]\n\
             admin.listen = \"{}\"\noperations.listen = \"{}\"\nlog.level = \"error\"\n",
            store.unwrap_or(&embedded),
            state.display(),
            admin.address(),
            operations.address(),
        );
        fs::write(&config, text)?;
        let mut command = Command::new(program);
        let child = command.args(["serve", "--config"]).arg(&config).kill_on_drop(true).spawn()?;
        eventually("the service is ready", START, || async {
            let answer = loopback::get(operations.address(), "/readyz").ok()?;
            (answer.status == 200).then_some(())
        })
        .await?;
        Ok(Self { child, admin, _operations: operations })
    }

    fn pid(&self) -> Result<u32> {
        self.child.id().context("the service has ended")
    }

    async fn end(&mut self) -> Result<()> {
        let pid = i32::try_from(self.pid()?)?;
        let pid = rustix::process::Pid::from_raw(pid).context("no such process")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.child.wait().await?;
        Ok(())
    }

    fn get(&self, path: &str) -> Result<String> {
        let answer = loopback::get(self.admin.address(), path)?;
        ensure!(answer.status == 200, "GET {path}: {answer:?}");
        Ok(answer.body)
    }

    fn json(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.get(path)?)?)
    }

    /// Median, longest and CPU, in ms.
    fn timed(&self, mut ask: impl FnMut(usize) -> Result<()>) -> Result<(f64, f64, f64)> {
        let (mut times, before) = (Vec::new(), cpu_seconds(self.pid()?)?);
        for n in 0..TIMES {
            let began = Instant::now();
            ask(n)?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        let cpu = (cpu_seconds(self.pid()?)? - before) * 1e3 / TIMES as f64;
        times.sort_by(f64::total_cmp);
        Ok((times[TIMES / 2], times[TIMES - 1], cpu))
    }

    fn ask(&self, webhooks: u32) -> Result<Vec<(&'static str, f64, f64, f64)>> {
        let some = webhooks / 2;
        let found = self.json(&format!("/api/v1/webhooks?search=receiver-{some}."))?;
        let id = found["items"][0]["id"].as_str().context("a webhook is not found")?;
        let second = self.json("/api/v1/webhooks?limit=50")?;
        let cursor = second["next"].as_str().context("there is no second part")?;
        let mut rows = Vec::new();
        for (name, path) in [
            ("page: the list", "/admin/webhooks".to_owned()),
            ("page: its second part", format!("/admin/webhooks?cursor={cursor}")),
            ("page: a search that finds one", format!("/admin/webhooks?q=receiver-{some}.")),
            ("page: a search that finds all", "/admin/webhooks?q=lieferung".to_owned()),
            ("page: disabled ones", "/admin/webhooks?state=disabled".to_owned()),
            ("page: one webhook", format!("/admin/webhooks/{id}")),
            ("page: its settings", format!("/admin/webhooks/{id}/settings")),
            ("page: audit", "/admin/audit".to_owned()),
            ("API: 200 webhooks", "/api/v1/webhooks?limit=200".to_owned()),
            ("API: one webhook", format!("/api/v1/webhooks/{id}")),
        ] {
            let (middle, longest, cpu) = self.timed(|_| self.get(&path).map(drop))?;
            rows.push((name, middle, longest, cpu));
        }
        let change = |n: usize| {
            let body = json!({ "description": format!("Lieferung {n}") });
            let path = format!("/api/v1/webhooks/{id}");
            let answer = send(self.admin.address(), "PATCH", &path, &body)?;
            ensure!(answer.status == 200, "{answer:?}");
            Ok(())
        };
        let (middle, longest, cpu) = self.timed(change)?;
        rows.push(("a change, until it is live", middle, longest, cpu));
        Ok(rows)
    }

    /// Reads all webhooks through the API, part by part; how many parts.
    fn walk(&self, webhooks: u32) -> Result<u32> {
        let (mut found, mut parts, mut cursor) = (0, 0, String::new());
        loop {
            let part = self.json(&format!("/api/v1/webhooks?limit=200{cursor}"))?;
            found += part["items"].as_array().map_or(0, Vec::len);
            parts += 1;
            let Some(next) = part["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        ensure!(found == usize::try_from(webhooks)?, "{found} webhooks of {webhooks} are listed");
        Ok(parts)
    }
}

/// Makes so many webhooks.
fn fill(admin: SocketAddr, webhooks: u32) -> Result<()> {
    let next = AtomicU32::new(0);
    let make = || loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= webhooks {
            return Ok(());
        }
        let body = json!({
            "url": format!("http://127.0.0.1:9/receiver-{n}.example/hooks/{n}?token=x"),
            "events": ["deployment.*"],
            "projects": [format!("prj_{}", n % 20_000)],
            "description": format!("Größe und Farbe der Lieferung {n}"),
            "enabled": !n.is_multiple_of(3),
        });
        let answer = send(admin, "POST", "/api/v1/webhooks", &body)?;
        ensure!(answer.status == 201, "{answer:?}");
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(make)).collect();
        let mut ended = threads.into_iter().map(thread::ScopedJoinHandle::join);
        ended.try_for_each(|ended| ended.unwrap_or_else(|_| Err(anyhow!("a thread panicked"))))
    })
}

fn send(admin: SocketAddr, method: &str, path: &str, body: &Value) -> Result<Answer> {
    let headers = "content-type: application/json\r\n";
    loopback::request(admin, method, path, headers, body.to_string())
}
