//! Layers, unknown names, missing keys, secrets: everything that needs more than one value.

use std::fs;

use super::*;
use crate::value::Value;

/// What the tests read: a required name, a bounded port, a secret, and shelves of books.
#[derive(Debug, PartialEq, Eq)]
struct Library {
    name: String,
    port: u16,
    key: Option<String>,
    opens: Option<String>,
    books: Vec<String>,
}

fn library(root: &mut Section<'_, '_>) -> Option<Library> {
    let text = |value: &Value<'_>| value.text().map(str::to_owned);
    let (name, opens) = root.table("house", |house| {
        let opens = house.table("hours", |hours| hours.optional("opens", text));
        (house.required("name", "the library's name", text), opens)
    });
    let (port, key) = root.table("access", |access| {
        let key = access.optional_secret("key", |text| match text {
            "" => Err("a key has at least one character"),
            text => Ok(text.to_owned()),
        });
        let port = access.required("port", "a port", |value| value.integer(1..=9999u16));
        if key.is_none() && port == Some(1) {
            access.conflict("port", "port 1 needs a key");
        }
        (port, key)
    });
    let books = root.tables("books", |book| {
        book.optional_table("loan", |loan| loan.optional("until", text));
        book.required("title", "the book's title", text)
    });
    Some(Library { name: name?, port: port?, key, opens, books: books? })
}

/// A reading without mistakes.
#[derive(Debug)]
struct Read {
    value: Library,
    files: Vec<PathBuf>,
    keys: Vec<String>,
}

const DEFAULTS: &str = "books = []\n[access]\nport = 80\n";

fn read(file: &str, variables: &[(&str, &str)]) -> Result<Read, String> {
    read_named("a.toml", file, variables)
}

fn read_named(name: &str, file: &str, variables: &[(&str, &str)]) -> Result<Read, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment = Environment::new("LIB", variables);
    let file = Document::parse(name, file).map_err(|report| report.to_string())?;
    let defaults = Document::parse("default.toml", DEFAULTS).unwrap();
    let reader = Reader::layered(&environment, Some(&file), &defaults);
    let Reading { value, files, keys } = reader.read(library);
    let value = value.map_err(|report| report.to_string())?;
    Ok(Read { value, files, keys })
}

fn check(file: &str, variables: &[(&str, &str)], expected: &[&str]) {
    let found = read(file, variables).map(|reading| reading.value);
    let found = found.expect_err("a mistake");
    assert_eq!(found.lines().collect::<Vec<_>>(), expected, "{file}");
}

const NAMED: &str = "[house]\nname = \"Alexandria\"\n";

#[test]
fn environment_beats_file_beats_defaults() {
    let port = |file: &str, variables: &[(&str, &str)]| {
        read(&format!("{NAMED}{file}"), variables).unwrap().value.port
    };
    assert_eq!(port("", &[]), 80);
    assert_eq!(port("[access]\nport = 81\n", &[]), 81);
    assert_eq!(port("[access]\nport = 81\n", &[("LIB__ACCESS__PORT", "82")]), 82);
    let deep = read(NAMED, &[("LIB__HOUSE__HOURS__OPENS", "9:00")]).unwrap();
    assert_eq!(deep.value.opens.as_deref(), Some("9:00"));
}

#[test]
fn variables_of_others_are_not_ours() {
    let others = [("LIB_SERVICE_HOST", "10.0.0.1"), ("LIBRARY__X", "1"), ("PATH", "/bin")];
    assert!(read(NAMED, &others).is_ok());
}

#[test]
fn all_mistakes_are_told_at_once_ordered_by_place() {
    check(
        "[access]\nport = 0\nprot = 1\n[[books]]\n[[books]]\ntitle = 5\n",
        &[("LIB__ACCESS__PROT", "1")],
        &[
            "a.toml: house.name: missing; expected the library's name (environment variable LIB__HOUSE__NAME)",
            "a.toml:2:8: access.port: found 0; expected a whole number from 1 to 9999",
            "a.toml:3:1: access.prot: unknown key; did you mean access.port?",
            "a.toml:4:1: books[0].title: missing; expected the book's title",
            "a.toml:6:9: books[1].title: found 5; expected a string",
            "environment variable LIB__ACCESS__PROT: unknown key; did you mean LIB__ACCESS__PORT?",
        ],
    );
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    let rows = [
        ("[hous]\n", "a.toml:3:2: hous: unknown key; did you mean house?"),
        ("hous.x = 1\n", "a.toml:3:1: house.hous: unknown key; did you mean house.hours?"),
        ("port = 1\n", "a.toml:3:1: house.port: unknown key; did you mean access.port?"),
        ("zzz = 1\n", "a.toml:3:1: house.zzz: unknown key; known here: hours, name"),
        (
            "[[books]]\ntitel = \"x\"\ntitle = \"x\"\n",
            "a.toml:4:1: books[0].titel: unknown key; did you mean books[0].title?",
        ),
        (
            "[[books]]\ntitle = \"x\"\nloan.untill = \"x\"\n",
            "a.toml:5:6: books[0].loan.untill: unknown key; did you mean books[0].loan.until?",
        ),
        (
            "[access]\nkey_fiel = \"x\"\n",
            "a.toml:4:1: access.key_fiel: unknown key; did you mean access.key_file?",
        ),
    ];
    for (more, expected) in rows {
        check(&format!("{NAMED}{more}"), &[], &[expected]);
    }
    let variable = "environment variable LIB__BOOKS: unknown key";
    check(NAMED, &[("LIB__BOOKS", "x")], &[variable]);
}

