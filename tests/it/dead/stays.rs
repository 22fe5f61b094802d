//! What is not sent again, for it would be lost or die at once: it stays, and who asks is told.

use super::*;

/// What is for a webhook that was deleted is not sent again, for it would be lost, and who asks is told.
#[tokio::test]
async fn what_is_for_a_deleted_webhook_stays_and_is_told() {
    let stage = Stage::simple().await;
    let (space, client) = (&stage.space, &stage.client);
    for (event, webhook) in [("evt_a", "whk_old"), ("evt_b", "whk_old"), ("evt_c", "whk_1")] {
        bury(space, client, Letter { event, webhook, ..Letter::default() }).await;
    }
    let old = json(&stage.program, &["list", "--json", "--webhook", "whk_old"]).await;
    let [one, _] = each(&old, "delivery")[..] else { panic!("{old}") };
    let replay = |body: &str| {
        let headers = "content-type: application/json\r\n";
        let admin = stage.program.admin();
        loopback::request(admin, "POST", "/api/v1/dead/replay", headers, body).unwrap()
    };
    let refused = replay(&format!(r#"{{"deliveries":["{one}"]}}"#));
    assert_eq!(refused.status, 404, "{refused:?}");
    assert!(refused.body.contains("webhook of this dead letter was deleted"), "{refused:?}");
    let some = replay(r#"{"all":true}"#);
    let told: Value = serde_json::from_str(&some.body).unwrap();
    assert_eq!((some.status, &told["leftAlone"]), (202, &2.into()), "{told}");
    assert_eq!(told["deliveries"].as_array().unwrap().len(), 1, "{told}");
    stage.receiver.wait_for(1, SOON).await.unwrap();

    let page = loopback::request(stage.program.admin(), "GET", "/admin/dead", "", "").unwrap();
    assert!(page.body.contains("webhook was deleted"), "{page:?}");
    assert!(!page.body.contains("Send again: "), "{page:?}");

    for arguments in [&["replay", one, "-y"][..], &["replay", "--webhook", "whk_old", "-y"]] {
        let output = dead(&stage.program, arguments).await;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let left = if arguments.len() == 3 { "1" } else { "2" };
        let left = format!("{left} left alone: their webhook was deleted");
        assert!(said(&output).contains(&left), "{}", said(&output));
    }
    bury(space, client, Letter { event: "evt_d", ..Letter::default() }).await;
    let output = dead(&stage.program, &["replay", "--all", "-y"]).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("sent 1 dead letter again"), "{}", said(&output));
    assert!(said(&output).contains("2 left alone"), "{}", said(&output));
    assert_eq!(json(&stage.program, &["list", "--json"]).await["total"], 2);
    stage.close().await;
}

/// What is for a webhook that is disabled would die again at once: it stays, and who asks is told.
#[tokio::test]
async fn what_is_for_a_disabled_webhook_stays_and_is_told() {
    let stage = Stage::new(|setup, receiver| {
        let off = Webhook::new("whk_off", &receiver.url("/off")).set("enabled", false);
        setup.webhook(Webhook::new("whk_1", &receiver.url("/hook"))).webhook(off)
    })
    .await;
    let (space, client) = (&stage.space, &stage.client);
    for (event, webhook) in [("evt_a", "whk_off"), ("evt_b", "whk_off"), ("evt_c", "whk_1")] {
        bury(space, client, Letter { event, webhook, ..Letter::default() }).await;
    }
    let off = json(&stage.program, &["list", "--json", "--webhook", "whk_off"]).await;
    let [one, _] = each(&off, "delivery")[..] else { panic!("{off}") };
    let headers = "content-type: application/json\r\n";
    let replay = |body: &str| {
        let admin = stage.program.admin();
        loopback::request(admin, "POST", "/api/v1/dead/replay", headers, body).unwrap()
    };
    let refused = replay(&format!(r#"{{"deliveries":["{one}"]}}"#));
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.body.contains("/problems/webhook-disabled"), "{refused:?}");
    assert!(refused.body.contains("enable it, then send again"), "{refused:?}");
    let some = replay(r#"{"all":true}"#);
    let told: Value = serde_json::from_str(&some.body).unwrap();
    assert_eq!((&told["disabled"], &told["leftAlone"]), (&2.into(), &0.into()), "{told}");
    assert_eq!(told["deliveries"].as_array().unwrap().len(), 1, "{told}");
    stage.receiver.wait_for(1, SOON).await.unwrap();

    let output = dead(&stage.program, &["replay", "--webhook", "whk_off", "-y"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("2 left alone: their webhook is disabled"), "{}", said(&output));
    assert!(said(&output).contains("webhooks enable"), "{}", said(&output));
    // Who wants everything sent that can be did not ask for them.
    let output = dead(&stage.program, &["replay", "--all", "-y"]).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("2 left alone"), "{}", said(&output));
    assert_eq!(json(&stage.program, &["list", "--json"]).await["total"], 2);
    stage.close().await;
}
