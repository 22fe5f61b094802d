//! Every screen, light and dark and on a phone: nothing that keeps people out, nothing cut off,
//! nothing that a stranger wrote taken for markup. Pictures go to `target/screenshots`.

use serde_json::{Value, json};
use testbed::axe::Axe;
use testbed::browser::{Scheme, Screen, Scripts};
use testbed::receiver::{Answer, Script};

use super::{ADMIN, Center, EVIL, READER};
use crate::stage::SOON;

/// How a screen is looked at; axe judges colours, which a phone does not change.
const WAYS: [(&str, Scheme, Screen); 3] = [
    ("light", Scheme::Light, Screen::Desktop),
    ("dark", Scheme::Dark, Screen::Desktop),
    ("phone", Scheme::Light, Screen::Phone),
];

impl Center {
    /// Webhooks and deliveries of every kind; the screens by name.
    async fn furnished(&self) -> Vec<(&'static str, String)> {
        let broken = Answer::status(503).with_body(EVIL);
        self.stage.receiver.answer("/broken", Script::always(broken));
        let named = [("description", json!(EVIL)), ("projects", json!(["prj_xyz789"]))];
        let good = self.webhook("/hook?token=hush", &named);
        let broken = self.webhook(
            "/broken",
            &[
                (
                    "condition",
                    json!([{ "pointer": "/deployment/meta/gitBranch", "in": ["main", EVIL] }]),
                ),
                ("headers", json!({ "x-team": "payments" })),
            ],
        );
        let disabled = self.webhook("/disabled", &[("enabled", json!(false))]);
        for n in 0..4 {
            self.publish(&format!("evt_{n}")).await;
        }
        self.dead(4).await;
        self.api("POST", &format!("/webhooks/{good}/rotate-secret"), &Value::Null);
        let delivery = |webhook: &str| {
            let path = format!("/webhooks/{webhook}/deliveries");
            let listed = self.api("GET", &path, &Value::Null);
            listed["items"][0]["id"].as_str().map(str::to_owned)
        };
        let logged = testbed::eventually("deliveries are logged", SOON, || async {
            Some((delivery(&good)?, delivery(&broken)?))
        });
        let (delivered, failed) = logged.await.unwrap();
        let of = |path: &str| format!("/admin/webhooks/{path}");
        vec![
            ("list", of("")),
            ("new", of("new")),
            ("webhook", of(&good)),
            ("webhook-failing", of(&broken)),
            ("webhook-disabled", of(&disabled)),
            ("settings", of(&format!("{broken}/settings"))),
            ("audit-of-webhook", of(&format!("{good}/audit"))),
            ("edit", of(&format!("{broken}/edit"))),
            ("test-event", of(&format!("{disabled}/test"))),
            ("confirm-delete", of(&format!("{good}/delete"))),
            ("confirm-rotate", of(&format!("{good}/rotate-secret"))),
            ("kept", of(&format!("{disabled}/kept"))),
            ("delivery", format!("/admin/deliveries/{delivered}")),
            ("delivery-failed", format!("/admin/deliveries/{failed}")),
            ("dead", "/admin/dead".to_owned()),
            ("confirm-replay", "/admin/dead/replay".to_owned()),
            ("confirm-drop", "/admin/dead/drop".to_owned()),
            ("audit", "/admin/audit".to_owned()),
            ("not-found", of("whk_nobody/settings")),
        ]
        .into_iter()
        .map(|(name, path)| (name, path.trim_end_matches('/').to_owned()))
        .collect()
    }

    /// What is wrong with the screen that is open, looked at in every way.
    async fn judge(&self, name: &str, axe: Option<&Axe>) -> Vec<String> {
        let mut wrong = Vec::new();
        for (way, scheme, screen) in WAYS {
            self.browser.look_with(scheme, screen).await.unwrap();
            self.browser.screenshot(&format!("{name}-{way}")).await.unwrap();
            let mut found = match axe {
                Some(axe) if screen == Screen::Desktop => {
                    axe.violations(&self.browser).await.unwrap()
                }
                _ => Vec::new(),
            };
            let wide = "const page = document.documentElement;
                return page.scrollWidth > page.clientWidth";
            if self.browser.run(wide, Vec::new()).await.unwrap() == true {
                found.push("it scrolls sideways".to_owned());
            }
            wrong.extend(found.into_iter().map(|line| format!("{name}, {way}: {line}")));
        }
        let complaints = self.browser.complaints().await.unwrap();
        wrong.extend(complaints.into_iter().map(|line| format!("{name}: {line}")));
        wrong
    }
}

#[tokio::test]
async fn screens_keep_nobody_out() {
    let center = Center::open(Scripts::On).await;
    let axe = Axe::find().await.unwrap();
    if axe.is_none() {
        eprintln!("skipped: there is no npm, so no axe-core");
    }
    let axe = axe.as_ref();
    let browser = &center.browser;
    browser.open("/admin/webhooks").await.unwrap();
    let mut wrong = center.judge("sign-in", axe).await;
    center.sign_in(ADMIN).await;
    wrong.extend(center.judge("list-empty", axe).await);
    browser.open("/admin/dead").await.unwrap();
    wrong.extend(center.judge("dead-empty", axe).await);
    let screens = center.furnished().await;
    for (name, path) in &screens {
        browser.open(path).await.unwrap();
        wrong.extend(center.judge(name, axe).await);
    }
    // Those that only a form leads to.
    browser.open("/admin/webhooks/new").await.unwrap();
    browser.fill("Endpoint URL", EVIL).await.unwrap();
    browser.press("Create webhook").await.unwrap();
    browser.sees("Nothing was saved yet").await.unwrap();
    wrong.extend(center.judge("new-wrong", axe).await);
    browser.fill("Endpoint URL", &center.stage.receiver.url("/hook")).await.unwrap();
    browser.tick("All events").await.unwrap();
    browser.press("Create webhook").await.unwrap();
    browser.sees("Copy its secret").await.unwrap();
    wrong.extend(center.judge("secret", axe).await);
    let edit = screens.iter().find(|(name, _)| *name == "edit").unwrap();
    browser.open(&edit.1).await.unwrap();
    // Something is set in the advanced part, which is why it is not folded.
    browser.press("Try on recent events").await.unwrap();
    browser.sees("events would be sent").await.unwrap();
    wrong.extend(center.judge("tried", axe).await);

    browser.forget().await.unwrap();
    center.sign_in(READER).await;
    browser.sees("You may look at everything.").await.unwrap();
    assert!(!browser.has("#add-webhook").await.unwrap());
    wrong.extend(center.judge("list-reader", axe).await);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    center.close().await;
}
