//! What is done with one webhook.

use std::time::Duration;

use axum::extract::Path;

use super::super::answer::{Answer, Reply};
use super::super::gate::{Asked, Posted};
use super::super::time;
use super::super::view::confirm::{Choice, Confirm, confirm};
use super::super::view::frame::{Done, Said};
use super::super::view::pieces::count;
use super::super::view::secret::{NewSecret, Shown, secret};
use super::super::view::test_event::{TestEvent, test_event};
use super::webhooks::kinds;
use super::{dead, webhook_id};
use crate::desk::duration;
use crate::problem::{Problem, ProblemKind};

pub(super) async fn ask_test(Path(id): Path<String>, asked: Asked) -> Answer {
    asked.viewer.must_be_admin()?;
    Ok(Reply::Screen(draw_test(&asked, &id, None).await?))
}

pub(super) async fn test(Path(id): Path<String>, form: Posted) -> Answer {
    let kind = form.fields.given("type");
    let sent = form.asked.desk.send_test(&webhook_id(&id)?, kind.as_deref(), form.actor()).await;
    match sent {
        Ok(_) => Ok(Reply::done(&base(&id), Done::Tested)),
        Err(problem) if problem.kind == ProblemKind::InvalidFields => {
            let drawn = draw_test(&form.asked, &id, Some(&problem)).await?;
            Ok(Reply::Again(problem.status(), drawn))
        }
        Err(problem) => Err(problem.into()),
    }
}

pub(super) async fn enable(Path(id): Path<String>, form: Posted) -> Answer {
    let webhook = webhook_id(&id)?;
    form.asked.desk.set_enabled(&webhook, true, form.actor()).await?;
    Ok(dead::enabled(&form.asked, &webhook, &base(&id), Done::Enabled).await)
}

pub(super) async fn disable(Path(id): Path<String>, form: Posted) -> Answer {
    form.asked.desk.set_enabled(&webhook_id(&id)?, false, form.actor()).await?;
    Ok(Reply::done(&base(&id), Done::Disabled))
}

pub(super) async fn ask_kept(Path(id): Path<String>, asked: Asked) -> Answer {
    asked.viewer.must_be_admin()?;
    let webhook = webhook_id(&id)?;
    let kept = dead::kept(&asked, webhook.as_str()).await?;
    if kept == 0 {
        return Ok(Reply::Go(base(&id)));
    }
    let events = count(kept, "event", "events");
    let were = if kept == 1 { "was" } else { "were" };
    let view = Confirm {
        title: &format!("Send the {events} kept meanwhile?"),
        text: vec![
            format!("{events} matched this webhook while it was disabled and {were} kept."),
            "Sending them now delivers each with its own ids. Otherwise they stay among the dead \
             letters until you decide, or until they are too old to be kept."
                .to_owned(),
        ],
        of_dead: false,
        action: "/admin/dead/replay",
        fields: vec![
            ("webhook", webhook.as_str().to_owned()),
            ("reason", "disabled".to_owned()),
            ("until", asked.frame.now_ms.to_string()),
            ("to_webhook", webhook.as_str().to_owned()),
        ],
        choice: None,
        button: "Send them",
        danger: false,
        cancel: &base(&id),
        cancel_name: "Not now",
    };
    Ok(Reply::Screen(confirm(&asked.frame, &view)))
}

pub(super) async fn ask_delete(Path(id): Path<String>, asked: Asked) -> Answer {
    asked.viewer.must_be_admin()?;
    let found = asked.desk.webhook(&webhook_id(&id)?).await?;
    let view = Confirm {
        title: "Delete this webhook?",
        text: vec![
            format!("{} gets nothing more.", found.webhook.url),
            "Deliveries that wait for a retry end, and its secret is forgotten. This cannot be \
             undone."
                .to_owned(),
        ],
        of_dead: false,
        action: &format!("{}/delete", base(&id)),
        fields: vec![("version", found.fingerprint.clone())],
        choice: None,
        button: "Delete webhook",
        danger: true,
        cancel: &format!("{}/settings", base(&id)),
        cancel_name: "Cancel",
    };
    Ok(Reply::Screen(confirm(&asked.frame, &view)))
}

pub(super) async fn delete(Path(id): Path<String>, form: Posted) -> Answer {
    let seen = form.fields.get("version");
    form.asked.desk.delete(&webhook_id(&id)?, Some(seen), form.actor()).await?;
    Ok(Reply::done("/admin/webhooks", Done::Deleted))
}

pub(super) async fn ask_rotate(Path(id): Path<String>, asked: Asked) -> Answer {
    asked.viewer.must_be_admin()?;
    let found = asked.desk.webhook(&webhook_id(&id)?).await?;
    let mut text = vec![
        "A new secret is made and shown once. The old one goes on signing x-boottify-signature for a \
         while, so that receivers can be changed without a gap."
            .to_owned(),
        "As soon as they hold the new one you can promote it.".to_owned(),
    ];
    if found.webhook.switches_at_ms.is_some() {
        text.push("A rotation is under way already: the secret that waits is replaced.".to_owned());
    }
    let view = Confirm {
        title: "Rotate the secret?",
        text,
        of_dead: false,
        action: &format!("{}/rotate-secret", base(&id)),
        fields: vec![("version", found.fingerprint.clone())],
        choice: Some(overlap(asked.desk.overlap())),
        button: "Rotate secret",
        danger: false,
        cancel: &format!("{}/settings", base(&id)),
        cancel_name: "Cancel",
    };
    Ok(Reply::Screen(confirm(&asked.frame, &view)))
}

