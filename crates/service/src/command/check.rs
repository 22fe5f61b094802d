//! `check`: everything that is wrong with the configuration and the webhooks, each with its place.

use signing::Secret;
use store::{LoadError, load_once};
use subscriptions::Secrets;

use crate::command::webhooks::unopened;
use crate::config::Config;
use crate::exit::Failed;
use crate::print;
use crate::wiring;

/// Reads what `serve` would read, and says what it found.
pub(crate) fn run(config: &Config) -> Result<(), Failed> {
    let usage = |error: &dyn std::fmt::Display| Failed::Usage(error.to_string());
    wiring::broker(config).map_err(|error| usage(&error))?;
    wiring::check_files(config).map_err(|error| Failed::Usage(format!("{error:#}")))?;
    wiring::check_delivery_log(config).map_err(|error| Failed::Usage(format!("{error:#}")))?;
    for line in &config.traces.unheeded {
        print::error(&format!("warning: {line}"));
    }
    let options = wiring::store_options(config).map_err(|error| usage(&error))?;
    let snapshot = match load_once(config.webhooks.store.expose(), &options) {
        Ok(snapshot) => snapshot,
        // Nothing is wrong with that before the first start.
        Err(not_there @ LoadError::NotThere(_)) => {
            return print::line(&format!("ok: the configuration is valid; {not_there}"));
        }
        Err(error) => return Err(Failed::Usage(broker::in_one_line(&error))),
    };
    unopened(&snapshot);
    for webhook in snapshot.iter() {
        let secrets = webhook.secrets.iter().flat_map(Secrets::iter);
        for weakness in secrets.filter_map(Secret::weakness) {
            print::error(&format!("warning: webhook {}: its secret {weakness}", webhook.id));
        }
    }
    let (all, enabled) = (print::webhooks(snapshot.len()), snapshot.enabled());
    print::line(&format!("ok: the configuration is valid, {all}, {enabled} of them enabled"))
}
