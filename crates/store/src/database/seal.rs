//! Secrets at rest: sealed with XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), whose nonces are long
//! enough to be random.
//!
//! ```text
//! version (1 byte) · key id (8 bytes) · nonce (24 bytes) · ciphertext and tag
//! ```
//!
//! The name of the row is authenticated with it, so that what was sealed for one webhook cannot be
//! put under another. The key id says which key opens it, so that keys can be changed one by one.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const KEY: usize = 32;
const KEY_ID: usize = 8;
const NONCE: usize = 24;
const HEAD: usize = 1 + KEY_ID + NONCE;

/// The key that seals, and those that only open what was sealed before.
#[derive(Clone)]
pub struct Keys {
    sealing: Key,
    opening: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: [u8; KEY_ID],
    cipher: XChaCha20Poly1305,
}

/// A text that is no key. Never quotes it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "an encryption key is the base64 of {KEY} random bytes, as `openssl rand -base64 32` prints"
)]
pub struct InvalidKey;

/// Why something sealed cannot be opened, or nothing sealed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SealError {
    /// It was sealed with a key that is not configured.
    #[error("sealed with the key {0}, which is not among the configured encryption keys")]
    UnknownKey(String),
    /// It was changed, or sealed for something else.
    #[error("its secrets were changed, or sealed for another webhook")]
    Damaged,
    /// The operating system gives no random bytes.
    #[error("no random bytes")]
    Randomness,
}

impl Keys {
    /// Reads keys in base64: the one that seals, and earlier ones.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] where one of them is none.
    pub fn try_new(sealing: &str, earlier: &[&str]) -> Result<Self, InvalidKey> {
        let opening = earlier.iter().map(|text| Key::try_new(text)).collect::<Result<_, _>>()?;
        Ok(Self { sealing: Key::try_new(sealing)?, opening })
    }

    /// A new key, in base64.
    ///
    /// # Errors
    ///
    /// [`SealError::Randomness`].
    pub fn generate() -> Result<Zeroizing<String>, SealError> {
        let mut key = Zeroizing::new([0; KEY]);
        getrandom::fill(key.as_mut_slice()).map_err(|_| SealError::Randomness)?;
        Ok(Zeroizing::new(STANDARD.encode(key.as_slice())))
    }

    pub(crate) fn seal(&self, name: &str, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| SealError::Randomness)?;
        let payload = Payload { msg: text, aad: name.as_bytes() };
        let sealed = self.sealing.cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| SealError::Damaged)?;
        Ok([&[VERSION], self.sealing.id.as_slice(), &nonce, &sealed].concat())
    }

    pub(crate) fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (head, text) = sealed.split_at_checked(HEAD).ok_or(SealError::Damaged)?;
        let Some((&VERSION, head)) = head.split_first() else {
            return Err(SealError::Damaged);
        };
        let (id, nonce) = head.split_at(KEY_ID);
        let mut keys = std::iter::once(&self.sealing).chain(&self.opening);
        let key =
            keys.find(|key| key.id == id).ok_or_else(|| SealError::UnknownKey(hex::encode(id)))?;
        let nonce = XNonce::try_from(nonce).map_err(|_| SealError::Damaged)?;
        let payload = Payload { msg: text, aad: name.as_bytes() };
        key.cipher.decrypt(&nonce, payload).map(Zeroizing::new).map_err(|_| SealError::Damaged)
    }

    /// Whether this was sealed with the present key.
    pub(crate) fn is_present(&self, sealed: &[u8]) -> bool {
        sealed.get(1..=KEY_ID) == Some(self.sealing.id.as_slice())
    }
}

impl Key {
    fn try_new(text: &str) -> Result<Self, InvalidKey> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| InvalidKey)?);
        let cipher = XChaCha20Poly1305::new_from_slice(&bytes).map_err(|_| InvalidKey)?;
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&Sha256::digest(&*bytes)[..KEY_ID]);
        Ok(Self { id, cipher })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", hex::encode(self.sealing.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(sealing: &str, earlier: &[&str]) -> Keys {
        Keys::try_new(sealing, earlier).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_under_its_name_and_key_only() {
        let [a, b] = [(); 2].map(|()| Keys::generate().unwrap());
        let sealed = keys(&a, &[]).seal("whk_1", b"hunter2").unwrap();
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
        assert_eq!(keys(&a, &[]).open("whk_1", &sealed).unwrap().as_slice(), b"hunter2");
        assert_eq!(keys(&b, &[&a]).open("whk_1", &sealed).unwrap().as_slice(), b"hunter2");
        assert!(keys(&a, &[]).is_present(&sealed) && !keys(&b, &[&a]).is_present(&sealed));
        assert_eq!(keys(&a, &[]).open("whk_2", &sealed).err(), Some(SealError::Damaged));
        assert!(matches!(
            keys(&b, &[]).open("whk_1", &sealed).err(),
            Some(SealError::UnknownKey(_))
        ));
    }

    #[test]
    fn every_changed_byte_is_seen() {
        let keys = keys(&Keys::generate().unwrap(), &[]);
        let sealed = keys.seal("whk_1", b"hunter2").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keys.open("whk_1", &changed).is_err(), "byte {at}");
            assert!(keys.open("whk_1", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_none_is_shown() {
        for text in ["", "hunter2", "AAAA", &STANDARD.encode([0; 31])] {
            assert_eq!(Keys::try_new(text, &[]).err(), Some(InvalidKey));
        }
        let key = Keys::generate().unwrap();
        assert!(!format!("{:?}", keys(&key, &[])).contains(key.as_str()));
    }
}
