//! Who may ask for what: every route of the document, by everybody who may not, so that a new route
//! cannot be forgotten.

use serde_json::Value;
use testbed::loopback::{self, Answer};
use testbed::program::Program;

use super::{ADMIN, Hand, READ, json_of, problem, stage};

/// Methods and paths of every route, with something in place of what is named.
fn routes(hand: &Hand<'_>) -> Vec<(String, String)> {
    let document = json_of(&hand.get("/openapi.json"));
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let mut routes = vec![("get".to_owned(), "/openapi.json".to_owned())];
    for (path, item) in paths {
        let path = path.replace("{id}", "whk_x");
        routes
            .extend(item.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())));
    }
    assert!(routes.len() > 20, "{routes:?}");
    routes
}

fn ask(program: &Program, route: &(String, String), headers: &str) -> Answer {
    let (method, path) = (route.0.to_uppercase(), format!("/api/v1{}", route.1));
    loopback::request(program.admin(), &method, &path, headers, "").unwrap()
}

#[tokio::test]
async fn every_route_asks_who_is_there() {
    let stage = stage().await;
    let program = &stage.program;
    let routes = routes(&Hand { program, token: ADMIN });
    let wrong = "authorization: Bearer tok_nobody_0123456789abcdef\r\n".to_owned();
    let read = format!("authorization: Bearer {READ}\r\n");
    let admin = format!("authorization: Bearer {ADMIN}\r\n");
    let cross_site = format!("{admin}origin: https://evil.example\r\n");
    let fetched = format!("{admin}sec-fetch-site: cross-site\r\n");
    for route in &routes {
        problem(&ask(program, route, ""), 401, "unauthenticated");
        let refused = ask(program, route, &wrong);
        problem(&refused, 401, "unauthenticated");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        problem(&ask(program, route, &fetched), 403, "cross-site");
        if route.0 == "get" {
            let seen = ask(program, route, &read);
            assert!([200, 404].contains(&seen.status), "{route:?}: {seen:?}");
        } else {
            problem(&ask(program, route, &read), 403, "forbidden");
            problem(&ask(program, route, &cross_site), 403, "cross-site");
        }
        let allowed = ask(program, route, &admin);
        assert!(![401, 403, 405].contains(&allowed.status), "{route:?}: {allowed:?}");
        assert!(allowed.header("content-security-policy").starts_with("default-src 'none'"));
        assert_eq!(allowed.header("x-content-type-options"), "nosniff");
        assert_eq!(allowed.header("cache-control"), "no-store");
    }
    problem(&ask(program, &("get".into(), "/nothing".into()), ""), 401, "unauthenticated");
    problem(&ask(program, &("get".into(), "/nothing".into()), &admin), 404, "not-found");
    let wrong_method = ask(program, &("put".into(), "/webhooks".into()), &admin);
    problem(&wrong_method, 405, "method-not-allowed");
    let allow = wrong_method.header("allow").to_owned();
    assert!(["GET", "HEAD", "POST"].iter().all(|method| allow.contains(method)), "{allow}");
    let head = ask(program, &("head".into(), "/webhooks".into()), &read);
    assert_eq!((head.status, &*head.body), (200, ""));
    let failures = stage.sum("control_sign_in_failures_total", &[]);
    assert!(failures >= 1.0 && stage.sum("control_requests_total", &[("status", "401")]) >= 2.0);
    stage.close().await;
}

#[tokio::test]
async fn guessing_is_slowed_down_and_says_for_how_long() {
    let stage = stage().await;
    let route = ("get".to_owned(), "/webhooks".to_owned());
    let guess = |n: usize| {
        let headers = format!("authorization: Bearer tok_guess_0123456789_{n}\r\n");
        ask(&stage.program, &route, &headers)
    };
    let slowed = (0..20).map(guess).find(|answer| answer.status != 401).unwrap();
    problem(&slowed, 429, "too-many-attempts");
    assert!(slowed.header("retry-after").parse::<u64>().unwrap() >= 1);
    // Who has a token is let in all the same, from the same address.
    let right = Hand { program: &stage.program, token: ADMIN }.get("/webhooks");
    assert_eq!(right.status, 200, "{}", right.body);
    stage.close().await;
}

#[tokio::test]
async fn without_tokens_no_other_name_reaches_it() {
    let stage = crate::stage::Stage::simple().await;
    let ask = |headers: &str| {
        // The second host header of `request` would be one too many, so this is spoken by hand.
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(stage.program.admin()).unwrap();
        let head = format!("GET /api/v1/webhooks HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    assert!(ask("host: localhost\r\n").starts_with("HTTP/1.1 200"));
    for headers in ["host: evil.example\r\n", "host: 127.0.0.1.evil.example:80\r\n"] {
        assert!(ask(headers).starts_with("HTTP/1.1 421"), "{headers}");
    }
    let other = ask("host: localhost\r\norigin: https://evil.example\r\n");
    assert!(other.starts_with("HTTP/1.1 403"), "{other}");
    stage.close().await;
}

#[tokio::test]
async fn the_document_says_what_every_route_can_answer() {
    let stage = stage().await;
    let document = json_of(&Hand { program: &stage.program, token: READ }.get("/openapi.json"));
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let has = |status: &str| responses.contains_key(status);
            assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
            assert!(["400", "401", "403", "429", "503"].into_iter().all(has), "{method} {path}");
            let problems = responses.iter().filter(|(status, _)| status.starts_with(['4', '5']));
            for (status, response) in problems {
                let content: &Value = &response["content"]["application/problem+json"];
                assert!(content.is_object(), "{method} {path} {status}");
            }
        }
    }
    stage.close().await;
}
