//! What is an event, and what is not.

use super::*;

const PAGE: &str = r#"{"type":"deployment.succeeded","createdAt":"2024-01-15T10:30:00Z","deployment":{"id":"dpl_abc123","name":"production","url":"https://my-project.boottify.com","meta":{"gitCommitSha":"abc123def","gitCommitMessage":"Update homepage","gitBranch":"main"}},"project":{"id":"prj_xyz789","name":"my-project"}}"#;

fn parse(text: &str) -> Result<Event, Rejection> {
    let catalog = Catalog::try_new(&["team.invited"]).unwrap();
    Event::parse(text.as_bytes(), Some("evt_1"), &catalog, 10_000)
}

#[test]
fn the_pages_payload_is_an_event_byte_for_byte() {
    let event = parse(PAGE).unwrap();
    assert_eq!(event.id().as_str(), "evt_1");
    assert_eq!(event.kind().as_str(), "deployment.succeeded");
    assert_eq!(event.created_at_ms(), 1_705_314_600_000);
    assert_eq!(event.project().map(ProjectId::as_str), Some("prj_xyz789"));
    assert_eq!(event.body(), PAGE.as_bytes());
    assert_eq!(Event::restore(event.body(), event.id().clone()), Ok(event));
}

#[test]
fn an_id_is_derived_where_none_is_given_or_usable() {
    let catalog = Catalog::try_new::<&str>(&[]).unwrap();
    let id = |message_id| {
        let event = Event::parse(PAGE.as_bytes(), message_id, &catalog, 10_000).unwrap();
        event.id().as_str().to_owned()
    };
    let derived = EventId::of_body(PAGE.as_bytes());
    let long = "x".repeat(256);
    for unusable in [None, Some(""), Some("a\nb"), Some(&*long)] {
        assert_eq!(id(unusable), derived.as_str(), "{unusable:?}");
    }
    assert_eq!(id(Some("ä b")), "ä b");
}

fn check(from: &str, to: &str, reason: Reason, detail: &str) {
    let text = PAGE.replacen(from, to, 1);
    let rejection = parse(&text).unwrap_err();
    assert_eq!(rejection.reason, reason, "{text}");
    assert!(rejection.detail.contains(detail), "{rejection}");
    assert!(!rejection.detail.contains('\n'), "{rejection}");
}

#[test]
fn what_every_event_must_carry() {
    use Reason::{MissingField, MistypedField, UnknownType};
    check(r#""type":"deployment.succeeded","#, "", MissingField, "type is missing");
    check(r#""deployment.succeeded""#, "null", MissingField, "type is missing");
    check(r#""deployment.succeeded""#, "1", MistypedField, "type must be a string");
    check("deployment.succeeded", "a.b", UnknownType, "\"a.b\"");
    for no_time in ["15.1.2024", "2024-01-15", "2024-01-15T10:30:00"] {
        check("2024-01-15T10:30:00Z", no_time, MistypedField, "createdAt");
    }
    assert_eq!(parse("[]").unwrap_err().reason, Reason::NotAnObject);
}

#[test]
fn what_a_deployment_must_carry() {
    use Reason::{MissingField, MistypedField};
    check(r#""deployment":"#, r#""x":"#, MissingField, "deployment is missing");
    check(r#""dpl_abc123""#, r#""""#, MistypedField, "deployment.id");
    check(r#""production""#, "[]", MistypedField, "deployment.name");
    check(r#""project":"#, r#""x":"#, MissingField, "project is missing");
    check(r#""id":"prj_xyz789","#, "", MissingField, "project.id is missing");
    check("prj_xyz789", &"x".repeat(129), MistypedField, "project.id");
}

#[test]
fn a_detail_has_a_bound() {
    check("deployment.succeeded", &"é\\n".repeat(2_000), Reason::UnknownType, "…\" is not among");
    let long = "x".repeat(5_000);
    let texts = [
        PAGE.replacen("deployment.succeeded", &long, 1),
        PAGE.replacen(r#""main""#, &format!("{{\"{long}\":{}}}", "9".repeat(4_000)), 1),
        PAGE.replacen(r#""main""#, &format!("{{\"{long}\":1e999}}"), 1),
        PAGE.replacen(r#""main""#, &format!("{{\"{long}\":\"\\ud800{long}\"}}"), 1),
        PAGE.replacen(r#""main""#, &format!("{{\"{long}\":{long}}}"), 1),
    ];
    for text in texts {
        let catalog = Catalog::try_new::<&str>(&[]).unwrap();
        let rejection = Event::parse(text.as_bytes(), None, &catalog, usize::MAX).unwrap_err();
        assert!(rejection.detail.chars().count() < 512, "{rejection}");
    }
}

#[test]
fn what_cannot_be_carried() {
    let number = r#""gitBranch":9007199254740993}"#;
    check(r#""gitBranch":"main"}"#, number, Reason::InexactNumber, "deployment.meta.gitBranch: ");
    check("main", &"x".repeat(10_000), Reason::TooLarge, "at most 10000");
    let catalog = Catalog::try_new::<&str>(&[]).unwrap();
    assert!(Event::parse(PAGE.as_bytes(), None, &catalog, PAGE.len()).is_ok());
    let larger = Event::parse(PAGE.as_bytes(), None, &catalog, PAGE.len() - 1);
    assert_eq!(larger.unwrap_err().reason, Reason::TooLarge);
    let not_utf8 = Event::parse(b"{\"a\":\"\xff\"}", None, &catalog, 99);
    assert_eq!(not_utf8.unwrap_err().detail, "no UTF-8 from byte 6 on");
}

#[test]
fn optional_fields_may_be_null_and_unknown_ones_travel() {
    let text = PAGE.replacen(r#""production""#, "null", 1).replacen(
        r#""type""#,
        r#""x":{"y":[1.0]},"type""#,
        1,
    );
    let event = parse(&text).unwrap();
    assert_eq!(event.body(), text.replace("1.0", "1").as_bytes());
}

#[test]
fn added_families_need_only_type_and_time() {
    let event =
        parse(r#"{"type":"team.invited","createdAt":"2024-01-15T10:30:00+02:00"}"#).unwrap();
    assert_eq!((event.project(), event.created_at_ms()), (None, 1_705_307_400_000));
    let text = r#"{"type":"team.invited","createdAt":"2024-01-15T10:30:00Z","project":1}"#;
    assert_eq!(parse(text).unwrap_err().reason, Reason::MistypedField);
}

#[test]
fn a_domain_event_needs_a_name() {
    let text = r#"{"type":"domain.added","createdAt":"2024-01-15T10:30:00Z","domain":{"name":"a.example"},"project":{"id":"p"}}"#;
    assert!(parse(text).is_ok());
    let unnamed = parse(&text.replace("a.example", "")).unwrap_err();
    assert_eq!(unnamed.detail, "domain.name must be a string that is not empty");
}

#[test]
fn a_known_type_may_leave_the_catalog_while_a_delivery_waits() {
    let text = r#"{"type":"team.invited","createdAt":"2024-01-15T10:30:00Z"}"#;
    let event = parse(text).unwrap();
    assert!(Event::restore(event.body(), event.id().clone()).is_ok());
    let garbage = Event::restore(b"{}", event.id().clone());
    assert_eq!(garbage.unwrap_err().reason, Reason::MissingField);
}
