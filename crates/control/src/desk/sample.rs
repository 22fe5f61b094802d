//! Sample events in the form of the customer page, for tests of a webhook.

use event::{EventId, EventType, ProjectId};
use serde_json::{Map, Value, json};
use store::LoggedEvent;

use crate::clock;

/// What the id of every sample event begins with.
pub(crate) const TEST: &str = "evt_test_";

/// What the types of the customer page mean, in its order and words.
pub(super) const DESCRIBED: [(&str, &str); 5] = [
    ("deployment.created", "A new deployment was initiated"),
    ("deployment.succeeded", "Deployment completed successfully"),
    ("deployment.failed", "Deployment failed with an error"),
    ("deployment.canceled", "Deployment was canceled"),
    ("domain.added", "A domain was added to the project"),
];

/// An id that no other event has; `None` without random bytes.
pub(super) fn id() -> Option<EventId> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok()?;
    EventId::try_new(&format!("{TEST}{}", hex::encode(random))).ok()
}

/// The payload of a sample event of this type, of this project.
pub(super) fn payload(kind: &EventType, project: Option<&ProjectId>, now_ms: i64) -> Value {
    let mut payload = Map::new();
    payload.insert("type".to_owned(), json!(kind.as_str()));
    payload.insert("createdAt".to_owned(), json!(clock::text_of(now_ms)));
    match kind.family() {
        "deployment" => {
            let deployment = json!({
                "id": "dpl_test",
                "name": "production",
                "url": "https://my-project.boottify.com",
                "meta": {
                    "gitCommitSha": "abc123def",
                    "gitCommitMessage": "This is a test event",
                    "gitBranch": "main",
                },
            });
            payload.insert("deployment".to_owned(), deployment);
        }
        "domain" => {
            payload.insert("domain".to_owned(), json!({ "name": "test.example.com" }));
        }
        _ => {}
    }
    let project = project.map_or("prj_test", ProjectId::as_str);
    payload.insert("project".to_owned(), json!({ "id": project, "name": "my-project" }));
    Value::Object(payload)
}

/// Whether this is one of ours. Publishers choose their ids as they like, so the id alone says
/// nothing: the payload is compared with the sample of that type, project and time.
pub(super) fn is_sample(event: &LoggedEvent) -> bool {
    let project = event.project.as_deref().map(ProjectId::try_new);
    let (Ok(kind), Ok(project)) = (EventType::try_new(&event.kind), project.transpose()) else {
        return false;
    };
    event.id.starts_with(TEST)
        && serde_json::from_slice::<Value>(&event.body)
            .is_ok_and(|body| body == payload(&kind, project.as_ref(), event.published_ms))
}

#[cfg(test)]
mod tests {
    use event::{Catalog, Event};

    use super::*;

    #[test]
    fn a_sample_of_every_type_is_an_event() {
        let catalog = Catalog::try_new(&["team.invited"]).unwrap();
        for kind in catalog.iter() {
            let project = ProjectId::try_new("prj_9").unwrap();
            let body = payload(kind, Some(&project), 1_705_314_600_000).to_string();
            let id = id().unwrap();
            let event = Event::parse(body.as_bytes(), Some(id.as_str()), &catalog, 4_096).unwrap();
            assert_eq!((event.kind(), event.project()), (kind, Some(&project)), "{body}");
            assert_eq!(event.id(), &id);
            let ours = LoggedEvent {
                id: id.to_string(),
                kind: kind.to_string(),
                project: event.project().map(ToString::to_string),
                published_ms: 1_705_314_600_000,
                body: event.body().clone(),
            };
            assert!(is_sample(&ours));
            let theirs = [
                LoggedEvent { id: "evt_1".to_owned(), ..ours.clone() },
                LoggedEvent { published_ms: 1, ..ours.clone() },
                LoggedEvent { body: "{}".into(), ..ours.clone() },
                LoggedEvent { project: None, ..ours },
            ];
            assert!(!theirs.iter().any(is_sample));
        }
        assert!(DESCRIBED.iter().all(|(name, _)| catalog.get(name).is_some()));
    }
}
