//! Who is asked for names: the only place that knows `hickory-resolver`.
//!
//! Its own cache is off: it does not say what it forgets, and asks as often as it is asked.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;
use tokio::time::Instant;

use super::NameError;

/// What the system's resolver reads.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// How often those are looked at.
const LOOK: Duration = Duration::from_secs(5);
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
    resolver: Result<Arc<TokioResolver>, NameError>,
    stamps: Stamps,
    looked: Instant,
}

/// When each file was written, and how long it is; `None` where it is not there.
type Stamps = [Option<(SystemTime, u64)>; 2];

impl Source {
    pub(super) fn new(servers: Vec<SocketAddr>, limit: Duration) -> Self {
        let stamps = stamps();
        let resolver = resolver(&servers, limit);
        let present = Present { resolver, stamps, looked: Instant::now() };
        Self { servers, limit, present: Mutex::new(present) }
    }

    /// The addresses of `name`, and how long they may be remembered.
    pub(super) async fn ask(&self, name: &str) -> Result<(Vec<IpAddr>, Duration), NameError> {
        let resolver = self.present()?;
        let found = resolver.lookup_ip(name).await.map_err(|error| self.named(&error))?;
        let until = Instant::from_std(found.valid_until());
        let ttl = until.saturating_duration_since(Instant::now());
        Ok((found.iter().collect(), ttl))
    }

    /// As the files are now.
    fn present(&self) -> Result<Arc<TokioResolver>, NameError> {
        let now = Instant::now();
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(present.looked) >= LOOK {
            present.looked = now;
            let stamps = stamps();
            if present.stamps != stamps {
                present.stamps = stamps;
                let made = resolver(&self.servers, self.limit);
                match &made {
                    Err(why) if present.resolver.is_ok() => {
                        tracing::warn!("the system's name servers stay as they were: {why}");
                    }
                    _ => present.resolver = made,
                }
            }
        }
        present.resolver.clone()
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

fn resolver(servers: &[SocketAddr], limit: Duration) -> Result<Arc<TokioResolver>, NameError> {
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
    let provider = TokioRuntimeProvider::default();
    let builder = TokioResolver::builder_with_config(config, provider).with_options(options);
    builder.build().map(Arc::new).map_err(|error| failed(&error))
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
