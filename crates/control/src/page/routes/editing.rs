//! The form of a webhook, new or not.

use axum::extract::Path;
use http::StatusCode;
use maud::Markup;
use subscriptions::Webhook;

use super::super::answer::{Answer, Reply};
use super::super::form::{Field, Mistakes, WebhookForm, add_mistakes, differences, sentence};
use super::super::gate::{Asked, Posted};
use super::super::view::edit::{Difference, EditView, Tried, edit as draw};
use super::super::view::frame::Done;
use super::super::view::secret::{NewSecret, Shown, secret};
use super::webhook_id;
use crate::desk::Found;
use crate::problem::{Problem, ProblemKind};

/// What a form is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Save,
    Try,
    More,
}

/// What a form is shown with.
#[derive(Default)]
struct With<'a> {
    mistakes: Mistakes,
    present: Option<&'a Webhook>,
    tried: Option<Vec<Tried>>,
    changed: Vec<Difference>,
    unfolded: bool,
}

pub(super) async fn new(asked: Asked) -> Answer {
    must_write(&asked)?;
    let form = WebhookForm::empty(&asked.desk.rules().retry, fresh_key()?);
    Ok(Reply::Screen(show(&asked, &form, &With::default())))
}

pub(super) async fn create(posted: Posted) -> Answer {
    let form = WebhookForm::read(posted.fields.iter());
    if let Some(reply) = prepare(&posted, &form, None).await? {
        return Ok(reply);
    }
    let (edit, mistakes) = form.edit(None);
    let key = Some(form.key.as_str()).filter(|key| !key.is_empty());
    let made = match posted.asked.desk.create(&edit, key, posted.actor()).await {
        Ok(made) => made,
        Err(problem) => return again(&posted.asked, &form, mistakes, None, problem),
    };
    let view = NewSecret {
        webhook: made.found.webhook.id.as_str(),
        url: &made.found.webhook.url.to_string(),
        secret: &made.secret,
        also: None,
        warnings: &made.warnings,
        shown: Shown::Created,
    };
    Ok(Reply::Screen(secret(&posted.asked.frame, view)))
}

pub(super) async fn edit(Path(id): Path<String>, asked: Asked) -> Answer {
    must_write(&asked)?;
    let Found { webhook, fingerprint } = asked.desk.webhook(&webhook_id(&id)?).await?;
    let form = WebhookForm::of(&webhook, fingerprint, &asked.desk.rules().retry);
    let with = With { present: Some(&webhook), ..With::default() };
    Ok(Reply::Screen(show(&asked, &form, &with)))
}

pub(super) async fn save(Path(id): Path<String>, posted: Posted) -> Answer {
    let id = webhook_id(&id)?;
    let found = posted.asked.desk.webhook(&id).await?;
    let present = found.webhook.as_ref();
    let form = WebhookForm::read(posted.fields.iter());
    if let Some(reply) = prepare(&posted, &form, Some(present)).await? {
        return Ok(reply);
    }
    let (edit, mistakes) = form.edit(Some(present));
    let saved = posted.asked.desk.update(&id, &edit, Some(&form.version), posted.actor()).await;
    match saved {
        Ok((now, _)) if now.webhook.enabled && !present.enabled => {
            let base = format!("/admin/webhooks/{}", id.as_str());
            Ok(super::dead::enabled(&posted.asked, &id, &base, Done::Saved).await)
        }
        Ok(_) => Ok(Reply::done(&format!("/admin/webhooks/{}", id.as_str()), Done::Saved)),
        Err(problem) if problem.kind == ProblemKind::Stale => stale(&posted, &form, &found).await,
        Err(problem) => again(&posted.asked, &form, mistakes, Some(present), problem),
    }
}

