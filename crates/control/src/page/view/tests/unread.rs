//! What is not to be had is not shown as empty.

use super::*;

#[test]
fn a_log_that_cannot_be_read_is_not_an_empty_one() {
    let screens = screens();
    let drawn = |wanted| {
        let (_, drawn) = screens.iter().find(|(name, _)| *name == wanted).unwrap();
        drawn.clone().into_string()
    };
    for (name, said) in [
        ("webhook-unread", "The delivery log cannot be read now"),
        ("webhook-no-log", "The delivery log is switched off"),
    ] {
        let drawn = drawn(name);
        assert!(drawn.contains(said) && drawn.contains("id=\"health-unknown\""), "{drawn}");
        for empty in ["0 succeeded", "No attempt was made", "Nothing was sent yet"] {
            assert!(!drawn.contains(empty), "{name} has {empty}");
        }
    }
    assert!(drawn("webhook-empty").contains("0 succeeded"));
}

#[test]
fn where_there_is_no_audit_nothing_is_said_to_be_noted() {
    let (webhook, frame) = (sample::webhook(), sample::frame());
    let head = webhook::Head {
        webhook: &webhook,
        version: "v1",
        dead: false,
        standing: None,
        hours: None,
    };
    let filter = audit::Filter::default();
    let of_file = audit::Audit { rows: None, filter: &filter, first: None, next: None };
    for drawn in [webhook::history(&frame, &head, None, None), audit::audit(&frame, &of_file)] {
        let drawn = drawn.into_string();
        assert!(drawn.contains("id=\"no-audit\"") && !drawn.contains("is noted here"), "{drawn}");
    }
}

#[test]
fn a_webhook_that_cannot_be_opened_says_so_on_all_its_screens() {
    let (frame, retry) = (sample::frame(), sample::retry());
    let why = subscriptions::Unopened::Sealed(EVIL.into());
    let unopened = subscriptions::Webhook { secrets: Err(why), ..sample::webhook() };
    let hours = sample::hours(24, 0);
    let item = list::Item { webhook: &unopened, hours: Some(&hours) };
    let drawn = list::list(&frame, &list_of(vec![item], 1)).into_string();
    assert!(drawn.contains("Cannot be opened") && !drawn.contains("\">Enabled</span>"), "{drawn}");
    let head = webhook::Head {
        webhook: &unopened,
        version: "v1",
        dead: false,
        standing: None,
        hours: Some(&hours),
    };
    for screen in [
        webhook::settings(&frame, &webhook::Settings { head: head.clone(), retry: &retry }),
        webhook::history(&frame, &head, Some(&[]), None),
    ] {
        let screen = screen.into_string();
        for part in ["id=\"unopened\"", "Cannot be opened", "/delete\">delete it</a>"] {
            assert!(screen.contains(part), "{part}: {screen}");
        }
        assert!(!screen.contains(EVIL), "{screen}");
        // What would be refused is not offered.
        let refused = ["edit", "disable", "send-test", "reveal", "rotate", "recover"];
        assert!(refused.iter().all(|id| !screen.contains(&format!("id=\"{id}\""))), "{screen}");
        assert!(!screen.contains("/edit\""), "{screen}");
    }
}
