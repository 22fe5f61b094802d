//! What a webhooks file may say, and the line of every mistake.

use std::sync::Arc;

use event::Catalog;
use subscriptions::{RetryPolicy, UrlRules, Webhook};
use tempfile::TempDir;

use super::*;
use crate::entry::Entry;

fn rules() -> Rules {
    Rules {
        url: UrlRules::default(),
        retry: RetryPolicy::default(),
        catalog: Catalog::try_new(&["team.invited"]).unwrap(),
    }
}

/// Lists a file of this text, in a folder with a file `secret`.
fn listed(text: &str) -> (TempDir, Result<Vec<Entry>, ReadError>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "from a file\n").unwrap();
    let path = folder.path().join("w.toml");
    fs::write(&path, text).unwrap();
    let listing = File::new(path.clone()).list(&rules());
    (folder, listing.entries)
}

fn webhook(text: &str) -> Webhook {
    let (_folder, entries) = listed(text);
    Webhook::clone(&entries.unwrap()[0].webhook)
}

/// The mistakes of this file, one line each, without the folder.
fn check(text: &str, expected: &[&str]) {
    let (folder, entries) = listed(text);
    let report = entries.expect_err(text).to_string();
    assert!(!report.contains("hunter2"), "{report}");
    let report = report.replace(&format!("{}/", folder.path().display()), "");
    assert_eq!(report.lines().collect::<Vec<_>>(), expected, "{text}");
}

/// A webhook of four lines, and a fifth.
fn with(line: &str) -> String {
    format!(
        "[[webhooks]]\nid = \"whk_a\"\nurl = \"https://a.example/\"\nsecret = \"hunter2\"\n{line}\n"
    )
}

