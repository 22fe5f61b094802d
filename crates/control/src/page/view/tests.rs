//! Every screen, drawn with all that it can show: what others wrote is text, and nothing is inline.
//!
//! With `PAGES` set to a folder the screens are written there, to be looked at.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use maud::Markup;
use store::DeliveryState;

use super::super::form::{Field, Mistakes, WebhookForm};
use super::sample::{self, EVIL, NOW};
use super::{
    audit, confirm, dead, delivery, edit, fault, frame, list, pieces, secret, sign_in, test_event,
    webhook,
};

use crate::desk::{Left, Standing};
use crate::problem::{Problem, ProblemKind};

mod unread;

type Screen = (&'static str, Markup);

fn screens() -> Vec<Screen> {
    let mut screens = lists();
    screens.extend(forms());
    screens.extend(of_webhook());
    screens.extend(of_delivery());
    screens.extend(letters());
    screens.extend(others());
    screens
}

fn list_of<'a>(items: Vec<list::Item<'a>>, total: usize) -> list::List<'a> {
    let next = (total > items.len()).then(|| "/admin/webhooks?cursor=c".to_owned());
    let of_event = Ok(Vec::new());
    list::List { items, unread: None, of_event, total, search: "", state: "", first: None, next }
}

fn lists() -> Vec<Screen> {
    let mut failing = sample::plain("whk_dead0001", "https://api.acme.dev/hooks", &["*"]);
    failing.description = Some(EVIL.to_owned());
    let mut off = sample::plain("whk_off00001", "https://ci.example.org/in", &["domain.added"]);
    off.enabled = false;
    let mut by_us = sample::plain("whk_off00002", "https://old.example.org/in", &["domain.*"]);
    by_us.enabled = false;
    by_us.disabled_reason = Some("the receiver answered 410 Gone".to_owned());
    let long = "https://a-rather-long-host-name.internal.region-1.example.com/deeply/nested/path";
    let kinds = ["deployment.created", "deployment.failed", "deployment.canceled", "domain.added"];
    let long = sample::plain("whk_long0001", long, &kinds);
    let full = sample::webhook();
    let (good, bad, none) = (sample::hours(24, 0), sample::hours(24, 100), Vec::new());
    let some = sample::hours(24, 30);
    let item = |webhook, hours| list::Item { webhook, hours: Some(hours) };
    let items = vec![
        item(&full, &good[..]),
        item(&failing, &bad),
        item(&long, &some),
        item(&off, &none),
        list::Item { webhook: &by_us, hours: None },
    ];
    let read_only = frame::Frame {
        trouble: Some(EVIL.to_owned()),
        read_only: Some("webhooks are kept in the file /etc/boottify/webhooks.toml".to_owned()),
        ..sample::frame()
    };
    let role = frame::Frame { admin: false, ..sample::frame() };
    let unread = list::List { unread: Some(EVIL.to_owned()), ..list_of(Vec::new(), 0) };
    let nothing = list::List { search: EVIL, ..list_of(Vec::new(), 5) };
    let row = |n, state| sample::row(n, state);
    let of_event = Ok(vec![row(1, DeliveryState::Delivered), row(2, DeliveryState::Dead)]);
    let event = list::List { search: EVIL, of_event, ..list_of(Vec::new(), 5) };
    let unknown =
        list::List { search: EVIL, of_event: Err(EVIL.to_owned()), ..list_of(Vec::new(), 5) };
    vec![
        ("list", list::list(&sample::frame(), &list_of(items.clone(), 312))),
        ("list-empty", list::list(&sample::frame(), &list_of(Vec::new(), 0))),
        ("list-nothing", list::list(&role, &nothing)),
        ("list-unknown", list::list(&role, &unknown)),
        ("list-event", list::list(&sample::frame(), &event)),
        ("list-unread", list::list(&read_only, &unread)),
        ("list-read-only", list::list(&read_only, &list_of(items, 5))),
    ]
}

