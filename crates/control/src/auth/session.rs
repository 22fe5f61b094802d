//! The page's session: `name.id.begin.expiry.mac` in a cookie, sealed with the token's hash.
//!
//! No replica remembers a session, and each can check it. It ends with its time, when its token is
//! taken out of the configuration, or when somebody signs out ([`super::ended`]).

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

/// What tells one session from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// Random; it opens nothing by itself.
    pub(super) id: String,
    /// When it began, ms since 1970.
    pub(super) began_ms: i64,
    /// When it ends by itself, ms since 1970.
    pub(super) until_ms: i64,
}

impl Session {
    /// A session that begins; `None` where the system gives no random bytes.
    pub(super) fn begin(now_ms: i64, lasts: Duration) -> Option<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        let lasts_ms = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        let until_ms = now_ms.saturating_add(lasts_ms);
        Some(Self { id: hex::encode(random), began_ms: now_ms, until_ms })
    }

    /// Its cookie, for who came with this token.
    pub(super) fn seal(&self, token: &Token) -> String {
        let Self { id, began_ms, until_ms } = self;
        let signed = format!("{}.{id}.{began_ms}.{until_ms}", token.name);
        let mac = mac(&token.hash, "session", &signed);
        format!("{signed}.{mac}")
    }
}

/// Whose session this is, if it is one of ours and its time is not over.
pub(super) fn open(text: &str, tokens: &Tokens, now_ms: i64) -> Option<(Viewer, Session)> {
    if text.len() > LONGEST {
        return None;
    }
    let (signed, given) = text.rsplit_once('.')?;
    let mut parts = signed.rsplitn(4, '.');
    let (until, began, id) = (parts.next()?, parts.next()?, parts.next()?);
    let name = parts.next()?;
    let token = tokens.named(name)?;
    let right = mac(&token.hash, "session", signed);
    let fits = bool::from(right.as_bytes().ct_eq(given.as_bytes()));
    let (began_ms, until_ms) = (began.parse().ok()?, until.parse().ok()?);
    if !fits || until_ms <= now_ms {
        return None;
    }
    let csrf = mac(&token.hash, "csrf", text);
    let viewer = Viewer { name: token.name.clone(), role: token.role, csrf, by: By::Session };
    Some((viewer, Session { id: id.to_owned(), began_ms, until_ms }))
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
        let begun = Session::begin(0, Duration::from_secs(1)).unwrap();
        let session = begun.seal(tokens.named("al.ice").unwrap());
        let (viewer, opened) = open(&session, &tokens, 999).unwrap();
        assert_eq!(opened, begun);
        assert_eq!((&*viewer.name, viewer.role), ("al.ice", Role::Admin));
        assert!(open(&session, &tokens, 1_000).is_none());
        let renewed: Tokens = "al.ice admin another_token_0123456789".parse().unwrap();
        assert!(open(&session, &renewed, 0).is_none());
        assert!(open(&session, &Tokens::default(), 0).is_none());
    }

    #[test]
    fn what_was_tampered_with_opens_nothing() {
        let tokens: Tokens = LINES.parse().unwrap();
        let begun = Session::begin(0, Duration::from_secs(1)).unwrap();
        let session = begun.seal(tokens.named("bob").unwrap());
        let id = &begun.id;
        let mac = session.rsplit_once('.').unwrap().1;
        let long = "x".repeat(LONGEST + 1);
        for text in [
            "",
            "bob",
            "bob.1000",
            "bob.1000.",
            &format!("bob.1000.{mac}"),
            &format!("al.ice.{id}.0.1000.{mac}"),
            &format!("bob.{id}.0.9999.{mac}"),
            &format!("bob.{id}.1.1000.{mac}"),
            &format!("bob.{}.0.1000.{mac}", &id[1..]),
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
        let sealed = || Session::begin(0, Duration::from_secs(5)).unwrap().seal(bob);
        let viewer = |session: &str| open(session, &tokens, 0).unwrap().0;
        let (one, other) = (sealed(), sealed());
        let (first, second) = (viewer(&one), viewer(&other));
        assert_eq!(first.csrf, viewer(&one).csrf);
        assert_ne!(first.csrf, second.csrf);
        assert_ne!(first.csrf, one.rsplit_once('.').unwrap().1);
        assert!(first.check_csrf(&first.csrf).is_ok());
        assert!(first.check_csrf("").is_err() && first.check_csrf(&second.csrf).is_err());
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
