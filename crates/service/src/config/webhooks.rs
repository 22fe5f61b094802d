//! `[webhooks]`: where webhooks are kept and what holds for all of them.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use dispatch::BreakerPolicy;
use settings::{Section, Value};
use store::{InvalidKey, Keys};

use super::delivery::absolute;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where webhooks are, and their common limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Webhooks {
    pub(crate) store: StoreUrl,
    pub(crate) keys: Option<EncryptionKeys>,
    pub(crate) state_dir: PathBuf,
    pub(crate) allow_http: bool,
    pub(crate) max_in_flight: NonZeroU32,
    pub(crate) breaker: BreakerPolicy,
    /// `None` for never.
    pub(crate) disable_after: Option<Duration>,
    pub(crate) secret_overlap: Duration,
}

/// A URL that names a store that this version has. It may hold a password and shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoreUrl(String);

/// The key that seals secrets in a database, and the one before it. They show nothing of themselves.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct EncryptionKeys {
    key: String,
    earlier: Option<String>,
}

impl StoreUrl {
    /// A URL that was checked.
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The URL, password and all.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl EncryptionKeys {
    /// The keys, ready to be used.
    pub(crate) fn keys(&self) -> Result<Keys, InvalidKey> {
        let earlier: Vec<&str> = self.earlier.iter().map(String::as_str).collect();
        Keys::try_new(&self.key, &earlier)
    }
}

fn checked_key(text: &str) -> Result<String, InvalidKey> {
    Keys::try_new(text, &[]).map(|_| text.to_owned())
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreUrl(…)")
    }
}

impl fmt::Debug for EncryptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKeys(…)")
    }
}

impl Webhooks {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let store = section.required_secret("store", "a store URL", |text| {
            store::check_url(text).map(|()| StoreUrl::new(text))
        });
        let key = section.optional_secret("encryption_key", checked_key);
        let earlier = section.optional_secret("earlier_encryption_key", checked_key);
        if key.is_none() && section.given_secret("earlier_encryption_key") {
            section.conflict(
                "earlier_encryption_key",
                "does nothing without encryption_key: the key that an embedded database has made for \
                 itself (encryption.key in webhooks.state_dir) is used alone; to change it, give a new \
                 one as encryption_key_file, and that file as earlier_encryption_key_file",
            );
        }
        let state_dir = section.required("state_dir", "a folder", |value| value.parse(absolute));
        let allow_http = section.required("allow_http", "true or false", Value::boolean);
        let max_in_flight =
            section.required("max_in_flight", "a number", |value| value.integer(1..=10_000));
        let breaker = section.table("breaker", breaker);
        let disable_after = section.required("disable_after", "a duration", |value| {
            value.duration(Duration::ZERO..=365 * DAY)
        });
        let secret_overlap = section.required("secret_overlap", "a duration", |value| {
            value.duration(Duration::ZERO..=30 * DAY)
        });
        Some(Self {
            store: store?,
            keys: key.map(|key| EncryptionKeys { key, earlier }),
            state_dir: state_dir?,
            allow_http: allow_http?,
            max_in_flight: NonZeroU32::new(max_in_flight?)?,
            breaker: breaker?,
            disable_after: disable_after
                .map(|after| Some(after).filter(|after| !after.is_zero()))?,
            secret_overlap: secret_overlap?,
        })
    }
}

fn breaker(section: &mut Section<'_, '_>) -> Option<BreakerPolicy> {
    let failures = section.required("failures", "a number", |value| value.integer(1..=10_000));
    let [first_pause, max_pause] = ["first_pause", "max_pause"].map(|key| {
        section.required(key, "a duration", |value| {
            value.duration(Duration::from_secs(1)..=Duration::from_secs(60 * 60))
        })
    });
    let (first_pause, max_pause) = (first_pause?, max_pause?);
    if max_pause < first_pause {
        section.conflict("max_pause", "it must not be shorter than first_pause");
        return None;
    }
    Some(BreakerPolicy { failures: NonZeroU32::new(failures?)?, first_pause, max_pause })
}
