//! A release, made of the program under test: what is in the archive and the package works, the list
//! of crates is whole, and everything has one version.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testbed::bom::BomJudge;
use testbed::debian::{self, said};
use testbed::helm::Helm;
use testbed::program;
use testbed::report::Reporter;
use testbed::workspace;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The most that `systemd-analyze security` may say, in tenths; docs/install.md has the score.
const EXPOSURE: u32 = 12;

/// Where a release says what its files are.
const SUMS: &str = "SHA256SUMS";

/// What every archive has, beside a page for each subcommand.
const FILES: [&str; 15] = [
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "boottify-webhooks",
    "completions/_boottify-webhooks",
    "completions/boottify-webhooks.bash",
    "completions/boottify-webhooks.fish",
    "default.toml",
    "deploy/grafana/dashboard.json",
    "deploy/prometheus/rules.yml",
    "docs/charts/isolation.svg",
    "docs/operate.md",
    "man/boottify-webhooks.1",
    "man/boottify-webhooks-webhooks-create.1",
    "systemd/boottify-webhooks.service",
];

#[tokio::test]
async fn a_release_is_whole_and_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let binary = stripped(folder.path()).await;
    let (first, again) = (folder.path().join("first"), folder.path().join("again"));
    let told = dist(&binary, &first).await;
    dist(&binary, &again).await;
    let sums = fs::read_to_string(first.join(SUMS)).unwrap();
    assert_eq!(sums, fs::read_to_string(again.join(SUMS)).unwrap(), "it is another one each time");
    run(Command::new("sha256sum").args(["--check", "--strict", SUMS]).current_dir(&first));
    let mut made: Vec<_> = names(&first).into_iter().filter(|name| name != SUMS).collect();
    made.sort();
    let mut summed: Vec<_> = sums.lines().map(|line| line[66..].to_owned()).collect();
    summed.sort();
    assert_eq!(made, summed);

    archive(&one(&first, ".tar.gz"), folder.path()).await;
    bill(&one(&first, ".cdx.json"), &binary).await;
    chart(&one(&first, ".tgz")).await;
    if told.contains("skipped: the Debian package") {
        eprintln!("skipped: the Debian package is not looked at, for cargo-deb is not installed");
    } else {
        package(&one(&first, ".deb"), folder.path()).await;
        installs_and_goes(&one(&first, ".deb"), &folder.path().join("system"));
    }
}

#[tokio::test]
async fn what_is_no_release_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "").unwrap();
    let mut dist = workspace::cargo();
    dist.args(["xtask", "dist", "--binary", "/bin/true", "--out"]).arg(folder.path());
    let output = dist.output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("was not made by this command"));
    assert!(folder.path().join("mine").exists());
}

/// With the program where the unit looks for it, systemd has nothing to say, and little is open.
#[tokio::test]
async fn the_unit_is_sound_and_hardened() {
    let there = || debian::is_there("systemd-analyze").then_some(());
    debian::find_or_install(&["systemd"], &Reporter::stderr(), there).await.unwrap();
    let text = fs::read_to_string(source("deploy/systemd/boottify-webhooks.service")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("boottify-webhooks.service");
    let binary = program::binary().await.unwrap().display().to_string();
    fs::write(&unit, text.replace("/usr/bin/boottify-webhooks", &binary)).unwrap();
    let analyze = || Command::new("systemd-analyze");
    let mut verify = analyze();
    let output =
        verify.args(["verify", "--man=no", "--recursive-errors=no"]).arg(&unit).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && !told.contains("boottify-webhooks.service"), "{told}");

    let mut security = analyze();
    security.args(["security", "--offline=true", "--no-pager"]);
    let said = run(security.arg(format!("--threshold={EXPOSURE}")).arg(&unit));
    let score = said.split_once("exposure level for boottify-webhooks.service: ").unwrap().1;
    let score = score.split_whitespace().next().unwrap();
    let document = fs::read_to_string(source("docs/install.md")).unwrap();
    assert!(document.contains(&format!("scores it {score} ")), "docs/install.md: {score}");

    // The unit waits longer than the program drains.
    let defaults = fs::read_to_string(source("crates/service/src/default.toml")).unwrap();
    assert!(defaults.contains("grace = \"25s\"") && text.contains("TimeoutStopSec=35s"));
}

