//! [`Network`]: one IP address, or all that begin alike, as in `10.0.0.0/8`.
//!
//! Not here: what is counted by address (`addresses.rs` beside this file).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address or a network. IPv4 and IPv6 are apart: `::/0` holds no IPv4 address. An IPv4 address in IPv6 clothes
/// (`::ffff:10.0.0.1`) is the IPv4 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// All bits behind the prefix are zero.
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Whether the address is in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.address.is_ipv4() && masked(ip, self.prefix) == self.address
    }
}

/// The bits of such an address.
fn width(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(_) => u32::BITS,
        IpAddr::V6(_) => u128::BITS,
    }
}

/// The address with all bits behind its first `prefix` zero.
fn masked(ip: IpAddr, prefix: u32) -> IpAddr {
    let behind = width(ip).saturating_sub(prefix);
    match ip {
        IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() & u32::MAX.checked_shl(behind).unwrap_or(0)).into()),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & u128::MAX.checked_shl(behind).unwrap_or(0)).into()),
    }
}

/// Strict: what it says must be what it means. An error is one sentence that names the value.
impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let wrong = || format!("{text:?} is not an address or a network");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix = match prefix {
            None => width(address),
            // `u32::from_str` would take a sign, and more zeros.
            Some(digits)
                if digits != "0" && (digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit())) =>
            {
                return Err(wrong());
            }
            Some(digits) => digits.parse().map_err(|_| wrong())?,
        };
        if prefix > width(address) {
            return Err(format!("{text:?} has a prefix above {}", width(address)));
        }
        let network = Network { address: masked(address, prefix), prefix };
        if network.address != address {
            return Err(format!("{text:?} has bits set behind its prefix: {network} is meant, or {address}"));
        }
        if address.to_canonical() != address {
            let prefix = prefix.saturating_sub(u128::BITS - u32::BITS);
            let meant = Network { address: address.to_canonical(), prefix };
            return Err(format!("{text:?} is IPv4: {meant} is meant"));
        }
        Ok(network)
    }
}

/// As it is read back; an address alone where it is only one.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == width(self.address) {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_printed_back_as_itself() {
        for text in
            ["10.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::/8", "192.0.2.1", "::1", "192.0.2.128/25", "2001:db8::/127"]
        {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert_eq!("192.0.2.1/32".parse::<Network>().unwrap().to_string(), "192.0.2.1");
        assert_eq!("::1/128".parse::<Network>().unwrap().to_string(), "::1");
    }

    #[test]
    fn a_network_holds_its_first_address_and_its_last_and_none_beside() {
        let table = [
            ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.255", "192.0.2.127", "192.0.3.0"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.0", "192.0.2.2"),
            ("0.0.0.0/0", "0.0.0.0", "255.255.255.255", "::", "ffff::"),
            ("fd00::/8", "fd00::", "fdff:ffff::", "fcff:ffff::", "fe00::"),
            ("::1", "::1", "::1", "::", "::2"),
            ("2001:db8::/33", "2001:db8::", "2001:db8:7fff:ffff::1", "2001:db7:ffff::", "2001:db8:8000::"),
            ("::/0", "::", "ffff::1", "0.0.0.0", "::ffff:10.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.0.0.0", "::ffff:10.1.2.3", "::ffff:11.0.0.0", "::10.0.0.1"),
        ];
        for (network, first, last, below, above) in table {
            let network: Network = network.parse().unwrap();
            for (ip, is_in) in [(first, true), (last, true), (below, false), (above, false)] {
                assert_eq!(network.contains(ip.parse().unwrap()), is_in, "{ip} in {network}");
            }
        }
    }

    #[test]
    fn what_is_not_meant_is_refused_with_what_is() {
        let table = [
            ("", "is not an address or a network"),
            ("10.0.0.0/", "is not an address or a network"),
            ("10.0.0.0/8/8", "is not an address or a network"),
            ("10.0.0.0/+8", "is not an address or a network"),
            ("10.0.0.0/08", "is not an address or a network"),
            ("10.0.0.0/-1", "is not an address or a network"),
            ("10.0.0.0/99999999999", "is not an address or a network"),
            ("10.0.0/8", "is not an address or a network"),
            ("010.0.0.0/8", "is not an address or a network"),
            (" 10.0.0.0/8", "is not an address or a network"),
            ("10.0.0.0:80", "is not an address or a network"),
            ("localhost", "is not an address or a network"),
            ("10.0.0.0/33", "has a prefix above 32"),
            ("fd00::/129", "has a prefix above 128"),
            ("10.1.2.3/8", "has bits set behind its prefix: 10.0.0.0/8 is meant, or 10.1.2.3"),
            ("10.0.0.1/31", "has bits set behind its prefix: 10.0.0.0/31 is meant, or 10.0.0.1"),
            ("fd00::1/8", "has bits set behind its prefix: fd00::/8 is meant, or fd00::1"),
            ("1.0.0.0/0", "has bits set behind its prefix: 0.0.0.0/0 is meant, or 1.0.0.0"),
            ("::ffff:10.0.0.0/104", "is IPv4: 10.0.0.0/8 is meant"),
            ("::ffff:10.0.0.1", "is IPv4: 10.0.0.1 is meant"),
        ];
        for (text, why) in table {
            assert_eq!(text.parse::<Network>().unwrap_err(), format!("{text:?} {why}"));
        }
    }
}
