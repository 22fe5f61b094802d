//! The encryption key that an embedded database makes for itself: a file in the state directory that
//! its owner alone may read (0600). Whoever backs the database up needs it, too.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::database::Keys;
use crate::options::OpenError;

const NAME: &str = "encryption.key";

/// Where the key is that an embedded database made for itself, if it did.
#[must_use]
pub fn own_key(state_dir: &Path) -> PathBuf {
    state_dir.join(NAME)
}

/// The key in the state directory, which has to be there.
pub(crate) fn read(state_dir: &Path) -> Result<Keys, OpenError> {
    let path = own_key(state_dir);
    let read = fs::read_to_string(&path).map_err(|error| error.to_string());
    let keys = read.and_then(|text| {
        Keys::try_new(&Zeroizing::new(text), &[]).map_err(|error| error.to_string())
    });
    keys.map_err(|why| OpenError::Key { path, why })
}

/// The key in the state directory; `None` where there is no such file.
pub(crate) fn find(state_dir: &Path) -> Result<Option<Keys>, OpenError> {
    if own_key(state_dir).try_exists().is_ok_and(|exists| !exists) {
        return Ok(None);
    }
    read(state_dir).map(Some)
}

/// A new key in the state directory, which is made where it is not there.
pub(crate) fn make(state_dir: &Path) -> Result<Keys, OpenError> {
    let path = own_key(state_dir);
    let failed = |why: String| OpenError::Key { path: path.clone(), why };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(state_dir);
    made.map_err(|error| failed(error.to_string()))?;
    let key = Keys::generate().map_err(|error| failed(error.to_string()))?;
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let written = file.write_all(key.as_bytes()).and_then(|()| file.sync_all());
            written.map_err(|error| failed(error.to_string()))?;
        }
        // Another process may make one at the same time; the first one counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error.to_string())),
    }
    read(state_dir)
}
