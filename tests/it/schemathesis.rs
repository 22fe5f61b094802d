//! The API is what its own document says, whatever it is asked.

use std::time::Duration;

use testbed::schemathesis::{Bounds, Schemathesis};

use crate::stage::{SOON, Stage};

/// A token of the configuration.
const TOKEN: &str = "admin-token-of-the-tests-1";

/// Enough to meet every bound of every value; each request is one to a debug build.
const BOUNDS: Bounds = Bounds { examples: 25, time: Duration::from_secs(150) };

#[tokio::test]
async fn the_api_is_what_its_document_says() {
    let tool = Schemathesis::find().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite://{}", folder.path().join("webhooks.db").display());
    let stage = Stage::new(|setup, _| {
        setup.set("webhooks.store", store).set("admin.tokens", format!("tess admin {TOKEN}"))
    })
    .await;
    let document = format!("http://{}/api/v1/openapi.json", stage.program.admin());
    let said = tool.run(&document, TOKEN, BOUNDS).await;
    if let Err(found) = said {
        panic!("{found:#}\n{}", stage.program.log().join("\n"));
    }
    // Nothing of it did any harm.
    stage.publish("domain.added", "prj_1", "evt_1").await;
    stage.settled(1).await;
    let log = stage.program.log().join("\n");
    assert!(!log.contains("panicked"), "{log}");
    testbed::eventually("it is ready", SOON, || async {
        (stage.program.get("/readyz").ok()?.status == 200).then_some(())
    })
    .await
    .unwrap();
    stage.close().await;
}
