//! The life of a webhook on the page, from signing in to its end.

use testbed::browser::Scripts;
use testbed::page::is_signed;
use testbed::receiver::{Answer, Script};

use super::samples::Samples;
use super::{ADMIN, Center, EVIL};

impl Center {
    /// Makes the webhook on the page; its secret and the samples.
    async fn create(&self) -> (String, Samples) {
        let browser = &self.browser;
        browser.press("Add your first webhook").await.unwrap();
        browser.press("Create webhook").await.unwrap();
        browser.sees("Nothing was saved yet").await.unwrap();
        browser.fill("Endpoint URL", &self.stage.receiver.url("/hook")).await.unwrap();
        browser.tick("All events").await.unwrap();
        browser.fill("Description", EVIL).await.unwrap();
        browser.press("Create webhook").await.unwrap();
        browser.sees("Copy its secret").await.unwrap();
        let secret = browser.text_of("#secret").await.unwrap();
        browser.press("Copy secret").await.unwrap();
        let copied = browser
            .until("it is copied", async || {
                Ok(browser.clipboard().await.ok().filter(|copied| !copied.is_empty()))
            })
            .await;
        assert_eq!(copied.unwrap(), secret);
        let samples = Samples::shown(browser, &secret).await;
        browser.press("Done, I saved the secret").await.unwrap();
        browser.sees("Nothing was sent yet").await.unwrap();
        browser.sees(EVIL).await.unwrap();
        browser.sees_no(&secret).await.unwrap();
        (secret, samples)
    }

    /// Opens the delivery of an event from the webhook's list.
    async fn open_delivery(&self, mark: &str) {
        let row = format!("//tr[starts-with(@id, 'delivery-')][contains(., '{mark}')]");
        self.browser.press_within(&row, "deployment.succeeded").await.unwrap();
        self.browser.sees("Payload").await.unwrap();
    }

