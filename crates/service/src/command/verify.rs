//! `verify`: whether a request is from us, checked as a receiver would check it.

use std::time::{SystemTime, UNIX_EPOCH};

use signing::{Secret, boottify, standard};

use crate::cli::Verify;
use crate::command::input;
use crate::exit::Failed;
use crate::print;

/// More than any event is allowed to have.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Says yes, or ends with exit code 1 and says why not.
pub(crate) fn run(asked: &Verify) -> Result<(), Failed> {
    let secret = secret(asked)?;
    let body = input::read(&asked.body, LARGEST)?;
    if let Some(signature) = &asked.signature
        && !boottify::verify(&secret, &body, signature)
    {
        let hint = "the body must be the exact bytes that were received";
        return Err(Failed::No(format!("x-boottify-signature does not match: {hint}")));
    }
    if let (Some(signatures), Some(id), Some(timestamp)) =
        (&asked.webhook_signature, &asked.webhook_id, asked.webhook_timestamp)
    {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        standard::verify(&secret, id, timestamp, &body, signatures, now)
            .map_err(|refused| Failed::No(refused.to_string()))?;
    }
    print::line("ok: the signature matches")
}

fn secret(asked: &Verify) -> Result<Secret, Failed> {
    match (&asked.secret, &asked.secret_file) {
        (Some(text), None) => input::secret_of(text),
        (_, Some(path)) => input::secret(path),
        (None, None) => Err(Failed::Usage("a secret is needed: --secret-file".to_owned())),
    }
}
