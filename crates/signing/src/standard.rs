//! The Standard Webhooks scheme, version 1 (standardwebhooks specification 1.0.0): HMAC-SHA256 over
//! `id.timestamp.body`, in base64 behind `v1,`; one value per active secret, separated by blanks.
//!
//! The time is signed, so a receiver can refuse what is too old: protection against replay, which
//! the page's own scheme does not give.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::secret::Secret;

const VERSION: &str = "v1,";

/// Base64 of 32 bytes.
const DIGEST: usize = 44;

/// How far a request's time may be from the receiver's, as the specification recommends.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Why a request is not accepted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refused {
    /// The time is too far from the receiver's.
    #[error("webhook-timestamp is more than {} s from now", TOLERANCE.as_secs())]
    Time,
    /// No signature matches.
    #[error("no signature in webhook-signature matches")]
    Signature,
}

/// The value of `webhook-signature`: what each of `secrets` makes of the request.
#[must_use]
pub fn sign<'a>(
    secrets: impl IntoIterator<Item = &'a Secret>,
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> String {
    let mut value = String::with_capacity(VERSION.len() + DIGEST);
    for secret in secrets {
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str(VERSION);
        STANDARD
            .encode_string(mac(secret, id, timestamp, body).finalize().into_bytes(), &mut value);
    }
    value
}

/// Accepts a request as a receiver would whose clock says `now` (seconds since the epoch).
///
/// # Errors
///
/// [`Refused`].
pub fn verify(
    secret: &Secret,
    id: &str,
    timestamp: i64,
    body: &[u8],
    signatures: &str,
    now: i64,
) -> Result<(), Refused> {
    if timestamp.abs_diff(now) > TOLERANCE.as_secs() {
        return Err(Refused::Time);
    }
    let ours = sign([secret], id, timestamp, body);
    let matches = |theirs: &str| bool::from(ours.as_bytes().ct_eq(theirs.as_bytes()));
    if signatures.split(' ').any(matches) { Ok(()) } else { Err(Refused::Signature) }
}

fn mac(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = secret.decoded();
    mac.update(id.as_bytes());
    mac.update(b".");
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIME: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn secret() -> Secret {
        Secret::try_new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()
    }

    #[test]
    fn what_a_receiver_accepts() {
        let other = Secret::try_new("whsec_AAAA").unwrap();
        let both = sign([&other, &secret()], ID, TIME, BODY);
        let check = |id, time, body, now| verify(&secret(), id, time, body, &both, now);
        assert_eq!(check(ID, TIME, BODY, TIME + 300), Ok(()));
        assert_eq!(check(ID, TIME, BODY, TIME - 300), Ok(()));
        assert_eq!(check(ID, TIME, BODY, TIME + 301), Err(Refused::Time));
        assert_eq!(check(ID, TIME + 1, BODY, TIME), Err(Refused::Signature));
        assert_eq!(check("msg", TIME, BODY, TIME), Err(Refused::Signature));
        assert_eq!(check(ID, TIME, b"{}", TIME), Err(Refused::Signature));
        assert_eq!(check(ID, i64::MIN, BODY, i64::MAX), Err(Refused::Time));
        let refused = |signatures| verify(&secret(), ID, TIME, BODY, signatures, TIME);
        let ours = sign([&secret()], ID, TIME, BODY);
        let renamed = ours.replace("v1,", "v1a,");
        for wrong in ["", "v1,", &ours[3..], &renamed, &ours[..ours.len() - 1]] {
            assert_eq!(refused(wrong), Err(Refused::Signature), "{wrong}");
        }
        assert_eq!(refused(&format!("v1a,other v1, {ours}")), Ok(()));
        assert_eq!(sign([], ID, TIME, BODY), "");
    }
}
