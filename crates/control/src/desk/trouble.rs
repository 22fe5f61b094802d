//! What went wrong behind the desk, as a problem. Details of servers go to the log.

use broker::{ClientError, in_one_line};
use store::{ChangeError, DatabaseError};

use crate::problem::{Problem, ProblemKind};

pub(super) fn change(error: &ChangeError) -> Problem {
    let kind = match error {
        ChangeError::Unknown(_) => ProblemKind::UnknownWebhook,
        ChangeError::Stale(_) => ProblemKind::Stale,
        ChangeError::Unopened { .. } => ProblemKind::WebhookUnopened,
        ChangeError::Rotation(_) => ProblemKind::NoRotation,
        ChangeError::MadeAndDeleted(_) => ProblemKind::WebhookDeleted,
        ChangeError::KeyReused => ProblemKind::IdempotencyKeyReused,
        ChangeError::Database(error) => return database(error),
    };
    Problem::new(kind, error.to_string())
}

pub(super) fn database(error: &DatabaseError) -> Problem {
    tracing::error!(error = %in_one_line(error), "the Control Center cannot use the database");
    let why = "the database cannot be used at this moment; the service's log says why";
    store(error.may_pass(), why.to_owned())
}

/// A store that cannot be used; where that may pass by itself, it is away.
pub(super) fn store(passes: bool, why: String) -> Problem {
    if passes {
        Problem::new(ProblemKind::StoreAway, why).retry_after(5)
    } else {
        Problem::new(ProblemKind::StoreDamaged, why)
    }
}

pub(super) fn client(error: &ClientError) -> Problem {
    let why = match error {
        ClientError::Busy => {
            return Problem::new(ProblemKind::Busy, error.to_string()).retry_after(5);
        }
        // What these say is about the broker and holds nothing of its address.
        ClientError::NotTaken(_) | ClientError::Unreadable => error.to_string(),
        ClientError::Session(_) | ClientError::Publish(_) => {
            "the broker cannot be used at this moment; the service's log says why".to_owned()
        }
    };
    tracing::error!(error = %in_one_line(error), "the Control Center cannot use the broker");
    Problem::new(ProblemKind::BrokerAway, why).retry_after(5)
}
