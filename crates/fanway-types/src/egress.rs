//! Which addresses Fanway may connect to.
//!
//! Addresses that come from data (a callback's) reach the public internet and what is allowed beside
//! it; what the config names itself reaches all that isn't denied, unless the config says that it
//! too is to stay on the public internet. It decides on addresses, not on names: who connects asks
//! for each address that a name stands for, and connects to that very address.

mod literal;
mod network;
mod special;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

pub use literal::literal;
pub use network::{Network, NetworkError};

/// Which addresses may be connected to. Clones share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Egress(Option<Arc<Rules>>);

#[derive(Debug, PartialEq, Eq)]
struct Rules {
    is_public_only: bool,
    allow: Vec<Network>,
    deny: Vec<Network>,
}

/// Why an address may not be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
    address: IpAddr,
    why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    /// It is in a range that isn't public: what the range is, and its bounds.
    Special(&'static str, Network),
    /// It is in a range that is denied.
    Denied(Network),
}

impl Egress {
    /// All but what is in `deny`.
    #[must_use]
    pub fn any_but(deny: &[Network]) -> Self {
        Self::new(false, &[], deny)
    }

    /// The public internet and what is in `allow`, but for what is in `deny`.
    #[must_use]
    pub fn public(allow: &[Network], deny: &[Network]) -> Self {
        Self::new(true, allow, deny)
    }

    fn new(is_public_only: bool, allow: &[Network], deny: &[Network]) -> Self {
        let rules = Rules {
            is_public_only,
            allow: allow.to_vec(),
            deny: deny.to_vec(),
        };
        let is_open = !is_public_only && deny.is_empty();
        Self((!is_open).then(|| Arc::new(rules)))
    }

    /// The same for addresses that the config itself names and that needn't be public: only what is
    /// denied is forbidden.
    #[must_use]
    pub fn of_config(&self) -> Self {
        let deny = self.0.as_ref().map(|rules| rules.deny.as_slice());
        Self::any_but(deny.unwrap_or_default())
    }

    /// Whether nothing is forbidden.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Whether an address may be connected to. Where it carries an IPv4 address that the packets
    /// are for in the end (mapped, NAT64, 6to4 and their kin), that counts too.
    ///
    /// # Errors
    /// With why not.
    pub fn check(&self, address: IpAddr) -> Result<(), Forbidden> {
        let Some(rules) = &self.0 else {
            return Ok(());
        };
        let forbidden = |why| Forbidden { address, why };
        let carried = special::carried(address);
        let both = [Some(address), carried.map(IpAddr::V4)];
        let is_in = |network: &&Network| both.iter().flatten().any(|it| network.contains(*it));
        if let Some(denied) = rules.deny.iter().find(is_in) {
            return Err(forbidden(Why::Denied(*denied)));
        }
        if !rules.is_public_only || rules.allows(address) {
            return Ok(());
        }
        match special::of(address) {
            Some((what, network)) => Err(forbidden(Why::Special(what, network))),
            None => Ok(()),
        }
    }
}

impl Forbidden {
    /// The address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether it is denied, so that nothing would allow it.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self.why, Why::Denied(_))
    }
}

impl Rules {
    /// Whether an address is in `allow`: as it is, or as the IPv4 address that it is written for.
    fn allows(&self, address: IpAddr) -> bool {
        let written_for = special::written_for(address).map(IpAddr::V4);
        let both = [Some(address), written_for];
        let is_in = |network: &Network| both.iter().flatten().any(|it| network.contains(*it));
        self.allow.iter().any(is_in)
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, why } = self;
        match why {
            Why::Special(what, network) => write!(
                f,
                "{address} is {what} ({network}), and `egress.allow` doesn't have it"
            ),
            Why::Denied(network) => {
                write!(f, "{address} is in {network}, which `egress.deny` has")
            }
        }
    }
}

impl std::error::Error for Forbidden {}

#[cfg(test)]
mod tests;
