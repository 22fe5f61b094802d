//! Whom we trust: the system's certificate authorities, and those of a file of the operator's.

use std::env;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// The trusted certificates cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The operator's file holds no certificate, or something that is none.
    #[error("the file of certificate authorities holds no usable PEM certificate")]
    CaFile,
    /// Nobody is trusted; where authorities were looked for, and why none were found.
    #[error(
        "no certificate authority is trusted, so that no https webhook could be delivered: {0}"
    )]
    Nobody(String),
    /// The library refuses its own defaults.
    #[error("setting up TLS")]
    Setup(#[from] rustls::Error),
}

/// The variables that name the system's authorities, as OpenSSL has them.
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// A client configuration that trusts the system's authorities and those of `extra_pem`.
///
/// # Errors
///
/// [`TlsError`] where `extra_pem` holds no certificates.
pub fn config(extra_pem: Option<&[u8]>) -> Result<ClientConfig, TlsError> {
    let (roots, unread) = authorities(extra_pem)?;
    for error in unread {
        tracing::warn!(%error, "some certificate authorities of {} cannot be read", place());
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Whether anybody would be trusted.
///
/// # Errors
///
/// [`TlsError`] where nobody is, or `extra_pem` holds no certificates.
pub fn check(extra_pem: Option<&[u8]>) -> Result<(), TlsError> {
    let (roots, unread) = authorities(extra_pem)?;
    if !roots.is_empty() {
        return Ok(());
    }
    let unread: Vec<String> = unread.iter().map(ToString::to_string).collect();
    let why = match unread.as_slice() {
        [] => "no usable PEM certificate is there".to_owned(),
        unread => unread.join("; "),
    };
    Err(TlsError::Nobody(format!("{}: {why}", place())))
}

/// Those of the system and of `extra_pem`, and what of the system's cannot be read.
fn authorities(
    extra_pem: Option<&[u8]>,
) -> Result<(RootCertStore, Vec<rustls_native_certs::Error>), TlsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(pem) = extra_pem {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.map_err(|_| TlsError::CaFile)?;
        let (added, ignored) = roots.add_parsable_certificates(certificates);
        if added == 0 || ignored > 0 {
            return Err(TlsError::CaFile);
        }
    }
    Ok((roots, system.errors))
}

/// Where the system's authorities are looked for.
fn place() -> String {
    let named = VARIABLES.iter().filter_map(|variable| {
        let value = env::var_os(variable).filter(|value| !value.is_empty())?;
        Some(format!("{variable}={}", value.display()))
    });
    match named.collect::<Vec<_>>().as_slice() {
        [] => format!("the system (install ca-certificates, or set {})", VARIABLES[0]),
        named => named.join(" and "),
    }
}
