//! Who is let in, as requests say it.

use http::Request;
use metering::Registry;

use super::*;

const TOKEN: &str = "tok_0123456789abcdef";
const PROXY: [u8; 4] = [10, 0, 0, 1];
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn auth(tokens: &str) -> Auth {
    let metrics = Metrics::register(&Registry::new()).unwrap();
    let proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let session = Duration::from_secs(60);
    Auth::new(tokens.parse().unwrap(), session, None, proxies, metrics).unwrap()
}

fn parts(headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().uri("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

#[tokio::test]
async fn tokens_and_sessions_say_who_asks() {
    let auth = auth(&format!("alice admin {TOKEN}\nbob read {TOKEN}2"));
    let who = |headers: &[(&str, &str)]| auth.viewer(&parts(headers));
    let alice = who(&[("authorization", &format!("Bearer {TOKEN}"))]).unwrap();
    assert_eq!((&*alice.name, alice.role, alice.by), ("alice", Role::Admin, By::Bearer));
    let bob = who(&[("authorization", &format!("bearer  {TOKEN}2"))]).unwrap();
    assert!(bob.must_be_admin().is_err());

    let cookie = auth.sign_in(&format!(" {TOKEN}2\n"), HERE).unwrap();
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    let bob = who(&[("cookie", &format!("a=b; {cookie}; c=d"))]).unwrap();
    assert_eq!((&*bob.name, bob.role, bob.by), ("bob", Role::Read, By::Session));

    let basic = format!("Basic {TOKEN}");
    for headers in [
        &[][..],
        &[("authorization", "Bearer nonsense")],
        &[("authorization", &basic)],
        &[("authorization", TOKEN)],
        &[("cookie", "boottify-webhooks=bob.1.x")],
        // A header that is there counts, whatever the cookie says.
        &[("authorization", "Bearer nonsense"), ("cookie", &cookie)],
    ] {
        let kind = who(headers).map_err(|problem| problem.kind);
        assert_eq!(kind, Err(ProblemKind::Unauthenticated), "{headers:?}");
    }
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let auth = auth(&format!("alice admin {TOKEN}"));
    let guess = |n: u32| auth.sign_in(&format!("guess {n}"), HERE).unwrap_err();
    let kinds: Vec<ProblemKind> = (0..12).map(|n| guess(n).kind).collect();
    assert!(kinds[..10].iter().all(|kind| *kind == ProblemKind::Unauthenticated));
    assert_eq!(kinds[10..], [ProblemKind::TooManyAttempts; 2]);
    assert!(guess(12).retry_after_s.is_some_and(|seconds| seconds >= 1));
    // The right token is let in all the same, and that forgives nothing.
    assert!(auth.sign_in(TOKEN, HERE).is_ok());
    assert_eq!(guess(13).kind, ProblemKind::TooManyAttempts);
}

#[tokio::test]
async fn behind_a_proxy_each_client_is_counted_for_itself() {
    let auth = auth(&format!("alice admin {TOKEN}"));
    let tries = |n: u32, peer: [u8; 4], client: &str| {
        let token = format!("Bearer guess-{n}");
        let mut parts = parts(&[("authorization", &token), ("x-forwarded-for", client)]);
        parts.extensions.insert(Peer(IpAddr::from(peer)));
        auth.viewer(&parts).unwrap_err().kind
    };
    for n in 0..10 {
        assert_eq!(tries(n, PROXY, "198.51.100.1"), ProblemKind::Unauthenticated);
    }
    assert_eq!(tries(10, PROXY, "198.51.100.1"), ProblemKind::TooManyAttempts);
    assert_eq!(tries(11, PROXY, "198.51.100.2"), ProblemKind::Unauthenticated);
    // Who is no proxy cannot say to be somebody else.
    for n in 20..30 {
        tries(n, [203, 0, 113, 1], &format!("198.51.100.{n}"));
    }
    assert_eq!(tries(30, [203, 0, 113, 1], "198.51.100.3"), ProblemKind::TooManyAttempts);
}

#[tokio::test]
async fn without_tokens_everybody_is_admin() {
    let auth = auth("");
    let viewer = auth.viewer(&parts(&[])).unwrap();
    assert_eq!((viewer.role, viewer.by), (Role::Admin, By::Loopback));
    assert!(viewer.check_csrf(&viewer.csrf).is_ok() && viewer.check_csrf("").is_err());
}
