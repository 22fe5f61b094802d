//! What commands say on standard output.

use std::fmt::Write as _;
use std::io::{self, Write};

use anyhow::Context;

use crate::exit::Failed;

/// Prints `text` and what was printed before it.
///
/// # Errors
///
/// Where standard output cannot be written. A reader that has gone away has seen enough: no error.
pub(crate) fn text(text: &str) -> Result<(), Failed> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output").map_err(Failed::Work)
        }
        _ => Ok(()),
    }
}

/// Prints a line.
///
/// # Errors
///
/// As [`text`].
pub(crate) fn line(line: &str) -> Result<(), Failed> {
    text(&format!("{line}\n"))
}

/// Prints a line on standard error; where that is gone, nobody is left to be told.
pub(crate) fn error(line: &str) {
    writeln!(io::stderr(), "{line}").unwrap_or_default();
}

/// So many webhooks, in words.
pub(crate) fn webhooks(count: usize) -> String {
    if count == 1 { "1 webhook".to_owned() } else { format!("{count} webhooks") }
}

/// So many dead letters, in words.
pub(crate) fn dead_letters(count: usize) -> String {
    if count == 1 { "1 dead letter".to_owned() } else { format!("{count} dead letters") }
}

/// Columns under their heads, the last one as long as it is. What strangers wrote must not speak to
/// the terminal: control characters are shown as a dot.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let plain = |cell: &str| cell.replace(char::is_control, "·");
    let rows = rows.iter().map(|row| row.each_ref().map(|cell| plain(cell)));
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for row in &rows {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let width = if column + 1 == N { 0 } else { width };
            // Writing into a String cannot fail.
            write!(text, "{cell:width$}").unwrap_or_default();
            text.push_str(if column + 1 == N { "\n" } else { "  " });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_says_nothing_to_the_terminal() {
        let rows = [["whk_1".to_owned(), "a\u{1b}[2Jb".to_owned()]];
        assert_eq!(table(["ID", "WHY"], &rows), "ID     WHY\nwhk_1  a·[2Jb\n");
    }
}
