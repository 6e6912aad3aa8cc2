//! What to probe: allowed addresses x ports, visited once each in a random order.
//!
//! [`cidr`] reads and combines address sets, [`ports`] reads port lists, [`permute`] walks the product in
//! an order that is a bijection. [`saved`] is what a dataset keeps of it. No state beyond the cursor.

pub mod cidr;
pub mod permute;
pub mod ports;
pub mod saved;

use cidr::AddressSet;
use ports::Service;

/// The space of targets: every allowed address with every port.
#[derive(Clone, Debug)]
pub struct Space {
    addresses: AddressSet,
    services: Vec<Service>,
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
        Self { addresses, services }
    }

    /// How many targets there are: at most 2^48.
    pub fn size(&self) -> u64 {
        self.addresses.len() * self.services.len() as u64
    }

    /// The target with this index.
    ///
    /// # Panics
    /// If `index` is not below [`Space::size`].
    #[inline]
    pub fn target(&self, index: u64) -> Target {
        let services = self.services.len() as u64;
        #[expect(clippy::cast_possible_truncation, reason = "a remainder by a vector's length is an index")]
        let service = (index % services) as usize;
        Target { address: self.addresses.nth(index / services), port: self.services[service].port }
    }

    /// The addresses.
    pub fn addresses(&self) -> &AddressSet {
        &self.addresses
    }

    /// Ports, and what is spoken on them.
    pub fn services(&self) -> &[Service] {
        &self.services
    }
}
