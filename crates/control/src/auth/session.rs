//! The page's session: `name.expiry.mac` in a cookie, sealed with the token's hash.
//!
//! No replica remembers a session, and each can check it. It ends with its time, or when its token
//! is taken out of the configuration; signing out takes it out of the browser.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::tokens::{Hash, Token, Tokens};
use super::{By, Viewer};

/// The longest cookie that is looked at.
const LONGEST: usize = 256;

/// The cookie's name. With `__Host-` browsers take it over encrypted connections only, and from
/// this very host.
pub(super) fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-boottify-webhooks" } else { "boottify-webhooks" }
}

/// The value of `set-cookie`; an empty cookie is one to be forgotten.
pub(super) fn cookie(value: &str, lasts: Duration, secure: bool) -> HeaderValue {
    let name = cookie_name(secure);
    let lasts = lasts.as_secs();
    let secure = if secure { "; Secure" } else { "" };
    let text =
        format!("{name}={value}; Path=/; Max-Age={lasts}; HttpOnly; SameSite=Strict{secure}");
    // Names, hexadecimal digits and numbers only.
    let mut value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// A session of this token until `expiry_ms`.
pub(super) fn seal(token: &Token, expiry_ms: i64) -> String {
    let mac = mac(&token.hash, "session", &format!("{}.{expiry_ms}", token.name));
    format!("{}.{expiry_ms}.{mac}", token.name)
}

/// Whose session this is, if it is one of ours and not over.
pub(super) fn open(text: &str, tokens: &Tokens, now_ms: i64) -> Option<Viewer> {
    if text.len() > LONGEST {
        return None;
    }
    let (signed, given) = text.rsplit_once('.')?;
    let (name, expiry) = signed.rsplit_once('.')?;
    let token = tokens.named(name)?;
    let right = mac(&token.hash, "session", signed);
    let fits = bool::from(right.as_bytes().ct_eq(given.as_bytes()));
    if !fits || expiry.parse::<i64>().ok()? <= now_ms {
        return None;
    }
    let csrf = mac(&token.hash, "csrf", text);
    Some(Viewer { name: token.name.clone(), role: token.role, csrf, by: By::Session })
}

/// What only who knows the token's hash can compute; `purpose` keeps the two uses apart.
fn mac(hash: &Hash, purpose: &str, text: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(hash) else { return String::new() };
    mac.update(purpose.as_bytes());
    mac.update(&[0]);
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Role;

    const LINES: &str = "al.ice admin tok_0123456789abcdef\nbob read tok_0123456789abcdeg";

    #[test]
    fn a_session_opens_until_its_time_and_as_long_as_its_token_is_there() {
        let tokens: Tokens = LINES.parse().unwrap();
        let session = seal(tokens.named("al.ice").unwrap(), 1_000);
        let viewer = open(&session, &tokens, 999).unwrap();
        assert_eq!((&*viewer.name, viewer.role), ("al.ice", Role::Admin));
        assert!(open(&session, &tokens, 1_000).is_none());
        let renewed: Tokens = "al.ice admin another_token_0123456789".parse().unwrap();
        assert!(open(&session, &renewed, 0).is_none());
        assert!(open(&session, &Tokens::default(), 0).is_none());
    }

    #[test]
    fn what_was_tampered_with_opens_nothing() {
        let tokens: Tokens = LINES.parse().unwrap();
        let session = seal(tokens.named("bob").unwrap(), 1_000);
        let mac = session.rsplit_once('.').unwrap().1;
        let long = "x".repeat(LONGEST + 1);
        for text in [
            "",
            "bob",
            "bob.1000",
            "bob.1000.",
            &format!("al.ice.1000.{mac}"),
            &format!("bob.9999.{mac}"),
            &session[..session.len() - 1],
            &long,
        ] {
            assert!(open(text, &tokens, 0).is_none(), "{text}");
        }
    }

    #[test]
    fn forms_are_proven_per_session() {
        let tokens: Tokens = LINES.parse().unwrap();
        let bob = tokens.named("bob").unwrap();
        let csrf = |expiry| open(&seal(bob, expiry), &tokens, 0).unwrap().csrf;
        assert_eq!(csrf(5), csrf(5));
        assert_ne!(csrf(5), csrf(6));
        let session = seal(bob, 5);
        assert_ne!(csrf(5), session.rsplit_once('.').unwrap().1);
        let viewer = open(&session, &tokens, 0).unwrap();
        assert!(viewer.check_csrf(&csrf(5)).is_ok());
        assert!(viewer.check_csrf("").is_err() && viewer.check_csrf(&csrf(6)).is_err());
    }

    #[test]
    fn cookies_are_for_this_host_and_no_script() {
        let text =
            |secure| cookie("v", Duration::from_secs(60), secure).to_str().unwrap().to_owned();
        let plain = "boottify-webhooks=v; Path=/; Max-Age=60; HttpOnly; SameSite=Strict";
        assert_eq!(text(false), plain);
        assert_eq!(text(true), format!("__Host-{plain}; Secure"));
    }
}
