//! The probe: a SYN that is constant but for sixteen bytes.
//!
//! The constant part is built once; a probe is the template plus [`Finished`] facts: those that vary, and the
//! checksums completed from the template's partial sums. Where the options have a timestamp, the template's is set
//! anew for each batch of probes ([`Template::stamp`]): so even then nothing more varies from probe to probe.

use super::checksum::{Sum, complete, halves};
use super::emit::{FRAME_MIN, Outgoing, segment};
use super::{Link, Tuple, flags};
use crate::base::keyed::Key;
use crate::base::{Duration, Instant};

/// Window of our SYN: what we can buffer, without scaling.
pub const WINDOW: u16 = u16::MAX;
/// Maximum segment size that we announce: Ethernet's MTU less IPv4 and TCP headers.
pub const MSS: u16 = 1_460;

const ID: usize = 14 + 4;
const IP_LENGTH: usize = 14 + 2;
const IP_CHECKSUM: usize = 14 + 10;
const SOURCE: usize = 14 + 12;
const DESTINATION: usize = 14 + 16;
const PORTS: usize = 34;
/// Zero in the template.
const SEQ: usize = 34 + 4;
const DATA_OFFSET: usize = 34 + 12;
const TCP_CHECKSUM: usize = 34 + 16;
const OPTIONS: usize = 34 + 20;
/// The longest probe: that of BSD.
const FRAME_MAX: usize = OPTIONS + 24;
/// A longer round trip is an echo of something else.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(60);

/// TCP options of a probe: what an operating system's SYN has, for hosts answer those they know. Names as zmap's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OptionSet {
    /// Maximum segment size alone: the most probes a second.
    #[default]
    Smallest,
    /// As Windows: maximum segment size, window scale, selective acknowledgements.
    Windows,
    /// As Linux: these and timestamps.
    Linux,
    /// As BSD: the same in another order.
    Bsd,
}

impl OptionSet {
    /// Name on the command line and in the manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smallest => "smallest-probes",
            Self::Windows => "windows",
            Self::Linux => "linux",
            Self::Bsd => "bsd",
        }
    }

    /// The options as they stand in the header, the timestamp's clock zero.
    pub const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Smallest => &[2, 4, 5, 0xb4],
            Self::Windows => &[2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2],
            Self::Linux => &[2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7],
            Self::Bsd => &[2, 4, 5, 0xb4, 1, 3, 3, 6, 1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 0, 0],
        }
    }

    /// Where in the options our clock stands, if they have it.
    const fn clock(self) -> Option<usize> {
        match self {
            Self::Smallest | Self::Windows => None,
            Self::Linux => Some(8),
            Self::Bsd => Some(12),
        }
    }

    /// Bytes of a probe's frame, without frame check sequence.
    pub const fn frame_length(self) -> usize {
        let length = OPTIONS + self.bytes().len();
        if length < FRAME_MIN { FRAME_MIN } else { length }
    }
}

/// What varies from probe to probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where it goes. Host order.
    pub address: u32,
    /// Destination port.
    pub port: u16,
    /// Source port.
    pub source_port: u16,
    /// Sequence number: the cookie. Its halves, xored, vary the IPv4 identification.
    pub seq: u32,
}

/// A probe without its template: address, both ports, sequence number, checksums of IPv4 and TCP, as they stand in
/// the frame (`struct starling_probe` in `ebpf/live.h`). A reset is one as well, with 0xffff for the checksum of IPv4.
pub type Finished = [u8; 16];

/// What no IPv4 header has as its checksum: the sum of its words would have to be zero (`STARLING_RESET`).
const RESET: [u8; 2] = [0xff; 2];
/// Bytes of a TCP header without options.
const TCP_HEADER: u16 = 20;

/// The constant part of every probe, and the sums over it.
#[derive(Clone, Debug)]
pub struct Template {
    frame: [u8; FRAME_MAX],
    length: usize,
    network: Sum,
    /// Without the clock.
    unstamped: Sum,
    transport: Sum,
    /// Where the clock stands in the frame, if the probes have one; and what it is counted from.
    clock: Option<usize>,
    origin: u32,
}

impl Template {
    /// A template for the smallest probes, from `source` over `link`.
    pub fn new(link: &Link, source: u32) -> Self {
        Self::with_options(link, source, OptionSet::Smallest, Key([0, 0]))
    }

