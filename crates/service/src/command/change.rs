//! `webhooks create`, `update`, `enable`, `disable`, `delete`, `secret`, `rotate`, `promote`, `reseal`:
//! changes of webhooks in a database. They are waited for where a service with this configuration runs.

use std::time::Duration;

use control::rotated_again;
use delivery::Guard;
use jiff::Timestamp;
use serde_json::json;
use signing::Secret;
use store::{ChangeError, Database, Draft, KeyUse, LONGEST_OVERLAP, open_database};
use subscriptions::{EventFilter, Headers, Host, UrlRules, Webhook, WebhookId, WebhookUrl};

use crate::cli::{Create, One, Update, Webhooks};
use crate::command::fields;
use crate::command::live::{self, Live};
use crate::config::Config;
use crate::exit::Failed;
use crate::print;
use crate::wiring;

/// Who changed it, as the audit says.
pub(crate) const ACTOR: &str = "command line";

/// Does what was asked, and says what was done.
pub(crate) async fn run(asked: &Webhooks, config: &Config) -> Result<(), Failed> {
    let options = wiring::store_options(config)?;
    let key = match asked {
        Webhooks::Delete(_) => KeyUse::Nothing,
        Webhooks::Secret(_) => KeyUse::Open,
        _ => KeyUse::Seal,
    };
    let database = open_database(config.webhooks.store.expose(), &options, key)
        .map_err(|error| Failed::Usage(broker::in_one_line(&error)))?
        .ok_or_else(|| {
            let why = "the webhooks are kept in a file that its owner writes: change them there";
            Failed::Usage(why.to_owned())
        })?;
    match asked {
        Webhooks::Create(create) => self::create(&database, create, config).await,
        Webhooks::Update(update) => self::update(&database, update, config).await,
        Webhooks::Enable(one) => set_enabled(&database, one, true, config).await,
        Webhooks::Disable(one) => set_enabled(&database, one, false, config).await,
        Webhooks::Delete(one) => {
            let id = id(one)?;
            let revision = database.delete(&id, None, ACTOR).await.map_err(told)?;
            done(&format!("deleted {id}"), revision, config).await
        }
        Webhooks::Secret(one) => {
            let (webhook, _) = database.find(&id(one)?).await.map_err(told)?;
            secrets(&webhook)
        }
        Webhooks::Rotate(rotate) => {
            let id = id(&rotate.one)?;
            let overlap = rotate.overlap.unwrap_or(config.webhooks.secret_overlap);
            self::rotate(&database, &id, overlap, config).await
        }
        Webhooks::Promote(one) => {
            let id = id(one)?;
            let revision = database.promote(&id, None, ACTOR).await.map_err(told)?;
            done(&format!("the new secret of {id} signs alone"), revision, config).await
        }
        Webhooks::Reseal(_) => {
            let (count, left) = database.reseal().await.map_err(told)?;
            print::line(&format!("sealed anew: {}", print::webhooks(count)))?;
            let left: Vec<String> = left.iter().map(ToString::to_string).collect();
            if left.is_empty() { Ok(()) } else { Err(Failed::No(left.join("\n"))) }
        }
        Webhooks::List { .. } | Webhooks::Show(_) | Webhooks::NewSecret => Ok(()),
    }
}

async fn create(database: &Database, asked: &Create, config: &Config) -> Result<(), Failed> {
    let draft = Draft {
        url: url(&asked.url, config)?,
        events: EventFilter::try_new(["*"]).map_err(wrong)?,
        projects: Vec::new(),
        condition: None,
        description: None,
        enabled: !asked.disabled,
        keep_while_disabled: true,
        retry: None,
        max_in_flight: None,
        rate_limit: None,
        headers: Headers::default(),
    };
    let draft = fields::with(draft, &asked.fields, config)?;
    let made = database.create(&draft, ACTOR).await.map_err(told)?;
    let (id, secret) = (made.id.as_str(), made.secret.expose());
    if !asked.json {
        // Before anything is waited for: who has no patience has not lost it.
        print::line(&format!("created {id}\nsecret  {secret}"))?;
    }
    let live = live::wait(config, made.revision).await;
    if asked.json {
        let told = json!({ "id": id, "secret": secret, "live": live == Live::Yes });
        return print::line(&told.to_string());
    }
    print::error(&format!("{id} ({})", live.words(config)));
    Ok(())
}

