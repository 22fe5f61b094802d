//! Is a request for us, and not made by the page of another site?
//!
//! Browsers say which site a request comes from: `Sec-Fetch-Site`, and `Origin` where something may
//! be changed. What says neither is no browser. Where there are no tokens, the host that is asked
//! for must be a loopback one besides: a name that somebody lets resolve to 127.0.0.1 is not.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderName, Method};
use url::Url;

use super::InvalidAuth;
use crate::problem::{Problem, ProblemKind};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Where browsers find the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicUrl {
    origin: String,
    https: bool,
}

impl PublicUrl {
    pub(super) fn try_new(text: &str) -> Result<Self, InvalidAuth> {
        let url = Url::parse(text).map_err(|_| InvalidAuth::PublicUrl)?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let named = url.username().is_empty() && url.password().is_none();
        if !bare || !named || !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidAuth::PublicUrl);
        }
        let origin = url.origin().ascii_serialization();
        Ok(Self { https: url.scheme() == "https", origin })
    }

    pub(super) fn is_https(&self) -> bool {
        self.https
    }
}

/// See the module.
pub(super) fn check(
    parts: &Parts,
    public: Option<&PublicUrl>,
    only_loopback: bool,
) -> Result<(), Problem> {
    let header = |name| parts.headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = parts.uri.authority().map(Authority::as_str).or_else(|| header(HOST));
    if only_loopback && !host.is_some_and(is_loopback) {
        let why = "without tokens only 127.0.0.1, [::1] and localhost are served";
        return Err(Problem::new(ProblemKind::Misdirected, why));
    }
    let changes = !matches!(parts.method, Method::GET | Method::HEAD);
    // A link on another site may lead to the page; anything else from there may not.
    let link = !changes && header(SEC_FETCH_MODE) == Some("navigate");
    let foreign =
        header(SEC_FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let origin = header(ORIGIN).filter(|_| changes || only_loopback);
    let other = origin.is_some_and(|origin| !is_ours(origin, host, public));
    if (foreign && !link) || other {
        let why = "the page of another site cannot ask for this";
        return Err(Problem::new(ProblemKind::CrossSite, why));
    }
    Ok(())
}

fn is_ours(origin: &str, host: Option<&str>, public: Option<&PublicUrl>) -> bool {
    if public.is_some_and(|public| public.origin == origin) {
        return true;
    }
    let place = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    place.is_some() && place == host
}

/// Whether this host, with or without a port, is a loopback one whatever name servers say.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn judged(method: &str, headers: &[(&str, &str)], only_loopback: bool) -> Option<ProblemKind> {
        let mut request = Request::builder().method(method).uri("/api/v1/webhooks");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let public = PublicUrl::try_new("https://hooks.example.com").unwrap();
        let (parts, ()) = request.body(()).unwrap().into_parts();
        check(&parts, Some(&public), only_loopback).err().map(|problem| problem.kind)
    }

    #[test]
    fn other_sites_are_refused() {
        use ProblemKind::CrossSite;
        const HOST: (&str, &str) = ("host", "10.0.0.1:8080");
        for (method, headers, expected) in [
            ("POST", &[HOST][..], None),
            ("POST", &[HOST, ("origin", "http://10.0.0.1:8080")], None),
            ("POST", &[HOST, ("origin", "https://hooks.example.com")], None),
            ("POST", &[HOST, ("origin", "https://evil.example")], Some(CrossSite)),
            ("POST", &[HOST, ("origin", "http://10.0.0.1")], Some(CrossSite)),
            ("POST", &[HOST, ("origin", "null")], Some(CrossSite)),
            ("POST", &[("origin", "http://")], Some(CrossSite)),
            ("DELETE", &[HOST, ("sec-fetch-site", "cross-site")], Some(CrossSite)),
            ("POST", &[HOST, ("sec-fetch-site", "same-site")], Some(CrossSite)),
            ("POST", &[HOST, ("sec-fetch-site", "same-origin")], None),
            ("GET", &[HOST, ("sec-fetch-site", "cross-site")], Some(CrossSite)),
            (
                "GET",
                &[HOST, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
                None,
            ),
            (
                "POST",
                &[HOST, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
                Some(CrossSite),
            ),
        ] {
            assert_eq!(judged(method, headers, false), expected, "{method} {headers:?}");
        }
    }

    #[test]
    fn without_tokens_only_loopback_is_served() {
        use ProblemKind::Misdirected;
        for (host, expected) in [
            ("127.0.0.1:8080", None),
            ("127.9.9.9", None),
            ("[::1]:8080", None),
            ("localhost:1", None),
            ("LOCALHOST", None),
            ("evil.example:8080", Some(Misdirected)),
            ("127.0.0.1.evil.example", Some(Misdirected)),
            ("localhost.evil.example", Some(Misdirected)),
            ("10.0.0.1", Some(Misdirected)),
            ("", Some(Misdirected)),
        ] {
            assert_eq!(judged("GET", &[("host", host)], true), expected, "{host}");
        }
        assert_eq!(judged("GET", &[], true), Some(Misdirected));
    }

    #[test]
    fn a_public_url_is_an_origin() {
        for bad in
            ["", "hooks", "ftp://a", "https://a/b", "https://u@a", "https://a?b", "https://a#b"]
        {
            assert_eq!(PublicUrl::try_new(bad), Err(InvalidAuth::PublicUrl), "{bad}");
        }
        assert!(PublicUrl::try_new("https://A.example:443/").unwrap().is_https());
        assert_eq!(
            PublicUrl::try_new("https://A.example:443/").unwrap().origin,
            "https://a.example"
        );
    }
}
