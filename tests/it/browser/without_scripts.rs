//! Everything that can be done on the page can be done without JavaScript.

use testbed::browser::Scripts;
use testbed::receiver::Script;

use super::{ADMIN, Center};

#[tokio::test]
async fn forms_do_without_scripts() {
    let center = Center::open(Scripts::Off).await;
    let browser = &center.browser;
    center.sign_in(ADMIN).await;
    browser.press("Add your first webhook").await.unwrap();
    browser.fill("Endpoint URL", "no url").await.unwrap();
    browser.tick("All events").await.unwrap();
    browser.press("Create webhook").await.unwrap();
    browser.sees("Nothing was saved yet").await.unwrap();
    assert_eq!(browser.filled("Endpoint URL").await.unwrap(), "no url");
    browser.fill("Endpoint URL", &center.stage.receiver.url("/hook")).await.unwrap();
    browser.press("Create webhook").await.unwrap();
    browser.sees("Copy its secret").await.unwrap();
    browser.press("Done, I saved the secret").await.unwrap();
    let webhook = browser.path().await.unwrap();

    browser.press("Edit").await.unwrap();
    browser.fill("Description", "Edited without scripts").await.unwrap();
    browser.press("Advanced").await.unwrap();
    browser.fill("Place 1", "/deployment/meta/gitBranch").await.unwrap();
    browser.fill("Values 1", "main").await.unwrap();
    browser.press("Save changes").await.unwrap();
    browser.sees("Edited without scripts").await.unwrap();

    center.receiver_answers(Script::fail(1, 500));
    center.publish("evt_1").await;
    center.received(1).await;
    let failed = "//tr[starts-with(@id, 'delivery-')]";
    browser
        .until("the failure is listed", async || {
            browser.open(&webhook).await?;
            Ok(browser.text().await?.contains("HTTP 500").then_some(()))
        })
        .await
        .unwrap();
    browser.press_within(failed, "deployment.succeeded").await.unwrap();
    browser.press("Redeliver").await.unwrap();
    assert_eq!(center.received(2).await.attempt(), 2);

    browser.open(&webhook).await.unwrap();
    browser.press("Disable").await.unwrap();
    browser.sees("Nothing is sent until you enable it again.").await.unwrap();
    center.publish("evt_2").await;
    center.publish("evt_3").await;
    center.dead(2).await;
    browser.press("Enable").await.unwrap();
    browser.press("Not now").await.unwrap();
    browser.press("Dead letters").await.unwrap();
    browser.press_within("//tbody/tr[1]", "Send again").await.unwrap();
    center.received(3).await;
    browser.sees("1 dead letter").await.unwrap();
    browser.press("Send all again").await.unwrap();
    browser.press("Send again").await.unwrap();
    center.received(4).await;

    browser.open(&format!("{webhook}/delete")).await.unwrap();
    browser.press("Delete webhook").await.unwrap();
    browser.sees("The webhook was deleted.").await.unwrap();
    center.close().await;
}
