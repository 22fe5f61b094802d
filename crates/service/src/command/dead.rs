//! `dead`: what was given up, listed, sent again or dropped, straight from the broker. Log and audit
//! are told of it, where they can be reached from here: `recover` goes by the log.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use broker::{Client, ClientError, DeadLetter, DeadList as Listed, DeadReach};
use control::{Course, DeadAct, DeadWork, DeadWorked, Left, Progress, Stayed, Stays, Webhooks};
use jiff::Timestamp;
use prometheus::Registry;
use serde_json::{Value, json};
use store::load_once;
use subscriptions::Snapshot;

use crate::cli::{Dead, DeadFilter, DeadList, DeadMove, Since};
use crate::command::change::ACTOR;
use crate::config::Config;
use crate::exit::Failed;
use crate::print;
use crate::wiring;

/// Does what was asked, and says what was done.
pub(crate) async fn run(asked: &Dead, config: &Config) -> Result<(), Failed> {
    let broker = wiring::broker(config)?;
    let place = broker.place();
    let metrics = broker::Metrics::register(&Registry::new()).context("metrics")?;
    let client = Client::new(broker, metrics);
    let now = Timestamp::try_from(SystemTime::now()).context("reading the clock")?;
    let now_ms = now.as_millisecond();
    let done = match asked {
        Dead::List(list) => self::list(&client, list, config, now_ms).await,
        Dead::Replay(which) => moved(&client, which, DeadAct::Replay, config, now_ms).await,
        Dead::Drop(which) => moved(&client, which, DeadAct::Drop, config, now_ms).await,
    };
    done.map_err(|failed| match failed {
        Failed::Work(error) => Failed::Work(error.context(format!("the dead letters at {place}"))),
        other => other,
    })
}

async fn list(
    client: &Client,
    asked: &DeadList,
    config: &Config,
    now_ms: i64,
) -> Result<(), Failed> {
    let filter = filter(&asked.filter, now_ms);
    doubt(&filter, config);
    let found = client.dead_letters(&filter, None, asked.limit).await.map_err(told)?;
    if asked.json {
        let letters: Vec<Value> = found.letters.iter().map(to_json).collect();
        let told = json!({ "deadLetters": letters, "matching": found.matching,
                           "total": found.total, "truncated": found.truncated });
        return print::line(&format!("{told:#}"));
    }
    let rows: Vec<_> = found.letters.iter().map(row).collect();
    let head = ["DIED", "DELIVERY", "WEBHOOK", "TYPE", "ATTEMPTS", "REASON", "LAST FAILURE"];
    print::text(&print::table(head, &rows))?;
    if found.letters.len() < found.matching {
        print::error(&format!("{} of {} are shown; see --limit", rows.len(), found.matching));
    }
    if found.truncated {
        print::error("there are more than are looked at (dead.max_walk): the newest are not shown");
    }
    Ok(())
}

async fn moved(
    client: &Client,
    asked: &DeadMove,
    act: DeadAct,
    config: &Config,
    now_ms: i64,
) -> Result<(), Failed> {
    let mut filter = filter(&asked.filter, now_ms);
    doubt(&filter, config);
    if !asked.deliveries.is_empty() {
        filter.deliveries = Some(asked.deliveries.iter().cloned().collect());
    }
    if !asked.yes {
        let found = client.dead_letters(&filter, None, 0).await.map_err(told)?;
        if found.matching > 0 || found.truncated {
            agreed(act, &found)?;
        }
    }
    let (log, audit) = (wiring::present_delivery_log(config), wiring::present_audit(config));
    for error in [log.as_ref().err(), audit.as_ref().err()].into_iter().flatten() {
        print::error(&format!("log or audit will not know of this: {error:#}"));
    }
    let (log, audit) = (log.ok().flatten(), audit.ok().flatten());
    let webhooks = match act {
        DeadAct::Replay => webhooks(config),
        DeadAct::Drop => Webhooks::Unknown,
    };
    let (log, audit, course) = (log.as_ref(), audit.as_ref(), Course::default());
    let work = DeadWork { webhooks, log, audit, actor: ACTOR, course };
    let DeadWorked { ended, untold } = work.go(client, act, &filter).await;
    let Progress { deliveries: ids, left: all_left, left_alone, .. } = work.course.over();
    if let Some(why) = untold {
        print::error(&why);
    }
    let reach = ended.map_err(|error| after(&ids, act, error))?;
    if asked.json {
        print::line(&to_json_moved(act, &ids, &left_alone).to_string())?;
    } else {
        print::line(&done(act, ids.len()))?;
    }
    let met = |id: &&String| ids.contains(id) || left_alone.contains_key(*id);
    let unknown: Vec<&str> =
        asked.deliveries.iter().filter(|id| !met(id)).map(String::as_str).collect();
    let mut why = Vec::new();
    for stays in [Stays::Deleted, Stays::Disabled, Stays::Unopened] {
        let Some(left) = left(all_left, stays) else { continue };
        // What is for a disabled webhook rests here on purpose, unless it was asked for by name.
        let meant = stays == Stays::Deleted || asked.filter.webhook.is_some();
        if !asked.deliveries.is_empty() || (ids.is_empty() && meant) {
            why.push(left);
        } else {
            print::error(&left);
        }
    }
    if !unknown.is_empty() {
        why.push(format!("no dead letters, or none that can be sent: {}", unknown.join(", ")));
    }
    if reach != DeadReach::End {
        why.push("not all dead letters could be looked at: there may be more".to_owned());
    }
    if why.is_empty() { Ok(()) } else { Err(Failed::No(why.join("; "))) }
}

