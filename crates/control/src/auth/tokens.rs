//! The tokens of the configuration: a name, a role and a hash of each.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use thiserror::Error;

use super::Role;

/// The most tokens.
const MAX_TOKENS: usize = 100;
/// The shortest token, in characters: what cannot be guessed.
const SHORTEST: usize = 20;
/// The longest token, in characters.
const LONGEST: usize = 256;
/// The longest name of a token.
const LONGEST_NAME: usize = 64;

/// A token's hash.
pub(super) type Hash = [u8; 32];

/// All tokens that are known; what they are is forgotten, but for their hashes.
#[derive(Clone, Default)]
pub struct Tokens(Vec<Token>);

/// One token.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) hash: Hash,
}

/// Lines that are no tokens. No variant quotes a line, which may hold a token.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidTokens {
    /// Not three words.
    #[error("line {0} is not \"name role token\", such as \"alice admin …\"")]
    Words(usize),
    /// A name that is none.
    #[error("the name in line {0} may have up to {LONGEST_NAME} of letters, digits and . _ - @")]
    Name(usize),
    /// A role that is none.
    #[error("the role in line {0} must be admin or read")]
    Role(usize),
    /// A token that can be guessed, or is too long.
    #[error("the token in line {0} must have {SHORTEST} to {LONGEST} printable ASCII characters")]
    Token(usize),
    /// A name or a token that stands twice.
    #[error("the name or the token in line {0} stands in an earlier line, too")]
    Twice(usize),
    /// Too many.
    #[error("at most {MAX_TOKENS} tokens are possible")]
    TooMany,
}

impl Tokens {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The token with this hash. Looks at all of them and compares in constant time, so that the
    /// time tells nothing about how much of a guess was right.
    pub(super) fn find(&self, hash: &Hash) -> Option<&Token> {
        let (mut place, mut any) = (0_u64, Choice::from(0));
        for (n, token) in (0_u64..).zip(&self.0) {
            let same = token.hash.ct_eq(hash);
            place.conditional_assign(&n, same);
            any |= same;
        }
        let place = usize::try_from(place).ok()?;
        if any.into() { self.0.get(place) } else { None }
    }

    /// The token of this name, which is no secret.
    pub(super) fn named(&self, name: &str) -> Option<&Token> {
        self.0.iter().find(|token| token.name == name)
    }
}

/// One token per line: `name role token`. Empty lines and those that begin with `#` count nothing.
impl FromStr for Tokens {
    type Err = InvalidTokens;

    fn from_str(text: &str) -> Result<Self, InvalidTokens> {
        let mut tokens: Vec<Token> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let token = Token::read(line, text)?;
            if tokens.iter().any(|other| other.name == token.name || other.hash == token.hash) {
                return Err(InvalidTokens::Twice(line));
            }
            tokens.push(token);
            if tokens.len() > MAX_TOKENS {
                return Err(InvalidTokens::TooMany);
            }
        }
        Ok(Self(tokens))
    }
}

impl Token {
    fn read(line: usize, text: &str) -> Result<Self, InvalidTokens> {
        let mut words = text.split_ascii_whitespace();
        let (Some(name), Some(role), Some(token), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(InvalidTokens::Words(line));
        };
        let in_name = |b: u8| b.is_ascii_alphanumeric() || b"._-@".contains(&b);
        if name.len() > LONGEST_NAME || !name.bytes().all(in_name) {
            return Err(InvalidTokens::Name(line));
        }
        let role = match role {
            "admin" => Role::Admin,
            "read" => Role::Read,
            _ => return Err(InvalidTokens::Role(line)),
        };
        let printable = token.bytes().all(|b| b.is_ascii_graphic());
        if !printable || !(SHORTEST..=LONGEST).contains(&token.len()) {
            return Err(InvalidTokens::Token(line));
        }
        Ok(Self { name: name.to_owned(), role, hash: hash(token) })
    }
}

/// The hash by which a token is known. What is longer than any token costs no more than one: it is
/// cut off beyond what a token may have, and so is none.
pub(super) fn hash(token: &str) -> Hash {
    let bytes = token.as_bytes();
    Sha256::digest(&bytes[..bytes.len().min(LONGEST + 1)]).into()
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|token| (&token.name, token.role))).finish()
    }
}

impl PartialEq for Tokens {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&Token, &Token)| {
            a.name == b.name && a.role == b.role && bool::from(a.hash.ct_eq(&b.hash))
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

impl Eq for Tokens {}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "tok_0123456789abcdef";

    #[test]
    fn tokens_are_read_and_found_by_their_hashes_only() {
        let text = format!("# people\nalice admin {TOKEN}\n\n  bob\tread  {TOKEN}2 \n");
        let tokens: Tokens = text.parse().unwrap();
        let found = tokens.find(&hash(TOKEN)).unwrap();
        assert_eq!((&*found.name, found.role), ("alice", Role::Admin));
        let second = format!("{TOKEN}2");
        assert_eq!(tokens.find(&hash(&second)).map(|token| token.role), Some(Role::Read));
        assert!(tokens.find(&hash("tok")).is_none() && tokens.find(&[0; 32]).is_none());
        let longest = "x".repeat(LONGEST);
        let tokens_of_it: Tokens = format!("eve read {longest}").parse().unwrap();
        assert!(tokens_of_it.find(&hash(&longest)).is_some());
        assert!(tokens_of_it.find(&hash(&"x".repeat(1 << 20))).is_none());
        assert!(!format!("{tokens:?}").contains(TOKEN));
        assert!("# nobody".parse::<Tokens>().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_quoted() {
        use InvalidTokens as E;
        let long = "x".repeat(257);
        for (text, expected) in [
            ("alice admin", E::Words(1)),
            (TOKEN, E::Words(1)),
            ("a b c d", E::Words(1)),
            ("alice admin short", E::Token(1)),
            (&format!("alice admin {long}"), E::Token(1)),
            (&format!("\nalice root {TOKEN}"), E::Role(2)),
            (&format!("al/ice read {TOKEN}"), E::Name(1)),
            (&format!("a read {TOKEN}\na read {TOKEN}2"), E::Twice(2)),
            (&format!("a read {TOKEN}\nb admin {TOKEN}"), E::Twice(2)),
        ] {
            let error = text.parse::<Tokens>().unwrap_err();
            assert!(!error.to_string().contains(TOKEN));
            assert_eq!(error, expected);
        }
        let many: String = (0..=MAX_TOKENS).map(|n| format!("n{n} read {TOKEN}{n}\n")).collect();
        assert_eq!(many.parse::<Tokens>().unwrap_err(), E::TooMany);
    }
}
