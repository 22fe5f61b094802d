//! Dead letters: look, send again, drop.
//!
//! What a confirmation counted is what is done: it carries the filter with a fixed end in time, so
//! that what dies meanwhile is not meant.

use std::collections::BTreeSet;

use broker::DeadFilter;
use subscriptions::WebhookId;

use super::super::answer::{Answer, Reply};
use super::super::fields::{Fields, address, query};
use super::super::gate::{Asked, Posted};
use super::super::view::confirm::{Confirm, confirm};
use super::super::view::dead::{self as view, dead};
use super::super::view::frame::{Done, Said};
use super::super::view::pieces::count;
use super::webhooks::kinds;
use crate::desk::{DeadAct, DeadAsked, Moved, WebhooksAsked};
use crate::problem::{Problem, ProblemKind};

/// Dead letters on one part of the list.
const LETTERS: u32 = 50;
/// How long it is told how work ended that its asker did not wait for.
const LATELY_MS: i64 = 3_600_000;
/// Webhooks that are offered to choose from.
const OFFERED: u32 = 100;

pub(super) async fn list(asked: Asked) -> Answer {
    let fields = fields(&asked.query);
    if let Some(webhook) = meant_by(&asked, &fields.webhook)? {
        let fields = view::Fields { webhook, ..fields };
        return Ok(Reply::Go(address("/admin/dead", &pairs(&fields))));
    }
    let letters = DeadAsked {
        filter: filter(&asked.query, asked.frame.now_ms),
        cursor: asked.query.given("cursor"),
        limit: LETTERS,
    };
    let page = asked.desk.dead(&letters).await;
    let away = match &page {
        Err(problem) if problem.status().as_u16() < 500 => return Err(problem.clone().into()),
        Err(problem) => super::super::form::sentence(&problem.detail),
        Ok(_) => String::new(),
    };
    let unseen = |problem: &Problem| match problem.kind {
        ProblemKind::Busy => view::Unseen::Busy(&away),
        _ => view::Unseen::Away(&away),
    };
    let offered = asked.desk.webhooks(&WebhooksAsked { limit: OFFERED, ..Default::default() })?;
    let webhooks: Vec<(String, String)> = offered
        .items
        .iter()
        .map(|found| (found.webhook.id.as_str().to_owned(), found.webhook.url.to_string()))
        .collect();
    let query = query(&pairs(&fields));
    let at = |cursor: &str| {
        let pairs = pairs(&fields);
        address("/admin/dead", &[&pairs[..], &[("cursor", cursor)]].concat())
    };
    let found = page.as_ref().ok();
    let letters = found.map(|page| page.letters.as_slice()).unwrap_or_default();
    let deleted = letters.iter().map(|letter| letter.webhook.as_str());
    // Which there are is not known where they cannot be read.
    let known = asked.desk.unread().is_none();
    let deleted = deleted.filter(|webhook| known && !asked.desk.has_webhook(webhook)).collect();
    let lately = asked.frame.now_ms - LATELY_MS;
    let ended = asked.desk.ended_work().filter(|ended| ended.at_ms > lately);
    let screen = view::Dead {
        letters: page.as_ref().map(|page| page.letters.as_slice()).map_err(unseen),
        ended: ended.as_ref(),
        matching: found.map_or(0, |page| page.matching),
        truncated: found.is_some_and(|page| page.truncated),
        fields: &fields,
        query: &query,
        webhooks: &webhooks,
        deleted: &deleted,
        kinds: &kinds(&asked),
        first: asked.query.given("cursor").map(|_| at("")),
        next: found.and_then(|page| page.next.as_deref()).map(at),
    };
    Ok(Reply::Screen(dead(&asked.frame, &screen)))
}

