//! The reference library of the Standard Webhooks scheme accepts what we sign, and we accept what
//! it signs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use signing::{Secret, standard};
use standardwebhooks::Webhook;

/// Seconds since the epoch. The library asks the clock itself.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// What the library says to a request of ours.
fn accepts(library: &Webhook, id: &str, time: i64, body: &[u8], signatures: &str) -> bool {
    let texts = [
        ("webhook-id", id),
        ("webhook-timestamp", &time.to_string()),
        ("webhook-signature", signatures),
    ];
    let headers = texts.into_iter().map(|(name, value)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    });
    library.verify(body, &headers.collect::<HeaderMap>()).is_ok()
}

proptest! {
    #[test]
    fn the_library_and_we_agree(
        key in prop::collection::vec(any::<u8>(), 1..80),
        prefixed in any::<bool>(),
        id in "[a-z_0-9]{1,40}",
        body in "\\PC{0,100}",
    ) {
        let library = Webhook::from_bytes(key.clone()).unwrap();
        let encoded = STANDARD.encode(&key);
        let text = if prefixed { format!("whsec_{encoded}") } else { encoded };
        let (secret, other) = (Secret::try_new(&text).unwrap(), Secret::generate().unwrap());
        let (time, body) = (now(), body.as_bytes());

        let theirs = library.sign(&id, time, body).unwrap();
        prop_assert_eq!(standard::verify(&secret, &id, time, body, &theirs, time), Ok(()));

        let ours = standard::sign([&other, &secret], &id, time, body);
        prop_assert!(accepts(&library, &id, time, body, &ours));
        let of_another = standard::sign([&other], &id, time, body);
        prop_assert!(!accepts(&library, &id, time, body, &of_another));
    }

    #[test]
    fn a_generated_secret_is_one_of_theirs(body in "\\PC{0,40}") {
        let secret = Secret::generate().unwrap();
        let library = Webhook::new(secret.expose()).unwrap();
        let (time, body) = (now(), body.as_bytes());
        let ours = standard::sign([&secret], "dlv_1", time, body);
        prop_assert_eq!(&library.sign("dlv_1", time, body).unwrap(), &ours);
        prop_assert!(accepts(&library, "dlv_1", time, body, &ours));
    }
}