fn forms() -> Vec<Screen> {
    let webhook = sample::webhook();
    let (kinds, none) = (sample::kinds(), Mistakes::new());
    let empty = WebhookForm::empty(&sample::retry(), "key".to_owned());
    let of = WebhookForm::of(&webhook, "v1".to_owned(), &sample::retry());
    let wrong = WebhookForm {
        url: EVIL.to_owned(),
        description: EVIL.to_owned(),
        clauses: vec![(EVIL.to_owned(), EVIL.to_owned())],
        headers: vec![(EVIL.to_owned(), EVIL.to_owned())],
        ..empty.clone()
    };
    let all = [
        Field::Url,
        Field::Events,
        Field::Projects,
        Field::Description,
        Field::Clauses,
        Field::MaxInFlight,
        Field::Headers,
        Field::Retry,
        Field::Form,
    ];
    let mistakes: Mistakes =
        all.into_iter().map(|field| (field, format!("This is not right: {EVIL}."))).collect();
    let tried = [true, false, true].map(|wanted| edit::Tried { event: sample::event(), wanted });
    let changed = [edit::Difference { what: "The URL", now: format!("https://x.example/{EVIL}") }];
    let view = |form, mistakes, present, tried, changed| edit::EditView {
        form,
        mistakes,
        present,
        kinds: &kinds,
        tried,
        changed,
        unfolded: false,
        max_in_flight: 32,
    };
    let draw = |view: &edit::EditView<'_>| edit::edit(&sample::frame(), view);
    vec![
        ("new", draw(&view(&empty, &none, None, None, &[]))),
        ("new-wrong", draw(&view(&wrong, &mistakes, None, None, &[]))),
        ("edit", draw(&view(&of, &none, Some(&webhook), Some(&tried), &[]))),
        ("edit-stale", draw(&view(&of, &none, Some(&webhook), None, &changed))),
    ]
}

fn of_webhook() -> Vec<Screen> {
    let (mut full, rows, hours) = (sample::webhook(), sample::rows(), sample::hours(168, 20));
    full.switches_at_ms = Some(NOW + 40_000_000);
    let mut off = sample::plain("whk_off00001", "https://ci.example.org/in", &["*"]);
    (off.enabled, off.disabled_reason) = (false, Some(format!("it answered 410 {EVIL}")));
    let kinds: Vec<String> = sample::kinds().into_iter().map(|(kind, _)| kind).collect();
    let [away, no_log] = unread();
    let view = |webhook, rows, hours, range| webhook::Deliveries {
        head: webhook::Head { webhook, version: "v1", dead: true, standing: None, hours },
        rows,
        state: "",
        kind: "",
        kinds: &kinds,
        range,
        live: Some("/admin/webhooks/whk_4tq9XvM2/live".to_owned()),
        first: None,
        next: Some("/admin/webhooks/whk_4tq9XvM2?cursor=c".to_owned()),
        most: 50,
    };
    let frame = sample::frame();
    let saved = frame::Frame { done: Some(frame::Said::of(frame::Done::Saved)), ..sample::frame() };
    let head = webhook::Head {
        webhook: &full,
        version: "v1",
        dead: false,
        standing: None,
        hours: Some(&[]),
    };
    let retry = sample::retry();
    let day = webhook::Range::Day;
    let draw = |view| webhook::deliveries(&frame, &view);
    vec![
        ("webhook", webhook::deliveries(&saved, &view(&full, Ok(&rows), Some(&hours), day))),
        ("webhook-week", draw(view(&full, Ok(&rows), Some(&hours), webhook::Range::Week))),
        ("webhook-empty", draw(view(&off, Ok(&[]), Some(&[]), day))),
        ("webhook-unread", draw(view(&off, Err(&away), None, day))),
        ("webhook-no-log", draw(view(&off, Err(&no_log), None, day))),
        (
            "webhook-settings",
            webhook::settings(&frame, &webhook::Settings { head: head.clone(), retry: &retry }),
        ),
        ("webhook-audit", webhook::history(&frame, &head, Some(&sample::changes()), None)),
        ("test-event", {
            let kind = "domain.added";
            let view =
                test_event::TestEvent { webhook: &off, kinds: &kinds, kind, error: Some(EVIL) };
            test_event::test_event(&frame, view)
        }),
    ]
}

/// Why the delivery log is not to be had.
fn unread() -> [Problem; 2] {
    [
        Problem::new(ProblemKind::StoreDamaged, "the database cannot be used"),
        Problem::new(ProblemKind::NoDeliveryLog, "the delivery log is switched off"),
    ]
}

