//! The file of an embedded database is removed or replaced while the program runs: nothing is said to
//! be made that would be gone, and no webhook ends for it.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use testbed::program;

use super::{ADMIN, Hand, json_of, problem, stage};
use crate::stage::{SOON, Stage};

fn files(stage: &Stage) -> impl Iterator<Item = PathBuf> {
    let folder = stage.program.folder().to_owned();
    let names = ["webhooks.db", "webhooks.db-wal", "webhooks.db-shm"];
    names.into_iter().map(move |name| folder.join(name))
}

async fn start_again(stage: &mut Stage) {
    stage.program.sigterm();
    assert!(stage.program.wait(SOON).await.unwrap().success());
    stage.program.start_again().await.unwrap();
    stage.program.ready().await.unwrap();
}

#[tokio::test]
async fn removed() {
    let mut stage = stage().await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    let body = json!({ "url": stage.receiver.url("/hook"), "events": ["domain.*"] });
    let [id, _] = hand.create(&body);
    for file in files(&stage).filter(|file| file.exists()) {
        fs::remove_file(file).unwrap();
    }
    problem(&hand.post("/webhooks", &body), 503, "store-away");
    stage
        .program
        .logged("the webhooks cannot be read, what was live stays so", SOON)
        .await
        .unwrap();

    // What was live is live after a start, too, and is not overwritten by an empty database.
    for round in 0..2 {
        start_again(&mut stage).await;
        stage.publish("domain.added", "prj_1", &format!("evt_{round}")).await;
        stage.receiver.wait_for(round + 1, SOON).await.unwrap();
    }
    let hand = Hand { program: &stage.program, token: ADMIN };
    assert_eq!(json_of(&hand.get("/webhooks"))["items"][0]["id"], id.as_str());
    problem(&hand.post("/webhooks", &body), 503, "store-away");
    let config = stage.program.folder().join("config.toml");
    for asked in [&["list"][..], &["create", "https://a.example/", "--event", "*"]] {
        let arguments = [&["webhooks"], asked, &["--config", config.to_str().unwrap()]].concat();
        let output = program::run(&arguments, &[]).await.unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains("put it back"), "{told}");
    }
    assert!(files(&stage).all(|file| !file.exists()));

    // Who wants to begin anew takes away what was saved.
    fs::remove_file(stage.program.folder().join("state/webhooks.saved")).unwrap();
    start_again(&mut stage).await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    assert_eq!(json_of(&hand.get("/webhooks"))["items"], json!([]));
    hand.create(&body);
    stage.close().await;
}

#[tokio::test]
async fn overwritten() {
    let mut stage = stage().await;
    let hand = Hand { program: &stage.program, token: ADMIN };
    let body = json!({ "url": stage.receiver.url("/hook"), "events": ["domain.*"] });
    hand.create(&body);
    for file in files(&stage).filter(|file| file.exists()) {
        fs::write(file, [0xa5; 20_000]).unwrap();
    }
    stage
        .program
        .logged("the webhooks cannot be read, what was live stays so", SOON)
        .await
        .unwrap();
    problem(&hand.post("/webhooks", &body), 503, "store-damaged");
    start_again(&mut stage).await;
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.receiver.wait_for(1, SOON).await.unwrap();
    stage.close().await;
}
