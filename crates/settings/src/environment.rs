//! The part of the environment that is ours: variables that start with our prefix.
//!
//! `delivery.timeout` is `PREFIX__DELIVERY__TIMEOUT`. The doubled underscore after the prefix keeps
//! apart what others set for us, such as Kubernetes' `PREFIX_SERVICE_HOST`.

use std::collections::BTreeMap;
use std::fmt;

/// Our variables and their values, which may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    prefix: String,
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Keeps those of `variables` that start with `prefix` and two underscores.
    pub fn new(prefix: &str, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let start = format!("{prefix}__");
        let ours = variables.into_iter().filter(|(name, _)| name.starts_with(&start));
        Self { prefix: prefix.to_owned(), variables: ours.collect() }
    }

    /// The variable of the key at this path.
    #[must_use]
    pub fn name_of(&self, path: &str) -> String {
        format!("{}__{}", self.prefix, path.replace('.', "__").to_ascii_uppercase())
    }

    pub(crate) fn get(&self, name: &str) -> Option<(&str, &str)> {
        self.variables.get_key_value(name).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
