//! What the end of an attempt says about its receiver: the one reading of an outcome that limit and
//! breaker share.

use delivery::{FailureKind, Outcome};

/// What the end of an attempt says about its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It answered: with a success, or with what it thinks of this one event.
    Answered,
    /// It answered that it takes nothing here: a redirect, or 401, 403, 404, 405, 410.
    Refused(FailureKind),
    /// It could not take it: no answer, or one that says so (408, 425, 429, 5xx).
    Overloaded(FailureKind),
}

impl Sign {
    /// What an attempt that was made shows of its receiver; `None` where none was made.
    pub(crate) fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Delivered(_) => Some(Self::Answered),
            Outcome::NotSent(_) => None,
            Outcome::Failed(failure) => Some(match failure.kind {
                // Request Timeout, Too Early, Too Many Requests (RFC 9110, 8470, 6585).
                kind @ FailureKind::Http(408 | 425 | 429 | 500..) => Self::Overloaded(kind),
                kind @ FailureKind::Http(300..=399 | 401 | 403..=405 | 410) => Self::Refused(kind),
                FailureKind::Http(_) => Self::Answered,
                kind @ (FailureKind::Dns
                | FailureKind::Connect
                | FailureKind::Tls
                | FailureKind::Timeout
                | FailureKind::BlockedAddress
                | FailureKind::Protocol) => Self::Overloaded(kind),
            }),
        }
    }

    /// The failure, where it counts for the breaker.
    pub(crate) fn failure(self) -> Option<FailureKind> {
        match self {
            Self::Answered => None,
            Self::Refused(kind) | Self::Overloaded(kind) => Some(kind),
        }
    }
}
