//! Answers of every kind, told once each; probing without connections.

use super::world::*;
use super::*;
use crate::record::answer::{Answer, Kind};
use crate::record::row::Host as Row;
use crate::wire::checksum::Sum;
use crate::wire::probe::OptionSet;

const ROUTER: u32 = 0x0a09_0909;

fn probing(addresses: u32, answers: Answers) -> Config {
    Config { answers: Answers { probe_only: true, ..answers }, ..config(addresses, None) }
}

/// What a host or router says about the engine's probe to NET + `host`.
fn facts(engine: &Engine, host: u32) -> Segment<'static> {
    let facts = engine.facts_of(Target { address: NET + host, port: 25 }, 0);
    Segment { destination: NET + host, source_port: facts.source_port, seq: facts.seq, ..ours_to(0, 0) }
}

fn syn_ack(engine: &Engine, host: u32) -> Vec<u8> {
    let probe = facts(engine, host);
    host_says(&probe, ISS, probe.seq.wrapping_add(1), flags::SYN | flags::ACK, &[])
}

/// A RST to the probe to `host`, with an acknowledgement `beyond` the right one.
fn refusal(engine: &Engine, host: u32, beyond: u32) -> Vec<u8> {
    let probe = facts(engine, host);
    host_says(&probe, 0, probe.seq.wrapping_add(1).wrapping_add(beyond), flags::RST | flags::ACK, &[])
}

/// A router's host unreachable about the segment `beyond` bytes after the probe to `host`.
fn unreachable(engine: &Engine, host: u32, beyond: u32) -> Vec<u8> {
    let probe = facts(engine, host);
    let tuple =
        Tuple { remote: probe.source, local: probe.destination, remote_port: probe.source_port, local_port: 25 };
    let quoted = Outgoing {
        tuple: Tuple { remote: tuple.local, local: tuple.remote, remote_port: 25, local_port: tuple.remote_port },
        seq: probe.seq.wrapping_add(beyond),
        ack: 0,
        flags: flags::SYN,
        window: 1,
        mss: None,
        payload: &[],
        id: 1,
    };
    let link = Link { source: [2, 0, 0, 0, 0, 2], destination: [2, 0, 0, 0, 0, 1] };
    let mut buffer = [0; 60];
    emit(&link, &quoted, &mut buffer);
    let mut message = vec![3, 1, 0, 0, 0, 0, 0, 0];
    message.extend(&buffer[14..42]);
    let sum = Sum::default().bytes(&message).finish().to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    let mut header = vec![0x45, 0, 0, 56, 0, 7, 0, 0, 55, 1, 0, 0];
    header.extend(ROUTER.to_be_bytes());
    header.extend(US.to_be_bytes());
    let sum = Sum::default().bytes(&header).finish().to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    [&buffer[..14], &header, &message].concat()
}

/// Hands `frames` over and gives the rows and answers that came of it, and how many frames went out.
fn hear(engine: &mut Engine, frames: &[Vec<u8>]) -> (Vec<Row>, Vec<Answer>, usize) {
    let now = Instant::from_nanos(5_000_000);
    frames.iter().for_each(|frame| engine.handle_frame(now, frame));
    let (mut rows, mut answers) = (Vec::new(), Vec::new());
    for fact in engine.take_facts() {
        match fact {
            Fact::Host(row) => rows.push(row),
            Fact::Answer(answer) => answers.push(*answer),
            Fact::Handshake(row, _) => panic!("{row:?}"),
            Fact::Checkpoint(_) => {}
        }
    }
    assert_eq!(engine.check(), Ok(()));
    let mut buffer = [0; 1_518];
    let mut sent = 0;
    while let Some(length) = engine.poll_frame(now, &mut buffer) {
        let segment = parse(&buffer[..length]).expect("we emit well-formed frames");
        sent += usize::from(segment.flags != flags::SYN);
    }
    (rows, answers, sent)
}

#[test]
fn probing_only_records_resets_and_opens_nothing() {
    let mut world = World::new(probing(50, Answers::default()), &[(7, plain_smtp), (9, silent)]);
    world.repetitions = 3;
    world.run();
    let ledger = *world.engine.ledger();
    assert_eq!((ledger.probes, ledger.answers, ledger.not_opened, ledger.opened), (50, 2, 2, 0));
    assert_eq!((world.resets, ledger.duplicates, world.rows().len()), (2, 0, 0));
    assert_eq!(world.facts.iter().filter(|fact| matches!(fact, Fact::Host(_))).count(), 2);
    assert!(world.now < 1_100, "the cooldown and no more: {}", world.now);

    let mut patient = World::new(probing(50, Answers { reset: false, ..Answers::default() }), &[(7, plain_smtp)]);
    patient.repetitions = 3;
    patient.engine.config.cooldown = Duration::from_secs(4);
    patient.run();
    let ledger = *patient.engine.ledger();
    assert_eq!((patient.resets, ledger.answers, ledger.duplicates), (0, 1, 2), "repeated after one and three seconds");
}