async fn update(database: &Database, asked: &Update, config: &Config) -> Result<(), Failed> {
    let id = id(&asked.one)?;
    let (webhook, seen) = database.find(&id).await.map_err(told)?;
    let mut draft = fields::with(Draft::of(&webhook), &asked.fields, config)?;
    if let Some(text) = &asked.url {
        draft.url = url(text, config)?;
    }
    if asked.all_projects {
        draft.projects = Vec::new();
    }
    if asked.service_retry {
        draft.retry = None;
    }
    if asked.unconditional {
        draft.condition = None;
    }
    let revision = database.update(&id, &draft, Some(&seen), ACTOR).await.map_err(told)?;
    done(&format!("updated {id}"), revision, config).await
}

async fn set_enabled(
    database: &Database,
    one: &One,
    enabled: bool,
    config: &Config,
) -> Result<(), Failed> {
    let id = id(one)?;
    let (webhook, seen) = database.find(&id).await.map_err(told)?;
    let draft = Draft { enabled, ..Draft::of(&webhook) };
    let revision = database.update(&id, &draft, Some(&seen), ACTOR).await.map_err(told)?;
    let what = if enabled { "enabled" } else { "disabled" };
    done(&format!("{what} {id}"), revision, config).await
}

/// Prints the secret alone, so that it can be piped; what else is to be known goes to people.
async fn rotate(
    database: &Database,
    id: &WebhookId,
    overlap: Duration,
    config: &Config,
) -> Result<(), Failed> {
    if overlap > LONGEST_OVERLAP {
        return Err(Failed::Usage("--overlap: at most 30days".to_owned()));
    }
    let (before, seen) = database.find(id).await.map_err(told)?;
    // Who rotated between is not overruled without a word.
    let made = database.rotate(id, overlap, Some(&seen), ACTOR).await.map_err(told)?;
    print::line(made.secret.expose())?;
    let (after, _) = database.find(id).await.map_err(told)?;
    if let Some(warning) = rotated_again(&before, &after) {
        print::error(&warning);
    }
    let until = after.switches_at_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let signs = until.map_or_else(
        || format!("the old secret of {id} signs no more"),
        |until| format!("the old secret of {id} signs, too, until {until:.3}"),
    );
    let live = live::wait(config, made.revision).await;
    print::error(&format!("{signs} ({})", live.words(config)));
    Ok(())
}

/// Prints the secrets alone, so that they can be piped; which is which goes to people.
fn secrets(webhook: &Webhook) -> Result<(), Failed> {
    let secrets = webhook.secrets.as_ref();
    let secrets = secrets.map_err(|why| anyhow::anyhow!("it cannot be opened: {why}"))?;
    let until = webhook.switches_at_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    if let Some(until) = until {
        print::error(&format!(
            "a rotation is under way until {until:.3}; the first signs x-boottify-signature until \
             then, the second comes after it, and both sign webhook-signature:"
        ));
    }
    let lines: Vec<&str> = secrets.iter().map(Secret::expose).collect();
    print::line(&lines.join("\n"))
}

/// Says what was done once `serve` has it, or why that is not known.
async fn done(what: &str, revision: i64, config: &Config) -> Result<(), Failed> {
    let live = live::wait(config, revision).await;
    print::line(&format!("{what} ({})", live.words(config)))
}

fn url(text: &str, config: &Config) -> Result<WebhookUrl, Failed> {
    let rules = UrlRules { allow_http: config.webhooks.allow_http };
    let url = WebhookUrl::try_new(text, rules).map_err(wrong)?;
    // Names are judged at delivery: here is perhaps not where they resolve as they do for `serve`.
    if let Host::Address(address) = url.host() {
        let guard = Guard::new(config.delivery.allow_addresses.clone());
        guard
            .judge(address)
            .map_err(|blocked| Failed::Usage(format!("{blocked}; see delivery.allow_addresses")))?;
    }
    Ok(url)
}

fn id(one: &One) -> Result<WebhookId, Failed> {
    WebhookId::try_new(&one.id).map_err(wrong)
}

pub(crate) fn wrong(error: impl std::fmt::Display) -> Failed {
    Failed::Usage(error.to_string())
}

fn told(error: ChangeError) -> Failed {
    Failed::Work(error.into())
}