#[test]
fn tables_and_arrays_must_be_such() {
    check(
        "house = 1\naccess = [1]\nbooks = { title = 1 }\n",
        &[("LIB__HOUSE__NAME", "x")],
        &[
            "a.toml:1:9: house: found 1; expected a table",
            "a.toml:2:10: access: found a list; expected a table",
            "a.toml:3:9: books: found a table; expected a list of tables ([[books]])",
        ],
    );
    check(
        &format!("books = [{{ title = \"x\" }}, 2]\n{NAMED}"),
        &[],
        &["a.toml:1:27: books[1]: found 2; expected a table"],
    );
}

#[test]
fn an_array_of_tables_is_written_even_without_tables() {
    let file = |text| Document::parse("a.toml", text).unwrap();
    let read =
        |text| Reader::of_file(&file(text)).read(|root| root.tables("books", |_| Some(()))).value;
    assert_eq!(read("books = []"), Ok(vec![]));
    assert_eq!(read("[[books]]\n[[books]]"), Ok(vec![(), ()]));
    let missing = read("").unwrap_err().to_string();
    assert_eq!(
        missing,
        "a.toml: books: missing; expected tables [[books]], or books = [] for none"
    );
}

#[test]
fn conflicts_stand_where_the_value_was_given() {
    let why = "port 1 needs a key";
    check(
        &format!("{NAMED}[access]\nport = 1\n"),
        &[],
        &[&format!("a.toml:4:8: access.port: {why}")],
    );
    let variable = format!("environment variable LIB__ACCESS__PORT: access.port: {why}");
    check(NAMED, &[("LIB__ACCESS__PORT", "1")], &[&variable]);
}

#[test]
fn secrets_come_from_values_or_files_and_the_stronger_layer_wins() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("a.toml").display().to_string();
    let secret = folder.path().join("key");
    fs::write(&secret, "from a file\n").unwrap();
    let secret = secret.to_str().unwrap();
    let key = |file: &str, variables: &[(&str, &str)]| {
        let reading = read_named(&name, &format!("{NAMED}[access]\n{file}"), variables).unwrap();
        (reading.value.key.unwrap(), reading.files.len())
    };
    let plain = |text: &str| (text.to_owned(), 0);
    let from_file = ("from a file".to_owned(), 1);
    assert_eq!(key("key = \"plain\"", &[]), plain("plain"));
    assert_eq!(key("key_file = \"key\"", &[]), from_file);
    assert_eq!(key("key_file = \"key\"", &[("LIB__ACCESS__KEY", "strong")]), plain("strong"));
    assert_eq!(key("key = \"plain\"", &[("LIB__ACCESS__KEY_FILE", secret)]), from_file);
}

#[test]
fn secrets_are_never_told() {
    let file = format!("{NAMED}[access]\nkey = 1234567\n");
    check(&file, &[], &["a.toml:4:7: access.key: expected a string"]);
    let file = format!("{NAMED}[access]\nkey = \"hunter2\"\nkey_file = \"x\"\n");
    check(&file, &[], &["a.toml:5:12: access.key_file: give either key or key_file, not both"]);
    check(
        &format!("{NAMED}[access]\nkey = \"hunter2\n"),
        &[],
        &["a.toml:4:15: not valid TOML: invalid basic string, expected `\"`"],
    );
    let empty =
        "environment variable LIB__ACCESS__KEY: access.key: a key has at least one character";
    check(NAMED, &[("LIB__ACCESS__KEY", "")], &[empty]);
    let missing = "environment variable LIB__ACCESS__KEY_FILE: access.key_file: \"/no/such\": \
                   cannot be read: No such file or directory (os error 2)";
    check(NAMED, &[("LIB__ACCESS__KEY_FILE", "/no/such")], &[missing]);
    let environment = Environment::new("LIB", [("LIB__A".to_owned(), "hunter2".to_owned())]);
    assert!(!format!("{environment:?}").contains("hunter2"));
}

#[test]
fn a_reading_knows_every_key() {
    let keys = read(&format!("{NAMED}[[books]]\ntitle = \"x\"\nloan = {{}}\n"), &[]).unwrap().keys;
    assert_eq!(
        keys,
        [
            "access.key",
            "access.key_file",
            "access.port",
            "books[].title",
            "books[].loan.until",
            "house.name",
            "house.hours.opens"
        ]
    );
}

mod anything {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the file says, reading ends with a value or a report, never with a panic.
        #[test]
        fn no_text_panics(text in "(\\[{0,2}(house|access|books|é)\\]{0,2}|name|key|port|title|[=.,\"\n 0-9{}äé-])*") {
            let result = read(&text, &[]);
            prop_assert!(result.is_ok() || !result.unwrap_err().is_empty());
        }
    }
}
