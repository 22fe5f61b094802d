//! Receivers that mean harm: whatever one does, its attempt ends in time under the right name, the
//! service's memory stays within a bound, and others get their deliveries meanwhile.

use std::time::Duration;

use serde_json::Value;
use testbed::eventually;
use testbed::hostile::{Behaviour, Frames, Hostile};
use testbed::loopback;
use testbed::memory::memory_mb;
use testbed::receiver::Authority;
use testbed::setup::Webhook;
use tokio::time::Instant;

use crate::stage::{SOON, Stage};

/// The time of an attempt here, and what it may take longer on a machine that has all of these at
/// the same time.
const TIMEOUT: Duration = Duration::from_secs(4);
const MARGIN: Duration = Duration::from_secs(4);

/// How much more memory all of them together may take, in MB: 44 receivers that send as fast as
/// they can. Each connection has its buffers; nothing grows with what is sent.
const MEMORY_MB: f64 = 64.0;

/// What any of them may get rid of, in bytes: the credit of a connection or two, and what the system
/// holds.
const MOST_SENT: u64 = 32 * 1024 * 1024;

/// Of what floods a connection beside the response, either the credit or the time is over first.
const FLOOD: &[&str] = &["protocol", "timeout"];

/// The failure kinds that each may come to, or `delivered`.
fn expected(behaviour: Behaviour) -> &'static [&'static str] {
    match behaviour {
        Behaviour::Silent
        | Behaviour::SlowHead
        | Behaviour::SlowBody
        | Behaviour::HandshakeStalls => &["timeout"],
        Behaviour::Closes
        | Behaviour::NoHttp
        | Behaviour::EndlessHeaders
        | Behaviour::EndlessLine
        | Behaviour::EndlessInformational
        | Behaviour::EndlessExtension
        | Behaviour::EndlessTrailers
        | Behaviour::ShortBody
        | Behaviour::TwoLengths
        | Behaviour::NegativeLength
        | Behaviour::HugeChunk => &["protocol"],
        // More than is read of a body, or than it said, changes nothing about a 2xx.
        Behaviour::EndlessBody | Behaviour::LongBody | Behaviour::Bomb => &["delivered"],
        Behaviour::RedirectToMetadata => &["http_302"],
        Behaviour::NoTls | Behaviour::Expired | Behaviour::WrongHost | Behaviour::SelfSigned => {
            &["tls"]
        }
        Behaviour::Http2(frames) => match frames {
            Frames::Silence | Frames::NoSettings | Frames::NoWindow | Frames::NoStreams => {
                &["timeout"]
            }
            Frames::NoFrames
            | Frames::Resets
            | Frames::GoAway
            | Frames::WindowOverflow
            | Frames::WindowOfNothing
            | Frames::Continuations
            | Frames::HeaderBomb
            | Frames::EmptyData
            | Frames::TooMuchData
            | Frames::Push => &["protocol"],
            Frames::Settings
            | Frames::Pings
            | Frames::PingsUnread
            | Frames::WindowCrumbs
            | Frames::Informational
            | Frames::Priorities
            | Frames::UnknownFrames => FLOOD,
        },
    }
}

/// An id for each.
fn id(behaviour: Behaviour) -> String {
    let name = format!("{behaviour:?}").to_lowercase().replace(['(', ')'], "_");
    format!("whk_{}", name.trim_end_matches('_'))
}

/// The first attempt of a webhook's only delivery, once it is logged.
fn first_attempt(stage: &Stage, webhook: &str) -> Option<Value> {
    let get = |path: &str| {
        let answer = loopback::get(stage.program.admin(), &format!("/api/v1{path}")).ok()?;
        serde_json::from_str::<Value>(&answer.body).ok()
    };
    let list = get(&format!("/webhooks/{webhook}/deliveries"))?;
    let delivery = list["items"][0]["id"].as_str()?.to_owned();
    let attempts = get(&format!("/deliveries/{delivery}"))?;
    let attempts = attempts["attempts"].as_array()?;
    attempts.iter().find(|attempt| attempt["attempt"] == 1).cloned()
}

