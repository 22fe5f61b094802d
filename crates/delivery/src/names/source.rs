//! Who is asked for names: the only place that knows `hickory-resolver`.
//!
//! Its own cache is off: it does not say what it forgets, and asks as often as it is asked.
//! IPv4 and IPv6 addresses are asked for side by side, and who has answered is not kept waiting for
//! the other for long (RFC 8305, section 3): there are servers that never answer for IPv6.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::select;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup_ip::LookupIp;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;
use tokio::time::{Instant, timeout};

use super::NameError;

/// What the system's resolver reads.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// How often those are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How long addresses of one family wait for those of the other ("Resolution Delay", RFC 8305,
/// section 8).
const OTHER_FAMILY: Duration = Duration::from_millis(50);
/// How many lookups go on over one TCP connection to a name server.
const MOST_AT_ONCE: usize = 1024;
/// The longest text of an error, in characters.
const LONGEST: usize = 200;

/// See the module.
pub(super) struct Source {
    servers: Vec<SocketAddr>,
    limit: Duration,
    present: Mutex<Present>,
}

struct Present {
    resolvers: Result<Arc<Resolvers>, NameError>,
    stamps: Stamps,
    looked: Instant,
}

/// One for each family.
struct Resolvers {
    v4: TokioResolver,
    v6: TokioResolver,
}

/// When each file was written, and how long it is; `None` where it is not there.
type Stamps = [Option<(SystemTime, u64)>; 2];

impl Source {
    pub(super) fn new(servers: Vec<SocketAddr>, limit: Duration) -> Self {
        let stamps = stamps();
        let resolvers = resolvers(&servers, limit);
        let present = Present { resolvers, stamps, looked: Instant::now() };
        Self { servers, limit, present: Mutex::new(present) }
    }

    /// The addresses of `name`, and how long they may be remembered.
    pub(super) async fn ask(&self, name: &str) -> Result<(Vec<IpAddr>, Duration), NameError> {
        let resolvers = self.present()?;
        let [v4, v6] = [&resolvers.v4, &resolvers.v6].map(|family| family.lookup_ip(name));
        let (v4, v6) = (pin!(v4), pin!(v6));
        let (first, other) = select(v4, v6).await.factor_first();
        let other = match &first {
            Ok(_) => timeout(OTHER_FAMILY, other).await.ok(),
            Err(_) => Some(other.await),
        };
        let found: Vec<LookupIp> = match (first, other) {
            (Ok(first), Some(Ok(other))) => vec![first, other],
            (Ok(only), _) | (Err(_), Some(Ok(only))) => vec![only],
            (Err(first), None) => return Err(self.named(&first)),
            (Err(first), Some(Err(other))) => {
                return Err(telling(self.named(&first), self.named(&other)));
            }
        };
        let until = found.iter().map(LookupIp::valid_until).min().map(Instant::from_std);
        let ttl = until.map(|until| until.saturating_duration_since(Instant::now()));
        Ok((found.iter().flat_map(LookupIp::iter).collect(), ttl.unwrap_or_default()))
    }

    /// As the files are now.
    fn present(&self) -> Result<Arc<Resolvers>, NameError> {
        let now = Instant::now();
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(present.looked) >= LOOK {
            present.looked = now;
            let stamps = stamps();
            if present.stamps != stamps {
                present.stamps = stamps;
                let made = resolvers(&self.servers, self.limit);
                match &made {
                    Err(why) if present.resolvers.is_ok() => {
                        tracing::warn!("the system's name servers stay as they were: {why}");
                    }
                    _ => present.resolvers = made,
                }
            }
        }
        present.resolvers.clone()
    }

    fn named(&self, error: &NetError) -> NameError {
        if error.is_nx_domain() {
            NameError::NoName
        } else if error.is_no_records_found() {
            NameError::NoAddress
        } else if matches!(error, NetError::Timeout) {
            NameError::Silent(self.limit)
        } else {
            failed(error)
        }
    }
}

fn failed(error: &NetError) -> NameError {
    NameError::Failed(error.to_string().chars().take(LONGEST).collect::<String>().into())
}

/// Of why there is no address of either family, what says more.
fn telling(one: NameError, other: NameError) -> NameError {
    match (one, other) {
        (NameError::NoName, _) | (_, NameError::NoName) => NameError::NoName,
        (NameError::NoAddress, other) => other,
        (one, _) => one,
    }
}

fn resolvers(servers: &[SocketAddr], limit: Duration) -> Result<Arc<Resolvers>, NameError> {
    let (config, mut options) = read_system_conf().unwrap_or_else(|_| {
        // As resolv.conf(5) has it: without one, the name server of this machine is asked.
        let own = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
        (ResolverConfig::from_name_servers(vec![own]), ResolverOpts::default())
    });
    let config = if servers.is_empty() {
        config
    } else {
        let (domain, search, _) = config.into_parts();
        let servers = servers.iter().map(|server| name_server(*server)).collect();
        ResolverConfig::from_parts(domain, search, servers)
    };
    options.cache_size = 0;
    options.preserve_intermediates = false;
    options.max_active_requests = MOST_AT_ONCE;
    // What is lost on the way is asked for once more within the limit.
    options.timeout = options.timeout.min(limit / 2);
    let family = |strategy| {
        let mut options = options.clone();
        options.ip_strategy = strategy;
        let provider = TokioRuntimeProvider::default();
        let builder = TokioResolver::builder_with_config(config.clone(), provider);
        builder.with_options(options).build().map_err(|error| failed(&error))
    };
    let (v4, v6) = (family(LookupIpStrategy::Ipv4Only)?, family(LookupIpStrategy::Ipv6Only)?);
    Ok(Arc::new(Resolvers { v4, v6 }))
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn stamps() -> Stamps {
    FILES.map(|file| {
        let seen = fs::metadata(file).ok()?;
        Some((seen.modified().ok()?, seen.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_failures_the_one_that_says_more_is_told() {
        let silent = || NameError::Silent(Duration::from_secs(5));
        for (one, other, told) in [
            (NameError::NoAddress, NameError::NoAddress, NameError::NoAddress),
            (NameError::NoAddress, silent(), silent()),
            (silent(), NameError::NoAddress, silent()),
            (silent(), NameError::NoName, NameError::NoName),
        ] {
            assert_eq!(telling(one, other), told);
        }
    }
}