fn of_delivery() -> Vec<Screen> {
    use DeliveryState::{Dead, Delivered, Waiting};
    let webhook = sample::webhook();
    let draw = |state, failures: &[Option<&str>]| {
        let detail = sample::detail(state, failures);
        let view =
            delivery::DeliveryView { detail: &detail, webhook: Some(&webhook), standing: None };
        delivery::delivery(&sample::frame(), &view)
    };
    let failures = [Some("timeout"), Some("http_503"), Some("tls")];
    vec![
        ("delivery", draw(Delivered, &[Some("connect"), None])),
        ("delivery-waiting", draw(Waiting, &failures)),
        ("delivery-dead", draw(Dead, &failures)),
    ]
}

fn letters() -> Vec<Screen> {
    let (letters, kinds) = (sample::letters(), Vec::new());
    let deleted = BTreeSet::from(["whk_deleted"]);
    let webhooks = [("whk_4tq9XvM2".to_owned(), "https://hooks.example.com/boottify".to_owned())];
    let (all, some) = (
        dead::Fields::default(),
        dead::Fields { webhook: EVIL.to_owned(), ..dead::Fields::default() },
    );
    let ended = crate::desk::Ended { at_ms: 1, whole: false, text: format!("12 were; {EVIL}") };
    let view = |letters, fields| dead::Dead {
        ended: Some(&ended),
        letters,
        matching: 1_234,
        truncated: true,
        fields,
        query: "webhook=whk_4tq9XvM2",
        webhooks: &webhooks,
        deleted: &deleted,
        kinds: &kinds,
        first: None,
        next: Some("/admin/dead?cursor=c".to_owned()),
    };
    let frame = sample::frame();
    let question = confirm::Confirm {
        title: "Drop 1,234 dead letters?",
        text: vec!["They are gone for good. Nothing else of them is kept.".to_owned()],
        of_dead: true,
        action: "/admin/dead/drop",
        fields: vec![("webhook", EVIL.to_owned())],
        choice: None,
        button: "Drop 1,234 dead letters",
        danger: true,
        cancel: "/admin/dead",
        cancel_name: "Cancel",
    };
    vec![
        ("dead", dead::dead(&frame, &view(Ok(&letters), &some))),
        ("dead-empty", dead::dead(&frame, &view(Ok(&[]), &all))),
        ("dead-away", dead::dead(&frame, &view(Err(dead::Unseen::Away("no connection")), &all))),
        ("dead-busy", dead::dead(&frame, &view(Err(dead::Unseen::Busy("12 so far")), &all))),
        ("confirm", confirm::confirm(&frame, &question)),
    ]
}

fn others() -> Vec<Screen> {
    let frame = sample::frame();
    let new = secret::NewSecret {
        webhook: "whk_4tq9XvM2",
        url: "https://hooks.example.com/boottify",
        secret: &sample::secret(),
        also: None,
        warnings: &["the host hooks.example.com does not resolve yet".to_owned()],
        shown: secret::Shown::Created,
    };
    let rotated = secret::NewSecret {
        shown: secret::Shown::Rotated { switches_at_ms: Some(NOW + 86_400_000) },
        warnings: &[],
        ..new
    };
    let wrong =
        sign_in::SignIn { error: Some("This token is not known."), next: EVIL, now_ms: NOW };
    let changes = sample::changes();
    let filter = audit::Filter { actor: EVIL.to_owned(), ..audit::Filter::default() };
    let next = Some("/admin/audit?cursor=c".to_owned());
    let audit = audit::Audit { rows: Some(&changes), filter: &filter, first: None, next };
    let none = audit::Audit { rows: Some(&[]), next: None, ..audit.clone() };
    let of_file = audit::Audit { rows: None, next: None, ..audit.clone() };
    let problem = |kind, detail: &str| Problem::new(kind, detail);
    let read_only = problem(ProblemKind::ReadOnlyStore, &format!("kept in a file {EVIL}"));
    let unknown = problem(ProblemKind::UnknownWebhook, "there is no webhook whk_x");
    let too_many = problem(ProblemKind::TooManyAttempts, "wait for 30 s");
    vec![
        ("secret", secret::secret(&frame, new)),
        ("secret-rotated", secret::secret(&frame, rotated)),
        ("sign-in", sign_in::sign_in(sign_in::SignIn { error: None, ..wrong })),
        ("sign-in-wrong", sign_in::sign_in(wrong)),
        ("audit", audit::audit(&frame, &audit)),
        ("audit-none", audit::audit(&frame, &none)),
        ("audit-of-file", audit::audit(&frame, &of_file)),
        ("fault", fault::fault(Some(&frame), NOW, &unknown)),
        ("fault-read-only", fault::fault(Some(&frame), NOW, &read_only)),
        ("fault-outside", fault::fault(None, NOW, &too_many)),
    ]
}

