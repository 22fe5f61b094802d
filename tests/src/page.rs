//! The customer page's own words: its payload, and its five kinds of events.
//!
//! The receiver that runs the page's recipe is `receiver.mjs`; [`node`](crate::node) starts it.

use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The page's payload as `JSON.stringify` writes it.
pub const PAYLOAD: &[u8] = br#"{"type":"deployment.succeeded","createdAt":"2024-01-15T10:30:00Z","deployment":{"id":"dpl_abc123","name":"production","url":"https://my-project.boottify.com","meta":{"gitCommitSha":"abc123def","gitCommitMessage":"Update homepage","gitBranch":"main"}},"project":{"id":"prj_xyz789","name":"my-project"}}"#;

/// The five types of the page, in its order.
pub const KINDS: [&str; 5] = [
    "deployment.created",
    "deployment.succeeded",
    "deployment.failed",
    "deployment.canceled",
    "domain.added",
];

/// An event of a kind for a project, created now, in the form of the page's payload.
pub fn event(kind: &str, project: &str) -> Vec<u8> {
    let now = jiff::Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    let subject = if kind.starts_with("domain.") {
        r#""domain":{"name":"shop.example"}"#
    } else {
        concat!(
            r#""deployment":{"id":"dpl_abc123","name":"production","#,
            r#""url":"https://my-project.boottify.com","meta":{"gitCommitSha":"abc123def","#,
            r#""gitCommitMessage":"Update homepage","gitBranch":"main"}}"#
        )
    };
    format!(
        r#"{{"type":"{kind}","createdAt":"{now:.3}",{subject},"project":{{"id":"{project}","name":"my-project"}}}}"#
    )
    .into_bytes()
}

/// The page's verification, for machines without Node.js. The product's own is not asked: a test
/// that signs and verifies with the same code proves little.
pub fn is_signed(body: &[u8], signature: &str, secret: &str) -> bool {
    let Some(digest) = signature.strip_prefix("sha256=").and_then(|text| hex::decode(text).ok())
    else {
        return false;
    };
    let lower = !signature.bytes().any(|byte| byte.is_ascii_uppercase());
    // HMAC takes keys of any length.
    lower
        && Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .is_ok_and(|mac| mac.chain_update(body).verify_slice(&digest).is_ok())
}

#[cfg(test)]
mod tests {
    use super::is_signed;

    #[test]
    fn a_signature_is_lower_case_hex_under_the_whole_secret() {
        // RFC 4231, test case 2.
        let good = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let body = b"what do ya want for nothing?";
        assert!(is_signed(body, good, "Jefe"));
        assert!(!is_signed(body, good, "jefe"));
        assert!(!is_signed(b"what", good, "Jefe"));
        assert!(!is_signed(body, &good[7..], "Jefe"));
        assert!(!is_signed(body, &good[..60], "Jefe"));
        assert!(!is_signed(body, &good.replace("sha256=5bdc", "sha256=5BDC"), "Jefe"));
    }
}
