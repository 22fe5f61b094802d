//! How the program ends: the exit codes, and the one line that says why.

use std::process::ExitCode;

use crate::print;

/// Why the program ends without having done what was asked.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It was asked wrongly: exit code 2. Each line stands alone.
    Usage(String),
    /// It could not be done: exit code 1.
    Work(anyhow::Error),
    /// The answer is no (a signature that does not match): exit code 1, nothing more to say.
    No(String),
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Work(error)
    }
}

/// Prints what went wrong to standard error and gives the exit code: 0 done, 1 failed, 2 wrong
/// usage or configuration.
pub(crate) fn code(result: Result<(), Failed>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Usage(text)) => {
            print::error(text.trim_end());
            ExitCode::from(2)
        }
        Err(Failed::Work(error)) => {
            print::error(&format!("boottify-webhooks: {}", broker::in_one_line(error.as_ref())));
            ExitCode::from(1)
        }
        Err(Failed::No(text)) => {
            print::error(&text);
            ExitCode::from(1)
        }
    }
}