    /// Reloads until a text can be seen, where the page does not follow by itself.
    async fn reloaded(&self, path: &str, text: &str) {
        self.browser
            .until(&format!("{text:?} after a reload"), async || {
                self.browser.open(path).await?;
                Ok(self.browser.text().await?.contains(text).then_some(()))
            })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_webhook_lives_on_the_page() {
    let center = Center::open(Scripts::On).await;
    let browser = &center.browser;
    browser.open("/admin/webhooks").await.unwrap();
    browser.fill("Access token", "a-wrong-token-of-the-tests").await.unwrap();
    browser.press("Sign in").await.unwrap();
    browser.sees("The token is not known here.").await.unwrap();
    assert!(browser.has("#token-error").await.unwrap(), "{}", browser.text().await.unwrap());
    assert!(!browser.has("#sign-out").await.unwrap());
    center.sign_in(ADMIN).await;

    let (secret, samples) = center.create().await;
    let webhook = browser.path().await.unwrap();
    browser.sees("Live").await.unwrap();
    browser.run("window.notReloaded = true", Vec::new()).await.unwrap();
    center.publish("evt_1").await;
    let first = center.received(1).await;
    browser.sees("Delivered").await.unwrap();
    assert!(is_signed(&first.body, first.header("x-boottify-signature"), &secret));

    center.receiver_answers(Script::always(
        Answer::status(500).with_header("content-type", "text/html").with_body(EVIL),
    ));
    center.publish("evt_2").await;
    browser.sees("HTTP 500").await.unwrap();
    // The charts follow.
    browser.sees("1 failed").await.unwrap();
    let same = browser.run("return window.notReloaded === true", Vec::new()).await.unwrap();
    assert_eq!(same, true, "the page was reloaded");
    center.open_delivery("HTTP 500").await;
    browser.sees("The receiver answered 500.").await.unwrap();
    browser.sees(EVIL).await.unwrap();
    let delivery = browser.path().await.unwrap();

    center.receiver_answers(Script::ok());
    browser.press("Redeliver").await.unwrap();
    let again = center.received(3).await;
    assert_eq!(delivery, format!("/admin/deliveries/{}", again.delivery()));
    assert_eq!(again.attempt(), 2);
    center.reloaded(&delivery, "Delivered: the receiver answered 200").await;

    samples.verify(&first).await;
    center.rotates(&webhook, &secret).await;
    center.keeps_while_disabled(&webhook).await;
    center.tests_and_deletes(&webhook).await;
    center.close().await;
}

impl Center {
    async fn rotates(&self, webhook: &str, old: &str) {
        let browser = &self.browser;
        browser.open(&format!("{webhook}/settings")).await.unwrap();
        browser.press("Rotate").await.unwrap();
        browser.press("Rotate secret").await.unwrap();
        browser.sees("goes on signing").await.unwrap();
        let new = browser.text_of("#secret").await.unwrap();
        assert_ne!(new, old);
        browser.press("Done, I saved the secret").await.unwrap();
        browser.sees("The secret is being rotated.").await.unwrap();
        let both = self.signed_by(old, 2).await;
        assert!(both, "the old secret signs until the overlap ends");
        browser.press("Promote the new secret now").await.unwrap();
        browser.sees("The new secret signs alone now.").await.unwrap();
        assert!(self.signed_by(&new, 1).await, "the new secret signs alone");
    }

    /// Whether an event that is published now is signed by this secret, and by so many in the scheme
    /// that takes several.
    async fn signed_by(&self, secret: &str, signatures: usize) -> bool {
        let count = self.stage.receiver.count();
        self.publish(&format!("evt_signed_{count}")).await;
        let last = self.received(count + 1).await;
        last.header("webhook-signature").split(' ').count() == signatures
            && is_signed(&last.body, last.header("x-boottify-signature"), secret)
    }

    async fn keeps_while_disabled(&self, webhook: &str) {
        let browser = &self.browser;
        let before = self.stage.receiver.count();
        browser.open(webhook).await.unwrap();
        browser.press("Disable").await.unwrap();
        browser.sees("Nothing is sent until you enable it again.").await.unwrap();
        for n in 0..5 {
            self.publish(&format!("evt_kept_{n}")).await;
        }
        self.dead(5).await;
        browser.press("Enable").await.unwrap();
        browser.sees("Send the 5 events kept meanwhile?").await.unwrap();
        browser.press("Not now").await.unwrap();
        browser.sees("Look at its dead letters").await.unwrap();

        browser.press("Dead letters").await.unwrap();
        browser.sees("5 dead letters").await.unwrap();
        browser.press_within("//tbody/tr[1]", "Send again").await.unwrap();
        browser.sees("4 dead letters").await.unwrap();
        self.received(before + 1).await;
        browser.press_within("//tbody/tr[1]", "Drop").await.unwrap();
        browser.sees("Drop 1 dead letter?").await.unwrap();
        browser.press("Drop for good").await.unwrap();
        browser.sees("3 dead letters").await.unwrap();
        browser.press("Send all again").await.unwrap();
        browser.sees("Send 3 dead letters again?").await.unwrap();
        browser.press("Send again").await.unwrap();
        browser.sees("Nothing was given up").await.unwrap();
        self.received(before + 4).await;
        self.dead(0).await;
        browser.open(webhook).await.unwrap();
        browser.sees_no("Sending").await.unwrap();

        // Once more, and what was kept is sent at once.
        browser.open(webhook).await.unwrap();
        browser.press("Disable").await.unwrap();
        browser.sees("Nothing is sent until you enable it again.").await.unwrap();
        self.publish("evt_kept_more").await;
        self.dead(1).await;
        // What has just been kept is in the list, however lately that was shown.
        browser.open("/admin/dead").await.unwrap();
        browser.sees("1 dead letter").await.unwrap();
        self.reloaded(webhook, "Look at its dead letters").await;
        browser.press("Enable").await.unwrap();
        browser.sees("Send the 1 event kept meanwhile?").await.unwrap();
        browser.press("Send them").await.unwrap();
        self.received(before + 5).await;
    }

    async fn tests_and_deletes(&self, webhook: &str) {
        let browser = &self.browser;
        let before = self.stage.receiver.count();
        browser.open(webhook).await.unwrap();
        browser.press("Send test event").await.unwrap();
        browser.choose("Event", "domain.added").await.unwrap();
        browser.press("Send").await.unwrap();
        let test = self.received(before + 1).await;
        assert_eq!(test.header("x-boottify-event"), "domain.added");
        browser.sees("domain.added").await.unwrap();

        browser.press("Settings").await.unwrap();
        browser.press("Delete").await.unwrap();
        browser.sees("Delete this webhook?").await.unwrap();
        browser.press("Delete webhook").await.unwrap();
        browser.sees("The webhook was deleted.").await.unwrap();
        browser.open("/admin/audit").await.unwrap();
        browser.sees("tess").await.unwrap();
        browser.open(webhook).await.unwrap();
        browser.sees("It may have been deleted.").await.unwrap();
        browser.press("Sign out").await.unwrap();
        browser.sees("Access token").await.unwrap();
    }
}
