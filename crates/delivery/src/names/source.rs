//! Who is asked for names: the only place that knows `hickory-resolver`.
//!
//! Its own cache is off: it does not say what it forgets, and asks as often as it is asked.
//!
//! The search list is walked here and not by the library: IPv4 and IPv6 addresses are asked for side
//! by side, of one name at a time, so that those of two names never mix; and who has answered for one
//! family is not kept waiting for the other for long (RFC 8305, section 3), as there are name servers
//! and firewalls that say nothing to a question for IPv6.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::{Either, select};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::lookup_ip::LookupIp;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use tokio::time::{Instant, timeout};

use super::NameError;
use crate::dial::in_turn;

/// What the system's resolver reads.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// How often those are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How long the answer for one family waits for the other ("Resolution Delay", RFC 8305, section 8).
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
    resolver: Result<Arc<Resolver>, NameError>,
    stamps: Stamps,
    looked: Instant,
}

struct Resolver {
    library: TokioResolver,
    /// In which domains a name that is not fully qualified may be, in order.
    search: Vec<Name>,
    /// A name with so many dots is asked for as it is before it is in those.
    ndots: usize,
}

/// Addresses, at least one, and how long they may be remembered.
type Found = Result<(Vec<IpAddr>, Duration), NameError>;

/// When each file was written, and how long it is; `None` where it is not there.
type Stamps = [Option<(SystemTime, u64)>; 2];

impl Source {
    pub(super) fn new(servers: Vec<SocketAddr>, limit: Duration) -> Self {
        let stamps = stamps();
        let resolver = resolver(&servers, limit);
        let present = Present { resolver, stamps, looked: Instant::now() };
        Self { servers, limit, present: Mutex::new(present) }
    }

    /// The addresses of `name`, IPv6 and IPv4 in turn, and how long they may be remembered.
    pub(super) async fn ask(&self, name: &str) -> Found {
        let resolver = self.present()?;
        let name = Name::from_utf8(name).map_err(|error| failed(&error.into()))?;
        let mut why = NameError::NoName;
        for candidate in candidates(&name, &resolver.search, resolver.ndots) {
            match self.families(&resolver.library, &candidate).await {
                Ok(found) => return Ok(found),
                Err(error) => why = less_certain(why, error),
            }
        }
        Err(why)
    }

    /// The same for a fully qualified name, of which each family is asked for by itself.
    async fn families(&self, resolver: &TokioResolver, name: &Name) -> Found {
        let [v4, v6] = [RecordType::A, RecordType::AAAA]
            .map(async |family| self.found(resolver.lookup(name.clone(), family).await));
        let (v4, v6) = (pin!(v4), pin!(v6));
        let (first, other) = match select(v4, v6).await {
            // That there is no such name holds for both. Servers are known to say so of IPv6 wrongly
            // (RFC 4074, section 4.2).
            Either::Left((first @ (Ok(_) | Err(NameError::NoName)), v6)) => {
                (first, timeout(OTHER_FAMILY, v6).await.ok())
            }
            Either::Right((first @ Ok(_), v4)) => (first, timeout(OTHER_FAMILY, v4).await.ok()),
            Either::Left((first, v6)) => (first, Some(v6.await)),
            Either::Right((first, v4)) => (first, Some(v4.await)),
        };
        both(first, other)
    }

    /// What one family has.
    fn found(&self, answer: Result<Lookup, NetError>) -> Found {
        let found = LookupIp::from(answer.map_err(|error| self.named(&error))?);
        let until = Instant::from_std(found.valid_until());
        let addresses: Vec<IpAddr> = found.iter().collect();
        if addresses.is_empty() {
            return Err(NameError::NoAddress);
        }
        Ok((addresses, until.saturating_duration_since(Instant::now())))
    }

