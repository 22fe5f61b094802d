//! The page at `/admin/webhooks` in a real browser, as the people that it is for use it.

mod life;
mod samples;
mod screens;
mod without_scripts;

use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::browser::{Browser, Scripts};
use testbed::eventually;
use testbed::loopback;
use testbed::page;
use testbed::receiver::{Received, Script};

use crate::stage::{SOON, Stage};

/// Tokens of the configuration, one of each role.
const ADMIN: &str = "admin-token-of-the-tests-1";
const READER: &str = "reader-token-of-the-tests-1";

/// What must never become part of a page.
const EVIL: &str =
    "<script>throw new Error('evil ran')</script><img src=x onerror=alert(1)>&lt;b&gt;";

/// The program with a database, a receiver at `/hook` and a browser that shows its page.
struct Center {
    stage: Stage,
    browser: Browser,
    _folder: TempDir,
}

impl Center {
    async fn open(scripts: Scripts) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite://{}", folder.path().join("webhooks.db").display());
        let stage = Stage::new(|setup, _| {
            setup
                .set("webhooks.store", store)
                .set("admin.tokens", format!("tess admin {ADMIN}\nrudi read {READER}"))
                // What failed waits until the test says so.
                .set("retry.first_delay", "10m")
                .set("retry.max_delay", "1h")
        })
        .await;
        let home = format!("http://{}/", stage.program.admin());
        let browser = Browser::start(&home, scripts).await.unwrap();
        Self { stage, browser, _folder: folder }
    }

    async fn sign_in(&self, token: &str) {
        self.browser.open("/admin/webhooks").await.unwrap();
        self.browser.fill("Access token", token).await.unwrap();
        self.browser.press("Sign in").await.unwrap();
        self.browser.sees("Sign out").await.unwrap();
    }

    /// Asks the API as an admin.
    fn api(&self, method: &str, path: &str, body: &Value) -> Value {
        let headers =
            format!("authorization: Bearer {ADMIN}\r\ncontent-type: application/json\r\n");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let path = format!("/api/v1{path}");
        let address = self.stage.program.admin();
        let answer = loopback::request(address, method, &path, &headers, &body).unwrap();
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    /// Makes a webhook for everything at a path of the receiver; its id.
    fn webhook(&self, path: &str, more: &[(&str, Value)]) -> String {
        let mut wish = json!({ "url": self.stage.receiver.url(path), "events": ["*"] });
        for (name, value) in more {
            wish[*name] = value.clone();
        }
        let made = self.api("POST", "/webhooks", &wish);
        made["webhook"]["id"].as_str().unwrap().to_owned()
    }

    /// Publishes an event and waits until it is settled.
    async fn publish(&self, id: &str) {
        let before = self.stage.sum("events_consumed_total", &[]);
        self.stage.publish_body("deployment.succeeded", id, page::PAYLOAD).await;
        self.stage.reaches("events_consumed_total", &[], before + 1.0).await;
        eventually("it is settled", SOON, || async {
            (self.stage.sum("messages_unsettled", &[]) == 0.0).then_some(())
        })
        .await
        .unwrap();
    }

    /// Waits until the receiver has got so many requests; the last of them.
    async fn received(&self, count: usize) -> Received {
        self.stage.receiver.wait_for(count, SOON).await.unwrap().pop().unwrap()
    }

    fn receiver_answers(&self, script: Script) {
        self.stage.receiver.answer("/hook", script);
    }

    /// Waits until so many dead letters are in the broker.
    async fn dead(&self, count: u32) {
        let queue = &self.stage.space.names().dead_queue;
        eventually(&format!("{count} dead letters"), SOON, || async {
            (self.stage.client.depth(queue).await.ok()? == count).then_some(())
        })
        .await
        .unwrap();
    }

    /// Ends everything; a page that did wrong on the way fails the test.
    async fn close(self) {
        let wrong = self.browser.complaints().await.unwrap();
        assert!(wrong.is_empty(), "{wrong:#?}");
        drop(self.browser);
        self.stage.close().await;
    }
}
