//! The customer page's scheme: `sha256=` and the lower-case hexadecimal HMAC-SHA256 of the exact
//! body bytes, keyed with the secret's UTF-8 bytes (RFC 2104).

use hmac::Mac;
use subtle::ConstantTimeEq;

use crate::secret::Secret;

const PREFIX: &[u8; 7] = b"sha256=";

/// Bytes of a signature, the prefix included.
pub const LENGTH: usize = PREFIX.len() + 64;

/// The value of `x-boottify-signature`, in ASCII.
#[must_use]
pub fn sign(secret: &Secret, body: &[u8]) -> [u8; LENGTH] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut mac = secret.whole();
    mac.update(body);
    let mut signature = [0; LENGTH];
    let (prefix, digits) = signature.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(PREFIX);
    for (pair, byte) in digits.chunks_exact_mut(2).zip(mac.finalize().into_bytes()) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
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

    /// The page's payload and the digest that Node's `crypto` gives for it.
    #[test]
    fn a_known_signature() {
        let secret = Secret::try_new("key").unwrap();
        let body = b"The quick brown fox jumps over the lazy dog";
        let known = "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
        assert_eq!(std::str::from_utf8(&sign(&secret, body)), Ok(known));
        assert!(verify(&secret, body, known));
    }

    #[test]
    fn anything_else_is_refused() {
        let secret = Secret::try_new("key").unwrap();
        let signature = String::from_utf8(sign(&secret, b"body").to_vec()).unwrap();
        assert!(verify(&secret, b"body", &signature));
        for wrong in
            ["", "sha256=", &signature[7..], &signature.to_uppercase(), &format!("{signature} ")]
        {
            assert!(!verify(&secret, b"body", wrong), "{wrong}");
        }
        assert!(!verify(&secret, b"bodY", &signature));
        assert!(!verify(&Secret::try_new("kez").unwrap(), b"body", &signature));
    }
}
