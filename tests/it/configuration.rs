//! Every mistake in the configuration or the webhooks is one clear line: file, line, key and what
//! was expected; and the exit code is 2.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use testbed::program;

const GOOD_WEBHOOK: &str = "[[webhooks]]\nid = \"whk_1\"\nurl = \"https://receiver.example/\"\n\
     events = [\"*\"]\nsecret = \"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n";

const BROKER: &str = "[broker]\nurl = \"amqp://guest:guest@127.0.0.1/\"";

struct Checked {
    code: Option<i32>,
    said: String,
}

fn folder(config: &str, webhooks: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let store = format!("store = \"file://{}\"\n", path("webhooks.toml"));
    let state = format!("state_dir = \"{}\"\n", path("state"));
    // Last, so that the lines of a test's own text count from 1.
    fs::write(path("config.toml"), format!("{config}\n[webhooks]\n{store}{state}")).unwrap();
    fs::write(path("webhooks.toml"), webhooks).unwrap();
    folder
}

async fn check(folder: &Path, environment: &[(&str, &str)]) -> Checked {
    let config = folder.join("config.toml");
    let arguments = ["check", "--config", config.to_str().unwrap()];
    // The one key without a default, unless the test has something to say about it.
    let url = ("BOOTTIFY_WEBHOOKS__BROKER__URL", "amqp://guest:guest@127.0.0.1/");
    let said_already = fs::read_to_string(&config).unwrap().contains("url =")
        || environment.iter().any(|(name, _)| name.contains("BROKER__URL"));
    let url = if said_already { &[][..] } else { &[url][..] };
    let output = program::run(&arguments, &[environment, url].concat()).await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    Checked { code: output.status.code(), said: String::from_utf8(said).unwrap() }
}

/// One line names the place and says each of `words`.
fn assert_line(checked: &Checked, place: &str, words: &[&str]) {
    let line = checked.said.lines().find(|line| line.contains(place));
    let line = line.unwrap_or_else(|| panic!("no line for {place}:\n{}", checked.said));
    for word in words {
        assert!(line.contains(word), "{word:?} is not in {line:?}");
    }
}

#[tokio::test]
async fn what_is_right_is_said_to_be() {
    let folder = folder("", GOOD_WEBHOOK);
    let checked = check(folder.path(), &[]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.said);
    assert!(checked.said.contains("1 webhook, 1 of them enabled"), "{}", checked.said);
}

#[tokio::test]
async fn every_mistake_in_the_configuration_has_its_line() {
    let rows: [(&str, &str, &[&str]); 17] = [
        ("[broker]\nulr = \"x\"", "config.toml:2", &["broker.ulr", "broker.url"]),
        ("[broker]\nurl = \"http://x\"", "config.toml:2", &["broker.url", "amqp://"]),
        ("[broker]\nprefetch = 0", "config.toml:2", &["broker.prefetch", "1"]),
        ("[broker]\nprefetch = \"many\"", "config.toml:2", &["broker.prefetch"]),
        ("[broker]\nheartbeat = \"10\"", "config.toml:2", &["broker.heartbeat"]),
        ("[broker]\nbindings = []", "config.toml:2", &["broker.bindings"]),
        ("[delivery]\n\ntimeout = \"0s\"", "config.toml:3", &["delivery.timeout"]),
        ("[delivery]\nconnect_timeout = \"20s\"", "config.toml:2", &["connect_timeout", "timeout"]),
        ("[delivery]\nmax_response_bytes = \"lots\"", "config.toml:2", &["max_response_bytes"]),
        ("[delivery]\nallow_addresses = [\"10.0.0.0/33\"]", "config.toml:2", &["allow_addresses"]),
        ("[retry]\nmultiplier = 0.5", "config.toml:2", &["retry.multiplier", "1"]),
        ("[retry]\nfirst_delay = \"7h\"", "config.toml:2", &["first_delay", "max_delay"]),
        ("[events]\nextra_types = [\"Bad\"]", "config.toml:2", &["extra_types", "Bad"]),
        ("[operations]\nlisten = \"nowhere\"", "config.toml:2", &["operations.listen"]),
        ("[admin]\nlisten = \"0.0.0.0:8080\"", "config.toml:2", &["admin.tokens", "loopback"]),
        ("[log]\nformat = \"xml\"", "config.toml:2", &["log.format", "json"]),
        ("[delivery\n", "config.toml:1", &["]"]),
    ];
    for (config, place, words) in rows {
        let folder = folder(config, GOOD_WEBHOOK);
        let checked = check(folder.path(), &[]).await;
        assert_eq!(checked.code, Some(2), "{config}: {}", checked.said);
        assert_line(&checked, place, words);
    }
}

