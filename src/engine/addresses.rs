//! What is counted by address: the connections that are there, and the wrong credentials of the last minute.
//!
//! An IPv4 address counts as itself, also in IPv6 clothes; an IPv6 one as the network of 64 bits that one customer is
//! given. The addresses of trusted proxies are not counted: behind one stand many.
//!
//! Peers choose their addresses, so the tables are ordered maps: no choice makes them slow, and no key has to be kept
//! secret for it, as a hash table's would. Connections are counted only where they are limited, in no more entries than
//! there are sessions. Wrong credentials are remembered of [`FAILING_ADDRESSES`] at most; for another one the address is
//! forgotten whose minute began first, so that those whose minute is over go before all others.
//!
//! Not here: what a peer is told (`engine/session/`), whether credentials are wrong (`auth/`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::auth::Verdict;
use crate::engine::network::Network;
use crate::limits::{AUTH_FAILURES_SPAN, FAILING_ADDRESSES};
use crate::time::micros;

/// An address as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Address {
    V4(u32),
    /// The first half of it.
    V6(u64),
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Address {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Address::V4(ip.to_bits()),
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Address::V6(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

/// Wrong credentials from one address.
#[derive(Debug)]
struct Failures {
    /// When the first of them came: their minute counts from there.
    start_us: u64,
    count: usize,
}

impl Failures {
    fn end_us(&self) -> u64 {
        self.start_us.saturating_add(micros(AUTH_FAILURES_SPAN))
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Addresses {
    trusted: Vec<Network>,
    /// 0: not limited, and not counted.
    connections_at_most: usize,
    failures_at_most: usize,
    connections: BTreeMap<Address, usize>,
    failures: BTreeMap<Address, Failures>,
    /// The same addresses in the order in which their minutes began.
    oldest: BTreeSet<(u64, Address)>,
}

impl Addresses {
    /// Nobody is there yet. A limit of 0 is none.
    pub fn new(trusted: &[Network], connections_at_most: usize, failures_at_most: usize) -> Addresses {
        Addresses { trusted: trusted.into(), connections_at_most, failures_at_most, ..Addresses::default() }
    }

    /// The address under which this one is counted, if it is.
    fn counted(&self, ip: IpAddr) -> Option<Address> {
        (!self.trusted.iter().any(|network| network.contains(ip))).then(|| ip.into())
    }

    /// This address as it is counted, if it is: that of its network, where that is what counts.
    pub fn name(&self, ip: IpAddr) -> Option<IpAddr> {
        self.counted(ip).map(|address| match address {
            Address::V4(bits) => Ipv4Addr::from_bits(bits).into(),
            Address::V6(half) => Ipv6Addr::from_bits(u128::from(half) << 64).into(),
        })
    }

    /// How many connections this address has beyond those it may have, were there one more; 0 where it is welcome.
    pub fn excess(&self, ip: IpAddr) -> usize {
        if self.connections_at_most == 0 {
            return 0;
        }
        let address = self.counted(ip);
        let present = address.and_then(|address| self.connections.get(&address)).copied().unwrap_or(0);
        (present + 1).saturating_sub(self.connections_at_most)
    }

    /// A connection from this address is let in.
    pub fn enter(&mut self, ip: IpAddr) {
        if self.connections_at_most > 0
            && let Some(address) = self.counted(ip)
        {
            *self.connections.entry(address).or_default() += 1;
        }
    }

    /// One that was let in has gone.
    pub fn leave(&mut self, ip: IpAddr) {
        let Some(address) = self.counted(ip) else { return };
        if let Some(count) = self.connections.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.connections.remove(&address);
            }
        }
    }

    /// What an authenticator said about a peer of this address: wrong credentials count.
    pub fn heed(&mut self, ip: IpAddr, verdict: &Verdict, now_us: u64) {
        match verdict {
            Verdict::Deny(_) => self.fail(ip, now_us),
            Verdict::Accept(_) | Verdict::AskInBand | Verdict::Refuse(_) => {}
        }
    }

    fn fail(&mut self, ip: IpAddr, now_us: u64) {
        let Some(address) = self.counted(ip).filter(|_| self.failures_at_most > 0) else { return };
        if let Some(failures) = self.failures.get_mut(&address).filter(|failures| now_us < failures.end_us()) {
            failures.count = failures.count.saturating_add(1);
            return;
        }
        self.forget(address);
        // Two of those whose minute is over go for one that comes: the table shrinks again after a storm.
        for _ in 0..2 {
            let is_full = self.failures.len() >= FAILING_ADDRESSES;
            match self.oldest.first() {
                Some(&(start_us, first)) if is_full || now_us >= Failures { start_us, count: 0 }.end_us() => {
                    self.forget(first);
                }
                Some(_) | None => break,
            }
        }
        self.failures.insert(address, Failures { start_us: now_us, count: 1 });
        self.oldest.insert((now_us, address));
    }

    fn forget(&mut self, address: Address) {
        if let Some(failures) = self.failures.remove(&address) {
            self.oldest.remove(&(failures.start_us, address));
        }
    }

    /// How long nobody is asked any more about peers of this address, where they have brought too many wrong credentials.
    pub fn blocked_for(&self, ip: IpAddr, now_us: u64) -> Option<Duration> {
        if self.failures.is_empty() {
            return None;
        }
        let failures = self.failures.get(&self.counted(ip)?)?;
        let left = failures.end_us().checked_sub(now_us).filter(|left| *left > 0)?;
        (failures.count >= self.failures_at_most).then(|| Duration::from_micros(left))
    }

    /// Panics unless the connections are these and the tables agree. For tests; O(sessions).
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self, present: impl Iterator<Item = IpAddr>) {
        let mut connections = BTreeMap::new();
        for address in present.filter_map(|ip| self.counted(ip)).filter(|_| self.connections_at_most > 0) {
            *connections.entry(address).or_default() += 1;
        }
        assert_eq!(connections, self.connections, "the counts by address");
        assert!(self.failures.len() <= FAILING_ADDRESSES);
        let oldest: BTreeSet<_> =
            self.failures.iter().map(|(address, failures)| (failures.start_us, *address)).collect();
        assert_eq!(oldest, self.oldest, "the order of failures");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http::Refusal;

    const MINUTE_US: u64 = 60_000_000;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn spoofed(n: u32) -> IpAddr {
        IpAddr::V6((u128::from(0x2001_0db8_0000_0000_u64 + u64::from(n)) << 64 | 1).into())
    }

    fn is_blocked(addresses: &Addresses, ip: IpAddr, now_us: u64) -> bool {
        addresses.blocked_for(ip, now_us).is_some()
    }

    #[test]
    fn addresses_that_are_one_are_counted_as_one() {
        let table = [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "::192.0.2.1", false),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::", "0.0.0.0", false),
        ];
        for (one, other, are_one) in table {
            assert_eq!(Address::from(ip(one)) == Address::from(ip(other)), are_one, "{one} and {other}");
        }
    }

    #[test]
    fn a_trusted_proxy_is_never_counted() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut addresses = Addresses::new(&trusted, 1, 1);
        for proxy in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"] {
            for _ in 0..10 {
                addresses.enter(ip(proxy));
                addresses.fail(ip(proxy), 0);
            }
            assert_eq!((addresses.excess(ip(proxy)), addresses.blocked_for(ip(proxy), 0)), (0, None));
            addresses.leave(ip(proxy));
        }
        assert!(addresses.connections.is_empty() && addresses.failures.is_empty());
        addresses.enter(ip("11.0.0.1"));
        assert_eq!(addresses.excess(ip("11.0.0.1")), 1);
    }

    #[test]
    fn connections_are_counted_up_and_down_and_not_at_all_where_they_are_not_limited() {
        let mut addresses = Addresses::new(&[], 2, 0);
        let [a, b] = [ip("192.0.2.1"), ip("192.0.2.2")];
        let mut excess = Vec::new();
        for _ in 0..4 {
            excess.push(addresses.excess(a));
            addresses.enter(a);
        }
        assert_eq!((excess, addresses.excess(b)), (vec![0, 0, 1, 2], 0));
        addresses.check_invariants([a; 4].into_iter());
        (0..3).for_each(|_| addresses.leave(a));
        assert_eq!(addresses.excess(a), 0);
        addresses.leave(a);
        assert!(addresses.connections.is_empty());
        let mut unlimited = Addresses::new(&[], 0, 0);
        (0..100).for_each(|_| unlimited.enter(a));
        assert_eq!(unlimited.excess(a), 0);
        unlimited.check_invariants([a; 100].into_iter());
    }

    #[test]
    fn an_address_is_blocked_from_the_last_allowed_failure_to_the_end_of_its_minute_to_the_microsecond() {
        let mut addresses = Addresses::new(&[], 0, 3);
        let a = ip("192.0.2.1");
        for start in [0, 2 * MINUTE_US + 5, 50 * 24 * 60 * MINUTE_US] {
            for at in [start, start + 1] {
                addresses.fail(a, at);
                assert!(!is_blocked(&addresses, a, at));
            }
            addresses.fail(a, start + MINUTE_US - 1);
            assert_eq!(addresses.blocked_for(a, start + MINUTE_US - 1), Some(Duration::from_micros(1)));
            assert_eq!(addresses.blocked_for(a, start + MINUTE_US), None);
            // What comes while it is blocked makes the minute no longer.
            addresses.fail(a, start + MINUTE_US - 1);
            assert!(!is_blocked(&addresses, a, start + MINUTE_US));
            assert!(!is_blocked(&addresses, ip("192.0.2.2"), start + MINUTE_US - 1), "a neighbour is free");
            addresses.check_invariants(std::iter::empty());
        }
        assert_eq!(addresses.failures.len(), 1);
    }

    #[test]
    fn only_wrong_credentials_count() {
        let mut addresses = Addresses::new(&[], 0, 1);
        let a = ip("192.0.2.1");
        addresses.heed(a, &Verdict::AskInBand, 0);
        addresses.heed(a, &Verdict::Refuse(Refusal::new(401, "Unauthorized")), 0);
        assert!(!is_blocked(&addresses, a, 0));
        addresses.heed(a, &Verdict::Deny(Refusal::new(403, "Forbidden")), 0);
        assert!(is_blocked(&addresses, a, 0));
        let mut off = Addresses::new(&[], 0, 0);
        off.fail(a, 0);
        assert!(!is_blocked(&off, a, 0) && off.failures.is_empty());
    }

    #[test]
    fn spoofed_addresses_fill_the_table_and_no_more_and_push_out_the_oldest() {
        let mut addresses = Addresses::new(&[], 0, 1);
        let most = u32::try_from(FAILING_ADDRESSES).unwrap();
        for n in 0..most {
            addresses.fail(spoofed(n), u64::from(n));
        }
        assert!(is_blocked(&addresses, spoofed(0), u64::from(most)), "at the limit the first is still known");
        addresses.fail(spoofed(most), u64::from(most));
        assert!(!is_blocked(&addresses, spoofed(0), u64::from(most)), "one more, and it is not");
        assert!(is_blocked(&addresses, spoofed(2), u64::from(most)));
        for n in most..3 * most {
            addresses.fail(spoofed(n), u64::from(n));
        }
        assert_eq!(addresses.failures.len(), FAILING_ADDRESSES);
        assert!(is_blocked(&addresses, spoofed(3 * most - 1), u64::from(3 * most)));
        addresses.check_invariants(std::iter::empty());
    }

    #[test]
    fn those_whose_minute_is_over_go_first_and_the_table_shrinks_again() {
        let mut addresses = Addresses::new(&[], 0, 1);
        for n in 0..10 {
            addresses.fail(spoofed(n), 0);
        }
        addresses.fail(spoofed(100), MINUTE_US - 1);
        for n in 200..206 {
            addresses.fail(spoofed(n), MINUTE_US);
        }
        // Ten have gone for the first five, and nothing whose minute is not over.
        assert_eq!(addresses.failures.len(), 7);
        assert!(is_blocked(&addresses, spoofed(100), MINUTE_US));
    }
}
