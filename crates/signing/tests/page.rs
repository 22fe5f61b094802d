//! The customer page's own JavaScript, run by Node, accepts our signatures, over the body and over
//! `JSON.stringify(req.body)`. Where Node is not installed the test says so and judges nothing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use signing::{Secret, boottify};

/// The page's recipe, word for word.
const PAGE: &str = r"
import crypto from 'crypto';
function verifyWebhook(payload, signature, secret) {
const expected = crypto
.createHmac('sha256', secret)
.update(payload)
.digest('hex');
return crypto.timingSafeEqual(
Buffer.from(signature),
Buffer.from(`sha256=${expected}`)
);
}
";

/// Asks the recipe about each case of a JSON array: with the exact body, and as the page does in a
/// framework that has parsed the body already.
const ASK: &str = r"
import fs from 'fs';
const cases = JSON.parse(fs.readFileSync(0, 'utf8'));
const answers = cases.map(({ body, signature, secret }) => ({
    exact: verifyWebhook(body, signature, secret),
    parsed: verifyWebhook(JSON.stringify(JSON.parse(body)), signature, secret),
}));
process.stdout.write(JSON.stringify(answers));
";

const PAYLOAD: &str = r#"{"type":"deployment.succeeded","createdAt":"2024-01-15T10:30:00Z","deployment":{"id":"dpl_abc123","name":"production","url":"https://my-project.boottify.com","meta":{"gitCommitSha":"abc123def","gitCommitMessage":"Update homepage","gitBranch":"main"}},"project":{"id":"prj_xyz789","name":"my-project"}}"#;

/// What the page's recipe says to each case; `None` where there is no Node.
fn page(cases: &Value) -> Option<Value> {
    let started = Command::new("node")
        .args(["--input-type=module", "--eval", &format!("{PAGE}{ASK}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("SKIPPED: Node.js is not installed, so the page's recipe does not run");
            return None;
        }
        Err(error) => panic!("node does not start: {error}"),
    };
    // Node reads everything before it answers.
    child.stdin.take().unwrap().write_all(cases.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "node: {}", output.status);
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn the_page_accepts_its_payload_and_nothing_else() {
    let secrets = [
        Secret::generate().unwrap(),
        Secret::try_new("s3cret").unwrap(),
        Secret::try_new("pässwörd €").unwrap(),
        Secret::try_new(&"x".repeat(1_024)).unwrap(),
    ];
    let altered = PAYLOAD.replace("succeeded", "failed");
    let (mut cases, mut expected) = (Vec::new(), Vec::new());
    for secret in &secrets {
        let signature = boottify::sign(secret, PAYLOAD.as_bytes());
        let signature = str::from_utf8(&signature).unwrap();
        for (body, verified) in [(PAYLOAD, true), (&altered, false)] {
            cases.push(json!({ "body": body, "signature": signature, "secret": secret.expose() }));
            expected.push(json!({ "exact": verified, "parsed": verified }));
        }
    }
    if let Some(answers) = page(&Value::Array(cases)) {
        assert_eq!(answers, Value::Array(expected));
    }
}