    /// A template for probes with these options. The clock in them begins anywhere, as `key` says.
    pub fn with_options(link: &Link, source: u32, options: OptionSet, key: Key) -> Self {
        let tuple = Tuple { remote: 0, local: source, remote_port: 0, local_port: 0 };
        let syn = Outgoing { tuple, seq: 0, ack: 0, flags: flags::SYN, window: WINDOW, mss: None, payload: &[], id: 0 };
        let mut frame = [0; FRAME_MAX];
        segment(link, &syn, &mut frame);
        let bytes = options.bytes();
        let end = OPTIONS + bytes.len();
        frame[OPTIONS..end].copy_from_slice(bytes);
        #[expect(clippy::cast_possible_truncation, reason = "at most 60 bytes of header")]
        let tcp_header = (end - PORTS) as u8;
        let tcp_length = u16::from(tcp_header);
        frame[DATA_OFFSET] = tcp_header << 2;
        frame[IP_LENGTH..IP_LENGTH + 2].copy_from_slice(&(20 + tcp_length).to_be_bytes());
        frame[IP_CHECKSUM..IP_CHECKSUM + 2].fill(0);
        frame[TCP_CHECKSUM..TCP_CHECKSUM + 2].fill(0);
        let unstamped = Sum::default().pseudo_header(source, 0, tcp_length).bytes(&frame[PORTS..end]);
        #[expect(clippy::cast_possible_truncation, reason = "half of the hash is enough")]
        let origin = key.hash12(0, 0) as u32;
        Self {
            network: Sum::default().bytes(&frame[14..34]),
            unstamped,
            transport: unstamped,
            clock: options.clock().map(|at| OPTIONS + at),
            origin,
            length: options.frame_length(),
            frame,
        }
    }

    /// Lets the probes written from now on say that they were sent at `now`, if they have a clock.
    #[inline]
    pub fn stamp(&mut self, now: Instant) {
        let Some(at) = self.clock else { return };
        let clock = self.ticks(now);
        self.frame[at..at + 4].copy_from_slice(&clock.to_be_bytes());
        self.transport = self.unstamped.u32(clock);
    }

    /// From a probe to the answer that echoes its clock as `echo`, in microseconds. `None` if the probes have no
    /// clock or the echo is of something else.
    pub fn round_trip_us(&self, now: Instant, echo: u32) -> Option<u64> {
        let passed = Duration::from_micros(self.ticks(now).wrapping_sub(echo).into());
        let credible = self.clock.is_some() && echo != 0 && passed <= ROUND_TRIP_MAX;
        credible.then(|| u64::try_from(passed.as_micros()).unwrap_or(u64::MAX))
    }

    /// Microseconds; they wrap after 71 minutes. Never 0, which stands for no echo (RFC 7323, section 3.2).
    #[expect(clippy::cast_possible_truncation, reason = "the clock wraps")]
    fn ticks(&self, now: Instant) -> u32 {
        ((now.as_nanos() / 1_000) as u32).wrapping_add(self.origin).max(1)
    }

    /// Completes the checksums.
    #[inline]
    pub fn finish(&self, facts: &Facts) -> Finished {
        let Facts { address, port, source_port, seq } = *facts;
        let [probe] = self.finish_abreast(&[address], &[port], &[source_port], &[seq]);
        probe
    }