    /// As the files are now.
    fn present(&self) -> Result<Arc<Resolver>, NameError> {
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

/// What the two families have together; `None` is one that was not waited for.
fn both(first: Found, other: Option<Found>) -> Found {
    match (first, other) {
        (Ok((mut addresses, ttl)), Some(Ok((others, other_ttl)))) => {
            addresses.extend(others);
            Ok((in_turn(addresses), ttl.min(other_ttl)))
        }
        // The other one is known to be empty.
        (Ok(found), Some(Err(NameError::NoAddress | NameError::NoName)))
        | (Err(NameError::NoAddress | NameError::NoName), Some(Ok(found))) => Ok(found),
        // Half an answer: no longer than it has to be.
        (Ok((addresses, _)), _) | (Err(_), Some(Ok((addresses, _)))) => {
            Ok((addresses, Duration::ZERO))
        }
        (Err(error), None) => Err(error),
        (Err(first), Some(Err(other))) => Err(less_certain(first, other)),
    }
}

/// Of two reasons why there is no address, the one after which there may be one.
fn less_certain(one: NameError, other: NameError) -> NameError {
    let rank = |error: &NameError| match error {
        NameError::NoName => 0,
        NameError::NoAddress => 1,
        NameError::Failed(_) => 2,
        NameError::Silent(_) => 3,
    };
    if rank(&other) > rank(&one) { other } else { one }
}

/// The fully qualified names that a name may stand for, in the order in which they are asked for
/// (resolv.conf(5): `search` and `ndots`).
fn candidates(name: &Name, search: &[Name], ndots: usize) -> Vec<Name> {
    if name.is_fqdn() {
        return vec![name.clone()];
    }
    let mut as_it_is = name.clone();
    as_it_is.set_fqdn(true);
    // One that would be too long in a domain is not there.
    let mut names: Vec<Name> =
        search.iter().filter_map(|domain| name.clone().append_domain(domain).ok()).collect();
    let dots = usize::from(name.num_labels()).saturating_sub(1);
    let place = if dots >= ndots || name.is_localhost() { 0 } else { names.len() };
    names.insert(place, as_it_is);
    names
}

fn failed(error: &NetError) -> NameError {
    NameError::Failed(error.to_string().chars().take(LONGEST).collect::<String>().into())
}

fn resolver(servers: &[SocketAddr], limit: Duration) -> Result<Arc<Resolver>, NameError> {
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
    let mut search: Vec<Name> =
        config.domain().into_iter().chain(config.search()).cloned().collect();
    search.dedup();
    let ndots = options.ndots;
    let provider = TokioRuntimeProvider::default();
    let builder = TokioResolver::builder_with_config(config, provider).with_options(options);
    let library = builder.build().map_err(|error| failed(&error))?;
    Ok(Arc::new(Resolver { library, search, ndots }))
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

    const SECOND: Duration = Duration::from_secs(1);

    fn name(text: &str) -> Name {
        Name::from_utf8(text).unwrap()
    }

    /// glibc's order.
    #[test]
    fn names_are_asked_for_in_the_order_of_the_search_list() {
        let search = ["a.svc.", "svc."].map(name);
        for (asked, ndots, candidates_are) in [
            ("hook", 1, vec!["hook.a.svc.", "hook.svc.", "hook."]),
            (
                "hook.example.com",
                1,
                vec!["hook.example.com.", "hook.example.com.a.svc.", "hook.example.com.svc."],
            ),
            (
                "hook.example.com",
                5,
                vec!["hook.example.com.a.svc.", "hook.example.com.svc.", "hook.example.com."],
            ),
            ("hook.example.com.", 5, vec!["hook.example.com."]),
            ("localhost", 5, vec!["localhost.", "localhost.a.svc.", "localhost.svc."]),
        ] {
            let names = candidates(&name(asked), &search, ndots);
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            assert_eq!(names, candidates_are, "{asked} with {ndots}");
        }
        let long = vec!["x".repeat(60); 4].join(".");
        assert_eq!(
            candidates(&name(&long), &[name("twelve.chars.")], 5),
            [name(&format!("{long}."))]
        );
    }

    #[test]
    fn families_go_together_and_half_an_answer_is_soon_forgotten() {
        let [four, other_four, six]: [IpAddr; 3] =
            ["1.1.1.1", "1.1.1.2", "::1"].map(|text| text.parse().unwrap());
        let v4 = || Ok((vec![four, other_four], 60 * SECOND));
        let v6 = || Ok((vec![six], 30 * SECOND));
        let silent = || NameError::Silent(SECOND);
        let only = |ttl| Ok((vec![four, other_four], ttl));
        for (first, other, found) in [
            (v4(), Some(v6()), Ok((vec![six, four, other_four], 30 * SECOND))),
            (v4(), Some(Err(NameError::NoAddress)), only(60 * SECOND)),
            (Err(NameError::NoName), Some(v4()), only(60 * SECOND)),
            (v4(), None, only(Duration::ZERO)),
            (Err(silent()), Some(v4()), only(Duration::ZERO)),
            (Err(NameError::NoAddress), Some(Err(silent())), Err(silent())),
            (Err(NameError::NoAddress), Some(Err(NameError::NoName)), Err(NameError::NoAddress)),
            (Err(NameError::NoName), None, Err(NameError::NoName)),
        ] {
            assert_eq!(both(first, other), found);
        }
    }
}
