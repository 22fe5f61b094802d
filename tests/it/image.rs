//! The image without an engine: its files are linted, its build script runs here as it does in the
//! container, and the file system that it lays out is entered as the image's user.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use testbed::eventually;
use testbed::guard::Guard;
use testbed::linters::Linters;
use testbed::loopback;
use testbed::ports::Port;
use testbed::space::Space;
use testbed::workspace;

use crate::stage::SOON;

/// The image's user and group.
const USER: u32 = 65_532;

#[tokio::test]
async fn the_files_are_what_their_linters_take() {
    let linters = Linters::find().await.unwrap();
    let deploy = workspace::root().join("deploy");
    linters.dockerfile(&deploy.join("Dockerfile")).await.unwrap();
    let scripts = ["deploy/build.sh", ".ci/run"].map(|name| workspace::root().join(name));
    let of_package =
        fs::read_dir(deploy.join("debian")).unwrap().map(|entry| entry.unwrap().path());
    let scripts: Vec<_> = scripts.into_iter().chain(of_package).collect();
    assert_eq!(scripts.len(), 5, "{scripts:?}");
    for script in scripts {
        linters.shell(&script).await.unwrap();
    }
}

/// What the engine is given is enough to build from, and nothing that was built.
#[tokio::test]
async fn the_context_has_what_the_build_reads() {
    let ignored = fs::read_to_string(workspace::root().join(".dockerignore")).unwrap();
    let mut lines = ignored.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some("*"));
    let given: Vec<&str> = lines.map(|line| line.strip_prefix('!').expect(line)).collect();
    let is_given = |path: &str| given.iter().any(|given| Path::new(path).starts_with(given));
    for never in ["target/debug/x", ".git/HEAD", ".cache/helm", "docs/install.md"] {
        assert!(!is_given(never), "{never}");
    }

    let mut list = Command::new("git");
    let list = list.args(["ls-files", "-z"]).current_dir(workspace::root()).output().unwrap();
    let context = tempfile::tempdir().unwrap();
    let all = String::from_utf8(list.stdout).unwrap();
    let files: Vec<&str> = all.split('\0').filter(|path| is_given(path)).collect();
    for path in &files {
        let copy = context.path().join(path);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(workspace::root().join(path), copy).unwrap();
    }
    // Every manifest and every target's file is looked for.
    let mut metadata = workspace::cargo();
    metadata.args(["metadata", "--locked", "--offline", "--no-deps", "--format-version=1"]);
    let read = metadata.current_dir(context.path()).output().await.unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    // So is what sources include. Tests are not built there.
    let mut included = 0;
    let sources = files.iter().filter(|path| path.starts_with("crates/") && path.ends_with(".rs"));
    for path in sources {
        let source = context.path().join(path);
        let text = fs::read_to_string(&source).unwrap();
        for include in ["include_str!(\"", "include_bytes!(\""] {
            for rest in text.split(include).skip(1) {
                let named = source.with_file_name(rest.split_once('"').unwrap().0);
                assert!(named.is_file(), "{path}: {}", named.display());
                included += 1;
            }
        }
    }
    assert!(included > 3, "{included}");
}

#[test]
fn the_dockerfile_does_what_it_promises() {
    let text = fs::read_to_string(workspace::root().join("deploy/Dockerfile")).unwrap();
    let last = text.rsplit_once("\nFROM ").unwrap().1;
    let version = format!("ARG VERSION={}", env!("CARGO_PKG_VERSION"));
    for line in ["scratch", "ENV PATH=/", "USER 65532:65532", "STOPSIGNAL SIGTERM", &version] {
        assert!(last.lines().any(|found| found == line), "{line}");
    }
    assert!(last.contains("HEALTHCHECK") && last.contains("[\"/boottify-webhooks\", \"health\"]"));
    assert!(text.contains("deploy/build.sh /root-of-image"));
    // A step sees an argument that its own stage has declared.
    let first = text.rsplit_once("\nFROM ").unwrap().0.split_once("\nFROM ").unwrap().1;
    let (before, _) = first.split_once("\nRUN ").unwrap();
    assert!(before.lines().any(|line| line == "ARG SOURCE_DATE_EPOCH"), "{before}");
    // What the build copies is what the context has.
    let context = fs::read_to_string(workspace::root().join(".dockerignore")).unwrap();
    for needed in context.lines().filter_map(|line| line.strip_prefix('!')) {
        assert!(workspace::root().join(needed).exists(), "{needed}");
    }
}

