//! A webhook that cannot be opened, for want of its key or as its row is damaged: it is named, what is
//! for it waits, the others go on, and it can be deleted without its key.

use serde_json::Value;
use testbed::loopback;
use testbed::postgres::Server;
use testbed::program::{self, said};
use testbed::setup::SECRET;

use crate::stage::{SOON, Stage};

const OURS: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const THEIRS: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
const SEALING: &str = "BOOTTIFY_WEBHOOKS__WEBHOOKS__ENCRYPTION_KEY";
const OPENING: &str = "BOOTTIFY_WEBHOOKS__WEBHOOKS__EARLIER_ENCRYPTION_KEY";

/// Runs `webhooks …` beside a program, with these keys.
async fn webhooks(stage: &Stage, arguments: &[&str], sealing: &str, earlier: &str) -> String {
    let config = stage.program.folder().join("config.toml").display().to_string();
    let arguments = [&["webhooks"], arguments, &["--config", &config]].concat();
    let output = program::run(&arguments, &[(SEALING, sealing), (OPENING, earlier)]).await.unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a webhook that is sealed with `sealing`, and gives its id.
async fn made(stage: &Stage, path: &str, sealing: &str, earlier: &str) -> String {
    let url = stage.receiver.url(path);
    let made = webhooks(stage, &["create", &url, "--json"], sealing, earlier).await;
    let made: Value = serde_json::from_str(&made).unwrap();
    made["id"].as_str().unwrap().to_owned()
}

fn ask(stage: &Stage, method: &str, path: &str) -> loopback::Answer {
    let headers = "content-type: application/json\r\n";
    loopback::request(stage.program.admin(), method, path, headers, "").unwrap()
}

#[tokio::test]
async fn what_is_for_it_waits_until_it_is_opened_or_deleted() {
    let keys = |setup: testbed::setup::Setup| setup.set("webhooks.encryption_key", OURS);
    let stage = Stage::new(|setup, _| keys(setup.sqlite())).await;
    let mine = made(&stage, "/mine", OURS, THEIRS).await;
    stage.reaches("webhooks", &[("state", "enabled")], 1.0).await;
    let opened = made(&stage, "/opened", THEIRS, OURS).await;
    let deleted = made(&stage, "/deleted", THEIRS, OURS).await;
    stage.reaches("webhooks_unopened", &[], 2.0).await;
    for id in [&opened, &deleted] {
        stage.program.logged(&format!("{id} (sealed with the key"), SOON).await.unwrap();
    }

    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.reaches("deliveries_total", &[("outcome", "delivered")], 1.0).await;
    stage.reaches("deliveries_postponed_total", &[("bound", "unopened")], 2.0).await;
    let list = webhooks(&stage, &["list"], OURS, OURS).await;
    let states: Vec<_> = list.lines().filter(|line| line.contains("unopened")).collect();
    assert!(states.len() == 2 && list.contains(&mine), "{list}");
    let shown = ask(&stage, "GET", &format!("/api/v1/webhooks/{opened}"));
    assert!(shown.body.contains("\"unopened\":\"sealed with the key"), "{shown:?}");
    let page = ask(&stage, "GET", "/admin/webhooks");
    assert_eq!(page.body.matches("Cannot be opened").count(), 2, "{page:?}");
    for path in ["rotate-secret", "reveal-secret", "test"] {
        let refused = ask(&stage, "POST", &format!("/api/v1/webhooks/{opened}/{path}"));
        assert!(refused.body.contains("/problems/webhook-unopened"), "{path}: {refused:?}");
    }

    let gone = ask(&stage, "DELETE", &format!("/api/v1/webhooks/{deleted}"));
    assert_eq!(gone.status, 204, "{gone:?}");
    webhooks(&stage, &["reseal"], OURS, THEIRS).await;
    stage.receiver.wait_for(2, SOON * 2).await.unwrap();
    let paths: Vec<_> = stage.receiver.requests().into_iter().map(|one| one.path).collect();
    assert_eq!(paths, ["/mine", "/opened"]);
    assert_eq!(stage.sum("webhooks_unopened", &[]), 0.0);
    stage.program.logged("all webhooks can be opened again", SOON).await.unwrap();
    stage.close().await;
}

/// Its settings are lost, but not which events it wants; and of another one that is lost, too.
#[tokio::test]
async fn a_damaged_row_in_postgres_stops_no_other() {
    let server = Server::start().await.unwrap();
    let url = server.database("webhooks").await.unwrap();
    let stage = Stage::new(|setup, _| {
        setup.set("webhooks.store", url.as_str()).set("webhooks.encryption_key", OURS)
    })
    .await;
    let mine = made(&stage, "/mine", OURS, THEIRS).await;
    let waits = made(&stage, "/waits", OURS, THEIRS).await;
    let wants = made(&stage, "/wants", OURS, THEIRS).await;
    stage.reaches("webhooks", &[("state", "enabled")], 3.0).await;
    let damage = format!(
        "ALTER TABLE webhooks ALTER url DROP NOT NULL; \
         UPDATE webhooks SET url = NULL WHERE id = '{waits}'; \
         UPDATE webhooks SET events = '[' WHERE id = '{wants}'; \
         UPDATE revision SET value = value + 1; \
         UPDATE webhooks SET revision = (SELECT value FROM revision) WHERE id <> '{mine}'"
    );
    server.execute("webhooks", &damage).await.unwrap();
    stage.reaches("webhooks_unopened", &[], 2.0).await;
    for why in [format!("{waits} (damaged: its url is empty)"), "no event is matched".to_owned()] {
        stage.program.logged(&why, SOON).await.unwrap();
    }

    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.reaches("deliveries_total", &[("outcome", "delivered")], 1.0).await;
    stage.reaches("deliveries_postponed_total", &[("bound", "unopened")], 1.0).await;
    let config = stage.program.folder().join("config.toml").display().to_string();
    let listed = program::run(&["webhooks", "list", "--config", &config], &[]).await.unwrap();
    for why in [format!("webhook {wants} cannot be opened: damaged: its events"), "is empty".into()]
    {
        assert!(said(&listed).contains(&why), "{}", said(&listed));
    }
    // Who listens as it with a secret would hear nothing, for ever.
    let secret = stage.program.folder().join("secret").display().to_string();
    std::fs::write(&secret, SECRET).unwrap();
    let listen = ["listen", "--config", &config, "--webhook", &wants, "--secret-file", &secret];
    let arguments = [&listen[..], &["http://127.0.0.1:1/"]].concat();
    let listened = tokio::time::timeout(SOON, program::run(&arguments, &[])).await.unwrap();
    let listened = listened.unwrap();
    assert_eq!(listened.status.code(), Some(1), "{}", said(&listened));
    for why in ["damaged: its events", "no event is matched", "--event"] {
        assert!(said(&listened).contains(why), "{}", said(&listened));
    }
    let page = ask(&stage, "GET", &format!("/admin/webhooks/{wants}"));
    assert!(page.body.contains("damaged: its events: EOF"), "{page:?}");
    let listed = ask(&stage, "GET", "/api/v1/webhooks");
    assert_eq!(listed.body.matches("\"unopened\":\"damaged: its ").count(), 2, "{listed:?}");
    for id in [&waits, &wants] {
        webhooks(&stage, &["delete", id], OURS, OURS).await;
    }
    stage.reaches("webhooks_unopened", &[], 0.0).await;
    stage.close().await;
}

/// Also where nothing at all can be opened, and so nothing is read.
#[tokio::test]
async fn the_command_deletes_without_the_key() {
    let keys = |setup: testbed::setup::Setup| setup.set("webhooks.encryption_key", OURS);
    let stage = Stage::new(|setup, _| keys(setup.sqlite())).await;
    let foreign = made(&stage, "/foreign", THEIRS, OURS).await;
    stage.program.logged("the webhooks cannot be read", SOON).await.unwrap();
    stage.reaches("store_failing", &[], 1.0).await;
    let page = ask(&stage, "GET", "/admin/webhooks").body;
    assert!(page.contains("The webhooks cannot be read") && page.contains(&foreign), "{page}");
    assert!(!page.contains("first webhook"), "{page}");
    let refused = ask(&stage, "POST", &format!("/api/v1/webhooks/{foreign}/rotate-secret"));
    assert!(refused.body.contains("/problems/store-damaged"), "{refused:?}");
    webhooks(&stage, &["delete", &foreign], OURS, OURS).await;
    stage.program.logged("the webhooks can be read again", SOON).await.unwrap();
    stage.close().await;
}
