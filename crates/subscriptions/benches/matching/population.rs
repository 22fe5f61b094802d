//! A crowd of webhooks as a platform has them: most belong to one project, a few to none; families,
//! exact types and `*` mixed; every URL and secret its own; some with headers and retries of their
//! own.

use std::error::Error;
use std::sync::Arc;

use event::ProjectId;
use signing::Secret;
use subscriptions::{
    EventFilter, Headers, RetryPolicy, Secrets, UrlRules, Webhook, WebhookId, WebhookUrl,
};

/// Webhooks per project.
const PER_PROJECT: usize = 5;
/// One in so many belongs to no project.
const PLATFORM_WIDE: usize = 1_000;
/// One in so many has headers and a retry policy of its own.
const SPECIAL: usize = 3;

/// So many webhooks.
pub(crate) fn webhooks(number: usize) -> Result<Vec<Arc<Webhook>>, Box<dyn Error>> {
    (0..number).map(|n| webhook(n).map(Arc::new)).collect()
}

/// The project of webhook number `n`.
pub(crate) fn project(n: usize) -> Result<ProjectId, Box<dyn Error>> {
    Ok(ProjectId::try_new(&format!("prj_{:012}", n / PER_PROJECT))?)
}

fn webhook(n: usize) -> Result<Webhook, Box<dyn Error>> {
    let url = format!("https://hooks.customer-{n}.example.com/boottify/deployments?token={n:032}");
    let events: &[&str] = match n % 10 {
        0 => &["*"],
        1..=5 => &["deployment.*"],
        6 | 7 => &["deployment.succeeded", "deployment.failed"],
        _ => &["deployment.created", "deployment.failed", "deployment.canceled", "domain.added"],
    };
    let special = n.is_multiple_of(SPECIAL);
    let headers = special.then(|| ("x-tenant", n.to_string()));
    let project = if n.is_multiple_of(PLATFORM_WIDE) { None } else { Some(project(n)?) };
    Ok(Webhook {
        id: WebhookId::try_new(&format!("whk_{n:016}"))?,
        url: WebhookUrl::try_new(&url, UrlRules::default())?,
        events: EventFilter::try_new(events)?,
        projects: project.into_iter().collect(),
        description: Some(format!("Deployment notifications of customer {n}")),
        enabled: true,
        keep_while_disabled: true,
        condition: None,
        // `whsec_` and the base64 of 32 bytes.
        secrets: Ok(Secrets::new(Secret::try_new(&format!("whsec_{n:040}AAA="))?)),
        retry: special.then(RetryPolicy::default),
        max_in_flight: None,
        rate_limit: None,
        headers: Headers::try_new(headers)?,
        created_at_ms: 0,
        updated_at_ms: 0,
        disabled_reason: None,
        switches_at_ms: None,
    })
}