#[test]
fn what_others_wrote_is_text() {
    for (name, drawn) in screens() {
        let drawn = drawn.into_string();
        assert!(!drawn.contains("<script>"), "{name}");
        // The one script is ours, and it is a file.
        assert_eq!(drawn.matches("<script").count(), 1, "{name}");
        assert_eq!(drawn.matches("<script src=\"/admin/assets/page.").count(), 1, "{name}");
    }
}

#[test]
fn nothing_is_inline_or_from_elsewhere() {
    for (name, drawn) in screens() {
        let drawn = drawn.into_string();
        for refused in [" style=", "<style", " onclick", " onchange", " onsubmit", "javascript:"] {
            assert!(!drawn.contains(refused), "{name} has {refused}");
        }
        for attribute in ["src=\"http", "action=\"http", "<link rel=\"stylesheet\" href=\"http"] {
            assert!(!drawn.contains(attribute), "{name} has {attribute}");
        }
    }
}

#[test]
fn every_form_that_changes_something_proves_where_it_came_from() {
    for (name, drawn) in screens() {
        let drawn = drawn.into_string();
        for form in drawn.split("<form").skip(1) {
            let form = form.split("</form>").next().unwrap_or_default();
            let posts = form.contains("method=\"post\"") && !form.contains("/admin/sign-in");
            assert_eq!(
                posts,
                form.contains("name=\"csrf\" value=\"csrf-proof\""),
                "{name}: {form}"
            );
        }
    }
}

#[test]
fn ids_are_given_once_and_what_is_named_is_there() {
    for (name, drawn) in screens() {
        let drawn = drawn.into_string();
        let values = |attribute: &str| -> Vec<String> {
            let before = format!(" {attribute}=\"");
            let parts = drawn.split(before.as_str()).skip(1);
            parts.map(|part| part.split('"').next().unwrap_or_default().to_owned()).collect()
        };
        let ids = values("id");
        let once: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert_eq!(once.len(), ids.len(), "{name}: {ids:?}");
        for attribute in
            ["for", "aria-describedby", "aria-labelledby", "data-copy", "data-more", "list"]
        {
            for named in values(attribute).iter().flat_map(|value| value.split(' ')) {
                assert!(ids.iter().any(|id| id == named), "{name}: {attribute} names {named}");
            }
        }
    }
}

#[test]
fn secrets_show_where_they_are_meant_to_and_nowhere_else() {
    for (name, drawn) in screens() {
        let drawn = drawn.into_string();
        let shown = drawn.contains(sample::secret().expose());
        assert_eq!(shown, name.starts_with("secret"), "{name}");
        assert!(!drawn.contains("Bearer hush"), "{name}");
        // A URL's query is shown only where it is edited.
        assert_eq!(drawn.contains("token=hush"), name.starts_with("edit"), "{name}");
    }
}

#[test]
fn a_webhook_stands_as_in_the_list_on_all_its_screens() {
    let (frame, webhook, retry) = (sample::frame(), sample::webhook(), sample::retry());
    for (hours, expected) in
        [(sample::hours(24, 100), "Failing"), (sample::hours(24, 0), "Enabled")]
    {
        let head = webhook::Head {
            webhook: &webhook,
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
            for word in ["Failing", "Enabled"] {
                let pill = format!("\">{word}</span>");
                assert_eq!(screen.contains(&pill), word == expected, "{word}: {screen}");
            }
        }
    }
}

#[test]
fn that_and_why_an_endpoint_is_left_alone_is_told() {
    let (frame, webhook, retry) = (sample::frame(), sample::webhook(), sample::retry());
    let standing = Some(Standing {
        in_flight: 1,
        limit: 1,
        failures: 12,
        last_failure: Some("http_404".to_owned()),
        left_alone: Some((Duration::from_secs(90), Duration::from_secs(30))),
        held: None,
    });
    let head =
        webhook::Head { webhook: &webhook, version: "v1", dead: false, standing, hours: Some(&[]) };
    let screen =
        webhook::settings(&frame, &webhook::Settings { head, retry: &retry }).into_string();
    assert!(screen.contains("Its last 12 attempts failed (the last one: HTTP 404)"), "{screen}");
}

