//! The admin listener: the page and the API of the Control Center, on the main runtime.
//!
//! What `control` may not see, it is handed here: whether an address may be reached, and what the
//! configuration says of webhooks, which may change while it runs.

use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use broker::Client;
use control::{AddressCheck, Auth, Desk, Parts, Reach, Rules};
use delivery::{Guard, Names};
use dispatch::Standings;
use metering::Meter;
use prometheus::Registry;
use store::{DeliveryLog, Store};
use subscriptions::{Host, UrlRules, WebhookUrl};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::listener::{self, Bounds, Connections};

/// How long a name may take to resolve while somebody waits for a form: longer, and it counts as
/// one that does not resolve at this moment.
const RESOLVING: Duration = Duration::from_secs(3);
/// The longest life of a connection, of which the page's live updates may take all.
const LONGEST_CONNECTION: Duration = Duration::from_secs(60 * 60);

/// What the Control Center works with.
pub(crate) struct With {
    pub(crate) store: Store,
    pub(crate) log: Option<DeliveryLog>,
    pub(crate) client: Client,
    pub(crate) guard: Guard,
    pub(crate) names: Names,
    pub(crate) rules: watch::Receiver<Rules>,
    pub(crate) standings: Standings,
    pub(crate) closing: CancellationToken,
}

/// Opens the listener; the future answers until the drain, and a little longer to whoever asked
/// before it.
///
/// # Errors
///
/// Where the address is taken or not ours.
pub(crate) async fn start(
    config: &Config,
    registry: &Registry,
    with: With,
) -> Result<impl Future<Output = ()> + Send + 'static> {
    let admin = &config.admin;
    let With { store, log, client, guard, names, rules, standings, closing } = with;
    let metrics = control::Metrics::register(registry)?;
    let public_url = admin.public_url.as_deref();
    let (tokens, proxies) = (admin.tokens.clone(), admin.trusted_proxies.clone());
    let auth = Auth::new(tokens, admin.session, public_url, proxies, metrics.clone())?;
    if let Some(database) = store.database() {
        // While it is away, sessions that were ended before this start count until it is back.
        auth.share_ended(database).await.unwrap_or_else(|why| {
            tracing::warn!("which sessions were ended is not known yet: {why}");
        });
    }
    let desk = Desk::new(Parts {
        store: store.clone(),
        log,
        broker: client,
        rules: Box::new(move || rules.borrow().clone()),
        check: check(guard, names),
        overlap: config.webhooks.secret_overlap,
        patience: admin.answer_after,
        standing: Box::new(move |webhook| standings.of(webhook).map(standing)),
    });
    let app = control::router(desk.clone(), auth.clone(), metrics, admin.timeout, closing.clone());
    let refused = Meter::new(registry).counter(
        "control_connections_refused_total",
        "Connections to the admin listener that were closed for admin.max_connections",
    )?;
    let bounds = Bounds {
        max_connections: admin.max_connections,
        timeout: LONGEST_CONNECTION,
        head_timeout: admin.timeout,
        connections: Connections::Kept,
        refused,
    };
    let address = admin.listen;
    let listener = TcpListener::bind(address).await;
    let listener =
        listener.with_context(|| format!("cannot listen on {address} (admin.listen)"))?;
    let local = listener.local_addr()?;
    tracing::info!(
        "the page is at http://{local}/admin/webhooks, the API at http://{local}/api/v1"
    );
    if admin.tokens.is_empty() {
        tracing::warn!("admin.tokens is empty: everybody on this machine may change webhooks");
    }
    let serving = listener::serve(listener, app, bounds, closing);
    Ok(async move {
        tokio::select! {
            () = serving => {}
            () = async { (auth.follow(&store).await, pending::<()>().await).1 } => {}
        }
        // Whose asker is gone is done all the same.
        desk.ended().await;
    })
}

/// As people see it.
fn standing(seen: dispatch::Standing) -> control::Standing {
    let dispatch::Standing { in_flight, limit, failures, last_failure, open, held } = seen;
    let last_failure = last_failure.map(|kind| kind.to_string());
    let held = held.map(|(bound, ago)| (bound.as_str(), ago));
    control::Standing { in_flight, limit, failures, last_failure, left_alone: open, held }
}

/// What the Control Center checks webhooks against.
pub(crate) fn rules(config: &Config) -> Rules {
    Rules {
        catalog: config.events.catalog.clone(),
        url: UrlRules { allow_http: config.webhooks.allow_http },
        retry: config.retry,
        max_in_flight: config.webhooks.max_in_flight.get(),
    }
}

/// Judges as the connector does: of the addresses that a name has, one that may be reached is
/// enough, for only such ones are connected to.
fn check(guard: Guard, names: Names) -> AddressCheck {
    Arc::new(move |url: &WebhookUrl| {
        let (guard, names) = (guard.clone(), names.clone());
        let name = match url.host() {
            Host::Address(address) => {
                let judged = guard.judge(address);
                let reach =
                    judged.map_or_else(|no| Reach::Refused(no.to_string()), |()| Reach::Allowed);
                return Box::pin(std::future::ready(reach));
            }
            Host::Name(name) => name.to_owned(),
        };
        Box::pin(async move { resolved(&guard, &names, &name).await })
    })
}

async fn resolved(guard: &Guard, names: &Names, name: &str) -> Reach {
    let unresolved = |why: &str| {
        Reach::Unresolved(format!(
            "{name} does not resolve at this moment ({why}); deliveries fail until it does"
        ))
    };
    let found = match timeout(RESOLVING, names.addresses(name)).await {
        Err(_) => return unresolved("no answer in time"),
        Ok(Err(error)) => return unresolved(&error.to_string()),
        Ok(Ok(found)) => found,
    };
    let mut refused = None;
    for address in found.iter() {
        match guard.judge(*address) {
            Ok(()) => return Reach::Allowed,
            Err(blocked) => refused = Some(blocked),
        }
    }
    match refused {
        Some(blocked) => {
            Reach::Refused(format!("{name} leads to an address that is refused: {blocked}"))
        }
        None => unresolved("no address"),
    }
}

#[cfg(test)]
mod tests {
    use delivery::NameRules;

    use super::*;

    async fn reach(url: &str) -> Reach {
        let url = WebhookUrl::try_new(url, UrlRules::default()).unwrap();
        let rules =
            NameRules { servers: Vec::new(), limit: RESOLVING, max_ttl: RESOLVING, max_names: 1 };
        let names = Names::new(rules, delivery::Metrics::register(&Registry::new()).unwrap());
        check(Guard::new(vec!["10.1.0.0/16".parse().unwrap()]), names)(&url).await
    }

    #[tokio::test]
    async fn addresses_are_judged_as_at_delivery() {
        assert_eq!(reach("https://1.1.1.1/").await, Reach::Allowed);
        assert_eq!(reach("https://10.1.2.3/").await, Reach::Allowed);
        for refused in ["https://127.0.0.1/", "https://[::1]/", "https://localhost/"] {
            assert!(matches!(reach(refused).await, Reach::Refused(_)), "{refused}");
        }
        assert!(matches!(reach("https://nobody.invalid/").await, Reach::Unresolved(_)));
    }
}