/// How many were left alone for this, and what to do about it; `None` where none was.
fn left(all: Left, why: Stays) -> Option<String> {
    let (number, cause) = match why {
        Stays::Deleted => (all.deleted, "was deleted"),
        Stays::Disabled => (all.disabled, "is disabled (enable it first: `webhooks enable ID`)"),
        Stays::Unopened => (all.unopened, "cannot be opened (see `webhooks list`)"),
    };
    (number > 0).then(|| format!("{number} left alone: their webhook {cause}"))
}

/// The webhooks that there are; none where they are not to be read here, which is told.
fn webhooks(config: &Config) -> Webhooks {
    let read = || -> anyhow::Result<Snapshot> {
        let options = wiring::store_options(config)?;
        let store = config.webhooks.store.expose();
        Ok(load_once(store, &options)?)
    };
    match read() {
        Ok(snapshot) => Webhooks::Read(Arc::new(snapshot)),
        Err(error) => {
            let what = "the webhooks cannot be read here, and what is for a deleted one is lost";
            print::error(&format!("{what}: {error:#}"));
            Webhooks::Unknown
        }
    }
}

/// Asks on the terminal; where there is none nobody has agreed.
fn agreed(act: DeadAct, found: &Listed) -> Result<(), Failed> {
    let at_least = if found.truncated { "at least " } else { "" };
    let letters = format!("{at_least}{}", print::dead_letters(found.matching));
    let question = match act {
        DeadAct::Replay => "send them again",
        DeadAct::Drop => "drop them for good",
    };
    if !io::stdin().is_terminal() {
        let why =
            format!("this is about {letters}; nobody can be asked here: add --yes to {question}");
        return Err(Failed::Usage(why));
    }
    write!(io::stderr(), "This is about {letters}: {question}? [y/N] ").unwrap_or_default();
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("reading the answer")?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failed::No("nothing was done".to_owned())),
    }
}

fn to_json_moved(act: DeadAct, ids: &[String], left_alone: &BTreeMap<String, Stayed>) -> Value {
    let left_alone: Vec<&String> = left_alone.keys().collect();
    match act {
        DeadAct::Replay => json!({ "replayed": ids, "leftAlone": left_alone }),
        DeadAct::Drop => json!({ "dropped": ids }),
    }
}

fn done(act: DeadAct, count: usize) -> String {
    let letters = print::dead_letters(count);
    match act {
        DeadAct::Replay => format!("sent {letters} again"),
        DeadAct::Drop => format!("dropped {letters}"),
    }
}

fn filter(asked: &DeadFilter, now_ms: i64) -> broker::DeadFilter {
    let since_ms = asked.since.map(|since| match since {
        Since::At(ms) => ms,
        Since::Ago(ago) => {
            now_ms.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX))
        }
    });
    broker::DeadFilter {
        webhook: asked.webhook.clone(),
        kind: asked.kind.clone(),
        reason: asked.reason.clone(),
        since_ms,
        until_ms: None,
        deliveries: None,
    }
}

/// A type that is not known (any more) may have dead letters, and may be a slip of the pen.
fn doubt(filter: &broker::DeadFilter, config: &Config) {
    let catalog = &config.events.catalog;
    if let Some(kind) = filter.kind.as_deref().filter(|kind| catalog.get(kind).is_none()) {
        print::error(&format!("{kind} is no event type that this configuration knows"));
    }
}

fn row(letter: &DeadLetter) -> [String; 7] {
    let failure = letter.last_failure.as_deref().unwrap_or("-");
    let detail = letter.last_failure_detail.as_ref().map(|detail| format!(" ({detail})"));
    [
        time(letter.dead_ms).unwrap_or_else(|| "-".to_owned()),
        letter.delivery.clone(),
        letter.webhook.clone(),
        letter.kind.clone(),
        letter.attempts.to_string(),
        letter.reason.clone(),
        format!("{failure}{}", detail.unwrap_or_default()),
    ]
}

fn to_json(letter: &DeadLetter) -> Value {
    json!({
        "delivery": letter.delivery,
        "webhook": letter.webhook,
        "event": letter.event,
        "type": letter.kind,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "publishedAt": time(letter.published_ms),
        "deadAt": time(letter.dead_ms),
        "lastFailure": letter.last_failure,
        "lastFailureDetail": letter.last_failure_detail,
    })
}

/// A time in RFC 3339; none where nobody wrote one.
fn time(ms: i64) -> Option<String> {
    let time = Timestamp::from_millisecond(ms).ok().filter(|_| ms != 0)?;
    Some(format!("{time:.3}"))
}

fn told(error: ClientError) -> Failed {
    Failed::Work(error.into())
}

/// What was done before it failed is told, too.
fn after(ids: &[String], act: DeadAct, error: ClientError) -> Failed {
    match ids.len() {
        0 => told(error),
        count => Failed::Work(anyhow::Error::new(error).context(done(act, count))),
    }
}
