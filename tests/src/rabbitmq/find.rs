//! Which broker: the wish, and the order in which it is met.

use std::convert::Infallible;
use std::env;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};

use crate::rabbitmq::{Installation, docker, packages, suite};
use crate::report::Reporter;

/// The variable with which people and CI hand over a running broker.
pub const AMQP_URL: &str = "AMQP_URL";

/// The variable by which `cargo xtask test --broker` tells test processes its [`Wish`].
pub const BROKER_VARIABLE: &str = "TESTBED_BROKER";

/// The broker somebody asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wish {
    /// Whatever is there, in the contract's order.
    Any,
    /// RabbitMQ 4, beside whatever the system has.
    Four,
    /// The system's own `rabbitmq-server`, installed if need be.
    System,
    /// The broker at this URL, which is somebody else's.
    Url(String),
}

impl Wish {
    /// The wish in [`BROKER_VARIABLE`], or [`Wish::Any`].
    pub fn from_environment() -> Self {
        match env::var(BROKER_VARIABLE) {
            Ok(text) => text.parse().unwrap_or_else(|never: Infallible| match never {}),
            Err(_) => Self::Any,
        }
    }
}

impl FromStr for Wish {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "" | "any" => Self::Any,
            "4" => Self::Four,
            "system" => Self::System,
            url => Self::Url(url.to_owned()),
        })
    }
}

/// Where a broker can come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// It runs already and belongs to somebody else.
    Given(String),
    /// Started here as a process.
    Installed(Installation),
    /// Started by a Docker engine.
    Docker,
}

/// Meets a wish, installing what is missing.
///
/// # Errors
///
/// When there is no way to a broker; the error says which ways there would be.
pub async fn find(wish: &Wish, report: &Reporter) -> Result<Source> {
    match wish {
        Wish::Url(url) => Ok(Source::Given(url.clone())),
        Wish::Four => Ok(Source::Installed(suite::rabbitmq_4(report).await?)),
        Wish::System => Ok(Source::Installed(installed_or_install(report).await?)),
        Wish::Any => any(report).await,
    }
}

async fn any(report: &Reporter) -> Result<Source> {
    if let Some(url) = env::var(AMQP_URL).ok().filter(|url| !url.is_empty()) {
        report.step(format!("broker: the one that {AMQP_URL} names"));
        return Ok(Source::Given(url));
    }
    match Installation::of_the_system() {
        Some(installation) if installation.is_too_old() => {
            report.step(format!("{installation} is older than RabbitMQ 3.10: looking further"));
        }
        Some(installation) => {
            report.step(format!("broker: {installation}"));
            return Ok(Source::Installed(installation));
        }
        None => report.step("no rabbitmq-server is installed"),
    }
    if crate::docker::answers().await {
        report.step(format!("broker: {} from Docker", docker::IMAGE));
        return Ok(Source::Docker);
    }
    report.step("no Docker engine answers");
    Ok(Source::Installed(installed_or_install(report).await?))
}

async fn installed_or_install(report: &Reporter) -> Result<Installation> {
    if Installation::of_the_system().is_none() {
        packages::install(report).await.with_context(|| {
            format!(
                "there is no broker: set {AMQP_URL}, start a Docker engine, \
                 or install rabbitmq-server (3.10 or newer)"
            )
        })?;
    }
    let installation = Installation::of_the_system()
        .context("rabbitmq-server was installed, but it is nowhere to be found")?;
    ensure!(
        !installation.is_too_old(),
        "{installation} is older than RabbitMQ 3.10: set {AMQP_URL} or start a Docker engine"
    );
    Ok(installation)
}
