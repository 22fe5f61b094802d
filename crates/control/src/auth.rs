//! Who asks, and what may they do.
//!
//! ```text
//! request ─► origin: is it for us, and not made by another site? ─► token or session ─► Viewer
//!                                              wrong ─► limiter, by the address of who asks
//! ```
//!
//! Tokens are known by their hashes. The page's session is a cookie that needs no memory here: it
//! is sealed with the token's hash, so that every replica can check it and taking the token out of
//! the configuration ends it; what is remembered are those that somebody signed out of ([`ended`]),
//! until their time is over. Without any token everybody who reaches the listener is admin; the
//! service then listens on loopback only, and [`origin`] sees to it that no web page gets through.

mod ended;
mod limiter;
mod origin;
mod proxies;
mod session;
mod tokens;

pub use self::tokens::{InvalidTokens, Tokens};

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue};
use ipnet::IpNet;
use store::{Database, Store};
use subtle::ConstantTimeEq;
use tokio::time::{Instant, sleep, timeout};

use self::ended::Ended;
use self::limiter::Limiter;
use self::origin::PublicUrl;
use self::proxies::Proxies;
use self::session::Session;
use crate::clock::now_ms;
use crate::metrics::Metrics;
use crate::problem::{Problem, ProblemKind};

/// How long the database may take to hear which sessions were ended.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two questions for sessions that were ended elsewhere.
const PAUSE: Duration = Duration::from_millis(200);

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// To look at everything but secrets.
    Read,
    /// Everything.
    Admin,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// The token's name; the actor in the audit.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// What every form that changes something carries, for requests by cookie.
    pub csrf: String,
    /// How it is known who asks.
    pub by: By,
}

/// How it is known who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A bearer token, which no browser sends by itself.
    Bearer,
    /// The page's cookie, which a browser does send by itself.
    Session,
    /// No tokens are configured: whoever is on loopback.
    Loopback,
}

/// The address of who connected; the listener puts it among a request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Judges requests. Cheap to clone.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    tokens: Tokens,
    session: Duration,
    public: Option<PublicUrl>,
    proxies: Proxies,
    limiter: Limiter,
    ended: Ended,
    metrics: Metrics,
    /// Proves our own forms where there are no tokens.
    loopback_csrf: String,
}

impl Viewer {
    /// Refuses who may only look.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Forbidden`].
    pub fn must_be_admin(&self) -> Result<(), Problem> {
        match self.role {
            Role::Admin => Ok(()),
            Role::Read => {
                let why =
                    format!("the token {:?} may only look; this needs the role admin", self.name);
                Err(Problem::new(ProblemKind::Forbidden, why))
            }
        }
    }

    /// Refuses a form that does not carry this session's proof.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Csrf`].
    pub fn check_csrf(&self, given: &str) -> Result<(), Problem> {
        if bool::from(self.csrf.as_bytes().ct_eq(given.as_bytes())) {
            return Ok(());
        }
        let why = "the form is from another session; load the page again and repeat it";
        Err(Problem::new(ProblemKind::Csrf, why))
    }
}