/// Cargo.toml has the version; compose file and change log follow it. So do the chart (`chart.rs`)
/// and the image's label (`image.rs`).
#[test]
fn there_is_one_version() {
    let read = |name: &str| fs::read_to_string(source(name)).unwrap();
    let compose = read("docker-compose.yml");
    let tags: Vec<_> =
        compose.lines().filter_map(|line| line.trim().strip_prefix("image: boottify/")).collect();
    assert!(!tags.is_empty());
    for tag in tags {
        assert_eq!(tag, format!("boottify-webhooks:{VERSION}"));
    }
    for name in ["docs/install.md", "deploy/Dockerfile"] {
        let text = read(name);
        let tags: Vec<_> = text.split("/boottify-webhooks:").skip(1).collect();
        assert!(!tags.is_empty() && tags.iter().all(|tag| tag.starts_with(VERSION)), "{name}");
    }
    let changes = read("CHANGELOG.md");
    let newest = changes.split("\n## ").nth(1).unwrap();
    let released = newest.starts_with(&format!("[{VERSION}] - "));
    let coming =
        newest.starts_with("[Unreleased]\n") && newest.contains(&format!("To become {VERSION}."));
    assert!(released || coming, "CHANGELOG.md: {newest}");
}

/// Helm renders the same from the chart's archive as from its folder.
async fn chart(file: &Path) {
    let values = source("helm/boottify-webhooks/ci/least-values.yaml");
    let mut rendered = Vec::new();
    for chart in [file, &source("helm/boottify-webhooks")] {
        let helm = Helm::find(chart).await.unwrap();
        rendered.push(helm.template(&values, &[]).await.unwrap());
    }
    assert_eq!(rendered[0], rendered[1]);
    let list = run(Command::new("tar").arg("-tzf").arg(file));
    assert!(list.lines().all(|name| name.starts_with("boottify-webhooks/")), "{list}");
    assert!(!list.contains("/ci/"), "{list}");
}

async fn archive(file: &Path, folder: &Path) {
    run(Command::new("tar").arg("-xzf").arg(file).arg("-C").arg(folder));
    let name = file.file_name().unwrap().to_str().unwrap().strip_suffix(".tar.gz").unwrap();
    assert!(name.starts_with(&format!("boottify-webhooks-{VERSION}-")), "{name}");
    let tree = folder.join(name);
    for name in FILES {
        assert!(tree.join(name).is_file(), "{name}");
    }
    let program = tree.join("boottify-webhooks");
    assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o777, 0o755);
    let version = run(Command::new(&program).arg("--version"));
    assert_eq!(version.trim(), format!("boottify-webhooks {VERSION}"));

    run(Command::new("bash").arg("-n").arg(tree.join(FILES[5])));
    for shell in ["zsh", "fish"] {
        if !debian::is_there(shell) {
            eprintln!("skipped: completions for {shell}, which is not installed");
            continue;
        }
        let file = if shell == "zsh" { FILES[4] } else { FILES[6] };
        run(Command::new(shell).arg("-n").arg(tree.join(file)));
    }
    pages(&tree.join("man")).await;
}

/// Every page is one that groff reads without a word, and refers to pages that are there.
async fn pages(folder: &Path) {
    let there = || debian::is_there("man").then_some(());
    debian::find_or_install(&["man-db"], &Reporter::stderr(), there).await.unwrap();
    for name in names(folder) {
        let mut man = Command::new("man");
        man.args(["--warnings", "--local-file"]).arg(folder.join(&name));
        man.env("MANWIDTH", "200").env("LC_ALL", "C.UTF-8").env_remove("MAN_KEEP_FORMATTING");
        let output = man.output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{name}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        for word in text.split_whitespace() {
            let page = word.trim_matches([',', '.', ':']).strip_suffix("(1)").unwrap_or_default();
            if page.starts_with("boottify-webhooks") {
                assert!(folder.join(format!("{page}.1")).exists(), "{name} refers to {page}");
            }
        }
        if name == "boottify-webhooks.1" {
            let sections = ["FILES", "ENVIRONMENT", "EXIT STATUS", "SIGNALS", "CONFIGURATION"];
            for section in sections {
                assert!(text.lines().any(|line| line == section), "{section}\n{text}");
            }
            assert!(text.contains("[broker]") && text.contains("prefetch = 500"), "{text}");
        }
    }
}

