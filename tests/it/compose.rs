//! docker-compose.yml without an engine: by the specification's schema, against the tree and against
//! the program; and the sample receiver and publisher against the program for real.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;
use testbed::guard::Guard;
use testbed::kubernetes_validate::KubernetesValidate;
use testbed::linters::Linters;
use testbed::ports::Port;
use testbed::program::{self, Program};
use testbed::setup::Setup;
use testbed::space::Space;
use testbed::{eventually, node, workspace};

use crate::stage::SOON;

/// The token of the sample.
const TOKEN: &str = "for-this-machine-only";

async fn compose() -> Value {
    let text = fs::read_to_string(workspace::root().join("docker-compose.yml")).unwrap();
    yaml(&text).await
}

async fn yaml(text: &str) -> Value {
    let reader = KubernetesValidate::find().await.unwrap();
    reader.documents(text).await.unwrap().remove(0)
}

/// The values of a mapping's key in every service that has it.
fn services(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    compose["services"].as_object().unwrap().iter()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(Value::as_str)
}

/// What `${NAME:-default}` stands for where the environment has no NAME.
fn resolved(text: &str) -> String {
    match text.split_once("${") {
        Some((before, rest)) => {
            let (variable, after) = rest.split_once('}').unwrap();
            format!("{before}{}{after}", variable.split_once(":-").unwrap().1)
        }
        None => text.to_owned(),
    }
}

#[tokio::test]
async fn the_file_is_what_compose_takes_and_everything_that_it_mounts_is_there() {
    let path = workspace::root().join("docker-compose.yml");
    Linters::find().await.unwrap().compose(&path).await.unwrap();
    let compose = compose().await;
    let volumes = compose["volumes"].as_object().unwrap();
    let mut mounted = 0;
    for (name, service) in services(&compose) {
        for mount in texts(&service["volumes"]) {
            let source = mount.split(':').next().unwrap();
            if let Some(path) = source.strip_prefix("./") {
                assert!(workspace::root().join(path).exists(), "{name}: {mount}");
                assert!(mount.ends_with(":ro"), "{name}: {mount}");
                mounted += 1;
            } else {
                assert!(volumes.contains_key(source), "{name}: {mount}");
            }
        }
        for needed in service["depends_on"].as_object().into_iter().flatten() {
            let other = &compose["services"][needed.0];
            let own = other["image"].as_str().unwrap().starts_with("boottify/");
            let checked = own || !other["healthcheck"]["test"].is_null();
            assert!(checked, "{name} waits for {} to be healthy, which nobody checks", needed.0);
        }
    }
    assert!(mounted >= 6, "{mounted}");
}

#[tokio::test]
async fn ports_are_on_loopback_and_those_that_are_listened_on() {
    let compose = compose().await;
    for (name, service) in services(&compose) {
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
    let service = &compose["services"]["webhooks"];
    let published: Vec<&str> =
        texts(&service["ports"]).map(|port| port.rsplit(':').next().unwrap()).collect();
    let listens = ["ADMIN", "OPERATIONS"].map(|section| {
        let key = format!("BOOTTIFY_WEBHOOKS__{section}__LISTEN");
        let address: SocketAddr = service["environment"][key].as_str().unwrap().parse().unwrap();
        assert!(address.ip().is_unspecified());
        address.port().to_string()
    });
    assert_eq!(published, listens);
    let dockerfile = fs::read_to_string(workspace::root().join("deploy/Dockerfile")).unwrap();
    assert!(dockerfile.contains(&format!("\nEXPOSE {}\n", listens.join(" "))));
    let prometheus = workspace::root().join("deploy/prometheus/prometheus.yml");
    let prometheus = yaml(&fs::read_to_string(prometheus).unwrap()).await;
    let target = &prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0];
    assert_eq!(target, &format!("webhooks:{}", listens[1]));
    assert_eq!(prometheus["scrape_configs"][0]["job_name"], "boottify-webhooks");
    assert_eq!(prometheus["rule_files"][0], "rules.yml");
}

