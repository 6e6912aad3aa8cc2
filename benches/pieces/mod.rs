//! The hot path's pieces, without a kernel: each a closure that does so many items.

mod lane;

use starling::base::keyed::Key;
use starling::nic::{contract, verdict};
use starling::targets::cidr::AddressSet;
use starling::targets::permute::{Permutation, Walk};
use starling::targets::ports;
use starling::targets::{Space, Target};
use starling::tcp::cookie::{Batch, Maker, PortRange, SourcePorts, cookie};
use starling::wire::emit::{Outgoing, segment as emit};
use starling::wire::parse::segment as parse;
use starling::wire::probe::{Facts, Template};
use starling::wire::{Link, Tuple, flags};
use std::hint::black_box;

pub(crate) const KEY: Key = Key([1, 2]);
pub(crate) const US: u32 = 0x0a4d_0002;
const LINK: Link = Link { source: [2, 0, 0, 0, 0, 1], destination: [2, 0, 0, 0, 0, 2] };
const PORTS: PortRange = PortRange { first: 61_000, last: 65_535 };

/// Does so many items of a piece.
pub(crate) type Run = Box<dyn FnMut(u64)>;

/// A name, and what makes it ready to run.
pub(crate) type Piece = (&'static str, fn() -> Run);

/// Names of the pieces, and what makes them ready to run.
pub(crate) const PIECES: &[Piece] = &[
    ("permutation", permutation),
    ("permutation and look-up", look_up),
    ("probe facts: port, cookie, checksums", probe_facts),
    ("probe facts, 64 at a time", probe_facts_of_a_batch),
    ("frame fill: template and facts", frame_fill),
    ("whole probe", whole_probe),
    ("parse an answer", parse_an_answer),
    ("verdict on an answer", verdict_on_an_answer),
    ("lane loop, a probe", lane::probes),
    ("lane loop, a probe and an answer", lane::answered_probes),
];

/// The Internet less reserved ranges, on four ports.
fn internet() -> Space {
    let addresses = AddressSet::allowed(&[(0, u32::MAX)], &[]);
    Space::new(addresses, ports::parse("smtp,imap,imaps,https").expect("known names"))
}

fn endless(space: &Space) -> Walk {
    let permutation = Permutation::new(space.size(), 42);
    permutation.walk(0..permutation.positions())
}

#[inline]
fn facts(target: Target) -> Facts {
    let source_port = SourcePorts::new(PORTS, Key([3, 4])).pick(target.address, target.port, 0);
    let tuple = Tuple { remote: target.address, local: US, remote_port: target.port, local_port: source_port };
    Facts { address: target.address, port: target.port, source_port, seq: cookie(KEY, tuple) }
}

/// A SYN-ACK that answers a probe to 198.18.0.1:25.
fn syn_ack() -> Vec<u8> {
    let probe = facts(Target { address: 0xc612_0001, port: 25 });
    let tuple = Tuple { remote: US, local: probe.address, remote_port: probe.source_port, local_port: probe.port };
    let outgoing = Outgoing {
        tuple,
        seq: 9,
        ack: probe.seq.wrapping_add(1),
        flags: flags::SYN | flags::ACK,
        window: 65_535,
        mss: Some(1_460),
        payload: &[],
        id: 1,
    };
    let mut buffer = [0; 128];
    let length = emit(&LINK, &outgoing, &mut buffer);
    buffer[..length].to_vec()
}

fn permutation() -> Run {
    let mut walk = endless(&internet());
    Box::new(move |items| {
        for _ in 0..items {
            black_box(walk.next());
        }
    })
}

fn look_up() -> Run {
    let space = internet();
    let mut walk = endless(&space);
    Box::new(move |items| {
        for _ in 0..items {
            black_box(walk.next().map(|index| space.target(index)));
        }
    })
}

fn probe_facts() -> Run {
    let template = Template::new(&LINK, US);
    let mut address = 0_u32;
    Box::new(move |items| {
        for _ in 0..items {
            address = address.wrapping_add(0x9e37_79b1);
            black_box(template.finish(&facts(Target { address, port: 25 })));
        }
    })
}

fn probe_facts_of_a_batch() -> Run {
    let template = Template::new(&LINK, US);
    let source_ports = SourcePorts::new(PORTS, Key([3, 4]));
    let (mut address, mut batch) = (0_u32, Batch::default());
    Box::new(move |items| {
        for _ in 0..items / Batch::SIZE as u64 {
            batch.clear();
            let next = || {
                address = address.wrapping_add(0x9e37_79b1);
                (address, 25)
            };
            batch.extend(0, std::iter::repeat_with(next).take(Batch::SIZE));
            let mut probes = [[0; 16]; Batch::SIZE];
            let maker = Maker { key: KEY, local: US, source_ports: &source_ports, template: &template };
            batch.finish(&maker, &mut probes);
            black_box(probes);
        }
    })
}

fn frame_fill() -> Run {
    let template = Template::new(&LINK, US);
    let probe = template.finish(&facts(Target { address: 0xc612_0001, port: 25 }));
    let mut frames = vec![[0; 64]; 512];
    Box::new(move |items| {
        for item in 0..usize::try_from(items).expect("few") {
            let frame = &mut frames[item % 512];
            black_box(template.write_finished(black_box(&probe), frame));
        }
    })
}

fn whole_probe() -> Run {
    let space = internet();
    let mut walk = endless(&space);
    let template = Template::new(&LINK, US);
    let mut frames = vec![[0; 64]; 512];
    Box::new(move |items| {
        for item in 0..usize::try_from(items).expect("few") {
            let frame = &mut frames[item % 512];
            let target = space.target(walk.next().expect("endless"));
            black_box(template.write(&facts(target), frame));
        }
    })
}

fn parse_an_answer() -> Run {
    let frame = syn_ack();
    Box::new(move |items| {
        for _ in 0..items {
            let _ = black_box(parse(black_box(&frame)));
        }
    })
}

fn verdict_on_an_answer() -> Run {
    let frame = syn_ack();
    let config = contract::Config::new(KEY, US, PORTS.first, PORTS.last);
    assert_eq!(verdict::verdict(&frame, &config).0, contract::Verdict::Up);
    Box::new(move |items| {
        for _ in 0..items {
            black_box(verdict::verdict(black_box(&frame), &config));
        }
    })
}