#[test]
fn each_kind_counts_once_for_a_target_and_only_if_asked_for() {
    let asked = Answers { rst: true, icmp: true, ..Answers::default() };
    let frames = |engine: &Engine| {
        vec![
            unreachable(engine, 1, 0),
            refusal(engine, 1, 0),
            refusal(engine, 1, 0),
            syn_ack(engine, 1),
            unreachable(engine, 1, 0),
            syn_ack(engine, 1),
            refusal(engine, 2, 0),
        ]
    };
    let mut all = engine(probing(4, asked));
    let all_frames = frames(&all);
    let (rows, _, sent) = hear(&mut all, &all_frames);
    let told: Vec<_> = rows.iter().map(|row| (row.ip - NET, row.answer, row.port)).collect();
    assert_eq!(told, [(1, "icmp", 25), (1, "rst", 25), (1, "syn_ack", 25), (2, "rst", 25)]);
    let (report, reset) = (&rows[0], &rows[1]);
    assert_eq!((report.icmp_type, report.icmp_code, report.responder), (Some(3), Some(1), Some(ROUTER)));
    assert_eq!((report.ttl, report.window, report.source_port), (55, None, facts(&all, 1).source_port));
    assert_eq!((reset.ttl, reset.window, reset.icmp_type, reset.responder), (64, Some(9_000), None, None));
    let ledger = all.ledger();
    assert_eq!((ledger.unreachable, ledger.refused, ledger.answers, ledger.duplicates), (1, 2, 1, 3));
    assert_eq!(sent, 2, "each SYN-ACK is reset, nothing else answered");

    let mut deaf = engine(probing(4, Answers::default()));
    let deaf_frames = frames(&deaf);
    let (rows, ..) = hear(&mut deaf, &deaf_frames);
    assert_eq!(rows.iter().map(|row| row.answer).collect::<Vec<_>>(), ["syn_ack"]);
    assert_eq!((deaf.ledger().malformed, deaf.ledger().late, deaf.ledger().duplicates), (2, 3, 1));
}

#[test]
fn lines_are_of_every_answer_and_say_which_are_repeated() {
    let asked = Answers { rst: true, icmp: true, every: true, ..Answers::default() };
    let mut engine = engine(Config { options: OptionSet::Linux, ..probing(4, asked) });
    let frames = [
        refusal(&engine, 1, 0),
        refusal(&engine, 1, 0),
        syn_ack(&engine, 1),
        syn_ack(&engine, 1),
        unreachable(&engine, 1, 0),
    ];
    let (rows, answers, _) = hear(&mut engine, &frames);
    assert!(rows.is_empty());
    let told: Vec<_> = answers.iter().map(|answer| (answer.kind(), answer.repeat, answer.cooldown)).collect();
    // As zmap: repeated is what comes after a success.
    let expected = [
        (Kind::Rst, false, false),
        (Kind::Rst, false, false),
        (Kind::SynAck, false, false),
        (Kind::SynAck, true, false),
        (Kind::Icmp, true, false),
    ];
    assert_eq!(told, expected);
    let late = syn_ack(&engine, 2);
    engine.stop(Instant::from_nanos(5_000_000));
    let (_, answers, _) = hear(&mut engine, &[late]);
    assert!(answers[0].cooldown && !answers[0].repeat);
}

#[test]
fn what_proves_nothing_is_no_answer() {
    let asked = Answers { rst: true, icmp: true, ..Answers::default() };
    let mut engine = engine(probing(4, asked));
    let mut foreign = unreachable(&engine, 1, 0);
    // Another destination of the quote: another cookie. Nobody checks the quoted header's checksum.
    foreign[14 + 20 + 8 + 19] ^= 1;
    let sum_at = 14 + 20 + 2;
    foreign[sum_at..sum_at + 2].fill(0);
    let sum = Sum::default().bytes(&foreign[34..]).finish().to_be_bytes();
    foreign[sum_at..sum_at + 2].copy_from_slice(&sum);
    let mut damaged = unreachable(&engine, 1, 0);
    damaged[14 + 20 + 1] ^= 1;
    let frames = [
        refusal(&engine, 1, 1),
        refusal(&engine, 1, u32::MAX),
        unreachable(&engine, 1, u32::MAX),
        unreachable(&engine, 1, ACK_WINDOW + 1),
        foreign,
        damaged,
        // About a segment after the SYN: our reset, say.
        unreachable(&engine, 1, 1),
    ];
    let (rows, _, sent) = hear(&mut engine, &frames);
    assert_eq!((rows.len(), sent), (0, 0));
    let ledger = engine.ledger();
    assert_eq!((ledger.late, ledger.bad_quotes, ledger.bad_checksum), (3, 3, 1));
    assert!(engine.config.answered.is_empty());
}