#[tokio::test]
async fn all_mistakes_are_told_at_once() {
    let folder = folder("[log]\nlevel = \"loud\"\n[broker]\nprefetch = -1\nfoo = 1", GOOD_WEBHOOK);
    let variables =
        [("BOOTTIFY_WEBHOOKS__RETRY__JITTER", "2"), ("BOOTTIFY_WEBHOOKS__NO__SUCH", "1")];
    let checked = check(folder.path(), &variables).await;
    assert_eq!(checked.code, Some(2));
    for place in ["config.toml:2", "config.toml:4", "config.toml:5"] {
        assert_line(&checked, place, &[]);
    }
    assert_line(&checked, "BOOTTIFY_WEBHOOKS__RETRY__JITTER", &["jitter"]);
    assert_line(&checked, "BOOTTIFY_WEBHOOKS__NO__SUCH", &[]);
}

#[tokio::test]
async fn every_mistake_in_a_webhook_has_its_line() {
    let row = |from: &str, to: &str| GOOD_WEBHOOK.replacen(from, to, 1);
    let url = |url: &str| row("https://receiver.example/", url);
    let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let rows = [
        (row("id = \"whk_1\"\n", ""), "webhooks.toml:1", "id"),
        (row("whk_1", "hook 1"), "webhooks.toml:2", "whk_"),
        (url("nonsense"), "webhooks.toml:3", "url"),
        (url("ftp://receiver.example/"), "webhooks.toml:3", "https"),
        (url("http://receiver.example/"), "webhooks.toml:3", "https"),
        (url("https://user:hunter2@receiver.example/"), "webhooks.toml:3", "password"),
        (url("https://receiver.example/#part"), "webhooks.toml:3", "fragment"),
        (url("https:///path"), "webhooks.toml", "url"),
        (url("https://:443/"), "webhooks.toml:3", "url"),
        (row("\"*\"", "\"deployment\""), "webhooks.toml:4", "events"),
        (row("\"*\"", "\"deployment.exploded\""), "webhooks.toml:4", "deployment.exploded"),
        (row("[\"*\"]", "[]"), "webhooks.toml:4", "events"),
        (row(secret, ""), "webhooks.toml:5", "empty"),
        (format!("{GOOD_WEBHOOK}evnts = []\n"), "webhooks.toml:6", "events"),
        (format!("{GOOD_WEBHOOK}max_in_flight = 0\n"), "webhooks.toml:6", "max_in_flight"),
        (format!("{GOOD_WEBHOOK}retry = {{ first_delay = \"1ms\" }}\n"), "webhooks.toml:6", "1s"),
        (format!("{GOOD_WEBHOOK}headers = {{ Host = \"x\" }}\n"), "webhooks.toml:6", "host"),
        (format!("{GOOD_WEBHOOK}{GOOD_WEBHOOK}"), "webhooks.toml", "whk_1"),
    ];
    for (webhooks, place, word) in rows {
        let folder = folder("", &webhooks);
        let checked = check(folder.path(), &[]).await;
        assert_eq!(checked.code, Some(2), "{webhooks}: {}", checked.said);
        assert_line(&checked, place, &[word]);
        for secret in ["hunter2", "MDEyMzQ1"] {
            assert!(!checked.said.contains(secret), "a secret was told: {}", checked.said);
        }
    }
}

#[tokio::test]
async fn secrets_come_from_files_and_files_must_be_there() {
    let folder = folder("", &GOOD_WEBHOOK.replace("secret = ", "secret_file = \"key\" # "));
    let missing = check(folder.path(), &[]).await;
    assert_eq!(missing.code, Some(2));
    assert_line(&missing, "webhooks.toml:5", &["key"]);
    fs::write(folder.path().join("key"), "whsec_a2V5\n").unwrap();
    let there = check(folder.path(), &[]).await;
    assert_eq!(there.code, Some(0), "{}", there.said);

    let url = folder.path().join("broker-url");
    fs::write(&url, "http://user:hunter2@x").unwrap();
    let variable = [("BOOTTIFY_WEBHOOKS__BROKER__URL_FILE", url.to_str().unwrap())];
    let wrong = check(folder.path(), &variable).await;
    assert_eq!(wrong.code, Some(2));
    assert_line(&wrong, "BROKER__URL_FILE", &["amqp"]);
    assert!(!wrong.said.contains("hunter2"), "{}", wrong.said);
}

#[tokio::test]
async fn files_that_are_not_there_are_named() {
    let output = program::run(&["check", "--config", "/nowhere/config.toml"], &[]).await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/config.toml"));

    let folder = folder("", "");
    fs::remove_file(folder.path().join("webhooks.toml")).unwrap();
    let checked = check(folder.path(), &[]).await;
    assert_eq!(checked.code, Some(2));
    assert_line(&checked, "webhooks.toml", &[]);
}

