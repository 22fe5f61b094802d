//! Whether the service has a change of the webhooks yet: what is published before that does not meet
//! it.
//!
//! The service with this configuration says on its operations listener which change of which store is
//! live. Of other replicas nothing is known here: they have a change within a second.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::command::health::{ask, own_address};
use crate::config::Config;
use crate::print;

/// How long a change is waited for: one takes half a second, and a busy machine longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer may take: it comes from this machine.
const ANSWER: Duration = Duration::from_secs(2);
/// Pause between questions.
const PAUSE: Duration = Duration::from_millis(50);

/// What is known of a change that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Live {
    /// The service has it.
    Yes,
    /// The service does not have it yet.
    NotYet,
    /// No service that reads this store is to be seen from here.
    Unknown,
}

impl Live {
    /// In a few words, to follow what was done.
    pub(crate) fn words(self, config: &Config) -> &'static str {
        match self {
            Self::Yes if config.webhooks.store.expose().starts_with("postgres") => {
                "live; in other replicas within a second"
            }
            Self::Yes => "live",
            Self::NotYet => "not live yet",
            Self::Unknown => "live within a second where a service reads this store",
        }
    }
}

/// Waits until the change of this number is live, where that can be known. Says on standard error why
/// it is not.
pub(crate) async fn wait(config: &Config, revision: i64) -> Live {
    let address = own_address(config.operations.listen);
    let until = Instant::now() + PATIENCE;
    loop {
        match live(config, &address).await {
            None => {
                print::error(&format!(
                    "no service with this store answers at {address} (operations.listen)"
                ));
                return Live::Unknown;
            }
            Some(live) if live >= revision => return Live::Yes,
            Some(_) if Instant::now() >= until => {
                print::error(&format!(
                    "the service at {address} does not have it after {PATIENCE:?}; its log says why"
                ));
                return Live::NotYet;
            }
            Some(_) => sleep(PAUSE).await,
        }
    }
}

/// Which change is live in the service at this address; `None` where none with this store answers.
async fn live(config: &Config, address: &str) -> Option<i64> {
    let (good, said) = timeout(ANSWER, ask(address, "/revision")).await.ok()?.ok()?;
    let said: Value = serde_json::from_str(&said).ok().filter(|_| good)?;
    let ours = store::identity(config.webhooks.store.expose()).ok()?;
    said["revision"].as_i64().filter(|_| said["store"] == ours)
}
