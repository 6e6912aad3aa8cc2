//! What to probe: allowed addresses x ports, or single targets from a list, visited once each in a random order.
//!
//! [`cidr`] combines address sets, [`list`] reads files of them, [`input`] lists of targets, [`rib`] routing tables,
//! [`ports`] port lists; [`permute`] walks the space in an order that is a bijection; [`saved`] is what a dataset keeps
//! of it. No state beyond the cursor.

pub mod cidr;
mod coarse;
mod density;
pub mod input;
pub mod list;
mod names;
pub mod permute;
pub mod ports;
pub mod rib;
pub mod saved;

use cidr::AddressSet;
pub use names::Names;
use ports::{Protocol, Service};
use std::sync::Arc;

/// The space of targets: every allowed address with every port, and single addresses with a port of their own.
#[derive(Clone, Debug)]
pub struct Space {
    addresses: AddressSet,
    services: Vec<Service>,
    /// What `index + 1` is multiplied by, and of it the high half taken, to divide `index` by the number of services.
    reciprocal: u64,
    /// Targets of the product of both.
    product: u64,
    single: Vec<Single>,
    size: u64,
    names: Arc<Names>,
}

/// Addresses on one port, beyond those that are probed on all ports.
#[derive(Clone, Debug)]
struct Single {
    service: Service,
    addresses: AddressSet,
    /// Targets with a smaller index.
    before: u64,
}

/// One target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Address in host order.
    pub address: u32,
    /// TCP port.
    pub port: u16,
}

impl Space {
    /// The product of `addresses` and `services`.
    pub fn new(addresses: AddressSet, services: Vec<Service>) -> Self {
        Self::of(addresses, services, Vec::new(), Names::default())
    }

    /// The product, and beside it `single`, in which nothing of the product is.
    fn of(addresses: AddressSet, services: Vec<Service>, mut single: Vec<Single>, names: Names) -> Self {
        let product = addresses.len() * services.len() as u64;
        let mut size = product;
        for part in &mut single {
            part.before = size;
            size += part.addresses.len();
        }
        let reciprocal = u64::MAX / (services.len() as u64).max(1);
        Self { addresses, services, reciprocal, product, single, size, names: Arc::new(names) }
    }

    /// How many targets there are: at most 2^48.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The target with this index.
    ///
    /// # Panics
    /// If `index` is not below [`Space::size`].
    #[inline]
    pub fn target(&self, index: u64) -> Target {
        if index >= self.product {
            return self.single_target(index);
        }
        let nth = self.nth_address(index);
        #[expect(clippy::cast_possible_truncation, reason = "a remainder by a vector's length is an index")]
        let service = (index - nth * self.services.len() as u64) as usize;
        Target { address: self.addresses.nth(nth), port: self.services[service].port }
    }

    /// `index` divided by the number of services, without a division. Exact as long as (`index` + 1) x services is at
    /// most 2^64 (Robison, N-bit unsigned division via N-bit multiply-add, 2005): index is below 2^48.
    #[inline]
    fn nth_address(&self, index: u64) -> u64 {
        let product = u128::from(index + 1) * u128::from(self.reciprocal);
        (product >> 64) as u64
    }

    fn single_target(&self, index: u64) -> Target {
        let after = self.single.partition_point(|part| part.before <= index);
        let part = &self.single[after - 1];
        Target { address: part.addresses.nth(index - part.before), port: part.service.port }
    }

    /// Whether `address` is to be probed on `port`.
    pub fn contains(&self, address: u32, port: u16) -> bool {
        self.services.iter().any(|service| service.port == port) && self.addresses.contains(address)
            || self.single.iter().any(|part| part.service.port == port && part.addresses.contains(address))
    }

    /// What is spoken on `port`.
    pub fn protocol(&self, port: u16) -> Option<Protocol> {
        self.services().find(|service| service.port == port).map(|service| service.protocol)
    }

    /// The name of the server at `address` and `port`, if one was given.
    pub fn name(&self, address: u32, port: u16) -> Option<&str> {
        self.names.get(address, port)
    }

    /// All names that were given.
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// All addresses, on whatever port.
    pub fn addresses(&self) -> AddressSet {
        let ranges = self.single.iter().flat_map(|part| part.addresses.ranges());
        AddressSet::new(self.addresses.ranges().chain(ranges).collect())
    }

    /// Ports, and what is spoken on them.
    pub fn services(&self) -> impl Iterator<Item = Service> {
        let beyond = self.single.iter().map(|part| part.service).filter(|service| !self.services.contains(service));
        self.services.iter().copied().chain(beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_multiplication_divides_exactly(services in 1u64..=1 << 16, at: u64, near in 0u64..3) {
            let reciprocal = u64::MAX / services;
            let whole = at % (permute::MAX_SIZE / services) * services;
            let space = Space { reciprocal, ..Space::new(AddressSet::default(), Vec::new()) };
            for index in [whole.saturating_sub(near), whole + near, permute::MAX_SIZE - 1 - near] {
                prop_assert_eq!(space.nth_address(index), index / services);
            }
        }
    }
}
