//! The generator of requests finds an API that is not what its document says, and only that.

use std::time::Duration;

use testbed::receiver::{Answer, Receiver, Script};
use testbed::schemathesis::{Bounds, Schemathesis};

const BOUNDS: Bounds = Bounds { examples: 3, time: Duration::from_secs(60) };

/// An operation that always answers what `schema` says, or so it claims.
fn document(schema: &str) -> String {
    format!(
        r#"{{"openapi": "3.1.0", "info": {{"title": "t", "version": "1"}}, "paths": {{"/things": {{
        "get": {{"responses": {{"200": {{"description": "all", "content": {{
        "application/json": {{"schema": {{"type": "{schema}"}}}}}}}}}}}}}}}}}}"#
    )
}

async fn server(document: String, things: Answer) -> Receiver {
    let receiver = Receiver::start(Script::always(things)).await.unwrap();
    let json = Answer::status(200).with_header("content-type", "application/json");
    receiver.answer("/openapi.json", Script::always(json.with_body(document)));
    receiver
}

#[tokio::test]
async fn an_api_is_held_against_its_document() {
    let tool = Schemathesis::find().await.unwrap();
    let json = Answer::status(200).with_header("content-type", "application/json").with_body("[]");

    let good = server(document("array"), json.clone()).await;
    let said = tool.run(&good.url("/openapi.json"), "the-token", BOUNDS).await.unwrap();
    let asked = good.requests_at("/things");
    assert!(!asked.is_empty(), "{said}");
    assert_eq!(asked[0].header("authorization"), "Bearer the-token");

    for (schema, answer, finding) in [
        ("object", json, "Response violates schema"),
        ("array", Answer::status(500), "Server error"),
        ("array", Answer::status(418), "Undocumented status code"),
    ] {
        let bad = server(document(schema), answer).await;
        let found = tool.run(&bad.url("/openapi.json"), "the-token", BOUNDS).await.unwrap_err();
        assert!(found.to_string().contains(finding), "{finding}: {found:#}");
    }
}