pub(super) async fn rotate(Path(id): Path<String>, form: Posted) -> Answer {
    // The form holds for what was seen, so that a reload of the answer does not rotate once more.
    let seen = form.fields.get("version");
    let overlap = form.fields.given("overlap").map(|word| duration(&word)).transpose();
    let overlap = overlap.map_err(|why| {
        let why = format!("how long the old secret goes on signing: {why}");
        Problem::new(ProblemKind::InvalidRequest, why)
    })?;
    let made = form.asked.desk.rotate(&webhook_id(&id)?, overlap, Some(seen), form.actor()).await;
    let made = made.map_err(|problem| match problem.kind {
        ProblemKind::Stale => Problem::new(
            ProblemKind::Stale,
            "the secret was not rotated now: this was asked before it was rotated or changed last; \
             its settings show the secrets that it has",
        ),
        _ => problem,
    })?;
    let webhook = &made.found.webhook;
    let view = NewSecret {
        webhook: webhook.id.as_str(),
        url: &webhook.url.to_string(),
        secret: &made.secret,
        also: None,
        warnings: &made.warnings,
        shown: Shown::Rotated { switches_at_ms: webhook.switches_at_ms },
    };
    Ok(Reply::Screen(secret(&form.asked.frame, view)))
}

pub(super) async fn promote(Path(id): Path<String>, form: Posted) -> Answer {
    // The new secret that was seen is meant, and not one that somebody made meanwhile.
    let seen = form.fields.get("version");
    let promoted = form.asked.desk.promote(&webhook_id(&id)?, Some(seen), form.actor()).await;
    promoted.map_err(|problem| match problem.kind {
        ProblemKind::Stale => Problem::new(
            ProblemKind::Stale,
            "the new secret was not promoted: this was asked before the webhook was rotated or \
             changed last",
        ),
        _ => problem,
    })?;
    Ok(Reply::done(&base(&id), Done::Promoted))
}

pub(super) async fn reveal(Path(id): Path<String>, form: Posted) -> Answer {
    let id = webhook_id(&id)?;
    let secrets = form.asked.desk.reveal(&id, form.actor()).await?;
    let found = form.asked.desk.webhook(&id).await?;
    let mut secrets = secrets.iter();
    let first = secrets.next();
    let first =
        first.ok_or_else(|| Problem::new(ProblemKind::Internal, "the webhook has no secret"))?;
    let view = NewSecret {
        webhook: id.as_str(),
        url: &found.webhook.url.to_string(),
        secret: first,
        also: secrets.next(),
        warnings: &[],
        shown: Shown::Revealed,
    };
    Ok(Reply::Screen(secret(&form.asked.frame, view)))
}

pub(super) async fn recover(Path(id): Path<String>, form: Posted) -> Answer {
    let webhook = webhook_id(&id)?;
    let back = time::length_of(form.fields.get("since"));
    let back =
        back.ok_or_else(|| Problem::new(ProblemKind::InvalidRequest, "choose how far back to go"))?;
    let since = form.asked.frame.now_ms - back;
    let sent = form.asked.desk.recover(&webhook, since, form.actor()).await?;
    let said = Said {
        count: Some(sent.deliveries.len()),
        forgotten: sent.forgotten,
        rest: sent.rest,
        ..Said::of(Done::Recovered)
    };
    Ok(Reply::said(&base(webhook.as_str()), said))
}

/// How long the old secret goes on signing: as the service is set, or some other usual time.
fn overlap(usual: Duration) -> Choice<'static> {
    const HOUR: u64 = 3_600;
    // What is said to the second is chosen to the second.
    let usual = Duration::from_secs(usual.as_secs());
    let mut lengths: Vec<Duration> =
        [0, 1, 6, 24, 72, 168, 720].map(|hours| Duration::from_secs(hours * HOUR)).into();
    lengths.push(usual);
    lengths.sort_unstable();
    lengths.dedup();
    let value = |length: Duration| format!("{}s", length.as_secs());
    let name = |length: Duration| match length {
        Duration::ZERO => "no time: the new one signs alone at once".to_owned(),
        length => time::chosen(length),
    };
    Choice {
        name: "overlap",
        label: "The old secret goes on signing for",
        options: lengths.iter().map(|length| (value(*length), name(*length))).collect(),
        chosen: value(usual),
    }
}

fn base(id: &str) -> String {
    format!("/admin/webhooks/{id}")
}

async fn draw_test(
    asked: &Asked,
    id: &str,
    problem: Option<&Problem>,
) -> Result<maud::Markup, Problem> {
    let found = asked.desk.webhook(&webhook_id(id)?).await?;
    let wanted = |kind: &String| {
        let kind = event::EventType::try_new(kind);
        !kind.is_ok_and(|kind| found.webhook.events.wants(&kind))
    };
    let mut kinds = kinds(asked);
    kinds.sort_by_key(wanted);
    let error = problem.and_then(|problem| problem.errors.first());
    let error = error.map(|error| super::super::form::sentence(&error.detail));
    let view = TestEvent {
        webhook: &found.webhook,
        kinds: &kinds,
        kind: kinds.first().map(String::as_str).unwrap_or_default(),
        error: error.as_deref(),
    };
    Ok(test_event(&asked.frame, view))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_is_set_to_is_chosen() {
        let values = |choice: &Choice<'_>| -> Vec<String> {
            choice.options.iter().map(|(value, _)| value.clone()).collect()
        };
        for (usual, chosen, options) in
            [("24h", "86400s", 7), ("0s", "0s", 7), ("90m", "5400s", 8), ("500us", "0s", 7)]
        {
            let choice = overlap(duration(usual).unwrap());
            assert_eq!(
                (choice.chosen.as_str(), choice.options.len()),
                (chosen, options),
                "{usual}"
            );
            assert_eq!(values(&choice).iter().filter(|value| *value == chosen).count(), 1);
        }
    }
}
