//! Colour, where somebody sees it: on a terminal, unless `NO_COLOR` is set or the terminal is dumb.

use std::env;
use std::io::{IsTerminal, stdout};
use std::sync::LazyLock;

static COLOUR: LazyLock<bool> = LazyLock::new(|| {
    let forbidden = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
    stdout().is_terminal() && !forbidden && !dumb
});

/// Text that is right.
pub(crate) fn good(text: &str) -> String {
    paint("32", text)
}

/// Text that is wrong.
pub(crate) fn bad(text: &str) -> String {
    paint("31", text)
}

/// Text that wants a second look.
pub(crate) fn odd(text: &str) -> String {
    paint("33", text)
}

/// Text that leads.
pub(crate) fn strong(text: &str) -> String {
    paint("1", text)
}

/// Text that stands back.
pub(crate) fn faint(text: &str) -> String {
    paint("2", text)
}

fn paint(code: &str, text: &str) -> String {
    if *COLOUR { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