/// The webhook that somebody means who typed its URL, or a part of that, where an id is asked for;
/// `None` where nothing else is meant than what stands there.
fn meant_by(asked: &Asked, typed: &str) -> Result<Option<String>, Problem> {
    if typed.is_empty() || WebhookId::try_new(typed).is_ok() {
        return Ok(None);
    }
    let search = Some(typed.to_owned());
    let found = asked.desk.webhooks(&WebhooksAsked { search, limit: 2, ..Default::default() })?;
    let one = <[_; 1]>::try_from(found.items).ok();
    Ok(one.map(|[found]| found.webhook.id.as_str().to_owned()))
}

pub(super) async fn ask_replay(asked: Asked) -> Answer {
    let (many, fields) = counted(&asked).await?;
    let title = format!("Send {many} again?");
    ask(
        &asked,
        &Question {
            title: &title,
            text: "Each goes to its webhook with the same ids, and its retries begin anew. Receivers \
               that take an id once only are not bothered by what they have already. What is for a \
               webhook that is disabled or was deleted is not sent and stays.",
            action: "/admin/dead/replay",
            button: "Send again",
            danger: false,
            fields,
        },
    )
}

pub(super) async fn ask_drop(asked: Asked) -> Answer {
    let (many, fields) = counted(&asked).await?;
    let title = format!("Drop {many}?");
    ask(
        &asked,
        &Question {
            title: &title,
            text: "They leave the dead letters for good. Only the delivery log may still hold what they were.",
            action: "/admin/dead/drop",
            button: "Drop for good",
            danger: true,
            fields,
        },
    )
}

pub(super) async fn replay(form: Posted) -> Answer {
    moved(form, DeadAct::Replay, Done::Replayed).await
}

pub(super) async fn drop_letters(form: Posted) -> Answer {
    moved(form, DeadAct::Drop, Done::Dropped).await
}

async fn moved(form: Posted, act: DeadAct, done: Done) -> Answer {
    let moved = form.asked.desk.move_dead(act, &meant(&form)?, form.actor()).await?;
    let Moved { deliveries, left, rest } = moved;
    let said = Said { count: Some(deliveries.len()), left, rest, ..Said::of(done) };
    Ok(Reply::said(&back(&form.fields), said))
}

/// Where somebody goes who has enabled a webhook: who enables is asked about what was kept. A broker
/// that is away is no reason to fail, and is told.
pub(super) async fn enabled(asked: &Asked, webhook: &WebhookId, base: &str, done: Done) -> Reply {
    match kept(asked, webhook.as_str()).await {
        Ok(0) => Reply::done(base, done),
        Ok(_) => Reply::done(&format!("{base}/kept"), done),
        Err(_) => Reply::done(base, Done::EnabledUntold),
    }
}

/// How many dead letters of this webhook were kept while it was disabled.
pub(super) async fn kept(asked: &Asked, webhook: &str) -> Result<usize, Problem> {
    let filter = DeadFilter {
        webhook: Some(webhook.to_owned()),
        reason: Some("disabled".to_owned()),
        ..DeadFilter::default()
    };
    let page = asked.desk.dead(&DeadAsked { filter, cursor: None, limit: 1 }).await?;
    if page.matching == 0 && page.truncated {
        let why = "there are more dead letters than could be looked at, and none of those that were \
                   was kept for this webhook";
        return Err(Problem::new(ProblemKind::NotAllSeen, why));
    }
    Ok(page.matching)
}

struct Question<'a> {
    title: &'a str,
    text: &'a str,
    action: &'a str,
    button: &'a str,
    danger: bool,
    fields: Vec<(&'static str, String)>,
}

fn ask(asked: &Asked, question: &Question<'_>) -> Answer {
    asked.viewer.must_be_admin()?;
    let cancel = back(&asked.query);
    let view = Confirm {
        title: question.title,
        text: vec![question.text.to_owned()],
        of_dead: true,
        action: question.action,
        fields: question.fields.clone(),
        choice: None,
        button: question.button,
        danger: question.danger,
        cancel: &cancel,
        cancel_name: "Cancel",
    };
    Ok(Reply::Screen(confirm(&asked.frame, &view)))
}

