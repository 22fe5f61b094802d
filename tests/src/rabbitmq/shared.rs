//! The one broker that most tests of a run share, each in a vhost of its own.
//!
//! `cargo xtask test` starts it and names it in the environment of the test processes. Where
//! nobody did, as under a plain `cargo test`, the first test of a process starts one for all of
//! that process; it ends with the process, by its guard.

use std::env;

use anyhow::Result;
use tokio::sync::OnceCell;

use crate::rabbitmq::{Address, Broker, Features, Source, Wish, find};
use crate::report::Reporter;

/// Names the shared broker to test processes.
pub const SHARED_VARIABLE: &str = "TESTBED_SHARED";

/// A static, because tests of one process share nothing else.
static SHARED: OnceCell<Shared> = OnceCell::const_new();

/// A broker for many tests, ours or somebody else's.
#[derive(Debug)]
pub struct Shared {
    address: Address,
    broker: Option<Broker>,
}

impl Shared {
    /// The broker of this run.
    ///
    /// # Errors
    ///
    /// When the environment names none and none can be started.
    pub async fn of_this_run() -> Result<&'static Self> {
        SHARED
            .get_or_try_init(|| async {
                match env::var(SHARED_VARIABLE) {
                    Ok(text) => Ok(Self { address: Address::from_text(&text)?, broker: None }),
                    Err(_) => Self::start(&Wish::from_environment(), &Reporter::stderr()).await,
                }
            })
            .await
    }

    /// Finds a broker for many tests and starts it, unless it is somebody else's.
    ///
    /// # Errors
    ///
    /// When there is no way to a broker, or it does not start.
    pub async fn start(wish: &Wish, report: &Reporter) -> Result<Self> {
        match find(wish, report).await? {
            Source::Given(url) => Ok(Self { address: Address::Given(url), broker: None }),
            source => {
                let features = Features { management: true };
                let broker = Broker::start_from(&source, features, report).await?;
                Ok(Self { address: broker.address().clone(), broker: Some(broker) })
            }
        }
    }

    /// How clients reach it.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The broker itself, where this process started it.
    pub fn broker(&self) -> Option<&Broker> {
        self.broker.as_ref()
    }
}
