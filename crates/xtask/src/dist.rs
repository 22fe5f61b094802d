//! `cargo xtask dist`: what a release consists of, laid out below one folder.
//!
//! ```text
//! boottify-webhooks-<version>-<target>.tar.gz    program, pages, completions, unit, documents
//! boottify-webhooks-<version>-<target>.cdx.json  what the program is made of (CycloneDX)
//! boottify-webhooks_<version>-1_<arch>.deb       where cargo-deb is installed
//! boottify-webhooks-chart-<version>.tgz          the Helm chart
//! SHA256SUMS                                     of these
//! ```
//!
//! The program is built by `deploy/build.sh`, as the image's is: linked statically it runs on any
//! Linux, and one build has to be trusted instead of two. The same sources give the same bytes:
//! names are sorted, owners are numbers, and every time is that of the last commit
//! (`SOURCE_DATE_EPOCH` says another).

mod archive;
mod bom;
mod package;

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use testbed::debian::said;
use testbed::workspace;

use self::package::Effort;

const NAME: &str = "boottify-webhooks";

/// Every crate has the workspace's version, and so has what is made of them.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The variable in which builds are told the time that they may know of.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Files of the sources that go into the archive: from where, and to where.
const FILES: [(&str, &str); 8] = [
    ("README.md", "README.md"),
    ("LICENSE", "LICENSE"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("crates/service/src/default.toml", "default.toml"),
    ("deploy/systemd/boottify-webhooks.service", "systemd/boottify-webhooks.service"),
    ("deploy/systemd/config.toml", "systemd/config.toml"),
    ("deploy/prometheus/rules.yml", "deploy/prometheus/rules.yml"),
    ("deploy/grafana/dashboard.json", "deploy/grafana/dashboard.json"),
];

/// The guides, whose links to each other and to what is above hold in the archive, too.
const GUIDES: &str = "docs";

/// The Helm chart.
const CHART: &str = "helm/boottify-webhooks";

/// How far the program's size may be from what the guide says, in tenths of a megabyte.
const SIZE_SLACK: u64 = 5;

/// Shells, and what their users call a file of completions.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "completions/boottify-webhooks.bash"),
    ("zsh", "completions/_boottify-webhooks"),
    ("fish", "completions/boottify-webhooks.fish"),
];

/// What was asked for.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Wanted {
    /// This program, instead of one that is built.
    pub(crate) binary: Option<PathBuf>,
    /// This folder, instead of `target/dist`.
    pub(crate) out: Option<PathBuf>,
}

