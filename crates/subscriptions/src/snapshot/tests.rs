//! The index against a naive matcher, and what a snapshot promises beside.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;
use crate::{EventFilter, Headers, Secrets, UrlRules, WebhookUrl};

const TYPES: [&str; 6] = [
    "deployment.created",
    "deployment.alias.created",
    "deployments.created",
    "domain.added",
    "domain.removed",
    "created.deployment",
];
const PATTERNS: [&str; 7] =
    ["*", "deployment.*", "domain.*", "other.*", TYPES[0], TYPES[1], TYPES[3]];
const PROJECTS: [&str; 3] = ["prj_a", "prj_b", "prj_c"];

fn project(text: &str) -> ProjectId {
    ProjectId::try_new(text).unwrap()
}

fn id(n: usize) -> WebhookId {
    WebhookId::try_new(&format!("whk_{n}")).unwrap()
}

fn webhook(n: usize, events: &[&str], projects: &[&str], enabled: bool) -> Webhook {
    let secret = signing::Secret::try_new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    Webhook {
        id: id(n),
        url: WebhookUrl::try_new("https://example.com/", UrlRules::default()).unwrap(),
        events: EventFilter::try_new(events).unwrap(),
        projects: projects.iter().copied().map(project).collect(),
        description: None,
        enabled,
        keep_while_disabled: false,
        condition: None,
        secrets: Ok(Secrets::new(secret)),
        retry: None,
        max_in_flight: None,
        rate_limit: None,
        headers: Headers::default(),
        created_at_ms: 0,
        updated_at_ms: 0,
        disabled_reason: None,
        switches_at_ms: None,
    }
}

fn found(snapshot: &Snapshot, kind: &str, of: Option<&str>) -> Vec<String> {
    let kind = EventType::try_new(kind).unwrap();
    let of = of.map(project);
    let matching = snapshot.matching(&kind, of.as_ref());
    let promised = matching.len();
    let mut ids: Vec<String> = matching.map(|webhook| webhook.id.to_string()).collect();
    assert_eq!(ids.len(), promised);
    ids.sort();
    ids
}

/// One webhook as texts, for a matcher that knows nothing of the index.
type Spec = (Vec<&'static str>, Vec<&'static str>, bool);

fn naive(specs: &[Spec], kind: &str, of: Option<&str>) -> Vec<String> {
    let mut ids: Vec<String> = specs
        .iter()
        .enumerate()
        .filter(|(_, (events, projects, enabled))| {
            let event = events.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(start) => kind.starts_with(start),
                None => kind == *pattern,
            });
            let project = projects.is_empty() || of.is_some_and(|of| projects.contains(&of));
            *enabled && event && project
        })
        .map(|(n, _)| format!("whk_{n}"))
        .collect();
    ids.sort();
    ids
}

fn specs() -> impl Strategy<Value = Vec<Spec>> {
    let events = subsequence(PATTERNS.to_vec(), 1..=PATTERNS.len()).prop_shuffle();
    // With repetition: a project may be named twice.
    let projects = vec(prop::sample::select(PROJECTS.to_vec()), 0..4);
    vec((events, projects, prop::bool::weighted(0.8)), 0..40)
}

proptest! {
    #[test]
    fn the_index_finds_what_a_naive_matcher_finds(specs in specs()) {
        let webhooks = specs.iter().enumerate().rev();
        let webhooks = webhooks.map(|(n, (events, projects, on))| webhook(n, events, projects, *on));
        let snapshot = Snapshot::build(webhooks.collect(), 7).unwrap();
        for kind in TYPES {
            for of in [None, Some("prj_a"), Some("prj_b"), Some("prj_c"), Some("prj_unknown")] {
                prop_assert_eq!(found(&snapshot, kind, of), naive(&specs, kind, of));
            }
        }
        prop_assert_eq!(snapshot.len(), specs.len());
        prop_assert_eq!(snapshot.enabled(), specs.iter().filter(|spec| spec.2).count());
    }
}

#[test]
fn a_webhook_is_found_once_however_often_it_asks() {
    let events = ["deployment.created", "deployment.*", "deployment.created"];
    let hook = webhook(1, &events, &["prj_a", "prj_b", "prj_a"], true);
    let snapshot = Snapshot::build(vec![hook], 1).unwrap();
    assert_eq!(found(&snapshot, "deployment.created", Some("prj_a")), ["whk_1"]);
    assert_eq!(found(&snapshot, "deployment.created", Some("prj_b")), ["whk_1"]);
    assert_eq!(found(&snapshot, "deployment.created", None), [""; 0]);
}

#[test]
fn disabled_webhooks_are_known_but_never_match() {
    let snapshot = Snapshot::build(vec![webhook(1, &["*"], &[], false)], 3).unwrap();
    assert_eq!(found(&snapshot, "domain.added", None), [""; 0]);
    assert!(snapshot.get(&id(1)).is_some_and(|webhook| !webhook.enabled));
    assert!(snapshot.get(&id(2)).is_none());
    assert_eq!((snapshot.len(), snapshot.enabled(), snapshot.generation()), (1, 0, 3));
}

#[test]
fn an_id_stands_once() {
    let twice = vec![webhook(1, &["*"], &[], true), webhook(1, &["domain.*"], &[], false)];
    assert_eq!(Snapshot::build(twice, 1).unwrap_err(), DuplicateId(id(1)));
}

#[test]
fn webhooks_can_be_shared_between_snapshots() {
    let first = Snapshot::build(vec![webhook(1, &["*"], &[], true)], 1).unwrap();
    let second = Snapshot::build(first.iter().cloned().collect::<Vec<_>>(), 2).unwrap();
    assert!(Arc::ptr_eq(first.get(&id(1)).unwrap(), second.get(&id(1)).unwrap()));
}

#[test]
fn an_empty_snapshot_matches_nothing() {
    let empty = Snapshot::default();
    assert_eq!(found(&empty, "domain.added", Some("prj_a")), [""; 0]);
    assert!(empty.is_empty());
}
