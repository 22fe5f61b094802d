//! How a broker is reached, and the few things that tests ask of its management interface.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::loopback;

/// `guest:guest`, the account that every broker of our own has.
const GUEST: &str = "authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\ncontent-type: application/json\r\n";

/// Where a broker listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// One of our own on loopback, with the default account.
    Local {
        /// The AMQP listener.
        amqp: SocketAddr,
        /// The management interface, where it was asked for.
        management: Option<SocketAddr>,
    },
    /// Somebody else's, as its URL says.
    Given(String),
}

impl Address {
    pub(super) fn local(amqp: SocketAddr, management: Option<SocketAddr>) -> Self {
        Self::Local { amqp, management }
    }

    /// The URL of a vhost. Of somebody else's broker only the vhost in its URL is ours to use.
    pub fn url(&self, vhost: &str) -> String {
        match self {
            Self::Local { amqp, .. } => {
                format!("amqp://guest:guest@{amqp}/{}", vhost.replace('/', "%2f"))
            }
            Self::Given(url) => url.clone(),
        }
    }

    /// The AMQP listener, for a proxy to stand before. `None` of somebody else's.
    pub fn amqp(&self) -> Option<SocketAddr> {
        match self {
            Self::Local { amqp, .. } => Some(*amqp),
            Self::Given(_) => None,
        }
    }

    /// Whether vhosts can be made here at little cost.
    pub fn makes_vhosts(&self) -> bool {
        matches!(self, Self::Local { management: Some(_), .. })
    }

    /// Makes a vhost that the default account may use.
    ///
    /// # Errors
    ///
    /// When there is no management interface or it refuses.
    pub fn add_vhost(&self, name: &str) -> Result<()> {
        self.ask("PUT", &format!("/api/vhosts/{name}"), "{}")?;
        // The account that makes a vhost is given all rights on it, but only since RabbitMQ 3.11.
        let all = r#"{"configure":".*","write":".*","read":".*"}"#;
        self.ask("PUT", &format!("/api/permissions/{name}/guest"), all).map(drop)
    }

    /// Removes a vhost with everything in it.
    ///
    /// # Errors
    ///
    /// When there is no management interface or it refuses.
    pub fn delete_vhost(&self, name: &str) -> Result<()> {
        self.ask("DELETE", &format!("/api/vhosts/{name}"), "").map(drop)
    }

    /// The names of all queues of a vhost.
    ///
    /// # Errors
    ///
    /// When there is no management interface or it refuses.
    pub fn queues(&self, vhost: &str) -> Result<Vec<String>> {
        let text = self.ask("GET", &format!("/api/queues/{vhost}?disable_stats=true"), "")?;
        let queues: Vec<Value> = serde_json::from_str(&text)?;
        Ok(queues.iter().filter_map(|queue| Some(queue["name"].as_str()?.to_owned())).collect())
    }

    /// Asks the management interface.
    ///
    /// # Errors
    ///
    /// When there is none or it refuses.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Result<String> {
        let Self::Local { management: Some(management), .. } = self else {
            anyhow::bail!("this broker has no management interface that is ours to use");
        };
        let answer = loopback::request(*management, method, path, GUEST, body)?;
        let fine = (200..300).contains(&answer.status);
        ensure!(fine, "{method} {path}: the broker said {}: {}", answer.status, answer.body);
        Ok(answer.body)
    }

    /// Whether the management interface answers; without one there is nothing to be asked.
    pub(super) fn alive(&self) -> Result<()> {
        if self.makes_vhosts() { self.ask("GET", "/api/vhosts", "").map(drop) } else { Ok(()) }
    }

    /// As text that [`Address::from_text`] reads, for a variable of the environment.
    pub fn to_text(&self) -> String {
        match self {
            Self::Local { amqp, management } => {
                let management = management.map_or(0, |address| address.port());
                format!("local:{}:{management}", amqp.port())
            }
            Self::Given(url) => url.clone(),
        }
    }

    /// The address that [`Address::to_text`] wrote.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn from_text(text: &str) -> Result<Self> {
        let Some(ports) = text.strip_prefix("local:") else {
            return Ok(Self::Given(text.to_owned()));
        };
        let (amqp, management) = ports.split_once(':').context("an address has two ports")?;
        let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let management = Some(management.parse()?).filter(|port| *port != 0).map(at);
        Ok(Self::Local { amqp: at(amqp.parse()?), management })
    }
}
