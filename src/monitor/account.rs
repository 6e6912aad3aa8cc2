//! Where every packet and every connection went.

use crate::counters;

counters! {
    /// Each packet read is counted once below `packets`, each connection once below `connections`.
    pub struct Account {
        /// Packets read, or seen on the link.
        packets,
        /// Of a link type that is not known.
        unknown_link,
        /// Neither IPv4 nor IPv6.
        not_ip,
        /// Fragments: they are not put together.
        fragments,
        /// Of another protocol than TCP.
        not_tcp,
        /// Of which not even the headers were captured.
        cut,
        /// Whose headers contradict themselves.
        malformed,
        /// Of ports that are not watched.
        other_ports,
        /// Of no connection: nothing in them shows one, and none is known.
        strays,
        /// Of connections, until their handshake was over.
        taken,
        /// Of connections whose handshake is over.
        after_handshake,
        /// Live: of connections whose handshake is over, and which the kernel hands up no more.
        shunted,
        /// Live: lost, since the monitor was too slow.
        ring_full,
        /// Connections begun, or picked up in midstream.
        connections,
        /// Of these, recorded: each a row.
        recorded,
        /// In which nothing was said that is known.
        unrecognised,
        /// Recorded or not, those that were given up because their place was needed.
        evicted,
        /// Recorded ones of which bytes were lost.
        with_gaps,
        /// Connections whose ends are still being waited for.
        open,
    }
}

impl Account {
    /// Names, and both sides of the sums that must be equal.
    pub fn sums(&self) -> [(&'static str, u64, u64); 2] {
        let fates = [
            self.unknown_link,
            self.not_ip,
            self.fragments,
            self.not_tcp,
            self.cut,
            self.malformed,
            self.other_ports,
            self.strays,
            self.taken,
            self.after_handshake,
            self.shunted,
            self.ring_full,
        ];
        [
            ("packets", self.packets, fates.iter().sum()),
            ("connections", self.connections, self.recorded + self.unrecognised + self.open),
        ]
    }

    /// The sums that do not hold, in words; none if all do.
    pub fn wrong(&self) -> Vec<String> {
        let wrong = self.sums().into_iter().filter(|(_, left, right)| left != right);
        wrong.map(|(name, left, right)| format!("{left} {name}, but {right} fates of them")).collect()
    }
}