#[test]
fn a_reset_after_the_answer_is_no_refusal_and_a_report_ends_no_connection() {
    let asked = Answers { rst: true, icmp: true, ..Answers::default() };
    let mut engine = engine(Config { answers: asked, ..config(4, None) });
    let frames = [syn_ack(&engine, 1), unreachable(&engine, 1, 0)];
    let (rows, ..) = hear(&mut engine, &frames);
    assert_eq!(rows.iter().map(|row| row.answer).collect::<Vec<_>>(), ["syn_ack", "icmp"]);
    assert_eq!(engine.open(), 1);
    let now = Instant::from_nanos(6_000_000);
    let reset = facts(&engine, 1);
    let reset = host_says(&reset, ISS.wrapping_add(1), reset.seq.wrapping_add(1), flags::RST | flags::ACK, &[]);
    engine.handle_frame(now, &reset);
    let mut buffer = [0; 1_518];
    while engine.poll_frame(now, &mut buffer).is_some() {}
    assert!(matches!(&engine.take_facts()[..], [Fact::Handshake(row, _)] if row.outcome == "reset"));
    engine.handle_frame(now, &reset);
    assert_eq!((engine.ledger().refused, engine.ledger().late, engine.take_facts().len()), (0, 1, 0));
}

#[test]
fn the_same_answer_on_two_lanes_is_one_host() {
    let answered = Arc::new(Answered::default());
    let lane = || engine(Config { answered: Arc::clone(&answered), ..probing(4, Answers::default()) });
    let (mut a, mut b) = (lane(), lane());
    let answer = syn_ack(&a, 1);
    let (first, _, reset) = hear(&mut a, std::slice::from_ref(&answer));
    let (second, _, also) = hear(&mut b, &[answer]);
    assert_eq!((first.len(), second.len(), reset, also), (1, 0, 1, 1));
    assert_eq!((a.ledger().answers, b.ledger().answers, b.ledger().duplicates), (1, 0, 1));
}

#[test]
fn who_found_no_room_is_no_duplicate_when_he_comes_again() {
    let mut engine = engine(Config { left: Left::default(), connections_max: 1, ..config(4, None) });
    let frames = [syn_ack(&engine, 1), syn_ack(&engine, 2)];
    let (rows, ..) = hear(&mut engine, &frames);
    assert_eq!((rows.len(), engine.ledger().no_room), (1, 1));
    assert!(!engine.config.answered.contains(Target { address: NET + 2, port: 25 }, Kind::SynAck));
    assert_eq!(engine.config.answered.len(), 1);
}

#[test]
fn an_answer_that_gives_our_clock_back_tells_the_round_trip() {
    let mut engine = engine(Config { options: OptionSet::Bsd, ..probing(1, Answers::default()) });
    let mut buffer = [0; 1_518];
    let sent = Instant::from_nanos(2_000_000);
    let length = engine.poll_frame(sent, &mut buffer).expect("a probe");
    let probe = parse(&buffer[..length]).expect("well-formed");
    let clock = probe.parsed_options().timestamps.expect("BSD's SYN has them").value;
    let plain = host_says(&probe, ISS, probe.seq.wrapping_add(1), flags::SYN | flags::ACK, &[]);
    // In the place of the MSS option and with room made: NOP NOP and timestamps.
    let mut frame = plain[..54].to_vec();
    frame.extend([1, 1, 8, 10, 0, 0, 0, 9]);
    frame.extend(clock.to_be_bytes());
    frame[16..18].copy_from_slice(&52_u16.to_be_bytes());
    frame[46] = 8 << 4;
    for (at, range) in [(24, 14..34), (50, 34..66)] {
        frame[at..at + 2].fill(0);
        let pseudo = if at == 50 { Sum::default().pseudo_header(NET, US, 32) } else { Sum::default() };
        let sum = pseudo.bytes(&frame[range]).finish().to_be_bytes();
        frame[at..at + 2].copy_from_slice(&sum);
    }
    engine.handle_frame(sent + Duration::from_micros(12_345), &frame);
    let facts = engine.take_facts();
    let [Fact::Host(row)] = &facts[..] else { panic!("{facts:?}") };
    assert_eq!((row.rtt_us, row.mss), (Some(12_345), None));
}
