//! What the chart tells the program, told to the program: `check` reads the very files that a pod
//! would have, in other folders.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use testbed::postgres::Server;
use testbed::program;

use super::objects::config_of;
use super::{Chart, find, list, of_kind, sets};

/// Where the pod has it, and where the test does.
const FOLDERS: [(&str, &str); 3] = [
    ("/run/secrets/boottify-webhooks", "secrets"),
    ("/var/lib/boottify-webhooks", "state"),
    ("/etc/boottify-webhooks", "etc"),
];

const WEBHOOK_SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

#[tokio::test]
async fn the_program_takes_what_every_value_set_tells_it() {
    let chart = Chart::open().await;
    let mut databases = None;
    for (name, values) in sets() {
        let objects = chart.objects(&values).await;
        let folder = tempfile::tempdir().unwrap();
        let database = if config_of(&objects).contains("store_file") {
            if databases.is_none() {
                databases = Some(Server::start().await.unwrap());
            }
            databases.as_ref().unwrap().url()
        } else {
            String::new()
        };
        lay_out(folder.path(), &objects, &database);
        let container =
            &find(&objects, "Deployment", "")["spec"]["template"]["spec"]["containers"][0];
        let variables: Vec<(&str, &str)> = list(&container["env"])
            .iter()
            .map(|variable| {
                (variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap())
            })
            // Its file comes with a volume of the pod.
            .filter(|(name, _)| *name != "SSL_CERT_FILE")
            .collect();
        let config = folder.path().join("etc/config.toml").display().to_string();
        let checked = program::run(&["check", "--config", &config], &variables).await.unwrap();
        let said = String::from_utf8([checked.stdout, checked.stderr].concat()).unwrap();
        assert_eq!(checked.status.code(), Some(0), "{name}: {said}");
        // An embedded database is made by `serve`.
        let webhooks = match name.as_str() {
            "gitops" => "2 webhooks, 1 of them enabled",
            _ if config_of(&objects).contains("sqlite://") => "there is no database",
            _ => "0 webhooks",
        };
        assert!(said.contains(webhooks) && !said.contains("warning"), "{name}: {said}");
    }
    assert!(databases.is_some(), "no set has PostgreSQL");
}

/// Writes the files of the pod's mounts. What is in Secrets that exist is made up.
fn lay_out(folder: &Path, objects: &[Value], database: &str) {
    let moved = |text: &str| {
        FOLDERS.iter().fold(text.to_owned(), |text, (there, here)| {
            text.replace(there, &folder.join(here).display().to_string())
        })
    };
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("etc/config.toml", &moved(&config_of(objects)));
    let pod = &find(objects, "Deployment", "")["spec"]["template"]["spec"];
    let sources = |name: &str| {
        let volume = list(&pod["volumes"]).iter().find(|volume| volume["name"] == name).unwrap();
        list(&volume["projected"]["sources"])
    };
    for item in sources("config").iter().flat_map(|source| list(&source["configMap"]["items"])) {
        let map = find(objects, "ConfigMap", "-webhooks-webhooks");
        let text = map["data"][item["key"].as_str().unwrap()].as_str().unwrap();
        write(&format!("etc/{}", item["path"].as_str().unwrap()), &moved(text));
    }
    let of_store = |file: &str, text: &str| match file {
        "store-url" | "log-url" => database.to_owned(),
        _ => text.to_owned(),
    };
    for (file, text) in
        of_kind(objects, "Secret").flat_map(|secret| secret["data"].as_object().unwrap().iter())
    {
        let text = String::from_utf8(STANDARD.decode(text.as_str().unwrap()).unwrap()).unwrap();
        write(&format!("secrets/{file}"), &of_store(file, &text));
    }
    for item in sources("secrets").iter().flat_map(|source| list(&source["secret"]["items"])) {
        let file = item["path"].as_str().unwrap();
        let text = match file {
            "broker-url" => "amqp://webhooks:hunter2@rabbitmq/platform",
            "encryption-key" => "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "earlier-encryption-key" => "OTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTBmZWRjYmE=",
            "admin-tokens" => "alice admin hunter2-hunter2-hunter2\n",
            "store-url" | "log-url" => database,
            webhook => {
                assert!(webhook.starts_with("whk_"), "{webhook}");
                WEBHOOK_SECRET
            }
        };
        write(&format!("secrets/{file}"), text);
    }
}
