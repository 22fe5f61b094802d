//! What requests say: read field by field, and described for the document.
//!
//! The types with a schema are for the document only; reading by hand tells every mistake at once
//! and with its place. A test compares the two.

use std::borrow::Cow;
use std::collections::BTreeMap;

use broker::DeadFilter;
use serde_json::Value;
use subscriptions::WebhookId;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::fields::Fields;
use super::json::JsonBody;
use super::query::{EXPECTED_TIME, event_type};
use crate::clock;
use crate::desk::{Change, ClauseEdit, Edit, RateEdit, RetryEdit, TryOut, dead_reason};
use crate::problem::{FieldError, Problem};

/// The schemas of bodies, whose objects have no further fields.
pub(super) const BODIES: [&str; 9] = [
    "NewWebhook",
    "WebhookFields",
    "ClauseIn",
    "RetryIn",
    "RotateIn",
    "TestIn",
    "RecoverIn",
    "ReplayIn",
    "TryIn",
];

/// The most deliveries that one request can name.
const MAX_DELIVERIES: usize = 1_000;

/// What a webhook is made or changed with. On a change, what is left out stays as it is, and null
/// gives a field its default.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the document")]
pub(super) struct WebhookFields {
    /// Where requests go; its address must be one that may be reached. Needed for a new webhook.
    #[schema(
        max_length = 2048,
        nullable = false,
        pattern = "^https?://[^/?#]",
        example = "https://example.com/hooks/boottify"
    )]
    url: Option<String>,
    /// Types, families such as `deployment.*`, or `*`. Needed for a new webhook.
    #[schema(min_items = 1, max_items = 100, nullable = false, example = json!(["deployment.*"]))]
    events: Option<Vec<String>>,
    /// Ids of projects; empty means all.
    #[schema(max_items = 1000)]
    projects: Option<Vec<String>>,
    /// Clauses that must all hold for the payload.
    #[schema(max_items = 16)]
    condition: Option<Vec<ClauseIn>>,
    #[schema(max_length = 500)]
    description: Option<String>,
    /// Whether events are sent; the default is yes.
    enabled: Option<bool>,
    /// Whether the events that it matches while it is disabled are kept as dead letters; the
    /// default is yes.
    keep_while_disabled: Option<bool>,
    /// Its own retry policy.
    retry: Option<RetryIn>,
    /// Its own limit of attempts at the same time.
    #[schema(minimum = 1, maximum = 10000)]
    max_in_flight: Option<i64>,
    /// How many attempts may begin within a time; null means that there is no limit.
    rate_limit: Option<RateIn>,
    /// Headers that are added to every request. On a change, those that are not named stay, and
    /// null takes one away.
    headers: Option<BTreeMap<String, Option<String>>>,
}

/// What a webhook is made with.
pub(super) struct NewWebhook;

impl PartialSchema for NewWebhook {
    fn schema() -> RefOr<Schema> {
        let mut schema = WebhookFields::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required = ["url", "events"].map(str::to_owned).into();
        }
        schema
    }
}

impl ToSchema for NewWebhook {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("NewWebhook")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        WebhookFields::schemas(schemas);
    }
}

/// At this place of the payload must stand one of these values.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document")]
pub(super) struct ClauseIn {
    /// A JSON pointer.
    #[schema(max_length = 256, pattern = "^/", example = "/deployment/meta/gitBranch")]
    pointer: String,
    /// Texts, numbers, true, false or null.
    #[schema(min_items = 1, max_items = 64, rename = "in", example = json!(["main"]))]
    values: Vec<Value>,
}

/// So many attempts a second, after a burst of so many at once.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the document")]
pub(super) struct RateIn {
    /// Attempts per second.
    #[schema(minimum = 0.01, maximum = 10000)]
    per_second: f64,
    /// Attempts at once after a pause; what the rate gives in a second where it is left out.
    #[schema(minimum = 1, maximum = 10000)]
    burst: Option<i64>,
}

/// When a failed delivery is tried again. Durations are texts such as `5s` or `3days`; what is left
/// out or null is as in the service's policy.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the document")]
pub(super) struct RetryIn {
    /// Delay before the second attempt; 1s to 24h.
    first_delay: Option<String>,
    /// Each further delay is the one before times this.
    #[schema(minimum = 1, maximum = 10)]
    multiplier: Option<f64>,
    /// What no delay exceeds; 1s to 24h.
    max_delay: Option<String>,
    /// Part by which a delay is spread at random.
    #[schema(minimum = 0, exclusive_maximum = 1)]
    jitter: Option<f64>,
    /// When a delivery is given up; 1s to 30days.
    give_up_after: Option<String>,
    /// The longest wait that a receiver can ask for; 1s to 24h.
    retry_after_max: Option<String>,
}

