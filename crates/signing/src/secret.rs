//! A webhook's secret: text that a customer copies, and the two keys that it stands for.

use std::fmt;

use base64::Engine;
use base64::engine::DecodePaddingMode::Indifferent;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, KeyInit};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use thiserror::Error;

/// What a generated secret begins with (Standard Webhooks 1.0.0, "Signature scheme").
const PREFIX: &str = "whsec_";
/// Random bytes of a generated secret.
const RANDOM: usize = 32;
/// The shortest key that is no weakness, in bytes.
const SHORTEST: usize = 16;
/// The longest secret in bytes.
const LONGEST: usize = 1_024;

/// Receivers write and libraries read base64 with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(Indifferent),
);

/// A secret. Shows nothing of itself in `Debug`, and is wiped when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

/// A text that cannot be a secret. Never quotes it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InvalidSecret {
    /// It has no characters, so anyone could sign.
    #[error("a secret must not be empty")]
    Empty,
    /// It has too many bytes.
    #[error("a secret has at most {LONGEST} bytes")]
    TooLong,
    /// It holds control characters, such as the line end of a file.
    #[error("a secret must not hold control characters or line ends")]
    Control,
}

/// Why a secret protects less than it should.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Weakness {
    /// It can be guessed: FIPS 198-1 and NIST SP 800-107 ask for 112 bits at least.
    #[error("has less than {SHORTEST} bytes to sign with; make one with `webhooks new-secret`")]
    Short,
    /// The libraries of Standard Webhooks refuse it.
    #[error("is no base64 behind whsec_, so that receivers cannot use Standard Webhooks with it")]
    NotBase64,
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the operating system gives no random bytes")]
pub struct Randomness;

impl Secret {
    /// Takes a secret that a customer or an operator chose.
    ///
    /// # Errors
    ///
    /// [`InvalidSecret`], which does not quote it.
    pub fn try_new(text: &str) -> Result<Self, InvalidSecret> {
        let text = match text {
            "" => return Err(InvalidSecret::Empty),
            text if text.len() > LONGEST => return Err(InvalidSecret::TooLong),
            text if text.chars().any(char::is_control) => return Err(InvalidSecret::Control),
            text => text,
        };
        Ok(Self(SecretString::from(text)))
    }

    /// A new secret: `whsec_` and the base64 of 32 random bytes.
    ///
    /// # Errors
    ///
    /// [`Randomness`] where the operating system has none.
    pub fn generate() -> Result<Self, Randomness> {
        let mut random = Zeroizing::new([0; RANDOM]);
        getrandom::fill(random.as_mut_slice()).map_err(|_| Randomness)?;
        let encoded = Zeroizing::new(STANDARD.encode(random.as_slice()));
        Ok(Self(SecretString::from(format!("{PREFIX}{}", encoded.as_str()))))
    }

    /// What is weak about it, if anything is.
    #[must_use]
    pub fn weakness(&self) -> Option<Weakness> {
        let text = self.expose();
        let key = match text.strip_prefix(PREFIX) {
            Some(encoded) => match LENIENT.decode(encoded).map(Zeroizing::new) {
                Ok(key) => key.len(),
                Err(_) => return Some(Weakness::NotBase64),
            },
            None => text.trim().len(),
        };
        (key < SHORTEST).then_some(Weakness::Short)
    }

    /// The text, for the customer who is to copy it and for nobody else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The HMAC of the page's scheme: keyed with the whole text.
    pub(crate) fn whole(&self) -> Hmac<Sha256> {
        keyed(self.expose().as_bytes())
    }

    /// The HMAC of the Standard Webhooks scheme: keyed with what the text encodes behind `whsec_`,
    /// or as a whole, since the libraries of that scheme take secrets without the prefix too. A
    /// secret that encodes nothing keys with its whole text.
    ///
    /// Decoding is a twelfth of a signature's work; keeping the key would cost every webhook in
    /// memory 40 bytes.
    pub(crate) fn decoded(&self) -> Hmac<Sha256> {
        let text = self.expose();
        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        let mut key = Zeroizing::new(Vec::with_capacity(encoded.len()));
        match LENIENT.decode_vec(encoded, &mut key) {
            Ok(()) if !key.is_empty() => keyed(&key),
            _ => keyed(text.as_bytes()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104, section 2)")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_a_secret() {
        assert_eq!(Secret::try_new("").err(), Some(InvalidSecret::Empty));
        for control in ["a\n", "\0", "a\u{85}b", "\u{7f}"] {
            assert_eq!(Secret::try_new(control).err(), Some(InvalidSecret::Control));
        }
        assert_eq!(Secret::try_new(&"x".repeat(1_025)).err(), Some(InvalidSecret::TooLong));
        assert!(Secret::try_new(&"x".repeat(1_024)).is_ok());
        assert_eq!(Secret::try_new("pässword").unwrap().expose(), "pässword");
    }

    #[test]
    fn a_generated_secret_has_256_random_bits() {
        let [one, other] = [(); 2].map(|()| Secret::generate().unwrap());
        let bytes =
            |secret: &Secret| STANDARD.decode(secret.expose().strip_prefix(PREFIX).unwrap());
        assert_eq!(bytes(&one).unwrap().len(), RANDOM);
        assert_ne!(one.expose(), other.expose());
    }

    #[test]
    fn weak_secrets_are_told_from_others() {
        let weakness = |text: &str| Secret::try_new(text).unwrap().weakness();
        for text in ["x", "                    ", "whsec_", "whsec_AAAA", "fifteen letters"] {
            assert_eq!(weakness(text), Some(Weakness::Short), "{text:?}");
        }
        assert_eq!(weakness("whsec_!!!!"), Some(Weakness::NotBase64));
        assert_eq!(weakness("sixteen letters!"), None);
        assert_eq!(Secret::generate().unwrap().weakness(), None);
    }

    #[test]
    fn nothing_shows_a_secret() {
        assert_eq!(format!("{:?}", Secret::try_new("hunter2").unwrap()), "Secret(…)");
        let refused = Secret::try_new("hunter2\n").unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("hunter2"));
    }
}
