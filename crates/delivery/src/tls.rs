//! Whom we trust: the system's certificate authorities, and those of a file of the operator's.

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
    /// The library refuses its own defaults.
    #[error("setting up TLS")]
    Setup(#[from] rustls::Error),
}

/// A client configuration that trusts the system's authorities and those of `extra_pem`.
///
/// # Errors
///
/// [`TlsError`] where `extra_pem` holds no certificates.
pub fn config(extra_pem: Option<&[u8]>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "some of the system's certificate authorities cannot be read");
    }
    roots.add_parsable_certificates(system.certs);
    if let Some(pem) = extra_pem {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.map_err(|_| TlsError::CaFile)?;
        let (added, ignored) = roots.add_parsable_certificates(certificates);
        if added == 0 || ignored > 0 {
            return Err(TlsError::CaFile);
        }
    }
    if roots.is_empty() {
        tracing::warn!("no certificate authority is trusted: every https webhook will fail");
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
