//! Certificates for receivers: an authority of the test's own, and what it vouches for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// A certificate authority that nobody trusts until told to.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A receiver's certificate and key.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    protocols: Vec<Vec<u8>>,
}

impl Authority {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// When there is no randomness.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Names differ, or clients take what the authority issued for self-signed.
        params.distinguished_name.push(DnType::CommonName, "authority of one test");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { issuer })
    }

    /// Its certificate as PEM, for the program's `ca_file`.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes its certificate into a folder and gives the path.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub fn write_pem(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join("authority.pem");
        std::fs::write(&path, self.pem()).context("failed to write the authority's certificate")?;
        Ok(path)
    }

    /// A certificate for a host name or address that is valid today.
    ///
    /// # Errors
    ///
    /// When the name is none.
    pub fn identity(&self, host: &str) -> Result<Identity> {
        self.certify(&CertificateParams::new(vec![host.to_owned()])?)
    }

    /// A certificate that was valid once.
    ///
    /// # Errors
    ///
    /// When the name is none.
    pub fn expired(&self, host: &str) -> Result<Identity> {
        let mut params = CertificateParams::new(vec![host.to_owned()])?;
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.certify(&params)
    }

    fn certify(&self, params: &CertificateParams) -> Result<Identity> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity::of(&certificate, &key))
    }
}

impl Identity {
    /// A certificate for a host name that nobody but itself vouches for.
    ///
    /// # Errors
    ///
    /// When the name is none.
    pub fn self_signed(host: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![host.to_owned()])?.self_signed(&key)?;
        Ok(Self::of(&certificate, &key))
    }

    fn of(certificate: &Certificate, key: &KeyPair) -> Self {
        Self {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            protocols: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        }
    }

    /// Offers HTTP/1.1 alone, where HTTP/2 would be chosen otherwise.
    #[must_use]
    pub fn http1_only(mut self) -> Self {
        self.protocols = vec![b"http/1.1".to_vec()];
        self
    }

    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols.clone_from(&self.protocols);
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
