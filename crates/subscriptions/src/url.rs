//! Where a webhook's requests go.
//!
//! A URL is read as browsers read it (WHATWG, by the `url` crate), so that odd spellings of an IPv4
//! address (`0x7f.1`, `2130706433`) become the address that they mean before anybody decides
//! whether it may be reached. Whether it may is not decided here (`delivery`).
//!
//! Tokens are often part of the query: neither `Display` nor `Debug` shows it.

use std::fmt;
use std::net::IpAddr;

use ::url::{ParseError, Url};
use http::Uri;
use thiserror::Error;

/// The longest URL, in bytes, as written and as sent.
pub const MAX_URL_BYTES: usize = 2048;

/// An absolute `https` (or, where the rules allow it, `http`) URL with a host, without credentials
/// and fragment, ready to be requested.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    uri: Uri,
    /// The host, where it is an address.
    address: Option<IpAddr>,
}

/// What a deployment allows beyond `https`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UrlRules {
    /// Whether `http` URLs are accepted.
    pub allow_http: bool,
}

/// The host of a webhook's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// A name that has to be resolved, in ASCII (punycode).
    Name(&'a str),
    /// An address; nobody will be asked what it resolves to.
    Address(IpAddr),
}

/// A text that is no URL of a webhook. No variant quotes the text, which may hold a token.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidUrl {
    /// Longer than [`MAX_URL_BYTES`].
    #[error("a URL may have {MAX_URL_BYTES} bytes, not {0}")]
    TooLong(usize),
    /// White space or control characters, which a browser would silently drop.
    #[error("a URL cannot hold white space or control characters")]
    Whitespace,
    /// There is no scheme.
    #[error("a URL begins with https://")]
    NoScheme,
    /// It does not parse as an absolute URL.
    #[error("not a URL: {0}")]
    Syntax(ParseError),
    /// It parses, but no HTTP request can be made of it.
    #[error("not a URL that HTTP can request")]
    NotRequestable,
    /// A scheme other than `https` and `http`.
    #[error("the scheme must be {}, not {given}", if rules.allow_http { "https or http" } else { "https" })]
    Scheme {
        /// The scheme.
        given: String,
        /// Which ones are possible.
        rules: UrlRules,
    },
    /// `http` where it is not allowed.
    #[error("http is not allowed here; use https, or set webhooks.allow_http")]
    PlainHttp,
    /// A user name or password before the host.
    #[error("a URL cannot hold a user name or password; use a header")]
    Credentials,
    /// Something after `#`, which is never sent.
    #[error("a URL cannot have a fragment (#…)")]
    Fragment,
    /// A host that no name server could know.
    #[error("the host is no valid name or address")]
    Host,
    /// Port 0.
    #[error("port 0 cannot be reached")]
    Port,
}

impl From<ParseError> for InvalidUrl {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::RelativeUrlWithoutBase => Self::NoScheme,
            error => Self::Syntax(error),
        }
    }
}

impl WebhookUrl {
    /// Reads `text` under `rules`.
    ///
    /// # Errors
    ///
    /// [`InvalidUrl`] for the first thing wrong.
    pub fn try_new(text: &str, rules: UrlRules) -> Result<Self, InvalidUrl> {
        if text.len() > MAX_URL_BYTES {
            return Err(InvalidUrl::TooLong(text.len()));
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(InvalidUrl::Whitespace);
        }
        let url = Url::parse(text)?;
        check_scheme(&url, text, rules)?;
        check_parts(&url)?;
        let address = match url.host() {
            Some(::url::Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(::url::Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(::url::Host::Domain(name)) if is_resolvable(name) => None,
            _ => return Err(InvalidUrl::Host),
        };
        // Percent-encoding may have made it longer than it was written.
        if url.as_str().len() > MAX_URL_BYTES {
            return Err(InvalidUrl::TooLong(url.as_str().len()));
        }
        // A copy, because the parser's own text has grown to twice its length.
        let uri: Uri = url.as_str().parse().map_err(|_| InvalidUrl::NotRequestable)?;
        if uri.host().is_none() {
            return Err(InvalidUrl::NotRequestable);
        }
        Ok(Self { uri, address })
    }

    /// Stands for a URL that cannot be read; nobody is there (RFC 2606).
    #[must_use]
    pub fn unreadable() -> Self {
        Self { uri: Uri::from_static("https://unreadable.invalid/"), address: None }
    }

    /// The URL to request, query and all.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Who answers there.
    #[must_use]
    pub fn host(&self) -> Host<'_> {
        match self.address {
            Some(address) => Host::Address(address),
            // `try_new` refuses a URI without host.
            None => Host::Name(self.uri.host().unwrap_or_default()),
        }
    }

    /// Its host and its port, the latter only where it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> &str {
        // `try_new` refuses a URI without host, and credentials.
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.uri.scheme() == Some(&http::uri::Scheme::HTTPS)
    }

    /// The whole URL as text, query and all: to be kept, not to be shown.
    #[must_use]
    pub fn expose(&self) -> String {
        self.uri.to_string()
    }
}

fn check_scheme(url: &Url, text: &str, rules: UrlRules) -> Result<(), InvalidUrl> {
    match url.scheme() {
        "https" => {}
        "http" if rules.allow_http => {}
        "http" => return Err(InvalidUrl::PlainHttp),
        other => {
            return Err(InvalidUrl::Scheme { given: other.chars().take(20).collect(), rules });
        }
    }
    // WHATWG also takes `https:example.com`, backslashes, and `https:///a` with `a` as the host;
    // nobody means them.
    match text.get(url.scheme().len()..).and_then(|rest| rest.strip_prefix("://")) {
        None => Err(InvalidUrl::NotRequestable),
        Some(rest) if rest.starts_with(['/', '\\']) => Err(ParseError::EmptyHost.into()),
        Some(_) => Ok(()),
    }
}

fn check_parts(url: &Url) -> Result<(), InvalidUrl> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidUrl::Credentials);
    }
    if url.fragment().is_some() {
        return Err(InvalidUrl::Fragment);
    }
    if url.port() == Some(0) {
        return Err(InvalidUrl::Port);
    }
    Ok(())
}

/// Lengths as in RFC 1035, section 2.3.4; a final dot (the root) is allowed.
fn is_resolvable(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253 && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

impl fmt::Display for WebhookUrl {
    /// Scheme, host and path; `?…` stands for a query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map_or("", |a| a.as_str());
        write!(f, "{scheme}://{authority}{}", self.uri.path())?;
        if self.uri.query().is_some() { f.write_str("?…") } else { Ok(()) }
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