/// How many fit, and the fields that mean just these.
async fn counted(asked: &Asked) -> Result<(String, Vec<(&'static str, String)>), Problem> {
    let now = asked.frame.now_ms;
    let filter = DeadFilter { until_ms: Some(now), ..filter(&asked.query, now) };
    let since = filter.since_ms.map(|since| since.to_string()).unwrap_or_default();
    let page = asked.desk.dead(&DeadAsked { filter, cursor: None, limit: 1 }).await?;
    if page.matching == 0 && !page.truncated {
        return Err(Problem::new(ProblemKind::UnknownDeadLetter, "no dead letter fits any more"));
    }
    let many = count(page.matching, "dead letter", "dead letters");
    let many = if page.truncated { format!("at least {many}") } else { many };
    let fields = fields(&asked.query);
    let back = query(&pairs(&fields));
    let fields = vec![
        ("webhook", fields.webhook),
        ("reason", fields.reason),
        ("type", fields.kind),
        ("delivery", asked.query.get("delivery").to_owned()),
        ("since", since),
        ("until", now.to_string()),
        ("back", back),
    ];
    Ok((many, fields))
}

fn fields(query: &Fields) -> view::Fields {
    view::Fields {
        webhook: query.get("webhook").to_owned(),
        reason: query.get("reason").to_owned(),
        kind: query.get("type").to_owned(),
        time: query.get("time").to_owned(),
    }
}

fn pairs(fields: &view::Fields) -> [(&str, &str); 4] {
    [
        ("webhook", &fields.webhook),
        ("reason", &fields.reason),
        ("type", &fields.kind),
        ("time", &fields.time),
    ]
}

/// What a confirmed form means, which names its letters or an end of their time: what was not counted
/// is not moved.
fn meant(form: &Posted) -> Result<DeadFilter, Problem> {
    let filter = filter(&form.fields, form.asked.frame.now_ms);
    let readable = ["since", "until"]
        .into_iter()
        .all(|name| form.fields.given(name).is_none_or(|text| text.parse::<i64>().is_ok()));
    if readable && (filter.until_ms.is_some() || filter.deliveries.is_some()) {
        return Ok(filter);
    }
    let why = "the form does not say which dead letters are meant; go back and ask again";
    Err(Problem::new(ProblemKind::InvalidRequest, why))
}

/// What a query or a form means; times are fixed where a confirmation fixed them.
fn filter(fields: &Fields, now_ms: i64) -> DeadFilter {
    let back = super::super::time::length_of(fields.get("time"));
    DeadFilter {
        webhook: fields.given("webhook"),
        kind: fields.given("type"),
        reason: fields.given("reason"),
        since_ms: fields.get("since").parse().ok().or(back.map(|back| now_ms - back)),
        until_ms: fields.get("until").parse().ok(),
        deliveries: fields.given("delivery").map(|delivery| BTreeSet::from([delivery])),
    }
}

/// The list that somebody came from.
fn back(fields: &Fields) -> String {
    if let Some(webhook) = fields.given("to_webhook") {
        return address(&format!("/admin/webhooks/{}", plain(&webhook)), &[]);
    }
    let query = Fields::read(fields.get("back").as_bytes()).unwrap_or_default();
    address("/admin/dead", &pairs(&self::fields(&query)))
}

/// The letters of an id and nothing else.
fn plain(text: &str) -> String {
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    text.chars().filter(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_go_back_to_where_they_came_from() {
        for (form, expected) in [
            ("to_webhook=whk_my-hook_1", "/admin/webhooks/whk_my-hook_1"),
            ("to_webhook=%2F%2Fevil.example%3Fa", "/admin/webhooks/evilexamplea"),
            ("back=reason%3Dgone%26evil%3D1", "/admin/dead?reason=gone"),
            ("", "/admin/dead"),
        ] {
            assert_eq!(back(&Fields::read(form.as_bytes()).unwrap()), expected, "{form}");
        }
    }
}
