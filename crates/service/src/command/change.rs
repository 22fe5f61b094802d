//! `webhooks create`, `update`, `enable`, `disable`, `delete`, `secret`, `rotate`, `promote`, `reseal`: changes
//! of webhooks in a database. They are live in every replica within a second.

use std::time::Duration;

use control::rotated_again;
use delivery::Guard;
use jiff::Timestamp;
use serde_json::json;
use store::{ChangeError, Database, Draft, LONGEST_OVERLAP, open_database};
use subscriptions::{EventFilter, Headers, Host, UrlRules, WebhookId, WebhookUrl};

use crate::cli::{Create, One, Update, Webhooks};
use crate::command::fields;
use crate::config::Config;
use crate::exit::Failed;
use crate::print;
use crate::wiring;

/// Who changed it, as the audit says.
pub(crate) const ACTOR: &str = "command line";
/// When a change counts: `serve` looks for changes that often.
const LIVE: &str = "live within a second";

/// Does what was asked, and says what was done.
pub(crate) async fn run(asked: &Webhooks, config: &Config) -> Result<(), Failed> {
    let options = wiring::store_options(config)?;
    let database = open_database(config.webhooks.store.expose(), &options)
        .map_err(|error| Failed::Usage(broker::in_one_line(&error)))?
        .ok_or_else(|| {
            let why = "the webhooks are kept in a file that its owner writes: change them there";
            Failed::Usage(why.to_owned())
        })?;
    match asked {
        Webhooks::Create(create) => self::create(&database, create, config).await,
        Webhooks::Update(update) => self::update(&database, update, config).await,
        Webhooks::Enable(one) => set_enabled(&database, one, true).await,
        Webhooks::Disable(one) => set_enabled(&database, one, false).await,
        Webhooks::Delete(one) => {
            let id = id(one)?;
            database.delete(&id, None, ACTOR).await.map_err(told)?;
            done(&format!("deleted {id}"))
        }
        Webhooks::Secret(one) => {
            let (webhook, _) = database.find(&id(one)?).await.map_err(told)?;
            print::line(webhook.secrets.primary().expose())
        }
        Webhooks::Rotate(rotate) => {
            let id = id(&rotate.one)?;
            let overlap = rotate.overlap.unwrap_or(config.webhooks.secret_overlap);
            self::rotate(&database, &id, overlap).await
        }
        Webhooks::Promote(one) => {
            let id = id(one)?;
            database.promote(&id, ACTOR).await.map_err(told)?;
            done(&format!("the new secret of {id} signs alone"))
        }
        Webhooks::Reseal(_) => {
            let count = database.reseal().await.map_err(told)?;
            print::line(&format!("sealed anew: {}", print::webhooks(count)))
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
    if asked.json {
        return print::line(&json!({ "id": id, "secret": secret }).to_string());
    }
    print::line(&format!("created {id} ({LIVE})\nsecret  {secret}"))
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
    if asked.unconditional {
        draft.condition = None;
    }
    database.update(&id, &draft, Some(&seen), ACTOR).await.map_err(told)?;
    done(&format!("updated {id}"))
}

async fn set_enabled(database: &Database, one: &One, enabled: bool) -> Result<(), Failed> {
    let id = id(one)?;
    let (webhook, seen) = database.find(&id).await.map_err(told)?;
    let draft = Draft { enabled, ..Draft::of(&webhook) };
    database.update(&id, &draft, Some(&seen), ACTOR).await.map_err(told)?;
    done(&format!("{} {id}", if enabled { "enabled" } else { "disabled" }))
}

/// Prints the secret alone, so that it can be piped; what else is to be known goes to people.
async fn rotate(database: &Database, id: &WebhookId, overlap: Duration) -> Result<(), Failed> {
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
    print::error(&format!("{signs} ({LIVE})"));
    Ok(())
}

/// What was done, to the webhooks that `serve` has.
fn done(what: &str) -> Result<(), Failed> {
    print::line(&format!("{what} ({LIVE})"))
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