#[tokio::test]
async fn the_command_line_helps() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["send", "--help"]] {
        let output = program::run(arguments, &[]).await.unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).contains("Usage"), "{arguments:?}");
    }
    for wrong in [&["nonsense"][..], &["serve", "--nonsense"], &[]] {
        let output = program::run(wrong, &[]).await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let output = program::run(&["completions", shell], &[]).await.unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("boottify-webhooks"));
    }
}

/// What is no folder, and what holds no certificate, is told before it is needed.
#[tokio::test]
async fn files_and_folders_are_what_they_are_to_be() {
    let folder = folder(BROKER, GOOD_WEBHOOK);
    let file = folder.path().join("webhooks.toml").display().to_string();
    let below = format!("{file}/state");
    for (variable, value, words) in [
        ("WEBHOOKS__STATE_DIR", &file, "is no folder (webhooks.state_dir)"),
        ("WEBHOOKS__STATE_DIR", &below, "is no folder (webhooks.state_dir)"),
        ("DELIVERY__CA_FILE", &file, "delivery.ca_file"),
        ("TRACES__CA_FILE", &file, "traces.ca_file"),
    ] {
        let variable = format!("BOOTTIFY_WEBHOOKS__{variable}");
        let checked = check(folder.path(), &[(&variable, value)]).await;
        assert_eq!(checked.code, Some(2), "{variable}: {}", checked.said);
        assert!(checked.said.contains(words), "{variable}: {}", checked.said);
        assert!(checked.said.contains(&file), "{variable}: {}", checked.said);
    }
}

/// A full disk behind standard output is told; a reader that has gone has seen enough.
#[tokio::test]
async fn what_cannot_be_printed_is_no_panic() {
    let folder = folder(BROKER, GOOD_WEBHOOK);
    let config = folder.path().join("config.toml").display().to_string();
    let commands: [&[&str]; 4] = [
        &["check", "--config", &config],
        &["webhooks", "list", "--config", &config],
        &["webhooks", "new-secret"],
        &["completions", "bash"],
    ];
    let binary = program::binary().await.unwrap();
    for command in commands {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(binary).args(command).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
        assert!(said.contains("cannot write to standard output"), "{command:?}: {said}");

        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(binary).args(command).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command:?}");
    }
}

#[tokio::test]
async fn weak_secrets_are_warned_of_and_new_ones_are_not_weak() {
    let made = program::run(&["webhooks", "new-secret"], &[]).await.unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    let rows = [
        (made.trim(), None),
        ("x", Some("less than 16 bytes")),
        ("whsec_!!!!", Some("no base64 behind whsec_")),
    ];
    for (secret, warning) in rows {
        let webhook = format!(
            "[[webhooks]]\nid = \"whk_1\"\nurl = \"https://receiver.example/\"\n\
             events = [\"*\"]\nsecret = \"{secret}\"\n"
        );
        let folder = folder(BROKER, &webhook);
        let checked = check(folder.path(), &[]).await;
        assert_eq!(checked.code, Some(0), "{}", checked.said);
        match warning {
            Some(warning) => assert_line(&checked, "webhook whk_1", &[warning]),
            None => assert!(!checked.said.contains("warning"), "{}", checked.said),
        }
    }
}

#[tokio::test]
async fn verify_says_what_it_needs() {
    let run = async |arguments: &[&str], environment: &[(&str, &str)]| {
        let output = program::run(&[&["verify"], arguments].concat(), environment).await.unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let secret = [("WEBHOOK_SECRET", "wrong")];
    let (code, said) = run(&["/dev/null"], &secret).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("--signature") && said.contains("--webhook-signature"), "{said}");
    let (code, said) = run(&["--signature", "x", "--webhook-id", "y", "/dev/null"], &secret).await;
    assert_eq!(code, Some(2), "an id alone proves nothing: {said}");

    // HMAC-SHA256 of nothing, keyed with "hunter2": the file comes before the environment.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, "hunter2\n").unwrap();
    let signature = "sha256=a9ee5d331179aed5d1fba6cd59acb1461a65410fa9cb709781d1d9b2a32fd5c1";
    let file = file.display().to_string();
    let (code, said) =
        run(&["--secret-file", &file, "--signature", signature, "/dev/null"], &secret).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn webhooks_are_listed_without_their_secrets() {
    let folder = folder(BROKER, &GOOD_WEBHOOK.replace("example/", "example/path?token=hunter2"));
    let config = folder.path().join("config.toml");
    let list = async |more: &[&str]| {
        let arguments =
            [&["webhooks", "list", "--config", config.to_str().unwrap()], more].concat();
        let output = program::run(&arguments, &[]).await.unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    let (table, json) = (list(&[]).await, list(&["--json"]).await);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value[0]["id"], "whk_1");
    for text in [table, json] {
        assert!(text.contains("whk_1") && text.contains("receiver.example"), "{text}");
        assert!(!text.contains("whsec_") && !text.contains("hunter2"), "{text}");
    }
}
