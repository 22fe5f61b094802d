//! The config cache: a change is live within a second, a broken file changes nothing, and the last
//! good snapshot outlives the file and the process.

use std::fs;

use rustix::process::Signal;
use testbed::setup::Webhook;

use crate::stage::{SOON, Stage};

#[tokio::test]
async fn a_change_is_live_and_a_broken_file_changes_nothing() {
    let stage = Stage::simple().await;
    let url = |path: &str| stage.receiver.url(path);
    let second = Webhook::new("whk_2", &url("/second"));
    stage.program.set_webhooks(&[second]).unwrap();
    stage.reaches("webhooks_generation", &[], 2.0).await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.receiver.wait_for(1, SOON).await.unwrap();
    assert_eq!(stage.receiver.requests_at("/second").len(), 1);

    stage.program.set_webhooks_text("[[webhooks]]\nid = \"whk_3\"\nurl = \"nonsense\"\n").unwrap();
    let line = stage.program.logged("webhooks.toml:3", SOON).await.unwrap();
    assert!(line.contains("url"), "{line}");
    stage.publish("domain.added", "prj_1", "evt_2").await;
    stage.receiver.wait_for(2, SOON).await.unwrap();
    assert_eq!(stage.receiver.requests_at("/second").len(), 2);
    assert!(stage.sum("store_errors_total", &[]) >= 1.0);
    stage.close().await;
}

#[tokio::test]
async fn the_last_good_snapshot_serves_without_the_file() {
    let mut stage = Stage::simple().await;
    stage.program.sigterm();
    stage.program.wait(SOON).await.unwrap();
    fs::remove_file(stage.program.folder().join("webhooks.toml")).unwrap();
    stage.program.start_again().await.unwrap();
    stage.program.ready().await.unwrap();
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.receiver.wait_for(1, SOON).await.unwrap();
    stage.close().await;
}

#[tokio::test]
async fn sighup_reads_the_configuration_again() {
    let mut stage = Stage::simple().await;
    let config = stage.program.folder().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n[events]\nextra_types = [\"team.invited\"]\n")).unwrap();
    stage.program.signal(Signal::HUP);
    stage.program.logged("configuration reloaded", SOON).await.unwrap();
    let body = br#"{"type":"team.invited","createdAt":"2024-01-15T10:30:00Z"}"#;
    stage.publish_body("team.invited", "evt_1", body).await;
    stage.receiver.wait_for(1, SOON).await.unwrap();

    fs::write(&config, format!("{text}\n[events]\nextra_tipes = []\n")).unwrap();
    stage.program.signal(Signal::HUP);
    let line = stage.program.logged("extra_tipes", SOON).await.unwrap();
    assert!(line.contains("extra_types"), "{line}");
    stage.publish_body("team.invited", "evt_2", body).await;
    stage.receiver.wait_for(2, SOON).await.unwrap();
    stage.close().await;
}
