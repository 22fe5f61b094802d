//! Why no connection came about, in words for whoever wrote `broker.url`: what happened, and what to
//! do. Where is said beside it, by [`Config::place`](crate::Config::place).

use std::io;

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::uri::{AMQPScheme, AMQPUri};
use rustls::{AlertDescription, CertificateError};
use thiserror::Error;

/// See the module.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Wrong user, wrong password, or a user who may not come from here.
    #[error(
        "the broker refuses the user or the password of broker.url ({says}){}",
        if *.guest { "; it lets guest in from its own machine alone: make a user" } else { "" }
    )]
    Login {
        /// Whether it is the user that brokers begin with.
        guest: bool,
        /// What the broker said.
        says: String,
    },
    /// It is not there, or not for this user.
    #[error(
        "the broker refuses the virtual host {vhost} ({says}): unless a limit is reached, broker.url must end in one that is \
         there (rabbitmqctl add_vhost) and that its user has permissions on (rabbitmqctl \
         set_permissions)"
    )]
    VirtualHost {
        /// Its name.
        vhost: String,
        /// What the broker said.
        says: String,
    },
    /// Nobody is at the port.
    #[error(
        "nothing listens there (Connection refused): the broker is down, or broker.url names \
         another host or port than its own"
    )]
    Refused,
    /// `amqp://`, and no AMQP came.
    #[error(
        "what listens there ended the connection without a word of AMQP: where that is the broker's \
         port for TLS, broker.url must begin with amqps://; a broker that starts or stops does so, \
         too"
    )]
    NotPlain,
    /// `amqps://`, and no TLS came.
    #[error(
        "what listens there speaks no TLS: broker.url must name the broker's port for TLS (5671 by \
         custom), or begin with amqp:// where the network between is yours"
    )]
    NotTls,
    /// `amqps://`, and the connection ended meanwhile.
    #[error(
        "what listens there ended the connection while TLS was agreed on: a broker that starts or \
         stops does so, and so does a port that speaks no TLS (5671 is the one for it by custom)"
    )]
    HandshakeEnded,
    /// `amqps://`, and no AMQP came.
    #[error(
        "what listens there speaks TLS and no AMQP: broker.url must name the broker's port for TLS \
         (5671 by custom)"
    )]
    NotAmqp,
    /// The broker's certificate is not accepted.
    #[error(
        "the broker's certificate is not accepted: {why}; SSL_CERT_FILE names a file of the \
         authorities that are trusted, in the place of the system's"
    )]
    Certificate {
        /// What is wrong with it.
        why: String,
    },
    /// The broker asks for a certificate of ours.
    #[error(
        "the broker asks for a client's certificate, of which there is none here: let its \
         ssl_options.fail_if_no_peer_cert be false"
    )]
    ClientCertificate,
    /// All else.
    #[error("connecting to the broker")]
    Other(#[source] lapin::Error),
}

impl ConnectError {
    /// What the client's error means for a connection to this address.
    pub(crate) fn of(error: lapin::Error, uri: &AMQPUri) -> Self {
        let known = match error.kind() {
            ErrorKind::ProtocolError(told) => {
                Self::told(told.kind(), told.get_message().as_str(), uri)
            }
            ErrorKind::ParsingError(_) => Some(match uri.scheme {
                AMQPScheme::AMQP => Self::NotPlain,
                AMQPScheme::AMQPS => Self::NotAmqp,
            }),
            ErrorKind::IOError(error) => Self::of_socket(error, uri),
            _ => None,
        };
        known.unwrap_or(Self::Other(error))
    }

    /// What the broker refused before there was a channel.
    fn told(kind: &AMQPErrorKind, says: &str, uri: &AMQPUri) -> Option<Self> {
        let says = says.split_once(" - ").map_or(says, |(_, words)| words);
        let says = says.trim_end_matches('.').to_owned();
        match kind {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                Some(Self::Login { guest: uri.authority.userinfo.username == "guest", says })
            }
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                Some(Self::VirtualHost { vhost: uri.vhost.clone(), says })
            }
            _ => None,
        }
    }

    fn of_socket(error: &io::Error, uri: &AMQPUri) -> Option<Self> {
        use io::ErrorKind::{
            BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, UnexpectedEof,
        };
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(error) = inner {
            return Self::of_tls(error);
        }
        match error.kind() {
            ConnectionRefused => Some(Self::Refused),
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => {
                Some(match uri.scheme {
                    AMQPScheme::AMQP => Self::NotPlain,
                    AMQPScheme::AMQPS => Self::HandshakeEnded,
                })
            }
            _ => None,
        }
    }

    fn of_tls(error: &rustls::Error) -> Option<Self> {
        let why = match error {
            rustls::Error::InvalidMessage(_) => return Some(Self::NotTls),
            rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
                return Some(Self::ClientCertificate);
            }
            rustls::Error::InvalidCertificate(wrong) => wrong,
            _ => return None,
        };
        let why = match why {
            CertificateError::UnknownIssuer => {
                "it is of an authority that is not trusted here".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "it is for another name than the one in broker.url".to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "it has expired".to_owned()
            }
            CertificateError::Other(wrong) => {
                format!("it is none of a server, as where it signed itself ({wrong})")
            }
            other => other.to_string(),
        };
        Some(Self::Certificate { why })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lapin::protocol::AMQPError;

    use super::*;

    fn told(error: impl Into<lapin::Error>, url: &str) -> String {
        ConnectError::of(error.into(), &url.parse().unwrap()).to_string()
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        let soft = AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED);
        let login =
            || ErrorKind::ProtocolError(AMQPError::new(soft.clone(), "ACCESS_REFUSED - no".into()));
        let hard = AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED);
        let vhost = AMQPError::new(hard, "NOT_ALLOWED - vhost x not found".into());
        let vhost = ErrorKind::ProtocolError(vhost);
        let tls = |error: rustls::Error| io::Error::other(error);
        let certificate = |error| tls(rustls::Error::InvalidCertificate(error));
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        let wrong = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        let rows: [(lapin::Error, &str, &str); 12] = [
            (login().into(), "amqp://a:hunter2@b/", "password of broker.url (no)"),
            (login().into(), "amqp://guest:hunter2@b/", "lets guest in from its own machine"),
            (vhost.into(), "amqp://a:hunter2@b/x", "virtual host x (vhost x not found)"),
            (reset().into(), "amqp://a:hunter2@b/", "amqps://"),
            (reset().into(), "amqps://a:hunter2@b/", "speaks no TLS"),
            (tls(wrong).into(), "amqps://a:hunter2@b/", "speaks no TLS"),
            (
                io::Error::from(io::ErrorKind::ConnectionRefused).into(),
                "amqp://a:hunter2@b/",
                "nothing listens there",
            ),
            (
                certificate(CertificateError::UnknownIssuer).into(),
                "amqps://a:hunter2@b/",
                "not trusted here; SSL_CERT_FILE",
            ),
            (certificate(CertificateError::Expired).into(), "amqps://a:hunter2@b/", "expired"),
            (
                certificate(CertificateError::NotValidForName).into(),
                "amqps://a:hunter2@b/",
                "another name",
            ),
            (tls(alert).into(), "amqps://a:hunter2@b/", "fail_if_no_peer_cert"),
            (io::Error::other("odd").into(), "amqp://a:hunter2@b/", "connecting to the broker"),
        ];
        for (error, url, said) in rows {
            let text = told(error, url);
            assert!(text.contains(said) && !text.contains("hunter2"), "{text}");
        }
        let error = ErrorKind::IOError(Arc::new(reset()));
        assert!(told(error, "amqp://b/").contains("a broker that starts"));
    }
}
