//! How finding and installing a broker is shown: steps as lines, and below them, on a terminal, the
//! tool's present line alone, overwritten by the next. Where nobody watches, steps are enough.

use std::io::{IsTerminal, Write, stdout};

use testbed::report::{Reporter, Said};

use crate::paint::faint;

/// Longer lines would wrap and could not be overwritten.
const WIDTH: usize = 76;

/// Goes to the line's start and empties it.
const CLEAR: &str = "\r\x1b[K";

/// Shows on standard output.
pub(crate) fn reporter() -> Reporter {
    let watched = stdout().is_terminal();
    Reporter::new(move |said| match said {
        Said::Step(line) if watched => println!("{CLEAR}  {}", faint(line)),
        Said::Step(line) => println!("  {line}"),
        Said::Detail(line) if watched => {
            let short: String = line.chars().take(WIDTH).collect();
            print!("{CLEAR}    {}", faint(&short));
            // Only a picture of progress: where it cannot be shown, nothing is lost.
            stdout().flush().unwrap_or_default();
        }
        Said::Detail(_) => {}
    })
}
