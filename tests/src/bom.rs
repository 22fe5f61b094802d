//! Whether a bill of materials is what CycloneDX's own library takes for one.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::debian::said;
use crate::pip;

/// It has the specification's schemas in the package.
const PACKAGES: [&str; 1] = ["cyclonedx-python-lib[json-validation]==11.12.0"];

/// Ends with what is wrong, if anything is.
const SCRIPT: &str = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()))
";

/// The installed library.
#[derive(Debug)]
pub struct BomJudge {
    programs: PathBuf,
}

impl BomJudge {
    /// The cached library, or the one that pip fetches.
    ///
    /// # Errors
    ///
    /// When there is no way to it.
    pub async fn find() -> Result<Self> {
        Ok(Self { programs: pip::programs("cyclonedx-11.12.0", &PACKAGES).await? })
    }

    /// Holds a JSON file against the schema of CycloneDX 1.6, where unknown keys are mistakes.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub async fn judge(&self, path: &Path) -> Result<()> {
        let mut python = Command::new(self.programs.join("python"));
        python.args(["-c", SCRIPT]).arg(path);
        said(python).await.map(drop)
    }
}
