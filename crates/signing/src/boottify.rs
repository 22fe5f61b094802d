//! The customer page's scheme: `sha256=` and the lower-case hexadecimal HMAC-SHA256 of the exact
//! body bytes, keyed with the secret's UTF-8 bytes (RFC 2104).

use hmac::Mac;
use subtle::ConstantTimeEq;

use crate::secret::Secret;

const PREFIX: &[u8; 7] = b"sha256=";

/// Bytes of a signature, the prefix included.
pub const LENGTH: usize = PREFIX.len() + 64;

/// The value of `x-boottify-signature`, in ASCII. Allocates nothing.
#[must_use]
#[expect(clippy::expect_used, reason = "`LENGTH` has two digits for each byte of the digest")]
pub fn sign(secret: &Secret, body: &[u8]) -> [u8; LENGTH] {
    let mut mac = secret.whole();
    mac.update(body);
    let mut signature = [0; LENGTH];
    let (prefix, digits) = signature.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(PREFIX);
    hex::encode_to_slice(mac.finalize().into_bytes(), digits).expect("two digits for each byte");
    signature
}

/// Whether `signature` is the value that [`sign`] gives; takes the same time whatever differs.
#[must_use]
pub fn verify(secret: &Secret, body: &[u8], signature: &str) -> bool {
    sign(secret, body).ct_eq(signature.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_else_is_refused() {
        let secret = Secret::try_new("key").unwrap();
        let signature = String::from_utf8(sign(&secret, b"body").to_vec()).unwrap();
        assert!(verify(&secret, b"body", &signature));
        let (cut, longer) = (&signature[..LENGTH - 1], format!("{signature} "));
        let shouted = signature.to_uppercase();
        for wrong in ["", "sha256=", &signature[7..], cut, &longer, &shouted] {
            assert!(!verify(&secret, b"body", wrong), "{wrong}");
        }
        assert!(!verify(&secret, b"bodY", &signature));
        assert!(!verify(&Secret::try_new("kez").unwrap(), b"body", &signature));
    }
}