/// Makes a release.
pub(crate) async fn run(wanted: Wanted) -> Result<ExitCode> {
    let target = target().await?;
    let epoch = epoch().await?;
    let out = wanted.out.unwrap_or_else(|| workspace::target().join("dist"));
    let out = std::path::absolute(out)?;
    // Folders of an interrupted run, and files of another version that would go on lying there.
    if out.exists() {
        let made = out.join("SHA256SUMS").exists() || fs::read_dir(&out)?.next().is_none();
        ensure!(made, "{} is not empty and was not made by this command", out.display());
        fs::remove_dir_all(&out)?;
    }
    fs::create_dir_all(&out)?;
    // From here on the folder is known as ours.
    fs::write(out.join("SHA256SUMS"), "")?;
    let work = out.join("work");
    let (binary, effort) = match wanted.binary {
        Some(path) => (path, Effort::Trial),
        None => (build(&work.join("root")).await?, Effort::Release),
    };

    if matches!(effort, Effort::Release) {
        compare_size(&binary)?;
    }

    let name = format!("{NAME}-{VERSION}-{target}");
    let tree = work.join(&name);
    lay_out(&tree, &binary).await?;
    let archive = archive::pack(&tree, &out.join(format!("{name}.tar.gz")), epoch).await?;
    let bom = out.join(format!("{name}.cdx.json"));
    let digest = sha256(&binary).await?;
    fs::write(&bom, bom::make(&target, epoch, &digest).await?)?;
    let chart = chart(&work, &out, epoch).await?;
    let mut made = vec![archive, bom, chart];

    // cargo-deb looks for everything built below a profile's folder.
    symlink(&tree, work.join("release"))?;
    match package::make(&work, &out, epoch, effort).await? {
        Some(package) => made.push(package),
        None => println!("skipped: the Debian package, for cargo-deb is not installed"),
    }
    fs::remove_dir_all(&work)?;

    let mut sums = String::new();
    for path in &made {
        let name = path.file_name().context("a file has a name")?;
        sums += &format!("{}  {}\n", sha256(path).await?, name.display());
    }
    fs::write(out.join("SHA256SUMS"), sums)?;
    made.push(out.join("SHA256SUMS"));
    for path in &made {
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

async fn target() -> Result<String> {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.arg("-vV");
    let text = said(rustc).await?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say what it compiles for")?.to_owned())
}

/// Seconds since 1970.
async fn epoch() -> Result<i64> {
    if let Ok(text) = env::var(EPOCH) {
        return text.parse().with_context(|| format!("{EPOCH} is not a number"));
    }
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%ct"]).current_dir(workspace::root());
    let text = said(git).await.with_context(|| format!("outside of git, {EPOCH} is needed"))?;
    text.trim().parse().context("git gives no time")
}

async fn build(root: &Path) -> Result<PathBuf> {
    let mut script = tokio::process::Command::new(workspace::root().join("deploy/build.sh"));
    let status = script.arg(root).status().await.context("failed to run deploy/build.sh")?;
    ensure!(status.success(), "the program does not build");
    Ok(root.join(NAME))
}

/// The guide says how large the program is. Where that is past, who makes the release is told; a
/// release does not fail for it.
fn compare_size(binary: &Path) -> Result<()> {
    let tenths = fs::metadata(binary)?.len().div_ceil(100_000);
    let guide = fs::read_to_string(workspace::root().join(GUIDES).join("install.md"))?;
    let told =
        guide.split_once("one static binary of ").and_then(|(_, rest)| rest.split_once(" MB"));
    let (told, _) = told.context("docs/install.md does not say how large the program is")?;
    let size = format!("{}.{} MB", tenths / 10, tenths % 10);
    println!("the program has {size}; docs/install.md says {told} MB");
    let stated: u64 = told.replace('.', "").parse().context("docs/install.md gives no size")?;
    if tenths.abs_diff(stated) > SIZE_SLACK {
        println!(
            "warning: docs/install.md is past, put {size} there, and what the image has in all"
        );
    }
    Ok(())
}

/// The Helm chart, as `helm package` would pack it from a clean checkout. Helm itself is not asked,
/// for its archives are others each time.
async fn chart(work: &Path, out: &Path, epoch: i64) -> Result<PathBuf> {
    let origin = workspace::root().join(CHART);
    let tree = work.join("chart").join(NAME);
    copy_folder(&origin, &tree)?;
    fs::remove_dir_all(tree.join("ci"))?;
    archive::set_modes(&tree)?;
    archive::pack(&tree, &out.join(format!("{NAME}-chart-{VERSION}.tgz")), epoch).await
}

/// The archive's folder. Modes are those of the files' kind, whatever the umask and the checkout are.
async fn lay_out(tree: &Path, binary: &Path) -> Result<()> {
    let place = |name: &str| -> Result<PathBuf> {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().context("a file stands in a folder")?)?;
        Ok(path)
    };
    for (origin, name) in FILES {
        let origin = workspace::root().join(origin);
        fs::copy(&origin, place(name)?).with_context(|| origin.display().to_string())?;
    }
    copy_folder(&workspace::root().join(GUIDES), &tree.join(GUIDES))?;
    let program = place(NAME)?;
    fs::copy(binary, &program).with_context(|| binary.display().to_string())?;
    for (shell, name) in SHELLS {
        let mut completions = Command::new(&program);
        completions.args(["completions", shell]);
        fs::write(place(name)?, said(completions).await?)?;
    }
    let mut pages = Command::new(&program);
    pages.args(["man", "--into"]).arg(tree.join("man"));
    said(pages).await?;
    archive::set_modes(tree)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Copies the files of a folder and of those in it.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &copy)?;
        } else {
            fs::copy(entry.path(), &copy).with_context(|| entry.path().display().to_string())?;
        }
    }
    Ok(())
}

async fn sha256(path: &Path) -> Result<String> {
    let mut sum = Command::new("sha256sum");
    sum.arg("--").arg(path);
    let text = said(sum).await?;
    Ok(text.split_whitespace().next().context("sha256sum says nothing")?.to_owned())
}