/// What a form is sent for besides saving: both show it again.
async fn prepare(
    posted: &Posted,
    form: &WebhookForm,
    present: Option<&Webhook>,
) -> Result<Option<Reply>, Problem> {
    let asked = &posted.asked;
    let purpose = match posted.fields.get("do") {
        "try" => Purpose::Try,
        "more" => Purpose::More,
        _ => Purpose::Save,
    };
    let mut with = With { present, unfolded: true, ..With::default() };
    let mut status = None;
    match purpose {
        Purpose::Save => return Ok(None),
        Purpose::More => {}
        Purpose::Try => {
            let (filter, mistakes) = form.try_out();
            with.mistakes = mistakes;
            match asked.desk.try_out(&filter).await {
                Ok(events) if with.mistakes.is_empty() => {
                    let tried = events.into_iter();
                    let tried = tried.map(|one| Tried { event: one.event, wanted: one.wanted });
                    with.tried = Some(tried.collect());
                }
                Ok(_) => {}
                Err(problem) if problem.kind == ProblemKind::InvalidFields => {
                    add_mistakes(&mut with.mistakes, &problem.errors);
                }
                // The form is kept: there is nothing wrong with it.
                Err(problem) => {
                    with.mistakes.entry(Field::Form).or_insert_with(|| sentence(&problem.detail));
                    status = Some(problem.status());
                }
            }
        }
    }
    let status = status.unwrap_or(match with.mistakes.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    });
    Ok(Some(Reply::Again(status, show(asked, form, &with))))
}

/// The form with what is wrong in it, as it was typed.
fn again(
    asked: &Asked,
    form: &WebhookForm,
    mut mistakes: Mistakes,
    present: Option<&Webhook>,
    problem: Problem,
) -> Answer {
    match problem.kind {
        ProblemKind::InvalidFields => add_mistakes(&mut mistakes, &problem.errors),
        // What was typed is not lost: it can be sent again, and makes one webhook.
        _ if problem.status().is_server_error() => {
            mistakes.entry(Field::Form).or_insert_with(|| sentence(&problem.detail));
        }
        _ => return Err(problem.into()),
    }
    let drawn = show(asked, form, &With { mistakes, present, ..With::default() });
    Ok(Reply::Again(problem.status(), drawn))
}

/// The form as it was typed, with what the webhook is now: saving once more is meant.
async fn stale(posted: &Posted, form: &WebhookForm, found: &Found) -> Answer {
    let now = posted.asked.desk.webhook(&found.webhook.id).await?;
    let theirs =
        WebhookForm::of(&now.webhook, now.fingerprint.clone(), &posted.asked.desk.rules().retry);
    let mut changed = differences(form, &theirs, &now.webhook);
    if changed.is_empty() {
        changed.push(Difference { what: "Everything", now: "as you typed it".to_owned() });
    }
    let form = WebhookForm { version: now.fingerprint, ..form.clone() };
    let with = With { present: Some(&now.webhook), changed, ..With::default() };
    Ok(Reply::Again(StatusCode::PRECONDITION_FAILED, show(&posted.asked, &form, &with)))
}

fn show(asked: &Asked, form: &WebhookForm, with: &With<'_>) -> Markup {
    let types = asked.desk.event_types();
    let kinds: Vec<(String, Option<&'static str>)> =
        types.iter().map(|info| (info.kind.as_str().to_owned(), info.description)).collect();
    let view = EditView {
        form,
        mistakes: &with.mistakes,
        present: with.present,
        kinds: &kinds,
        tried: with.tried.as_deref(),
        changed: &with.changed,
        unfolded: with.unfolded,
        max_in_flight: asked.desk.rules().max_in_flight,
    };
    draw(&asked.frame, &view)
}

fn must_write(asked: &Asked) -> Result<(), Problem> {
    asked.viewer.must_be_admin()?;
    match &asked.frame.read_only {
        Some(why) => Err(Problem::new(ProblemKind::ReadOnlyStore, why.clone())),
        None => Ok(()),
    }
}

/// What makes a form that is sent twice create one webhook.
fn fresh_key() -> Result<String, Problem> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|_| Problem::new(ProblemKind::Internal, "the system gives no random bytes"))?;
    Ok(format!("page-{}", hex::encode(random)))
}