#[tokio::test]
async fn the_program_takes_its_environment() {
    let compose = compose().await;
    for name in ["webhooks", "publisher"] {
        let environment = compose["services"][name]["environment"].as_object().unwrap();
        let values: Vec<(String, String)> = environment
            .iter()
            .map(|(key, value)| (key.clone(), resolved(value.as_str().unwrap())))
            .collect();
        let variables: Vec<(&str, &str)> =
            values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let checked = program::run(&["check"], &variables).await.unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert_eq!(checked.status.code(), Some(0), "{name}: {said}");
        let wrong = ("BOOTTIFY_WEBHOOKS__ADMIN__LISTNE", "x");
        let checked = program::run(&["check"], &[&variables[..], &[wrong]].concat()).await.unwrap();
        assert_eq!(checked.status.code(), Some(2), "an unknown key is taken");
    }
    // The publisher looks for webhooks where the service keeps them.
    let [service, publisher] = ["webhooks", "publisher"].map(|name| &compose["services"][name]);
    for key in ["environment", "volumes"] {
        assert_eq!(publisher[key], service[key], "{key}");
    }
    let grace = compose["services"]["webhooks"]["stop_grace_period"].as_str().unwrap();
    assert!(grace.trim_end_matches('s').parse::<u32>().unwrap() > 30, "the drain is cut off");
    // What the service may reach is the network that it is on, whatever that is set to.
    let network = &compose["networks"]["default"]["ipam"]["config"][0]["subnet"];
    let allowed = "BOOTTIFY_WEBHOOKS__DELIVERY__ALLOW_ADDRESSES";
    assert_eq!(network, &compose["services"]["webhooks"]["environment"][allowed]);
}

/// Waits until a receiver says that it knows its secret.
async fn healthy(port: &Port) {
    eventually("the receiver is healthy", SOON, || async {
        testbed::loopback::get(port.address(), "/").ok().filter(|answer| answer.status == 200)
    })
    .await
    .unwrap();
}

/// The sample's own parts, on one machine: the receiver makes its webhook, what the publisher sends
/// arrives, is verified, and what it refuses comes again.
#[tokio::test]
async fn receiver_and_publisher_do_what_they_are_there_for() {
    if !node::is_there() {
        eprintln!("there is no Node.js to run the sample receiver");
        return;
    }
    let space = Space::open().await.unwrap();
    let setup = Setup::new(&space)
        .sqlite()
        .set("admin.tokens", format!("you admin {TOKEN}"))
        .set("retry.first_delay", "1s");
    let mut program = Program::start(&setup).await.unwrap();
    let mut guard = Guard::new("compose").unwrap();
    let port = Port::take().unwrap();
    let mut receiver = Command::new("node");
    receiver.arg(workspace::root().join("deploy/compose/receiver.mjs"));
    receiver.env("API", format!("http://{}/api/v1", program.admin())).env("TOKEN", TOKEN);
    receiver.env("LISTEN_PORT", port.number().to_string());
    let own_url = format!("http://{}/boottify", port.address());
    receiver.env("OWN_URL", &own_url).stdout(Stdio::null());
    let receiving = guard.spawn(&mut receiver).unwrap();
    healthy(&port).await;
    // Started again, it finds its webhook and makes no second one. Nothing is sent before it knows
    // the secret, as in the file: what it refused until then could open the breaker.
    guard.end(receiving).unwrap();
    let receiving = guard.spawn(&mut receiver).unwrap();
    healthy(&port).await;

    let mut publisher = Command::new(program::binary().await.unwrap());
    publisher.args(["send", "deployment.succeeded", "--every", "100ms", "--config"]);
    publisher.arg(program.folder().join("config.toml")).stdout(Stdio::null());
    let publishing = guard.spawn(&mut publisher).unwrap();
    let sum = |labels: &[(&str, &str)]| {
        program.metrics().unwrap().sum("boottify_webhooks_deliveries_total", labels)
    };
    eventually("deliveries succeed, and some fail at first", SOON * 2, || async {
        let refused = sum(&[("failure", "http_503")]);
        (refused >= 1.0 && sum(&[("outcome", "delivered")]) >= 10.0).then_some(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", program.get("/metrics").unwrap().body));
    assert_eq!(sum(&[("failure", "http_401")]), 0.0, "a signature was refused");
    guard.end(publishing).unwrap();
    guard.end(receiving).unwrap();
    program.sigterm();
    assert!(program.wait(SOON).await.unwrap().success());
    space.close().await.unwrap();
}