#[test]
fn who_may_only_look_gets_no_forms() {
    let frame = frame::Frame { admin: false, ..sample::frame() };
    let webhook = sample::webhook();
    let (retry, letters) = (sample::retry(), sample::letters());
    let head = webhook::Head {
        webhook: &webhook,
        version: "v1",
        dead: false,
        standing: None,
        hours: Some(&[]),
    };
    let detail = sample::detail(DeliveryState::Dead, &[Some("dns")]);
    let fields = dead::Fields::default();
    let dead = dead::Dead {
        ended: None,
        letters: Ok(&letters),
        matching: 5,
        truncated: false,
        fields: &fields,
        query: "",
        webhooks: &[],
        deleted: &BTreeSet::new(),
        kinds: &[],
        first: None,
        next: None,
    };
    let view = delivery::DeliveryView { detail: &detail, webhook: Some(&webhook), standing: None };
    for drawn in [
        webhook::settings(&frame, &webhook::Settings { head: head.clone(), retry: &retry }),
        delivery::delivery(&frame, &view),
        dead::dead(&frame, &dead),
    ] {
        let drawn = drawn.into_string();
        // To sign out is left.
        assert_eq!(drawn.matches("method=\"post\"").count(), 1, "{drawn}");
        assert!(!drawn.contains("/delete\"") && !drawn.contains("/edit\""), "{drawn}");
    }
}

#[test]
fn what_is_set_is_not_folded_away() {
    let open = "<details class=\"card fold\" id=\"advanced\" open>";
    for (name, drawn) in forms() {
        let drawn = drawn.into_string();
        assert_eq!(drawn.contains(open), name != "new", "{name}: {drawn}");
    }
}

#[test]
fn what_is_not_known_is_not_made_up() {
    let detail = sample::detail(DeliveryState::Delivered, &[Some("blocked_address"), None]);
    let mut unsent = detail.clone();
    unsent.attempts[0].signature.clear();
    let webhook = sample::webhook();
    for (detail, sent) in [(&detail, 2), (&unsent, 1)] {
        let view = delivery::DeliveryView { detail, webhook: Some(&webhook), standing: None };
        let drawn = delivery::delivery(&sample::frame(), &view).into_string();
        // Neither today's version nor today's headers of the webhook are said of an old attempt.
        assert!(!drawn.contains("boottify-webhooks/") && !drawn.contains("set on the webhook)"));
        assert!(webhook.headers.iter().all(|(name, _)| !drawn.contains(name.as_str())), "{drawn}");
        assert_eq!(drawn.matches("x-boottify-signature</span>: sha256=").count(), sent, "{drawn}");
        assert_eq!(drawn.matches("Nothing was sent.").count(), 2 - sent);
    }
    let drawn = letters().into_iter().find(|(name, _)| *name == "dead").unwrap().1.into_string();
    let row = drawn.split("<tr id=\"dead-dlv_50a8e189").nth(1).unwrap();
    let row = row.split("</tr>").next().unwrap();
    assert!(row.contains("unknown") && row.contains("/admin/dead/drop"), "{row}");
    for made_up in ["1970", "<time", "/admin/webhooks/\"", "/admin/dead/replay"] {
        assert!(!row.contains(made_up), "{made_up}: {row}");
    }
}

#[test]
fn what_stays_is_said_with_its_number_and_why() {
    let left = Left { deleted: 1, disabled: 2, unopened: 3 };
    let said = frame::Said { count: Some(0), left, ..frame::Said::of(frame::Done::Replayed) };
    let frame = frame::Frame { done: Some(said), ..sample::frame() };
    let drawn = list::list(&frame, &list_of(Vec::new(), 0)).into_string();
    let words = "None was sent again. 1 was left alone: their webhook was deleted. \
                 2 were left alone: their webhook is disabled. \
                 3 were left alone: their webhook cannot be opened.";
    assert!(drawn.contains(words), "{drawn}");
}