    /// As [`Template::finish`], of many probes, their facts field by field: work for
    /// [`widely`](crate::base::wide::widely).
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "it is compiled for the registers of its caller")]
    pub fn finish_abreast<const MANY: usize>(
        &self,
        addresses: &[u32; MANY],
        ports: &[u16; MANY],
        source_ports: &[u16; MANY],
        seqs: &[u32; MANY],
    ) -> [Finished; MANY] {
        let (network, transport) = (self.network.narrow(), self.transport.narrow());
        let mut probes = [[0; 16]; MANY];
        for (nth, probe) in probes.iter_mut().enumerate() {
            let (address, seq) = (addresses[nth], seqs[nth]);
            let (port, source_port) = (u32::from(ports[nth]), u32::from(source_ports[nth]));
            let network = complete(network + halves(address) + u32::from(identification(seq)));
            let transport = complete(transport + halves(address) + halves(seq) + port + source_port);
            let high = u64::from(address) << 32 | u64::from(source_port << 16 | port);
            let low = u64::from(seq) << 32 | u64::from(network << 16 | transport);
            *probe = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
        }
        probes
    }

    /// Writes the probe into `buffer` and returns its length.
    ///
    /// # Panics
    /// If `buffer` is shorter than [`OptionSet::frame_length`].
    #[inline]
    pub fn write(&self, facts: &Facts, buffer: &mut [u8]) -> usize {
        self.write_finished(&self.finish(facts), buffer)
    }

    /// As [`Template::write`], with checksums that are complete, of facts finished since the last stamp.
    ///
    /// # Panics
    /// As [`Template::write`].
    #[inline]
    pub fn write_finished(&self, probe: &Finished, buffer: &mut [u8]) -> usize {
        let frame = &mut buffer[..self.length];
        if self.length == FRAME_MIN {
            frame.copy_from_slice(&self.frame[..FRAME_MIN]); // of known length: some moves, no call
        } else {
            frame.copy_from_slice(&self.frame[..self.length]);
        }
        let seq = u32::from_be_bytes([probe[8], probe[9], probe[10], probe[11]]);
        frame[ID..ID + 2].copy_from_slice(&identification(seq).to_be_bytes());
        frame[IP_CHECKSUM..IP_CHECKSUM + 2].copy_from_slice(&probe[12..14]);
        frame[DESTINATION..DESTINATION + 4].copy_from_slice(&probe[..4]);
        frame[PORTS..PORTS + 8].copy_from_slice(&probe[4..12]);
        frame[TCP_CHECKSUM..TCP_CHECKSUM + 2].copy_from_slice(&probe[14..]);
        self.length
    }

    /// The reset of what a probe opened: of so much of the template as the two have in common.
    #[inline]
    pub fn reset(&self, facts: &Facts) -> Finished {
        let ports = u32::from(facts.source_port) << 16 | u32::from(facts.port);
        let offset_and_flags = TCP_HEADER << 10 | u16::from(flags::RST);
        let addresses = Sum::default().pseudo_header(self.source(), facts.address, TCP_HEADER);
        let transport = addresses.u32(ports).u32(facts.seq).u16(offset_and_flags).finish();
        let mut finished = [0; 16];
        finished[..4].copy_from_slice(&facts.address.to_be_bytes());
        finished[4..8].copy_from_slice(&ports.to_be_bytes());
        finished[8..12].copy_from_slice(&facts.seq.to_be_bytes());
        finished[12..14].copy_from_slice(&RESET);
        finished[14..].copy_from_slice(&transport.to_be_bytes());
        finished
    }

    /// Writes the frame of a reset into `buffer` and returns its length.
    ///
    /// # Panics
    /// If `buffer` is shorter than [`FRAME_MIN`] bytes.
    pub fn write_reset(&self, reset: &Finished, buffer: &mut [u8]) -> usize {
        let frame = &mut buffer[..FRAME_MIN];
        frame.copy_from_slice(&self.frame[..FRAME_MIN]);
        let seq = [reset[8], reset[9], reset[10], reset[11]];
        frame[IP_LENGTH..IP_LENGTH + 2].copy_from_slice(&(20 + TCP_HEADER).to_be_bytes());
        frame[ID..ID + 2].copy_from_slice(&identification(u32::from_be_bytes(seq)).to_be_bytes());
        frame[DESTINATION..DESTINATION + 4].copy_from_slice(&reset[..4]);
        let checksum = Sum::default().bytes(&frame[14..PORTS]).finish();
        frame[IP_CHECKSUM..IP_CHECKSUM + 2].copy_from_slice(&checksum.to_be_bytes());
        frame[PORTS..PORTS + 8].copy_from_slice(&reset[4..12]);
        frame[DATA_OFFSET..].fill(0);
        frame[DATA_OFFSET..DATA_OFFSET + 2].copy_from_slice(&(TCP_HEADER << 10 | u16::from(flags::RST)).to_be_bytes());
        frame[TCP_CHECKSUM..TCP_CHECKSUM + 2].copy_from_slice(&reset[14..]);
        FRAME_MIN
    }

    fn source(&self) -> u32 {
        let at = |offset| self.frame[SOURCE + offset];
        u32::from_be_bytes([at(0), at(1), at(2), at(3)])
    }

    /// The constant part, what varies being zero.
    pub fn frame(&self) -> &[u8] {
        &self.frame[..self.length]
    }

    /// Where in the frame the clock stands, if the probes have one.
    pub const fn clock(&self) -> Option<usize> {
        self.clock
    }

    /// What stands there: the clock of the last stamp.
    #[inline]
    pub fn stamped(&self) -> [u8; 4] {
        let at = self.clock.unwrap_or(SEQ);
        [self.frame[at], self.frame[at + 1], self.frame[at + 2], self.frame[at + 3]]
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "it is compiled for the registers of its caller")]
#[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
const fn identification(seq: u32) -> u16 {
    (seq >> 16) as u16 ^ seq as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::options::{Options, Timestamps};
    use crate::wire::parse;
    use proptest::prelude::*;

    const LINK: Link = Link { source: [2, 0, 0, 0, 0, 1], destination: [2, 0, 0, 0, 0, 2] };
    const KEY: Key = Key([1, 2]);
    const ALL: [OptionSet; 4] = [OptionSet::Smallest, OptionSet::Windows, OptionSet::Linux, OptionSet::Bsd];

    proptest! {
        #[test]
        fn a_probe_equals_the_segment_emitted_whole(
            source: u32, address: u32, port: u16, source_port: u16, seq: u32,
        ) {
            let mut probe = [0xaa; 64];
            let template = Template::new(&LINK, source);
            let length = template.write(&Facts { address, port, source_port, seq }, &mut probe);
            let mut whole = [0xbb; 64];
            let tuple = Tuple { remote: address, local: source, remote_port: port, local_port: source_port };
            let syn = Outgoing {
                tuple, seq, ack: 0, flags: flags::SYN, window: WINDOW, mss: Some(MSS), payload: &[],
                id: identification(seq),
            };
            prop_assert_eq!(length, segment(&LINK, &syn, &mut whole));
            prop_assert_eq!(&probe[..length], &whole[..length]);
        }

        #[test]
        fn a_reset_equals_the_segment_emitted_whole(
            source: u32, address: u32, port: u16, source_port: u16, seq: u32, nanos: u64, set in 0usize..4,
        ) {
            let mut template = Template::with_options(&LINK, source, ALL[set], KEY);
            template.stamp(Instant::from_nanos(nanos));
            let mut frame = [0xaa; 80];
            let reset = template.reset(&Facts { address, port, source_port, seq });
            let length = template.write_reset(&reset, &mut frame);
            let mut whole = [0xbb; 64];
            let tuple = Tuple { remote: address, local: source, remote_port: port, local_port: source_port };
            let id = identification(seq);
            let rst = Outgoing { tuple, seq, ack: 0, flags: flags::RST, window: 0, mss: None, payload: &[], id };
            prop_assert_eq!(length, segment(&LINK, &rst, &mut whole));
            prop_assert_eq!(&frame[..length], &whole[..length]);
        }

        #[test]
        fn no_probe_is_taken_for_a_reset(source: u32, address: u32, seq: u32) {
            let probe = Template::new(&LINK, source).finish(&Facts { address, port: 1, source_port: 2, seq });
            prop_assert_ne!(&probe[12..14], &RESET[..]);
        }

        #[test]
        fn every_set_gives_probes_with_right_checksums_at_any_time(
            source: u32, address: u32, port: u16, source_port: u16, seq: u32, nanos: u64, set in 0usize..4,
        ) {
            let mut template = Template::with_options(&LINK, source, ALL[set], KEY);
            let mut probe = [0xaa; 80];
            let facts = Facts { address, port, source_port, seq };
            for now in [Instant::from_nanos(nanos / 2), Instant::from_nanos(nanos)] {
                template.stamp(now);
                let length = template.write(&facts, &mut probe);
                prop_assert_eq!(length, ALL[set].frame_length());
                // Parsing verifies the checksums.
                let read = parse::segment(&probe[..length]).expect("well-formed");
                prop_assert_eq!((read.destination, read.source, read.seq, read.id), (address, source, seq, identification(seq)));
                prop_assert_eq!((read.source_port, read.destination_port), (source_port, port));
                prop_assert_eq!((read.flags, read.window, read.payload.len()), (flags::SYN, WINDOW, 0));
                let value = template.ticks(now);
                prop_assert_eq!(read.parsed_options().timestamps, template.clock.map(|_| Timestamps { value, echo: 0 }));
            }
        }
    }

    #[test]
    fn the_sets_are_those_of_the_systems_and_cost_what_zmaps_cost() {
        let read = ALL.map(|set| Options::parse(set.bytes()));
        let scales = read.map(|options| (options.mss, options.window_scale, options.sack_permitted));
        let mss = Some(1_460);
        assert_eq!(scales, [(mss, None, false), (mss, Some(8), true), (mss, Some(7), true), (mss, Some(6), true)]);
        assert_eq!(read.map(|options| options.timestamps.is_some()), [false, false, true, true]);
        assert_eq!(ALL.map(OptionSet::frame_length), [60, 66, 74, 78]);
    }

    #[test]
    fn a_round_trip_is_what_passed_since_the_stamp() {
        let template = Template::with_options(&LINK, 1, OptionSet::Linux, KEY);
        let sent = Instant::from_nanos(5_000_000_000);
        let echo = template.ticks(sent);
        let after = |micros| sent + Duration::from_micros(micros);
        assert_eq!(template.round_trip_us(after(1_234), echo), Some(1_234));
        assert_eq!(template.round_trip_us(after(60_000_000), echo), Some(60_000_000));
        assert_eq!(template.round_trip_us(after(60_000_001), echo), None);
        assert_eq!(template.round_trip_us(sent, echo.wrapping_add(1)), None, "an echo from the future");
        assert_eq!(template.round_trip_us(sent, 0), None);
        let without = Template::with_options(&LINK, 1, OptionSet::Windows, KEY);
        assert_eq!(without.round_trip_us(after(1), without.ticks(sent)), None);
        // Over the wrap of the clock.
        let wrap = Instant::from_nanos(u64::from(u32::MAX - template.origin) * 1_000);
        assert_eq!(template.round_trip_us(wrap + Duration::from_micros(500), template.ticks(wrap)), Some(500));
    }
}