/// How to rotate.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document")]
pub(super) struct RotateIn {
    /// How long the old secret signs beside the new one, at most `30days`; without, as configured.
    #[schema(example = "24h")]
    overlap: Option<String>,
}

/// What to send.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document")]
pub(super) struct TestIn {
    /// A known event type; without, one that the webhook wants.
    #[schema(rename = "type", example = "deployment.succeeded")]
    kind: Option<String>,
}

/// Since when.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document")]
pub(super) struct RecoverIn {
    /// What failed at or after this time is sent again.
    #[schema(format = DateTime)]
    since: String,
}

/// Which dead letters; at least one part, and those that fit all of them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document")]
pub(super) struct ReplayIn {
    /// These deliveries.
    #[schema(max_items = 1000)]
    deliveries: Option<Vec<String>>,
    /// Of this webhook.
    #[schema(pattern = "^whk_[A-Za-z0-9_-]{1,64}$")]
    webhook: Option<String>,
    /// Of this event type.
    #[schema(rename = "type", max_length = 64, pattern = "^[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)+$")]
    kind: Option<String>,
    /// Given up for this reason.
    #[schema(pattern = "^(gave_up|gone|disabled|malformed)$")]
    reason: Option<String>,
    /// Given up at or after this time.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Given up before this time.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// True for all of them, where no other part is given.
    all: Option<bool>,
}

/// A filter.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document")]
pub(super) struct TryIn {
    /// As of a webhook; empty means all.
    #[schema(max_items = 100)]
    events: Option<Vec<String>>,
    /// As of a webhook.
    #[schema(max_items = 1000)]
    projects: Option<Vec<String>>,
    /// As of a webhook.
    #[schema(max_items = 16)]
    condition: Option<Vec<ClauseIn>>,
}

/// The fields of a webhook, and what is wrong with them so far.
pub(super) fn webhook(body: &JsonBody) -> (Edit, Vec<FieldError>) {
    let mut fields = Fields::new(&body.object);
    let edit = Edit {
        url: fields.text("url"),
        events: fields.texts("events"),
        projects: fields.texts("projects"),
        condition: fields.objects("condition", clause),
        description: fields.text("description"),
        enabled: fields.flag("enabled"),
        keep_while_disabled: fields.flag("keepWhileDisabled"),
        retry: fields.object("retry", retry),
        max_in_flight: fields.whole("maxInFlight"),
        rate_limit: fields.object("rateLimit", rate),
        headers: fields.pairs("headers"),
    };
    (edit, fields.finish())
}

/// How long the old secret goes on signing.
pub(super) fn rotate(body: &JsonBody) -> Result<Option<std::time::Duration>, Problem> {
    let mut fields = Fields::new(&body.object);
    let mut overlap = None;
    if let Change::Set(text) = fields.text("overlap") {
        match crate::desk::duration(&text) {
            Ok(read) => overlap = Some(read),
            Err(why) => fields.refuse("overlap", why),
        }
    }
    done(fields)?;
    Ok(overlap)
}

/// The type of a test event.
pub(super) fn test(body: &JsonBody) -> Result<Option<String>, Problem> {
    let mut fields = Fields::new(&body.object);
    let kind = set(fields.text("type"));
    done(fields)?;
    Ok(kind)
}

/// Since when (ms since 1970) to recover.
pub(super) fn recover(body: &JsonBody) -> Result<i64, Problem> {
    let mut fields = Fields::new(&body.object);
    let since = past(&mut fields, "since");
    if !body.object.contains_key("since") {
        fields.refuse("since", "is missing");
    } else if body.object.get("since").is_some_and(Value::is_null) {
        fields.refuse("since", EXPECTED_TIME);
    }
    done(fields)?;
    Ok(since.unwrap_or_default())
}

/// Which dead letters to send again.
pub(super) fn replay(body: &JsonBody) -> Result<DeadFilter, Problem> {
    let mut fields = Fields::new(&body.object);
    let deliveries = set(fields.texts("deliveries"));
    if deliveries.as_ref().is_some_and(|all| all.len() > MAX_DELIVERIES) {
        fields.refuse("deliveries", format!("may have at most {MAX_DELIVERIES} ids"));
    }
    let filter = DeadFilter {
        webhook: read(&mut fields, "webhook", |text| {
            WebhookId::try_new(text).map(|id| id.to_string()).map_err(|error| error.to_string())
        }),
        kind: read(&mut fields, "type", event_type),
        reason: read(&mut fields, "reason", dead_reason),
        since_ms: past(&mut fields, "since"),
        until_ms: time(&mut fields, "until"),
        deliveries: deliveries.map(|all| all.into_iter().collect()),
    };
    let all = fields.flag("all") == Change::Set(true);
    let named = body.object.iter().any(|(name, value)| name != "all" && !value.is_null());
    if !all && !named {
        fields.refuse("all", "say which dead letters, or that all of them are meant");
    }
    done(fields)?;
    Ok(filter)
}