/// The compiler leaves in the program where its code comes from: each of these crates is named.
async fn bill(file: &Path, binary: &Path) {
    BomJudge::find().await.unwrap().judge(file).await.unwrap();
    let bill: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(bill["metadata"]["component"]["version"], VERSION);
    let components = bill["components"].as_array().unwrap();
    let listed: Vec<String> = components
        .iter()
        .map(|one| {
            format!("{}-{}", one["name"].as_str().unwrap(), one["version"].as_str().unwrap())
        })
        .collect();
    let lock = fs::read_to_string(source("Cargo.lock")).unwrap();
    let locked = lock.split("[[package]]\n").skip(1).map(|package| {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap().trim_matches('"').to_owned()
        };
        format!("{}-{}", value("name = "), value("version = "))
    });
    let mut grep = Command::new("grep");
    grep.args(["-aoE", "[A-Za-z0-9_-]+-[0-9][0-9A-Za-z.+-]*/src/"]).arg(binary);
    let named = run(grep.env("LC_ALL", "C"));
    let named: BTreeSet<_> = named.lines().map(|line| line.trim_end_matches("/src/")).collect();
    let (mut found, mut missing) = (0, Vec::new());
    for package in locked {
        if named.contains(package.as_str()) {
            found += 1;
            if !listed.contains(&package) {
                missing.push(package);
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
    assert!(found > 50, "the program names only {found} crates");
    for (name, is_in) in [("lapin", true), ("store", true), ("proptest", false), ("cap", false)] {
        assert_eq!(components.iter().any(|one| one["name"] == name), is_in, "{name}");
    }
}

async fn package(file: &Path, folder: &Path) {
    let root = folder.join("root");
    run(Command::new("dpkg-deb").arg("-x").arg(file).arg(&root));
    run(Command::new("dpkg-deb").arg("-e").arg(file).arg(folder.join("control")));
    let version = run(Command::new(root.join("usr/bin/boottify-webhooks")).arg("--version"));
    assert!(version.contains(VERSION));
    for name in [
        "usr/lib/systemd/system/boottify-webhooks.service",
        "usr/share/man/man1/boottify-webhooks.1.gz",
        "usr/share/bash-completion/completions/boottify-webhooks",
        "usr/share/doc/boottify-webhooks/copyright",
        "usr/share/doc/boottify-webhooks/docs/operate.md",
        "usr/share/doc/boottify-webhooks/deploy/prometheus/rules.yml",
    ] {
        assert!(root.join(name).is_file(), "{name}");
    }
    let control = |name: &str| fs::read_to_string(folder.join("control").join(name)).unwrap();
    assert_eq!(control("conffiles").trim(), "/etc/boottify-webhooks/config.toml");
    assert!(control("control").contains("ca-certificates"));
    // Policy wants a name and an address.
    let maintainer = control("control");
    let maintainer = maintainer.lines().find_map(|line| line.strip_prefix("Maintainer: "));
    let (name, address) = maintainer.unwrap().split_once(" <").unwrap();
    assert!(!name.is_empty() && address.contains('@') && address.ends_with('>'), "{address}");
    for script in ["postinst", "prerm", "postrm"] {
        assert!(control(script).contains("boottify-webhooks.service"), "{script}");
        run(Command::new("sh").arg("-n").arg(folder.join("control").join(script)));
    }
    // Its configuration needs one file, and is right with it.
    let config = fs::read_to_string(root.join("etc/boottify-webhooks/config.toml")).unwrap();
    let secret = folder.join("broker-url");
    fs::write(&secret, "amqp://u:p@localhost/v").unwrap();
    let credential = "/run/credentials/boottify-webhooks.service/secrets_broker-url";
    assert!(config.contains(credential));
    let own = folder.join("config.toml");
    fs::write(&own, config.replace(credential, secret.to_str().unwrap())).unwrap();
    let mut check = Command::new(root.join("usr/bin/boottify-webhooks"));
    check.args(["check", "--config"]).arg(own);
    check.env("BOOTTIFY_WEBHOOKS__WEBHOOKS__STORE", format!("sqlite://{}/w.db", folder.display()));
    run(check.env("BOOTTIFY_WEBHOOKS__WEBHOOKS__STATE_DIR", folder));
}

/// Into a system of its own, by Debian's own tool: what it leaves where, and what it takes away again.
fn installs_and_goes(file: &Path, root: &Path) {
    let (etc, log) = (root.join("etc"), root.join("var/lib/dpkg"));
    fs::create_dir_all(log.join("updates")).unwrap();
    fs::create_dir_all(log.join("info")).unwrap();
    fs::write(log.join("status"), "").unwrap();
    let dpkg = |order: &[&str]| {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg("--root").arg(root).args(["--force-script-chrootless", "--force-not-root"]);
        dpkg.args(["--force-depends", "--force-confold"]).args(order);
        run(dpkg.env("DEBIAN_FRONTEND", "noninteractive"));
    };
    let install = ["--install", file.to_str().unwrap()];
    dpkg(&install);
    let secrets = etc.join("boottify-webhooks/secrets");
    assert_eq!(fs::metadata(&secrets).unwrap().permissions().mode() & 0o777, 0o700);
    let wants = etc.join("systemd/system/multi-user.target.wants/boottify-webhooks.service");
    assert!(!wants.exists(), "it would start without a broker's URL");

    // What people made of it stays with the next version, and with a removal.
    let config = etc.join("boottify-webhooks/config.toml");
    let mine = fs::read_to_string(&config).unwrap() + "# mine\n";
    fs::write(&config, &mine).unwrap();
    fs::write(secrets.join("broker-url"), "amqp://u:p@localhost/v").unwrap();
    fs::create_dir_all(etc.join("default")).unwrap();
    fs::write(etc.join("default/boottify-webhooks"), "").unwrap();
    let state = root.join("var/lib/boottify-webhooks");
    fs::create_dir_all(&state).unwrap();
    dpkg(&install);
    dpkg(&["--remove", "boottify-webhooks"]);
    assert!(!root.join("usr/bin/boottify-webhooks").exists());
    assert_eq!(fs::read_to_string(&config).unwrap(), mine);
    assert!(secrets.join("broker-url").exists());

    dpkg(&["--purge", "boottify-webhooks"]);
    assert!(!etc.join("boottify-webhooks").exists() && state.exists());
    assert!(!etc.join("default/boottify-webhooks").exists());
    let left = Command::new("find").arg(root).args(["-name", "*boottify*"]).output().unwrap();
    assert_eq!(String::from_utf8(left.stdout).unwrap().trim(), state.to_str().unwrap());
}

/// The program without what is for debuggers, which would cost a minute to compress.
async fn stripped(folder: &Path) -> PathBuf {
    let binary = folder.join("program");
    run(Command::new("strip").arg("-o").arg(&binary).arg(program::binary().await.unwrap()));
    binary
}

async fn dist(binary: &Path, out: &Path) -> String {
    let mut dist = workspace::cargo();
    dist.args(["xtask", "dist", "--binary"]).arg(binary).arg("--out").arg(out);
    said(dist.into_std()).await.unwrap()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}{complaint}");
    text
}

fn source(name: &str) -> PathBuf {
    workspace::root().join(name)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The one file with this ending.
fn one(folder: &Path, ending: &str) -> PathBuf {
    let found: Vec<_> = names(folder).into_iter().filter(|name| name.ends_with(ending)).collect();
    assert_eq!(found.len(), 1, "{ending}: {found:?}");
    folder.join(&found[0])
}
