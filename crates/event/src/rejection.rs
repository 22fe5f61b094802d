//! Why a message is no event, told to its publisher.

use thiserror::Error;

/// A message is no event: a reason from a closed set, and a line that says what and where.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}: {detail}", .reason.as_str())]
pub struct Rejection {
    /// The reason.
    pub reason: Reason,
    /// What and where, in one line of bounded length.
    pub detail: String,
}

/// The closed set of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// More bytes than allowed.
    TooLarge,
    /// No JSON document, or bytes that are no UTF-8.
    NotJson,
    /// Arrays and objects nested too deep.
    TooDeep,
    /// A JSON document that is no object.
    NotAnObject,
    /// A required field is missing.
    MissingField,
    /// A field is of the wrong type or form.
    MistypedField,
    /// A type that is not known here.
    UnknownType,
    /// A number that the outgoing body could not carry exactly.
    InexactNumber,
    /// Half of a surrogate pair, which is no Unicode text.
    LoneSurrogate,
}

impl Reason {
    /// All of them, for metrics that begin at 0.
    pub const ALL: [Self; 9] = [
        Self::TooLarge,
        Self::NotJson,
        Self::TooDeep,
        Self::NotAnObject,
        Self::MissingField,
        Self::MistypedField,
        Self::UnknownType,
        Self::InexactNumber,
        Self::LoneSurrogate,
    ];

    /// The word in headers and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NotJson => "not_json",
            Self::TooDeep => "too_deep",
            Self::NotAnObject => "not_an_object",
            Self::MissingField => "missing_field",
            Self::MistypedField => "mistyped_field",
            Self::UnknownType => "unknown_type",
            Self::InexactNumber => "inexact_number",
            Self::LoneSurrogate => "lone_surrogate",
        }
    }

    pub(crate) fn because(self, detail: impl Into<String>) -> Rejection {
        Rejection { reason: self, detail: detail.into() }
    }
}