/// Deliveries of others go on, each waited for, until every attempt of `receivers` has ended; gives
/// how many there were.
async fn others_meanwhile(stage: &Stage, receivers: usize) -> usize {
    let (mut healthy, began) = (1, Instant::now());
    let ended = || {
        let outcome = |outcome| stage.sum("deliveries_total", &[("outcome", outcome)]);
        (outcome("failed") + outcome("delivered")) as usize
    };
    while ended() < healthy + receivers && began.elapsed() < SOON {
        stage.publish("deployment.created", "prj_1", &format!("evt_{healthy}")).await;
        healthy += 1;
        let arrived = stage.receiver.wait_for(healthy, SOON).await.unwrap();
        assert!(arrived.iter().all(|request| request.attempt() == 1));
        let counted = eventually("it is counted", SOON, || async {
            let at_once = [("retried", "false")];
            let counted = stage.sum("delivery_latency_seconds_count", &at_once);
            (counted >= healthy as f64).then_some(())
        });
        counted.await.unwrap();
    }
    healthy
}

/// What the receiver's attempt came to, if that is wrong.
async fn wrong(stage: &Stage, behaviour: Behaviour, hostile: &Hostile) -> Option<String> {
    let webhook = id(behaviour);
    let what = format!("the attempt of {webhook} is logged");
    let attempt = eventually(&what, MARGIN, || async { first_attempt(stage, &webhook) });
    let Ok(attempt) = attempt.await else {
        return Some(format!("{webhook}: no attempt has ended; {} bytes", hostile.sent()));
    };
    let kind = attempt["failure"].as_str().unwrap_or("delivered");
    let took = Duration::from_millis(attempt["durationMs"].as_u64().unwrap());
    let (sent, detail) = (hostile.sent(), &attempt["detail"]);
    let line = format!("{webhook}: {kind} after {took:?}, {sent} bytes: {detail}");
    println!("{line}");
    let right = expected(behaviour).contains(&kind)
        && took < TIMEOUT + MARGIN
        && sent < MOST_SENT
        && !detail.to_string().contains("169.254");
    (!right).then_some(line)
}

/// Waits until nothing more is read of it, on connections that are idle, too.
async fn is_cut_off(behaviour: Behaviour, hostile: &Hostile) {
    let mut sent = hostile.sent();
    let quiet = eventually("nothing more is read of it", SOON, || {
        let now = hostile.sent();
        let same = now == std::mem::replace(&mut sent, now);
        async move { same.then_some(()) }
    });
    quiet.await.unwrap_or_else(|error| panic!("{behaviour:?}: {error:#}"));
    assert!(hostile.sent() < MOST_SENT, "{behaviour:?}: {} bytes", hostile.sent());
}

#[tokio::test]
async fn whatever_a_receiver_does_ends_in_time_under_its_name_and_harms_nobody() {
    let authority = Authority::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = authority.write_pem(folder.path()).unwrap();
    let mut receivers = Vec::new();
    for behaviour in Behaviour::all() {
        receivers.push((behaviour, Hostile::start(behaviour, &authority).await.unwrap()));
    }
    let stage = Stage::new(|setup, receiver| {
        let setup = setup
            .set("delivery.timeout", format!("{}s", TIMEOUT.as_secs()))
            .set("delivery.connect_timeout", "3s")
            .set("delivery.ca_file", ca_file.display().to_string())
            // The first attempt is looked at; others would only be more of the same.
            .set("retry.first_delay", "1h")
            .webhook(Webhook::new("whk_healthy", &receiver.url("/")).events(&["deployment.*"]));
        receivers.iter().fold(setup, |setup, (behaviour, hostile)| {
            setup.webhook(Webhook::new(&id(*behaviour), &hostile.url()).events(&["domain.added"]))
        })
    })
    .await;
    // What the first request of all needs is there.
    stage.publish("deployment.created", "prj_1", "evt_0").await;
    stage.receiver.wait_for(1, SOON).await.unwrap();
    let pid = stage.program.pid().unwrap();
    let before = memory_mb(pid, "VmRSS").unwrap();

    stage.publish("domain.added", "prj_1", "evt_hostile").await;
    let healthy = others_meanwhile(&stage, receivers.len()).await;
    assert!(healthy > 5, "only {healthy} deliveries of others in all that time");
    let mut all_wrong = Vec::new();
    for (behaviour, hostile) in &receivers {
        all_wrong.extend(wrong(&stage, *behaviour, hostile).await);
    }
    assert!(all_wrong.is_empty(), "{}", all_wrong.join("\n"));
    for (behaviour, hostile) in &receivers {
        is_cut_off(*behaviour, hostile).await;
    }
    let peak = memory_mb(pid, "VmHWM").unwrap();
    println!("memory: {before} MB before, {peak} MB at the peak; {healthy} deliveries of others");
    assert!(peak - before < MEMORY_MB, "{before} MB before, {peak} MB at the peak");
    let Stage { mut program, client, space, .. } = stage;
    program.kill9().unwrap();
    drop((program, client));
    space.close().await.unwrap();
}