/// The filter to try out, and what is wrong with it so far.
pub(super) fn try_out(body: &JsonBody) -> Result<TryOut, Problem> {
    let mut fields = Fields::new(&body.object);
    let asked = TryOut {
        events: set(fields.texts("events")).unwrap_or_default(),
        projects: set(fields.texts("projects")).unwrap_or_default(),
        condition: set(fields.objects("condition", clause)).unwrap_or_default(),
    };
    done(fields)?;
    Ok(asked)
}

fn clause(fields: &mut Fields<'_>) -> ClauseEdit {
    let pointer = fields.text("pointer");
    let values = fields.values("in");
    let mut missing = |name, is_set: bool| {
        if !is_set {
            fields.refuse_missing(name);
        }
    };
    missing("pointer", matches!(pointer, Change::Set(_)));
    missing("in", matches!(values, Change::Set(_)));
    ClauseEdit {
        pointer: set(pointer).unwrap_or_default(),
        values: set(values).unwrap_or_default(),
    }
}

fn rate(fields: &mut Fields<'_>) -> RateEdit {
    RateEdit { per_second: fields.number("perSecond"), burst: fields.whole("burst") }
}

fn retry(fields: &mut Fields<'_>) -> RetryEdit {
    RetryEdit {
        first_delay: fields.text("firstDelay"),
        multiplier: fields.number("multiplier"),
        max_delay: fields.text("maxDelay"),
        jitter: fields.number("jitter"),
        give_up_after: fields.text("giveUpAfter"),
        retry_after_max: fields.text("retryAfterMax"),
    }
}

fn time(fields: &mut Fields<'_>, name: &'static str) -> Option<i64> {
    read(fields, name, |text| clock::ms_of(text).ok_or_else(|| EXPECTED_TIME.to_owned()))
}

/// A time that lies not in the future: nothing has happened since then.
fn past(fields: &mut Fields<'_>, name: &'static str) -> Option<i64> {
    let ms = time(fields, name)?;
    if ms > clock::now_ms() {
        fields.refuse(name, "lies in the future: nothing has failed since then");
    }
    Some(ms)
}

/// What is made of a text.
fn read<T>(
    fields: &mut Fields<'_>,
    name: &'static str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let text = set(fields.text(name))?;
    read(&text).map_err(|why| fields.refuse(name, why)).ok()
}

/// What is set, if anything is.
fn set<T>(change: Change<T>) -> Option<T> {
    match change {
        Change::Set(value) => Some(value),
        Change::Keep | Change::Clear => None,
    }
}

fn done(fields: Fields<'_>) -> Result<(), Problem> {
    match fields.finish() {
        errors if errors.is_empty() => Ok(()),
        errors => Err(Problem::fields(errors)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    /// The names of the fields that the document has.
    fn documented<T: PartialSchema>() -> Vec<String> {
        let schema = serde_json::to_value(T::schema()).unwrap();
        schema["properties"].as_object().unwrap().keys().cloned().collect()
    }

    /// Every field that the document has is read, and every one that is read is in the document.
    fn compare<T: PartialSchema>(read: impl Fn(&JsonBody) -> Vec<FieldError>) {
        let names = documented::<T>();
        let body = |names: &[String]| {
            let object: Map<_, _> = names.iter().map(|n| (n.clone(), Value::Null)).collect();
            JsonBody { object }
        };
        let unknown = |errors: &[FieldError]| {
            errors.iter().any(|error| error.detail.contains("no such field"))
        };
        assert!(!unknown(&read(&body(&names))), "{names:?}");
        let errors = read(&body(&["zzzzzzzzzzzz".to_owned()]));
        let told = &errors.iter().find(|e| e.pointer == "/zzzzzzzzzzzz").unwrap().detail;
        let (_, listed) = told.split_once("; there ").unwrap();
        let (_, listed) = listed.split_once(' ').unwrap();
        let (mut listed, mut names) = (listed.split(", ").collect::<Vec<_>>(), names);
        listed.sort_unstable();
        names.sort_unstable();
        assert_eq!(listed, names);
    }

    #[test]
    fn the_document_has_the_fields_that_are_read() {
        fn errors<T>(result: Result<T, Problem>) -> Vec<FieldError> {
            result.err().map(|problem| problem.errors).unwrap_or_default()
        }
        compare::<WebhookFields>(|body| webhook(body).1);
        compare::<RotateIn>(|body| errors(rotate(body)));
        compare::<TestIn>(|body| errors(test(body)));
        compare::<RecoverIn>(|body| errors(recover(body)));
        compare::<ReplayIn>(|body| errors(replay(body)));
        compare::<TryIn>(|body| errors(try_out(body)));
    }
}