#[test]
fn everything_can_be_said() {
    let webhook = webhook(
        r#"
        [[webhooks]]
        id = "whk_ci"
        url = "https://ci.example.com/hooks?token=t"
        events = ["deployment.*", "domain.added"]
        projects = ["prj_a", "prj_b"]
        description = "CI"
        enabled = false
        secret_file = "secret"
        previous_secret = "hunter2"
        max_in_flight = 3
        retry = { first_delay = "7s", jitter = 0 }
        headers = { X-Tenant = "42" }
        keep_while_disabled = false
        [[webhooks.condition]]
        pointer = "/deployment/meta/gitBranch"
        in = ["main", 7, 1.5, true]
        "#,
    );
    assert_eq!(webhook.id.as_str(), "whk_ci");
    assert_eq!(webhook.url.expose(), "https://ci.example.com/hooks?token=t");
    assert_eq!(format!("{:?}", webhook.events), r#"["deployment.*", "domain.added"]"#);
    assert_eq!(webhook.projects.len(), 2);
    assert_eq!(webhook.description.as_deref(), Some("CI"));
    assert!(!webhook.enabled && !webhook.keep_while_disabled);
    assert_eq!(
        webhook.condition.map(|condition| condition.to_string()).as_deref(),
        Some(r#"/deployment/meta/gitBranch in ["main", 7, 1.5, true]"#)
    );
    let secrets: Vec<&str> =
        webhook.secrets.as_ref().unwrap().iter().map(signing::Secret::expose).collect();
    assert_eq!(secrets, ["from a file", "hunter2"]);
    assert_eq!(webhook.max_in_flight.map(u32::from), Some(3));
    let retry = webhook.retry.unwrap();
    assert_eq!((retry.first_delay().as_secs(), retry.jitter()), (7, 0.0));
    assert_eq!(retry.max_delay(), RetryPolicy::default().max_delay());
    assert_eq!(webhook.headers.iter().len(), 1);
    assert!(webhook.created_at_ms > 0);
}

#[test]
fn little_has_to_be_said() {
    let webhook = webhook(&with("events = [\"*\"]"));
    assert!(webhook.enabled && webhook.keep_while_disabled && webhook.condition.is_none());
    assert!(webhook.projects.is_empty() && webhook.headers.is_empty());
    assert_eq!((webhook.retry, webhook.max_in_flight, webhook.description), (None, None, None));
}

#[test]
fn no_webhooks_must_be_meant() {
    assert_eq!(listed("webhooks = []").1.unwrap().len(), 0);
    let missing =
        "w.toml: webhooks: missing; expected tables [[webhooks]], or webhooks = [] for none";
    check("", &[missing]);
    check("[[webhook]]", &[missing, "w.toml:1:3: webhook: unknown key; did you mean webhooks?"]);
}

#[test]
fn all_mistakes_of_all_webhooks_are_told_at_once() {
    check(
        "[[webhooks]]\nid = \"a\"\nurl = \"http://u:hunter2@a\"\n\n[[webhooks]]\nsecret = 5\nevent = []\n",
        &[
            "w.toml:1:1: webhooks[0].events: missing; expected a list such as [\"deployment.*\"]",
            "w.toml:1:1: webhooks[0].secret: missing; expected a secret here or in secret_file",
            "w.toml:2:6: webhooks[0].id: \"a\": a webhook id starts with whk_",
            "w.toml:3:7: webhooks[0].url: http is not allowed here; use https, or set webhooks.allow_http",
            "w.toml:5:1: webhooks[1].id: missing; expected an id such as \"whk_ci\"",
            "w.toml:5:1: webhooks[1].url: missing; expected a URL such as \"https://example.com/hook\"",
            "w.toml:5:1: webhooks[1].events: missing; expected a list such as [\"deployment.*\"]",
            "w.toml:6:10: webhooks[1].secret: expected a string",
            "w.toml:7:1: webhooks[1].event: unknown key; did you mean webhooks[1].events?",
        ],
    );
}

#[test]
fn an_id_stands_once() {
    let twice = format!("{}{}", with("events = [\"*\"]"), with("events = [\"*\"]"));
    check(
        &twice,
        &["w.toml:7:6: webhooks[1].id: whk_a is the id of the webhook at w.toml:1:1 too"],
    );
}

#[test]
fn events_are_known_ones() {
    let rows = [
        (
            "events = []",
            "w.toml:5:10: webhooks[0].events: at least one event is needed; \"*\" stands for all",
        ),
        (
            "events = [\"deployment.succeded\"]",
            "w.toml:5:11: webhooks[0].events[0]: \"deployment.succeded\" matches no known event type; did you mean \"deployment.succeeded\"?",
        ),
        (
            "events = [\"team.*\", \"invoice.*\"]",
            "w.toml:5:21: webhooks[0].events[1]: \"invoice.*\" matches no known event type; more types can be named in events.extra_types",
        ),
        (
            "events = [\"Deployment\"]",
            "w.toml:5:11: webhooks[0].events[0]: \"Deployment\" is no event: write a type such as \"deployment.created\", a family such as \"deployment.*\", or \"*\"",
        ),
    ];
    for (line, expected) in rows {
        check(&with(line), &[expected]);
    }
}

#[test]
fn every_key_has_its_bounds() {
    let rows = [
        ("enabled = 1", "w.toml:6:11: webhooks[0].enabled: found 1; expected true or false"),
        (
            "condition = [{ pointer = \"branch\", in = [1] }]",
            "w.toml:6:14: webhooks[0].condition[0]: \"branch\" is no JSON pointer such as \"/deployment/meta/gitBranch\" of at most 256 bytes",
        ),
        (
            "max_in_flight = 0",
            "w.toml:6:17: webhooks[0].max_in_flight: found 0; expected a whole number from 1 to 10000",
        ),
        ("projects = [\"\"]", "w.toml:6:13: webhooks[0].projects[0]: \"\": is empty"),
        (
            "secret_file = \"secret\"",
            "w.toml:6:15: webhooks[0].secret_file: give either secret or secret_file, not both",
        ),
        (
            "retry.first_delay = \"1ms\"",
            "w.toml:6:21: webhooks[0].retry.first_delay: found \"1ms\"; expected a duration from \"1s\" to \"1day\"",
        ),
        (
            "retry.first_delay = \"7h\"",
            "w.toml:6:1: webhooks[0].retry: first_delay must not exceed max_delay",
        ),
        (
            "retry.tries = 3",
            "w.toml:6:7: webhooks[0].retry.tries: unknown key; known here: first_delay, give_up_after, jitter, max_delay, multiplier, retry_after_max",
        ),
        (
            "headers.Host = \"hunter2\"",
            "w.toml:6:16: webhooks[0].headers.Host: header host is set by the service and cannot be changed",
        ),
        (
            "headers.x-a = \"hunter2\\n\"",
            "w.toml:6:15: webhooks[0].headers.x-a: the value of header x-a may hold printable ASCII only",
        ),
        (
            "headers = { x-a = \"1\", X-A = \"2\" }",
            "w.toml:6:11: webhooks[0].headers: header x-a is given twice",
        ),
    ];
    for (line, expected) in rows {
        check(&with(&format!("events = [\"*\"]\n{line}")), &[expected]);
    }
    let long = format!("events = [\"*\"]\ndescription = \"{}\"", "x".repeat(501));
    check(
        &with(&long),
        &["w.toml:6:15: webhooks[0].description: a description has at most 500 characters"],
    );
}

#[test]
fn secrets_files_are_remembered_even_when_they_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.toml");
    fs::write(
        &path,
        with("events = [\"*\"]").replace("secret = \"hunter2\"", "secret_file = \"s\""),
    )
    .unwrap();
    let listing = File::new(path.clone()).list(&rules());
    assert!(listing.entries.is_err());
    assert_eq!(listing.secret_files, [folder.path().join("s")]);
}

#[test]
fn a_fingerprint_changes_with_what_is_said_and_with_nothing_else() {
    let print = |text: &str| listed(text).1.unwrap()[0].fingerprint;
    let first = print(&with("events = [\"*\", \"domain.*\"]"));
    assert_eq!(first, print(&with("# a comment\nenabled = true\nevents = ['*']")));
    for line in [
        "events = [\"domain.*\"]",
        "events = [\"*\"]\ndescription = \"\"",
        "events = [\"*\"]\nenabled = false",
        "events = [\"*\"]\nkeep_while_disabled = false",
        "events = [\"*\"]\ncondition = [{ pointer = \"/a\", in = [1] }]",
        "events = [\"*\"]\ncondition = [{ pointer = \"/a\", in = [2] }]",
    ] {
        assert_ne!(first, print(&with(line)), "{line}");
    }
    assert_ne!(first, print(&with("events = [\"*\"]").replace("hunter2", "hunter3")));
}

/// A file of many webhooks, long enough to be cut.
fn many(change: impl Fn(usize) -> &'static str) -> String {
    let webhook = |n: usize| {
        with(&format!("events = [\"*\"]\n{}", change(n))).replace("whk_a", &format!("whk_{n:05}"))
    };
    (0..3_000).map(webhook).collect()
}

#[test]
fn pieces_say_what_the_whole_says() {
    let rules = rules();
    let context = Context::new(&rules, 0);
    let tricky = "description = \"\"\"\n[[webhooks]]\nid = 'whk_b'\n\"\"\"";
    for text in [many(|_| ""), many(|n| if n % 50 == 7 { tricky } else { "" }), many(|_| tricky)] {
        let whole = read("w.toml", &text, &context).entries.unwrap();
        assert_eq!(whole.len(), 3_000);
        if let Some((listing, _)) = in_pieces("w.toml", &text, &context, &HashMap::new()) {
            assert!(Entry::same(&listing.entries.unwrap(), &whole));
        } else {
            assert!(text.contains(tricky));
        }
    }
}

/// A static array cannot be extended by tables (TOML 1.0.0, "Array of Tables").
#[test]
fn an_array_before_the_tables_is_a_mistake_in_any_file() {
    let (_, entries) = listed(&format!("webhooks = []\n{}", many(|_| "")));
    assert!(entries.is_err());
}

#[test]
fn what_has_not_changed_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.toml");
    let file = File::new(path.clone());
    let list = |text: &str, rules: &Rules| {
        fs::write(&path, text).unwrap();
        file.list(rules).entries.unwrap()
    };
    let kept = |a: &[Entry], b: &[Entry]| {
        a.iter().zip(b).filter(|(a, b)| Arc::ptr_eq(&a.webhook, &b.webhook)).count()
    };
    let first = list(&many(|_| ""), &rules());
    let edited = list(&many(|n| if n == 1_500 { "enabled = false" } else { "" }), &rules());
    assert!(!edited[1_500].webhook.enabled);
    let kept_over_edit = kept(&first, &edited);
    assert!((1..3_000).contains(&kept_over_edit), "{kept_over_edit}");
    let others = Rules { catalog: Catalog::try_new(&["team.left"]).unwrap(), ..rules() };
    assert_eq!(kept(&edited, &list(&many(|_| ""), &others)), 0, "other rules, another meaning");
}

#[test]
fn one_id_far_apart_is_found() {
    let text = many(|_| "") + &with("events = [\"*\"]").replace("whk_a", "whk_00000");
    check(
        &text,
        &[
            "w.toml:18002:6: webhooks[3000].id: whk_00000 is the id of the webhook at w.toml:1:1 too",
        ],
    );
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.clone(), folder.path().to_owned()] {
        let report = File::new(path).list(&rules()).entries.unwrap_err().to_string();
        assert!(report.contains("no regular file"), "{report}");
    }
    let webhook = with("events = [\"*\"]").replace("secret =", "secret_file =");
    let webhook = webhook.replace("hunter2", &pipe.display().to_string());
    let report = listed(&webhook).1.unwrap_err().to_string();
    assert!(report.contains("no regular file"), "{report}");
}

#[test]
fn families_are_suggested_too() {
    check(
        &with("events = [\"deployments.*\"]"),
        &[
            "w.toml:5:11: webhooks[0].events[0]: \"deployments.*\" matches no known event type; did you mean \"deployment.*\"?",
        ],
    );
}
