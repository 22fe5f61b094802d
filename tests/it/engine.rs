//! Image and compose file for real: built, brought up, looked at, ended. Only where a Docker engine
//! answers; elsewhere this says that it was skipped, and `image.rs` and `compose.rs` do what can be
//! done without.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testbed::guard::Guard;
use testbed::loopback::{self, Answer};
use testbed::ports::Port;
use testbed::program::Metrics;
use testbed::{docker, eventually};

use crate::stage::{PREFIX, SOON};

/// Images are fetched and the program is built on the way.
const BUILT: Duration = Duration::from_secs(1_800);

/// The port of this machine for each variable of the compose file.
const PORTS: [&str; 6] = [
    "AMQP_PORT",
    "MANAGEMENT_PORT",
    "ADMIN_PORT",
    "OPERATIONS_PORT",
    "PROMETHEUS_PORT",
    "GRAFANA_PORT",
];

#[tokio::test]
async fn everything_comes_up_and_works_where_an_engine_answers() {
    if !docker::answers().await {
        eprintln!("skipped: the image is not built, for no Docker engine answers");
        return;
    }
    if !docker::composes().await {
        eprintln!("skipped: the compose file is not brought up, for docker compose is missing");
        return;
    }
    let mut guard = Guard::new("engine").unwrap();
    let project = format!("boottify-webhooks-test-{}", std::process::id());
    guard.remember_project(&project).unwrap();
    let ports = PORTS.map(|name| (name, Port::take().unwrap()));
    let compose = |arguments: &[&str]| {
        let mut command = docker::compose(&project);
        command.args(arguments).env("SUBNET", "172.30.78.0/24");
        for (name, port) in &ports {
            command.env(name, port.number().to_string());
        }
        command
    };
    let address = |name: &str| ports.iter().find(|(known, _)| *known == name).unwrap().1.address();

    let mut up = guard.spawn(&mut compose(&["up", "--build", "--detach", "--wait"])).unwrap();
    let status = up.wait(BUILT).await.unwrap().expect("it is up in time");
    assert!(status.success(), "{status}");

    image();
    deliveries_arrive(address("OPERATIONS_PORT")).await;
    let page = loopback::get(address("ADMIN_PORT"), "/admin/webhooks").unwrap();
    assert!(page.status == 200 || page.status == 303, "{page:?}");
    prometheus(address("PROMETHEUS_PORT")).await;
    let dashboard = "/api/dashboards/uid/boottify-webhooks";
    found("Grafana has the dashboard", address("GRAFANA_PORT"), dashboard, |answer| {
        answer.status == 200
    })
    .await;
    // No shell, and a file system that is read-only.
    said(&mut compose(&["exec", "-T", "webhooks", "/boottify-webhooks", "health"]));
    assert!(!compose(&["exec", "-T", "webhooks", "sh"]).status().unwrap().success());

    // The drain is longer than the engine's own patience, and shorter than the file's.
    said(&mut compose(&["stop", "webhooks"]));
    let container = said(&mut compose(&["ps", "--all", "--quiet", "webhooks"]));
    let mut inspect = Command::new("docker");
    inspect.args(["inspect", "--format", "{{.State.ExitCode}}", container.trim()]);
    assert_eq!(said(&mut inspect).trim(), "0");
    drop(guard);
}

/// What docs/install.md says of it.
fn image() {
    let image = format!("boottify/boottify-webhooks:{}", env!("CARGO_PKG_VERSION"));
    let said = said(Command::new("docker").args(["image", "inspect", &image]));
    let image = &serde_json::from_str::<Value>(&said).unwrap()[0];
    assert_eq!(image["Config"]["User"], "65532:65532");
    assert_eq!(image["Config"]["Labels"]["org.opencontainers.image.licenses"], "Apache-2.0");
    let size = image["Size"].as_u64().unwrap();
    assert!(size < 40_000_000, "{size}");
    eprintln!("the image has {size} bytes");
}

/// The publisher's events reach the receiver, which verifies them, and refuses some at first.
async fn deliveries_arrive(operations: SocketAddr) {
    eventually("deliveries succeed", SOON * 2, || async {
        let metrics = Metrics::parse(&loopback::get(operations, "/metrics").ok()?.body).ok()?;
        let sum =
            |labels: &[(&str, &str)]| metrics.sum(&format!("{PREFIX}_deliveries_total"), labels);
        assert_eq!(sum(&[("failure", "http_401")]), 0.0, "a signature was refused");
        (sum(&[("outcome", "delivered")]) >= 5.0).then_some(())
    })
    .await
    .unwrap();
}

/// Both of its targets are up, and the project's rules are loaded.
async fn prometheus(address: SocketAddr) {
    let up = "/api/v1/query?query=sum(up)";
    found("Prometheus reaches service and broker", address, up, |answer| {
        let answer: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        answer["data"]["result"][0]["value"][1] == "2"
    })
    .await;
    let rules = loopback::get(address, "/api/v1/rules").unwrap().body;
    assert!(rules.contains("BoottifyWebhooksBrokerDisconnected"), "{rules}");
}

async fn found(what: &str, address: SocketAddr, path: &str, fits: impl Fn(&Answer) -> bool) {
    let fits = &fits;
    eventually(what, SOON * 2, || async move {
        loopback::get(address, path).ok().filter(|answer| fits(answer))
    })
    .await
    .unwrap();
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}