impl Auth {
    /// A judge that knows these tokens. Sessions of the page last for `session`. `public_url` is
    /// where browsers find the page, if a proxy stands before it; with `https` there, cookies are
    /// for encrypted connections only. Who asks through one of `trusted_proxies` counts as who that
    /// proxy says by `x-forwarded-for`.
    ///
    /// # Errors
    ///
    /// Where the system gives no random bytes, or `public_url` is none.
    pub fn new(
        tokens: Tokens,
        session: Duration,
        public_url: Option<&str>,
        trusted_proxies: Vec<IpNet>,
        metrics: Metrics,
    ) -> Result<Self, InvalidAuth> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|_| InvalidAuth::Randomness)?;
        let public = public_url.map(PublicUrl::try_new).transpose()?;
        let loopback_csrf = hex::encode(random);
        Ok(Self(Arc::new(Inner {
            tokens,
            session,
            public,
            proxies: Proxies::new(trusted_proxies),
            limiter: Limiter::default(),
            ended: Ended::default(),
            metrics,
            loopback_csrf,
        })))
    }

    /// Whether people have to sign in; without tokens everybody on loopback is admin.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        !self.0.tokens.is_empty()
    }

    /// Refuses what is not for us, and what the page of another site makes a browser send.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Misdirected`], [`ProblemKind::CrossSite`].
    pub fn check_origin(&self, parts: &Parts) -> Result<(), Problem> {
        origin::check(parts, self.0.public.as_ref(), !self.has_tokens())
    }

    /// Who asks, by bearer token or by the page's cookie.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Unauthenticated`], [`ProblemKind::TooManyAttempts`].
    pub fn viewer(&self, parts: &Parts) -> Result<Viewer, Problem> {
        if !self.has_tokens() {
            let (name, csrf) = ("loopback".to_owned(), self.0.loopback_csrf.clone());
            return Ok(Viewer { name, role: Role::Admin, csrf, by: By::Loopback });
        }
        if let Some(value) = parts.headers.get(AUTHORIZATION) {
            let token = bearer(value).ok_or_else(|| {
                unauthenticated("the header authorization must be \"Bearer\" and a token")
            })?;
            let found = self.find(token, self.client(&parts.headers, &parts.extensions))?;
            let (name, role) = (found.name.clone(), found.role);
            return Ok(Viewer { name, role, csrf: String::new(), by: By::Bearer });
        }
        self.by_cookie(&parts.headers).map(|(viewer, _)| viewer).ok_or_else(|| {
            unauthenticated("send a token as \"Authorization: Bearer …\", or sign in on the page")
        })
    }

    /// Whether who was let in with these headers would be now: not after signing out.
    pub(crate) fn still_lets_in(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(AUTHORIZATION)
            || !self.has_tokens()
            || self.by_cookie(headers).is_some()
    }

    /// The address of who asks.
    pub(crate) fn client(&self, headers: &HeaderMap, extensions: &Extensions) -> IpAddr {
        let peer = extensions.get().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer: &Peer| peer.0);
        self.0.proxies.client(peer, headers)
    }

    /// Signs in on the page, from this address: the value of `set-cookie`.
    ///
    /// # Errors
    ///
    /// As for [`Auth::viewer`].
    pub fn sign_in(&self, token: &str, client: IpAddr) -> Result<HeaderValue, Problem> {
        let found = self.find(token.trim(), client)?;
        let begun = Session::begin(now_ms(), self.0.session)
            .ok_or_else(|| Problem::new(ProblemKind::Internal, "no random bytes for a session"))?;
        Ok(session::cookie(&begun.seal(found), self.0.session, self.is_secure()))
    }

    /// Ends the session of this request's cookie, here at once, and in all replicas where webhooks
    /// are kept in a database (while that is away, as soon as it is back). The value of `set-cookie`
    /// that has the browser forget it.
    pub async fn sign_out(&self, headers: &HeaderMap, database: Option<&Database>) -> HeaderValue {
        if let Some((_, session)) = self.by_cookie(headers) {
            self.0.ended.end(session, now_ms());
        }
        if let Some(database) = database {
            self.share_ended(database).await.unwrap_or_else(|why| {
                tracing::warn!("a session was ended here and not in other replicas yet: {why}");
            });
        }
        session::cookie("", Duration::ZERO, self.is_secure())
    }

    /// Learns which sessions were ended elsewhere, for as long as it is polled: at once, and with
    /// every change of the store.
    pub async fn follow(&self, store: &Store) {
        let Some(database) = store.database() else { return };
        let mut changes = store.changes();
        loop {
            let shared = self.share_ended(database).await;
            sleep(PAUSE).await;
            if shared.is_ok() && changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Tells the database which sessions were ended here, and learns which were elsewhere.
    ///
    /// # Errors
    ///
    /// Why that was not possible now.
    pub async fn share_ended(&self, database: &Database) -> Result<(), String> {
        let shared = timeout(PATIENCE, self.0.ended.share(database, now_ms())).await;
        shared.unwrap_or_else(|_| Err(format!("the database gives no answer within {PATIENCE:?}")))
    }

    fn by_cookie(&self, headers: &HeaderMap) -> Option<(Viewer, Session)> {
        let name = session::cookie_name(self.is_secure());
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|text| text.split(';')).filter_map(|pair| {
            pair.trim().split_once('=').filter(|(found, _)| *found == name).map(|(_, value)| value)
        });
        let opened = session::open(pairs.next()?, &self.0.tokens, now_ms());
        opened.filter(|(_, session)| !self.0.ended.has(session))
    }

    /// The token that this text is; wrong ones are counted against the address. A right one is let
    /// in whatever others tried from there: nobody comes to it by trying, and who shares an address
    /// must not be shut out.
    fn find(&self, token: &str, address: IpAddr) -> Result<&tokens::Token, Problem> {
        let hash = tokens::hash(token);
        if let Some(found) = self.0.tokens.find(&hash) {
            return Ok(found);
        }
        let now = Instant::now();
        self.0.limiter.admit(address, now).map_err(|wait| self.too_many(wait))?;
        self.0.metrics.sign_in_failed();
        tracing::warn!(client.address = %address, "a token that is not known was tried");
        self.0.limiter.failed(address, &hash, now).map_err(|wait| self.too_many(wait))?;
        Err(unauthenticated("the token is not known here"))
    }

    fn too_many(&self, wait: Duration) -> Problem {
        self.0.metrics.sign_in_delayed();
        let seconds = wait.as_secs().saturating_add(1);
        let why = format!("too many wrong tokens were tried; wait for {seconds} s");
        Problem::new(ProblemKind::TooManyAttempts, why)
            .retry_after(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    fn is_secure(&self) -> bool {
        self.0.public.as_ref().is_some_and(PublicUrl::is_https)
    }
}

/// Whether this is where browsers could find the page.
///
/// # Errors
///
/// [`InvalidAuth::PublicUrl`].
pub fn check_public_url(text: &str) -> Result<(), InvalidAuth> {
    PublicUrl::try_new(text).map(|_| ())
}

/// Why there can be no judge of requests.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidAuth {
    /// The system gives no random bytes.
    #[error("no random bytes to protect forms with")]
    Randomness,
    /// Where the page is found is no URL.
    #[error("expected where browsers find the page, such as https://hooks.example.com")]
    PublicUrl,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Auth({:?})", self.0.tokens)
    }
}

/// The token of `Bearer …`; the scheme may be written in any case (RFC 9110, section 11.1).
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn unauthenticated(why: &str) -> Problem {
    Problem::new(ProblemKind::Unauthenticated, why)
}

#[cfg(test)]
mod tests;
