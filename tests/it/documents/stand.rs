//! Where the commands of the documents run: a broker, a receiver, the program and its configuration,
//! at the places that the documents speak of. What they name by default is replaced by what is here.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use testbed::debian;
use testbed::eventually;
use testbed::guard::Guard;
use testbed::loopback;
use testbed::markdown::Document;
use testbed::ports::Port;
use testbed::program::{self, Metrics};
use testbed::rabbitmq::Broker;
use testbed::receiver::{Receiver, Script};
use testbed::report::Reporter;

use crate::stage::SOON;

/// Longest time of one block.
const BLOCK: Duration = Duration::from_secs(60);

/// What the documents' examples call a webhook that is there, and a dead letter.
const WEBHOOK: &str = "whk_deploys";
const DEAD: &str = "dlv_ecc33b44b44caba9bfddebe4796d8f54";

/// How many webhooks are live.
const WEBHOOKS: &str = "boottify_webhooks_webhooks";

/// See the module. Fields are dropped in order: what runs goes before its broker.
pub(super) struct Stand {
    guard: Guard,
    operations: Port,
    admin: Port,
    receiver: Receiver,
    broker: Broker,
    blocks: u32,
    serves: bool,
    webhooks: Option<[String; 2]>,
}

impl Stand {
    /// With the configuration of this document; nothing serves yet.
    pub(super) async fn new(document: &Document) -> Result<Self> {
        let there = || ["curl", "openssl"].into_iter().all(is_there).then_some(());
        debian::find_or_install(&["curl", "openssl"], &Reporter::stderr(), there).await?;
        let broker = Broker::start().await?;
        let guard = Guard::new("documents")?;
        let bin = guard.folder().join("bin");
        fs::create_dir_all(&bin)?;
        symlink(program::binary().await?, bin.join("boottify-webhooks"))?;
        fs::write(bin.join("rabbitmqctl"), broker.ctl_script())?;
        fs::set_permissions(bin.join("rabbitmqctl"), fs::Permissions::from_mode(0o755))?;
        let stand = Self {
            guard,
            operations: Port::take()?,
            admin: Port::take()?,
            receiver: Receiver::start(Script::ok()).await?,
            broker,
            blocks: 0,
            serves: false,
            webhooks: None,
        };
        let is_config = |text: &str| text.starts_with("[broker]\nurl = ");
        let config = document.blocks().into_iter().find(|block| is_config(&block.text));
        let config = config.context("the document shows no configuration")?;
        fs::create_dir_all(stand.folder())?;
        fs::write(stand.folder().join("config.toml"), stand.replaced(&config.text)?)?;
        Ok(stand)
    }

    /// Runs commands in the folder of the configuration, with all that they speak of in place.
    pub(super) async fn run(&mut self, script: &str) -> Result<()> {
        if self.serves && (script.contains(WEBHOOK) || script.contains(DEAD)) {
            self.seed().await?;
        }
        let mut text = self.replaced(script)?;
        if let Some([deploys, other]) = &self.webhooks {
            text = text.replace(WEBHOOK, deploys);
            if text.contains(DEAD) {
                text = text.replace(DEAD, &self.dead_letter(other)?);
            }
        }
        let begins = text.contains(" serve ");
        self.shell(&text, begins).await?;
        if begins {
            let address = self.operations.address();
            eventually("what was started is ready", SOON, || async move {
                loopback::get(address, "/readyz").ok().filter(|answer| answer.status == 200)
            })
            .await?;
            self.serves = true;
        }
        Ok(())
    }

    /// A webhook, and another one that is disabled: each event becomes a dead letter of it.
    async fn seed(&mut self) -> Result<()> {
        if self.webhooks.is_none() {
            let url = format!("http://{}/hook", self.receiver.address());
            let create = |more| format!("boottify-webhooks webhooks create {url} --json {more}");
            let deploys = id(&self.shell(&create("--event 'deployment.*'"), false).await?)?;
            let other = id(&self.shell(&create("--disabled"), false).await?)?;
            self.webhooks = Some([deploys, other]);
            let address = self.operations.address();
            eventually("the disabled webhook is live", SOON, || async move {
                let metrics =
                    Metrics::parse(&loopback::get(address, "/metrics").ok()?.body).ok()?;
                let disabled = metrics.sum(WEBHOOKS, &[("state", "disabled")]);
                (disabled >= 1.0).then_some(())
            })
            .await?;
        }
        self.shell("boottify-webhooks send domain.added", false).await?;
        let Some([_, other]) = &self.webhooks else { bail!("no webhooks") };
        eventually("there is a dead letter", SOON, || async { self.dead_letter(other).ok() })
            .await
            .map(drop)
    }

    /// The id of a dead letter of this webhook, as the API lists it.
    fn dead_letter(&self, webhook: &str) -> Result<String> {
        let path = format!("/api/v1/dead?webhook={webhook}");
        let answer = loopback::get(self.admin.address(), &path)?;
        let list: Value = serde_json::from_str(&answer.body)?;
        let text = list.to_string();
        let at = text.find("dlv_").with_context(|| format!("no dead letter: {text}"))?;
        Ok(text[at..].chars().take(DEAD.len()).collect())
    }

    /// What is at other places here than the documents say.
    fn replaced(&self, text: &str) -> Result<String> {
        let broker = self.broker.address().amqp().context("a broker without an address")?;
        let folder = self.folder().display().to_string();
        Ok(text
            .replace("127.0.0.1:5672", &broker.to_string())
            .replace("127.0.0.1:8080", &self.admin.address().to_string())
            .replace("127.0.0.1:9464", &self.operations.address().to_string())
            .replace("127.0.0.1:8000", &self.receiver.address().to_string())
            .replace("/tmp/hooks", &folder))
    }

    fn folder(&self) -> PathBuf {
        self.guard.folder().join("hooks")
    }

    /// Runs a script to its end and gives its output. What it leaves in the background stays where
    /// it is to stay, and ends with the stand.
    async fn shell(&mut self, script: &str, stays: bool) -> Result<String> {
        self.blocks += 1;
        let said = self.guard.folder().join(format!("{}.out", self.blocks));
        let output = File::create(&said)?;
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        command.args(["-e", "-u", "-o", "pipefail", "-c", script]);
        command.current_dir(self.folder());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BOOTTIFY_WEBHOOKS") {
                command.env_remove(name);
            }
        }
        command
            .env("PATH", format!("{}:{path}", self.guard.folder().join("bin").display()))
            .env("BOOTTIFY_WEBHOOKS_CONFIG", self.folder().join("config.toml"))
            .env("BOOTTIFY_WEBHOOKS__ADMIN__LISTEN", self.admin.address().to_string())
            .env("BOOTTIFY_WEBHOOKS__OPERATIONS__LISTEN", self.operations.address().to_string())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let mut group = self.guard.spawn(&mut command)?;
        let status = group.wait(BLOCK).await?;
        if !stays {
            self.guard.end(group)?;
        }
        let said = fs::read_to_string(said)?;
        let status = status.with_context(|| format!("not at its end after {BLOCK:?}: {said}"))?;
        ensure!(status.success(), "{status}: {said}");
        Ok(said)
    }
}

/// `openssl` takes no `--version`.
fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    let version = if program == "openssl" { "version" } else { "--version" };
    command.arg(version).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The id of a webhook in the JSON of `create`.
fn id(said: &str) -> Result<String> {
    let value: Value = serde_json::from_str(said)?;
    value["id"].as_str().map(str::to_owned).with_context(|| format!("no id in {said}"))
}