#[test]
fn what_is_held_back_is_not_said_to_come_in_the_past() {
    let mut detail = sample::detail(DeliveryState::Waiting, &[Some("http_503")]);
    detail.row.last_at_ms = sample::NOW - 725_000;
    detail.row.next_at_ms = Some(sample::NOW - 720_000);
    let listed = super::rows::row(&detail.row, sample::NOW).into_string();
    assert!(listed.contains("next <time") && listed.contains(">due 12 min ago<"), "{listed}");
    let webhook = sample::webhook();
    let explained = |held: Option<(&'static str, u64)>| {
        let held = held.map(|(bound, ago)| (bound, Duration::from_secs(ago)));
        let last_failure = Some("timeout".to_owned());
        let standing =
            Standing { in_flight: 0, limit: 1, failures: 9, last_failure, left_alone: None, held };
        let (webhook, standing) = (Some(&webhook), Some(standing));
        let view = delivery::DeliveryView { detail: &detail, webhook, standing };
        delivery::delivery(&sample::frame(), &view).into_string()
    };
    let drawn = explained(Some(("breaker", 60)));
    assert!(drawn.contains("id=\"held\"") && drawn.contains("left alone but for"), "{drawn}");
    assert!(!drawn.contains("next attempt is"), "{drawn}");
    // What bit before it was due says nothing of it.
    for unknown in [None, Some(("breaker", 800))] {
        let drawn = explained(unknown);
        assert!(drawn.contains("this replica has not seen why"), "{drawn}");
    }
    detail.row.next_at_ms = Some(sample::NOW + 95_000);
    let listed = super::rows::row(&detail.row, sample::NOW).into_string();
    assert!(listed.contains(">in 1 min<"), "{listed}");
}

#[test]
fn what_a_file_allows_is_offered() {
    let read_only = Some("webhooks are kept in a file".to_owned());
    let frame = frame::Frame { read_only, ..sample::frame() };
    let (webhook, retry) = (sample::webhook(), sample::retry());
    let head = webhook::Head {
        webhook: &webhook,
        version: "v1",
        dead: false,
        standing: None,
        hours: Some(&[]),
    };
    let settings =
        webhook::settings(&frame, &webhook::Settings { head: head.clone(), retry: &retry });
    let settings = settings.into_string();
    for offered in ["id=\"send-test\"", "id=\"recover\""] {
        assert!(settings.contains(offered), "{offered}: {settings}");
    }
    for refused in ["/edit\"", "/disable\"", "/delete\"", "/rotate-secret\"", "/reveal-secret\""] {
        assert!(!settings.contains(refused), "{refused}: {settings}");
    }
    let detail = sample::detail(DeliveryState::Dead, &[Some("dns")]);
    let view = delivery::DeliveryView { detail: &detail, webhook: Some(&webhook), standing: None };
    assert!(delivery::delivery(&frame, &view).into_string().contains("id=\"redeliver\""));
}

#[test]
fn screens_can_be_looked_at() {
    let Some(folder) = std::env::var_os("PAGES") else { return };
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder.join("admin/assets")).unwrap();
    for (name, drawn) in screens() {
        std::fs::write(folder.join(format!("{name}.html")), drawn.into_string()).unwrap();
    }
    for asset in super::super::assets::Asset::ALL {
        std::fs::write(folder.join(&asset.url()[1..]), asset.content()).unwrap();
    }
}

#[test]
fn only_a_session_can_be_signed_out_of() {
    let none = frame::Frame { session: false, ..sample::frame() };
    let drawn = |frame| list::list(&frame, &list_of(Vec::new(), 0)).into_string();
    assert!(drawn(sample::frame()).contains("id=\"sign-out\""));
    assert!(!drawn(none).contains("id=\"sign-out\""));
}

#[test]
fn of_attempts_that_failed_alike_the_last_says_why() {
    let failures = [Some("timeout"), Some("http_503"), Some("http_503"), Some("http_503")];
    let detail = sample::detail(DeliveryState::Dead, &failures);
    let view = delivery::DeliveryView { detail: &detail, webhook: None, standing: None };
    let drawn = delivery::delivery(&sample::frame(), &view).into_string();
    assert_eq!(drawn.matches("class=\"why muted\"").count(), 2, "{drawn}");
    assert_eq!(drawn.matches("<details class=\"soft\" open").count(), 1, "{drawn}");
    let last = drawn.split("id=\"attempt-4\"").nth(1).unwrap();
    let last = last.split("id=\"attempt-3\"").next().unwrap();
    assert!(last.contains("why muted") && last.contains(" open"), "{last}");
}

#[test]
fn urls_break_between_their_parts() {
    let drawn = pieces::broken_url("https://a.example/b?c").into_string();
    assert_eq!(drawn, "https://<wbr>a.<wbr>example/<wbr>b?<wbr>c");
}
