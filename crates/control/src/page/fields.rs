//! What a query or a form holds: names and values in their order, bounded.

use url::form_urlencoded;

use crate::problem::{Problem, ProblemKind};

/// More fields than any form of ours has.
const MOST: usize = 400;

/// Names and values in the order in which they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::InvalidRequest`] for too many fields, and for what is not UTF-8 or holds NUL.
    pub(super) fn read(text: &[u8]) -> Result<Self, Problem> {
        const REPLACED: char = char::REPLACEMENT_CHARACTER;
        let refused = |why: &str| Problem::new(ProblemKind::InvalidRequest, why);
        let pairs: Vec<(String, String)> =
            form_urlencoded::parse(text).into_owned().take(MOST + 1).collect();
        if pairs.len() > MOST {
            return Err(refused("there are more fields than any form here has"));
        }
        let holds =
            |sign| pairs.iter().any(|(name, value)| name.contains(sign) || value.contains(sign));
        // Reading puts this character where bytes are no UTF-8; hardly anybody types it.
        if holds(REPLACED) {
            return Err(refused("some text is not valid UTF-8"));
        }
        // No database keeps it, and nobody types it at all.
        if holds('\0') {
            return Err(refused("some text holds a NUL character"));
        }
        Ok(Self(pairs))
    }

    /// The first value of this name, without white space around it; empty where there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(one, _)| one == name);
        found.map(|(_, value)| value.trim()).unwrap_or_default()
    }

    /// The same, where it is not empty.
    pub(super) fn given(&self, name: &str) -> Option<String> {
        Some(self.get(name)).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// An address with a query of those pairs that are not empty.
pub(super) fn address(path: &str, pairs: &[(&str, &str)]) -> String {
    let query = query(pairs);
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// A query of those pairs that are not empty.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
    query.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_order() {
        let fields = Fields::read(b"a=1&b=+x+y+&a=2&c=%C3%A9").unwrap();
        assert_eq!((fields.get("a"), fields.get("b"), fields.get("c")), ("1", "x y", "é"));
        assert_eq!(fields.given("none"), None);
        assert_eq!(fields.iter().filter(|(name, _)| *name == "a").count(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in [
            b"a=%FF".to_vec(),
            b"a=\xff".to_vec(),
            b"%00=a".to_vec(),
            b"a=b%00".to_vec(),
            "a=1&".repeat(MOST + 1).into_bytes(),
        ] {
            assert_eq!(Fields::read(&text).unwrap_err().kind, ProblemKind::InvalidRequest);
        }
    }

    #[test]
    fn addresses_hold_what_is_given() {
        let pairs = [("q", "a b&c"), ("state", ""), ("cursor", "x")];
        assert_eq!(address("/admin/dead", &pairs), "/admin/dead?q=a+b%26c&cursor=x");
        assert_eq!(address("/admin/dead", &[("q", "")]), "/admin/dead");
    }
}