/// Every image that something stands on has a version, and can be given by its digest: as an argument
/// of the build, as a variable of the compose file.
#[test]
fn every_image_has_a_version_and_may_be_pinned_by_digest() {
    let read = |name: &str| fs::read_to_string(workspace::root().join(name)).unwrap();
    let (dockerfile, compose) = (read("deploy/Dockerfile"), read("docker-compose.yml"));
    let froms: Vec<&str> =
        dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
    assert_eq!(froms, ["${RUST} AS build", "scratch"]);
    let rust = dockerfile.lines().find_map(|line| line.strip_prefix("ARG RUST=")).unwrap();
    let toolchain = read("Cargo.toml");
    let toolchain =
        toolchain.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    assert_eq!(rust, format!("rust:{}-bookworm", toolchain.trim_matches('"')));
    assert!(compose.contains(&format!("args: {{RUST: \"${{RUST_IMAGE:-{rust}}}\"}}")));

    let mut images = 0;
    for image in compose.lines().filter_map(|line| line.trim().strip_prefix("image: ")) {
        if image.starts_with("boottify/") {
            continue;
        }
        images += 1;
        let inner = image.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let (variable, default) = inner.and_then(|inner| inner.split_once(":-")).expect(image);
        let (name, tag) = default.split_once(':').expect(image);
        assert!(tag.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()), "{image}");
        let last = name.rsplit('/').next().unwrap();
        assert_eq!(variable, format!("{}_IMAGE", last.to_uppercase()));
    }
    assert_eq!(images, 5);
}

/// Takes minutes the first time: another target means another build of everything. Its profile is
/// the quick one; that the release profile builds, every release shows.
#[tokio::test]
async fn what_the_script_lays_out_serves_as_the_images_user() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let mut build = Command::new(workspace::root().join("deploy/build.sh"));
    build.env("SOURCE_DATE_EPOCH", "1700000000").arg(&root).arg("dev");
    let built = build.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    for path in ["", "boottify-webhooks", "etc", "etc/passwd", "tmp", "var/lib/boottify-webhooks"] {
        let laid = fs::metadata(root.join(path)).unwrap();
        assert_eq!(laid.mtime(), 1_700_000_000, "{path} has a time of its own");
    }

    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("boottify-webhooks"), 0o755);
    assert_eq!(mode("var/lib/boottify-webhooks"), 0o700);
    let authorities = fs::read_to_string(root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(authorities.contains("BEGIN CERTIFICATE"));
    let names: Vec<_> =
        fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 5, "a shell or a library has crept in: {names:?}");
    if !rustix::process::geteuid().is_root() {
        eprintln!("only root can enter the image's file system");
        return;
    }
    assert_eq!(fs::metadata(root.join("var/lib/boottify-webhooks")).unwrap().uid(), USER);
    // What a container runtime adds, and a broker's name.
    fs::create_dir(root.join("dev")).unwrap();
    for (name, minor) in [("random", "8"), ("urandom", "9")] {
        let mut device = Command::new("mknod");
        device.args(["-m", "666"]).arg(root.join("dev").join(name)).args(["c", "1", minor]);
        assert!(device.status().unwrap().success());
    }
    fs::write(root.join("etc/hosts"), "127.0.0.1 rabbitmq.internal\n").unwrap();
    serves(&root).await;
}

async fn serves(root: &Path) {
    let space = Space::open().await.unwrap();
    let (operations, admin) = (Port::take().unwrap(), Port::take().unwrap());
    let url = space.url().replacen("127.0.0.1", "rabbitmq.internal", 1);
    let mut settings = vec![
        ("BROKER__URL".to_owned(), url),
        ("OPERATIONS__LISTEN".to_owned(), operations.address().to_string()),
        ("ADMIN__LISTEN".to_owned(), admin.address().to_string()),
    ];
    for (key, value) in space.names().keys() {
        settings.push((format!("BROKER__NAMES__{}", key.to_uppercase()), value.to_owned()));
    }
    let within = |arguments: &[&str]| {
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={USER}:{USER}")).arg(root).arg("/boottify-webhooks");
        command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        for (key, value) in &settings {
            command.env(format!("BOOTTIFY_WEBHOOKS__{key}"), value);
        }
        command
    };
    let said = |output: Output| {
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, text) = said(within(&["health"]).output().unwrap());
    assert_eq!(code, Some(1), "{text}");
    let mut guard = Guard::new("image").unwrap();
    let log = fs::File::create(root.with_extension("log")).unwrap();
    let mut serve = within(&["serve"]);
    serve.stdin(Stdio::null()).stderr(log.try_clone().unwrap()).stdout(log);
    let mut serving = guard.spawn(&mut serve).unwrap();
    let healthy = eventually("the health check passes", SOON, || async {
        (said(within(&["health"]).output().unwrap()) == (Some(0), "ready\n".to_owned()))
            .then_some(())
    });
    let log = || fs::read_to_string(root.with_extension("log")).unwrap();
    healthy.await.unwrap_or_else(|error| panic!("{error:#}\n{}", log()));
    let page = loopback::get(admin.address(), "/admin/webhooks").unwrap();
    assert_eq!(page.status, 200, "{}", page.body);
    // All that it writes is in its own folder.
    assert!(root.join("var/lib/boottify-webhooks/webhooks.db").is_file());
    let (code, text) = said(within(&["send", "domain.added"]).output().unwrap());
    assert_eq!(code, Some(0), "{text}");
    serving.signal(rustix::process::Signal::TERM);
    let status = serving.wait(SOON).await.unwrap().unwrap();
    assert!(status.success(), "{status}\n{}", log());
    space.close().await.unwrap();
}
