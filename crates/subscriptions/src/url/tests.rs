//! Every way in which a URL is read or refused, as rows.

use super::*;

const BOTH: UrlRules = UrlRules { allow_http: true };
const STRICT: UrlRules = UrlRules { allow_http: false };

fn sent(text: &str, expected: &str) {
    let url = WebhookUrl::try_new(text, BOTH).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(url.expose(), expected, "{text}");
}

fn refused(text: &str, expected: &InvalidUrl) {
    assert_eq!(WebhookUrl::try_new(text, STRICT).as_ref().unwrap_err(), expected, "{text}");
}

fn host(text: &str, expected: Host<'_>) {
    let url = WebhookUrl::try_new(text, BOTH).unwrap();
    assert_eq!(url.host(), expected, "{text}");
}

fn address(text: &str, expected: &str) {
    host(text, Host::Address(expected.parse().unwrap()));
}

#[test]
fn urls_are_sent_as_browsers_would_send_them() {
    sent("https://example.com", "https://example.com/");
    sent("https://example.com:443/a", "https://example.com/a");
    sent("https://example.com:8443/a?b=c&d", "https://example.com:8443/a?b=c&d");
    sent("HTTPS://EXAMPLE.com/A", "https://example.com/A");
    sent("https://example.com/a/../b/./c", "https://example.com/b/c");
    sent("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4");
    sent("https://example.com/{a}|b^[c]\"", "https://example.com/%7Ba%7D|b^[c]%22");
    sent("https://example.com/?q={a}|'\"", "https://example.com/?q={a}|%27%22");
    sent("http://example.com/", "http://example.com/");
}

fn unknown(given: &str, rules: UrlRules) -> InvalidUrl {
    InvalidUrl::Scheme { given: given.to_owned(), rules }
}

#[test]
fn the_schemes_that_are_told_are_those_that_may_be() {
    for (allow_http, schemes) in [(false, "https"), (true, "https or http")] {
        let told = WebhookUrl::try_new("ftp://a/", UrlRules { allow_http }).unwrap_err();
        assert_eq!(told.to_string(), format!("the scheme must be {schemes}, not ftp"));
    }
}

#[test]
fn odd_spellings_of_addresses_become_addresses() {
    for text in [
        "https://127.0.0.1/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://%31%32%37.0.0.1/",
        "https://１２７.0.0.1/",
    ] {
        address(text, "127.0.0.1");
    }
    address("https://[::1]:8443/", "::1");
    address("https://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1");
    address("https://[0:0:0:0:0:0:0:1]/", "::1");
    host("https://localhost/", Host::Name("localhost"));
    host("https://example.com.:8443/", Host::Name("example.com."));
}

#[test]
fn what_is_no_url_of_a_webhook_is_refused() {
    refused("", &InvalidUrl::NoScheme);
    refused("example.com/x", &InvalidUrl::NoScheme);
    refused("https://", &InvalidUrl::Syntax(ParseError::EmptyHost));
    refused("https:///path", &InvalidUrl::Syntax(ParseError::EmptyHost));
    refused("https://:443/", &InvalidUrl::Syntax(ParseError::EmptyHost));
    refused("https://a:99999/", &InvalidUrl::Syntax(ParseError::InvalidPort));
    refused("https://256.1.1.1/", &InvalidUrl::Syntax(ParseError::InvalidIpv4Address));
    refused("https://[::g]/", &InvalidUrl::Syntax(ParseError::InvalidIpv6Address));
    // A scope is of one machine and has no meaning in a URL.
    refused("https://[fe80::1%25eth0]/", &InvalidUrl::Syntax(ParseError::InvalidIpv6Address));
    refused("https://[fe80::1%eth0]/", &InvalidUrl::Syntax(ParseError::InvalidIpv6Address));
    refused("https://a:0/", &InvalidUrl::Port);
    refused("https://user@a/", &InvalidUrl::Credentials);
    refused("https://:pass@a/", &InvalidUrl::Credentials);
    refused("https://a/#", &InvalidUrl::Fragment);
    refused("https://a/#b", &InvalidUrl::Fragment);
    refused("http://a/", &InvalidUrl::PlainHttp);
    refused("ftp://a/", &unknown("ftp", UrlRules::default()));
    refused("unix:/run/a.sock", &unknown("unix", UrlRules::default()));
    refused("https:example.com", &InvalidUrl::NotRequestable);
    refused("https:\\\\example.com", &InvalidUrl::NotRequestable);
    refused(" https://a/", &InvalidUrl::Whitespace);
    refused("https://a/\n", &InvalidUrl::Whitespace);
    refused("https://a/b\tc", &InvalidUrl::Whitespace);
    refused("https://a..b/", &InvalidUrl::Host);
    refused("https://./", &InvalidUrl::Host);
    refused(&format!("https://{}.example/", "a".repeat(64)), &InvalidUrl::Host);
    refused(&format!("https://{}example/", "a.".repeat(126)), &InvalidUrl::Host);
}

#[test]
fn the_length_is_bounded_as_written_and_as_sent() {
    let of_length = |n: usize| format!("https://a/{}", "b".repeat(n - 10));
    assert!(WebhookUrl::try_new(&of_length(2048), STRICT).is_ok());
    refused(&of_length(2049), &InvalidUrl::TooLong(2049));
    refused(&format!("https://a/{}", "ä".repeat(1000)), &InvalidUrl::TooLong(6010));
}

#[test]
fn no_text_shows_the_query() {
    let url = WebhookUrl::try_new("https://a.example:8443/b?token=hunter2", STRICT).unwrap();
    assert_eq!(url.to_string(), "https://a.example:8443/b?…");
    assert_eq!(format!("{url:?}"), "https://a.example:8443/b?…");
    assert_eq!(url.expose(), "https://a.example:8443/b?token=hunter2");
}
