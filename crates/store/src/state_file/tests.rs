//! Written whole or not at all; whatever is done to a file, it is never taken for another one.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;

const FORMAT: Format = Format { name: "test", version: 2 };

fn read_back(path: &Path) -> Result<Option<(String, Vec<String>)>, StateError> {
    let mut records = Vec::new();
    let head = read(path, FORMAT, |record: String| {
        records.push(record);
        Ok(())
    })?;
    Ok(head.map(|head| (head, records)))
}

fn write_some(path: &Path, records: &[&str]) {
    write(path, FORMAT, "head", records.iter()).unwrap();
}

fn problem(path: &Path) -> String {
    let error = read_back(path).unwrap_err();
    assert_eq!(error.path, path);
    error.problem.to_string()
}

#[test]
fn what_is_written_is_read_and_only_by_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    assert!(read_back(&path).unwrap().is_none());
    write_some(&path, &[]);
    assert_eq!(read_back(&path).unwrap(), Some(("head".to_owned(), vec![])));
    write_some(&path, &["a", "line\nend", "ä"]);
    let (_, records) = read_back(&path).unwrap().unwrap();
    assert_eq!(records, ["a", "line\nend", "ä"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left");
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone/file");
    let error = write(&path, FORMAT, "head", ["a"].iter()).unwrap_err();
    assert!(error.to_string().contains("gone/file: "), "{error}");
}

#[test]
fn files_of_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let rows = [
        ("", "not a file of this kind"),
        ("hello\n", "not a file of this kind"),
        ("{\"format\":\"other\",\"version\":2,\"head\":1}\n", "not a file of this kind"),
        (
            "{\"format\":\"test\",\"version\":3,\"head\":1}\n",
            "written in version 3, but this program reads version 2",
        ),
        (
            "{\"format\":\"test\",\"version\":2,\"head\":\"x\"}\n",
            "damaged: the checksum does not hold",
        ),
    ];
    for (text, expected) in rows {
        fs::write(&path, text).unwrap();
        assert_eq!(problem(&path), expected, "{text}");
    }
}

#[test]
fn a_refused_record_is_named_unless_the_file_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write_some(&path, &["a", "b"]);
    let refuse = |path: &Path| {
        let taken = |record: String| if record == "b" { Err("no b".to_owned()) } else { Ok(()) };
        read::<String, String>(path, FORMAT, taken).unwrap_err().problem.to_string()
    };
    assert_eq!(refuse(&path), "record 2: no b");
    let text = fs::read_to_string(&path).unwrap().replace("\"a\"", "\"c\"");
    fs::write(&path, text).unwrap();
    assert_eq!(refuse(&path), "damaged: the checksum does not hold");
}

proptest! {
    /// Cut off anywhere, or with any byte changed, a file is refused.
    #[test]
    fn damage_is_always_seen(at in 0_usize..1_000, change in 1_u8.., cut: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_some(&path, &["alpha", "beta", "gamma"]);
        let mut bytes = fs::read(&path).unwrap();
        let at = at % bytes.len();
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= change;
        }
        fs::write(&path, &bytes).unwrap();
        prop_assert!(read_back(&path).is_err());
    }
}
