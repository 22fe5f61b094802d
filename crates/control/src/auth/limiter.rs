//! Slows down who tries tokens: so many wrong ones per address, and so many in all. Right ones never
//! come here.
//!
//! An address (of IPv6, its /64) that has used up its tries is told to wait, and what it tries
//! meanwhile is neither counted nor noted. The same wrong token again is no new guess and counts once, so that a client with
//! a token of yesterday shuts nobody out who shares its address. When all addresses together have
//! used up theirs, those that have failed before wait, and others have one try.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::tokens::Hash;

/// Wrong tokens that an address may try at once, and how long until it may try one more.
const PER_ADDRESS: Rate = Rate { burst: 10, every: Duration::from_secs(6) };
/// The same for all addresses together.
const OVERALL: Rate = Rate { burst: 100, every: Duration::from_millis(500) };
/// Addresses that are remembered; the one that was quiet longest is forgotten first.
const MAX_ADDRESSES: usize = 4_096;
/// Wrong tokens that are remembered per address.
const MAX_KNOWN: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Limiter(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    overall: Debt,
    addresses: HashMap<IpAddr, Failures>,
}

#[derive(Debug)]
struct Failures {
    debt: Debt,
    last: Instant,
    known: VecDeque<Hash>,
}

struct Rate {
    burst: u32,
    every: Duration,
}

/// When all tries will be forgiven; each adds the time of one.
#[derive(Clone, Copy, Debug, Default)]
struct Debt(Option<Instant>);

impl Limiter {
    /// Whether a wrong token of this address is counted now; else how long it has to wait.
    pub(super) fn admit(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.addresses.get(&network(address)) {
            Some(failures) => {
                failures.debt.room(&PER_ADDRESS, now)?;
                inner.overall.room(&OVERALL, now)
            }
            None => Ok(()),
        }
    }

    /// Counts a wrong token; fails where there was no room for it in all any more.
    pub(super) fn failed(
        &self,
        address: IpAddr,
        hash: &Hash,
        now: Instant,
    ) -> Result<(), Duration> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { overall, addresses } = &mut *inner;
        let network = network(address);
        if addresses.len() >= MAX_ADDRESSES && !addresses.contains_key(&network) {
            forget(addresses, now);
        }
        let failures = addresses.entry(network).or_insert_with(|| Failures {
            debt: Debt::default(),
            last: now,
            known: VecDeque::with_capacity(MAX_KNOWN),
        });
        failures.last = now;
        if failures.known.contains(hash) {
            return Ok(());
        }
        failures.known.truncate(MAX_KNOWN - 1);
        failures.known.push_front(*hash);
        failures.debt.add(&PER_ADDRESS, now);
        let room = overall.room(&OVERALL, now);
        if room.is_ok() {
            overall.add(&OVERALL, now);
        }
        room
    }
}

impl Debt {
    fn room(self, rate: &Rate, now: Instant) -> Result<(), Duration> {
        let owed = self.0.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let allowed = rate.every * (rate.burst - 1);
        if owed <= allowed { Ok(()) } else { Err(owed - allowed) }
    }

    fn add(&mut self, rate: &Rate, now: Instant) {
        let from = self.0.map_or(now, |until| until.max(now));
        self.0 = Some(from + rate.every);
    }
}

/// Makes room: all that are forgiven go, or else the one that was quiet longest.
fn forget(addresses: &mut HashMap<IpAddr, Failures>, now: Instant) {
    addresses.retain(|_, failures| failures.debt.0.is_some_and(|until| until > now));
    if addresses.len() >= MAX_ADDRESSES {
        let quiet = addresses.iter().min_by_key(|(_, failures)| failures.last);
        if let Some(address) = quiet.map(|(address, _)| *address) {
            addresses.remove(&address);
        }
    }
}

/// Who has one address of IPv6 has a whole network of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u32) -> Hash {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&n.to_le_bytes());
        hash
    }

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn an_address_waits_after_ten_different_tokens() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        for n in 0..10 {
            assert_eq!(limiter.admit(address(1), now), Ok(()), "{n}");
            limiter.failed(address(1), &hash(n), now).unwrap();
        }
        assert_eq!(limiter.admit(address(1), now), Err(Duration::from_secs(6)));
        assert_eq!(limiter.admit(address(2), now), Ok(()));
        assert_eq!(limiter.admit(address(1), now + Duration::from_secs(6)), Ok(()));
    }

    #[test]
    fn the_same_wrong_token_counts_once() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        for _ in 0..1_000 {
            assert_eq!(limiter.admit(address(1), now), Ok(()));
            limiter.failed(address(1), &hash(7), now).unwrap();
        }
    }

    #[test]
    fn all_addresses_together_have_a_limit_which_spares_who_never_failed() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        for n in 0..100 {
            limiter.failed(address(n), &hash(n), now).unwrap();
        }
        assert!(limiter.admit(address(5), now).is_err());
        assert!(limiter.failed(address(200), &hash(200), now).is_err());
        assert_eq!(limiter.admit(address(201), now), Ok(()));
    }

    #[test]
    fn memory_is_bounded_and_networks_count_as_one() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        for n in 0..10_000 {
            limiter.failed(address(n), &hash(n), now).unwrap_or_default();
        }
        assert_eq!(limiter.0.lock().unwrap().addresses.len(), MAX_ADDRESSES);
        let v6 = |text: &str| network(text.parse().unwrap());
        assert_eq!(v6("2001:db8::1"), v6("2001:db8::ffff:2"));
        assert_eq!(v6("::ffff:1.2.3.4"), v6("1.2.3.4"));
    }
}
