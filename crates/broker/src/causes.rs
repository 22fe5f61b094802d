//! An error and its causes, for people.

use std::error::Error;

use lapin::ErrorKind;

/// An error and all its causes in one line, each said once: many libraries repeat their cause.
#[must_use]
pub fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let heard = heard(error);
        let ends = heard.is_some();
        let next = heard.unwrap_or_else(|| error.to_string());
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        // Below it the library repeats itself.
        cause = error.source().filter(|_| !ends);
    }
    text
}

/// What the broker's client heard, where it is one of its errors; its words for it help nobody.
fn heard(error: &(dyn Error + 'static)) -> Option<String> {
    Some(match error.downcast_ref::<lapin::Error>()?.kind() {
        ErrorKind::ProtocolError(told) => format!("it says {}", told.get_message()),
        ErrorKind::IOError(error) | ErrorKind::RuntimeShutdownError(error) => error.to_string(),
        ErrorKind::ParsingError(_) => "what it sent cannot be read".to_owned(),
        ErrorKind::MissingHeartbeatError => {
            "no sign of life came in time (broker.heartbeat)".to_owned()
        }
        _ => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError};

    use super::*;
    use crate::session::SessionError;

    #[test]
    fn causes_are_told_in_words_of_the_broker_and_not_of_the_library() {
        let closed = AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED);
        let closed = AMQPError::new(closed, "CONNECTION_FORCED - by 'shutdown'".into());
        for (source, said) in [
            (
                ErrorKind::ProtocolError(closed).into(),
                "watching: it says CONNECTION_FORCED - by 'shutdown'",
            ),
            (io::Error::other("broken").into(), "watching: broken"),
            (ErrorKind::MissingHeartbeatError.into(), "came in time (broker.heartbeat)"),
        ] {
            let text = in_one_line(&SessionError::Lost { doing: "watching", source });
            assert!(text.ends_with(said), "{text}");
            assert!(!text.contains("AMQP") && !text.contains("IO error"), "{text}");
        }
    }
}
