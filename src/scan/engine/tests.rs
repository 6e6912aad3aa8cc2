//! The engine against a small world of scripted hosts.

mod kinds;
mod world;

use super::*;
use crate::scan::conversation::Conversation;
use crate::targets::Target;
use std::collections::BTreeMap;
use world::*;

impl Engine {
    /// Facts of the `number`-th probe to a target.
    fn facts_of(&self, target: Target, number: u8) -> Facts {
        let Target { address, port } = target;
        let local_port = self.source_ports.pick(address, port, number);
        self.facts_on(Tuple { remote: address, local: self.config.source, remote_port: port, local_port })
    }
}

#[test]
fn every_target_is_probed_once_at_the_rate_and_a_conversation_becomes_a_row() {
    let mut world = World::new(config(500, Some(1_000.0)), &[(77, plain_smtp)]);
    world.run();
    assert!(world.probed.len() == 500 && world.probed.values().all(|count| *count == 1));
    assert!((1_490..1_520).contains(&world.now), "500 probes at 1000 a second, then a second: {}", world.now);

    let host = &world.hosts[&(NET + 77, 25)];
    assert_eq!(host.said, ["EHLO [10.77.0.2]", "QUIT"]);
    assert!(host.closed);
    let rows = world.rows();
    assert_eq!(rows.len(), 1);
    let row = rows[0];
    assert_eq!((row.ip, row.port, row.protocol), (NET + 77, 25, "smtp"));
    assert_eq!((row.stage, row.outcome, row.error.as_deref()), ("done", "no_starttls", None));
    assert_eq!((row.banner.as_deref(), row.banner_code), (Some("220 mx.example ESMTP"), Some(220)));
    assert_eq!(row.capabilities_before, ["SIZE 1000", "AUTH PLAIN LOGIN"]);
    assert_eq!(row.auth_before, ["PLAIN", "LOGIN"]);
    assert_eq!((row.starttls_offered, row.starttls_sent, row.tls_version), (Some(false), false, None));
    assert_eq!((row.bytes_in, row.bytes_out, row.retransmits), (22 + 53 + 9, 18 + 6, 0));

    let Fact::Host(found) = &world.facts[0] else { panic!("the host comes first") };
    assert_eq!(
        (found.ip, found.port, found.ttl, found.window, found.mss),
        (NET + 77, 25, 64, Some(9_000), Some(1_000))
    );
    let ledger = world.engine.ledger();
    assert_eq!((ledger.probes, ledger.answers, ledger.opened, ledger.ended), (500, 1, 1, 1));
    assert_eq!(world.engine.outcomes().of(crate::session::Outcome::NoStarttls), 1);
}

#[test]
fn a_host_that_never_finishes_the_handshake_is_background_noise() {
    let mut world = World::new(config(4, None), &[(1, silent)]);
    world.run();
    let rows = world.rows();
    assert_eq!((rows[0].stage, rows[0].outcome), ("greeting", "silent_after_synack"));
    assert_eq!((rows[0].segments_in, rows[0].duration_us / 1_000_000), (0, 30));
    assert_eq!(world.resets, 1, "and is told that we are gone");
}

#[test]
fn foreign_late_and_repeated_segments_are_told_apart() {
    let mut world = World::new(config(4, None), &[(1, plain_smtp)]);
    world.run();
    let to = ours_to(NET + 2, 61_000);
    let now = world.instant();
    let forged = host_says(&to, 1, 12_345, flags::SYN | flags::ACK, &[]);
    world.engine.handle_frame(now, &forged);
    let stray = host_says(&to, 1, 0x7000_0000, flags::ACK, b"data");
    world.engine.handle_frame(now, &stray);
    world.engine.handle_frame(now, &forged[..40]);
    let mut corrupt = forged;
    corrupt[40] ^= 1;
    world.engine.handle_frame(now, &corrupt);

    // The host that was talked to repeats its SYN-ACK and its data long after the end.
    let facts = world.engine.facts_of(Target { address: NET + 1, port: 25 }, 0);
    let known = Segment { destination: NET + 1, source_port: facts.source_port, ..to };
    let again = host_says(&known, ISS, facts.seq.wrapping_add(1), flags::SYN | flags::ACK, &[]);
    world.engine.handle_frame(now, &again);
    let late = host_says(&known, ISS.wrapping_add(1), facts.seq.wrapping_add(1), flags::ACK, b"220 hi\r\n");
    world.engine.handle_frame(now, &late);
    let before = world.resets;
    world.step();

    let ledger = world.engine.ledger();
    assert_eq!((ledger.bad_cookie, ledger.strays, ledger.malformed, ledger.bad_checksum), (1, 1, 1, 1));
    assert_eq!((ledger.duplicates, ledger.late, ledger.opened), (1, 1, 1));
    assert_eq!(world.resets - before, 2);
    assert_eq!(world.rows().len(), 1);
}

#[test]
fn a_full_table_holds_the_sweep_and_loses_nobody() {
    let hosts: Vec<(u32, Script)> = (0..64).map(|host| (host, silent as Script)).collect();
    let mut world = World::new(Config { connections_max: 16, ..config(64, None) }, &hosts);
    world.step();
    assert_eq!(world.engine.hold(), Some(Hold::Table));
    assert_eq!(world.engine.open(), 15, "one entry stays in reserve");
    world.run();
    assert_eq!(world.rows().len(), 64);
    assert_eq!(world.engine.ledger().no_room, 0);
}

#[test]
fn a_writer_that_is_behind_holds_the_sweep() {
    let mut world = World::new(config(100, None), &[]);
    world.engine.set_writer_behind(true);
    world.step();
    assert_eq!((world.engine.hold(), world.engine.ledger().probes), (Some(Hold::Writer), 0));
    world.engine.set_writer_behind(false);
    world.step();
    assert_eq!(world.engine.ledger().probes, 100);
}

#[test]
fn a_stop_finishes_what_is_open_and_an_interrupt_ends_it() {
    let mut world = World::new(config(1_000, Some(1_000.0)), &[]);
    for _ in 0..100 {
        world.step();
    }
    let now = world.instant();
    world.engine.stop(now);
    world.run();
    assert!((95..=100).contains(&world.probed.len()), "{}", world.probed.len());
    assert!((1_095..1_110).contains(&world.now), "the cooldown of a second is kept: {}", world.now);

    let mut world = World::new(config(10, None), &[(3, silent)]);
    world.step();
    world.engine.interrupt();
    world.run();
    assert!(world.now < 5);
    assert_eq!((world.rows()[0].outcome, world.resets), ("interrupted", 1));
}

/// What is left at a checkpoint, walked by a second engine.
fn resumed(config: Config, left: Left, scripts: &[(u32, Script)]) -> World {
    // Another process: nothing is known of who was talked to, or answered.
    let config = Config { left, key: Key([3, 4]), claims: Arc::default(), answered: Arc::default(), ..config };
    let mut world = World::new(config, scripts);
    world.run();
    world
}

#[test]
fn an_engine_stopped_in_mid_sweep_and_its_successor_probe_each_target_once() {
    let all = config(500, Some(1_000.0));
    let mut first = World::new(all.clone(), &[(77, plain_smtp), (400, plain_smtp)]);
    while first.engine.ledger().probes < 200 {
        first.step();
    }
    let now = first.instant();
    first.engine.stop(now);
    first.run();
    let now = first.instant();
    let left = first.engine.checkpoint(now).left;
    assert_eq!((left.again.len(), first.engine.unsettled()), (0, 0), "everything came to its end");
    let second = resumed(all, left, &[(77, plain_smtp), (400, plain_smtp)]);
    let both: Vec<_> = first.probed.keys().chain(second.probed.keys()).collect();
    let ledgers = [first.engine.ledger(), second.engine.ledger()];
    assert_eq!((both.len(), both.iter().collect::<std::collections::BTreeSet<_>>().len()), (500, 500));
    assert_eq!(ledgers.map(|ledger| ledger.walked).iter().sum::<u64>(), 500);
    assert_eq!(first.rows().len() + second.rows().len(), 2);
}

#[test]
fn what_was_open_at_an_interrupt_is_left_and_asked_again_first() {
    let all = Config { connections_max: 64, ..config(100, None) };
    let hosts: Vec<(u32, Script)> = (0..5).map(|host| (host, silent as Script)).collect();
    let mut first = World::new(all.clone(), &hosts);
    for _ in 0..50 {
        first.step();
    }
    assert_eq!((first.engine.open(), first.engine.ledger().probes), (5, 100));
    first.engine.interrupt();
    first.run();
    let now = first.instant();
    let checkpoint = first.engine.checkpoint(now);
    let mut again = checkpoint.left.again.clone();
    again.sort_unstable();
    assert_eq!(again, (0..5).map(|host| (NET + host, 25)).collect::<Vec<_>>());
    assert_eq!(checkpoint.left.count(), all.permutation.positions(), "within the cooldown nothing is settled");
    assert_eq!(first.engine.unsettled(), checkpoint.left.count());
    assert!(checkpoint.account.contains(&("answers", 5)) && checkpoint.account.contains(&("open", 0)));

    let scripts: Vec<(u32, Script)> = (0..5).map(|host| (host, plain_smtp as Script)).collect();
    let second = resumed(all.clone(), Left { positions: Vec::new(), again }, &scripts);
    let ledger = second.engine.ledger();
    assert_eq!((ledger.resumed, ledger.walked, ledger.probes, ledger.ended), (5, 0, 5, 5));
    assert!(second.rows().iter().all(|row| row.outcome == "no_starttls"));
}

#[test]
fn a_running_engine_says_how_far_it_is_and_promises_no_answer_that_is_due() {
    let all = Config { cooldown: Duration::from_secs(3), ..config(20_000, Some(1_000.0)) };
    let mut world = World::new(all, &[]);
    let mut seen = 0;
    while world.now < 19_000 {
        world.step();
        for fact in std::mem::take(&mut world.facts) {
            let Fact::Checkpoint(checkpoint) = fact else { continue };
            seen += 1;
            let walked = 20_000 - checkpoint.left.count().min(20_000);
            let due = (world.now - 3_000) / 1_000 * 1_000;
            assert!(walked <= due + 15 && walked + 1_600 >= due, "{walked} settled at {} ms", world.now);
        }
    }
    assert_eq!(seen, 3, "at 5, 10 and 15 seconds");
}

#[test]
fn repeats_go_from_other_ports_and_not_to_who_has_answered() {
    let lag = Duration::from_millis(500);
    let all = Config { probes: 3, lag, ..config(200, Some(1_000.0)) };
    let mut world = World::new(all, &[(7, plain_smtp), (8, plain_smtp)]);
    world.run();
    let ledger = *world.engine.ledger();
    assert_eq!((ledger.walked, ledger.repeats, ledger.spared, ledger.probes), (200, 400, 4, 596));
    assert_eq!(world.probed.values().sum::<u32>(), 596);
    assert_eq!((ledger.answers, ledger.duplicates, world.rows().len()), (2, 0, 2));
    let ports =
        [0, 1, 2].map(|number| world.engine.facts_of(Target { address: NET + 9, port: 25 }, number).source_port);
    assert!(ports[0] != ports[1] && ports[1] != ports[2], "{ports:?}");
}

#[test]
fn the_first_targets_of_the_order_are_probed_and_no_more() {
    let all = config(100, None);
    let left = Left::of(all.permutation.first(0..all.permutation.positions(), 13));
    let mut world = World::new(Config { left, ..all }, &[]);
    world.run();
    assert_eq!((world.probed.len(), world.engine.ledger().probes), (13, 13));
}

/// Greets only after connecting, and answers nothing.
fn greets_only(line: Option<&str>) -> &'static str {
    if line.is_none() { "220 mx.example\r\n" } else { "" }
}

fn each_second(now: u64, act: Act) -> Act {
    if now % 1_000 == 999 { act } else { Act::Rest }
}

#[test]
fn a_drip_moves_no_deadline_and_is_a_tarpit() {
    let drip: Clockwork = |now| each_second(now, Act::Say("2"));
    assert_eq!(World::of_one(config(4, None), silent, drip).only_row(), ("tarpit", "greeting", 30));
    // Fifteen seconds of reply, whatever comes in them.
    let lines: Clockwork = |now| each_second(now, Act::Say("250-X\r\n"));
    assert_eq!(World::of_one(config(4, None), greets_only, lines).only_row(), ("tarpit", "capabilities", 15));
    // A slow tarpit sends a byte every ten seconds.
    let slow: Clockwork = |now| if now % 10_000 == 9_000 { Act::Say("2") } else { Act::Rest };
    assert_eq!(World::of_one(config(4, None), silent, slow).only_row(), ("tarpit", "greeting", 30));
}

#[test]
fn what_stops_in_mid_sentence_is_late_and_no_tarpit() {
    let half: Clockwork = |now| if now == 20_000 { Act::Say("220-wait\r\n") } else { Act::Rest };
    assert_eq!(World::of_one(config(4, None), silent, half).only_row(), ("timeout_greeting", "greeting", 30));
    let early: Clockwork = |now| if now < 10 { Act::Say("2") } else { Act::Rest };
    assert_eq!(World::of_one(config(4, None), silent, early).only_row(), ("timeout_greeting", "greeting", 30));
    // What came in pieces before does not count in the next stage.
    let pieces: Clockwork = |now| match now {
        10 => Act::Say("220 "),
        20 => Act::Say("mx\r\n"),
        12_000 => Act::Say("250-mx\r\n"),
        _ => Act::Rest,
    };
    assert_eq!(World::of_one(config(4, None), silent, pieces).only_row(), ("timeout_reply", "capabilities", 15));
    let rest: Clockwork = |_| Act::Rest;
    assert_eq!(World::of_one(config(4, None), greets_only, rest).only_row(), ("timeout_reply", "capabilities", 15));
}

#[test]
fn a_greeting_after_29_seconds_is_in_time() {
    let slow: Clockwork = |now| if now == 29_000 { Act::Say("220 mx\r\n") } else { Act::Rest };
    let script: Script = |line| line.map_or("", |line| plain_smtp(Some(line)));
    assert_eq!(World::of_one(config(4, None), script, slow).only_row(), ("no_starttls", "done", 29));
}

#[test]
fn where_we_speak_first_a_sign_of_life_is_due_sooner() {
    let tls = |clockwork| World::of_one(config_on(&[(443, Protocol::Https)], 4, None), silent, clockwork);
    let limits = Limits { connect: Duration::from_secs(5), ..Limits::default() };
    let mut mute = World::new(Config { limits, ..config_on(&[(443, Protocol::Https)], 4, None) }, &[(1, silent)]);
    assert_eq!(mute.only_row(), ("silent_after_synack", "tls", 5));
    assert_eq!(tls(|_| Act::Rest).only_row(), ("silent_after_synack", "tls", 10));
    // An acknowledgement, or any other answer, is a sign of life.
    let acknowledge: Clockwork = |now| if now == 100 { Act::Acknowledge } else { Act::Rest };
    let mut heard = tls(acknowledge);
    heard.run();
    // It is alive and took our bytes, so they may be what it does not like.
    let rungs: Vec<_> = heard.rows().iter().map(|row| (row.outcome, row.rung, row.duration_us / 1_000_000)).collect();
    assert_eq!(rungs, [("timeout_tls", "modern", 30), ("timeout_tls", "legacy", 30), ("timeout_tls", "ssl3", 30)]);
    let ledger = heard.engine.ledger();
    assert_eq!((ledger.answers, ledger.opened, ledger.retried, ledger.retries_lost), (1, 3, 2, 0));
    // Repeated SYN-ACKs are none: whoever sends them did not hear us.
    let mut deaf = World::new(config(4, None), &[(1, silent)]);
    deaf.step();
    let probe = deaf.hosts[&(NET + 1, 25)].probe.clone();
    let probe = parse(&probe).expect("a probe");
    let again = host_says(&probe, ISS, probe.seq.wrapping_add(1), flags::SYN | flags::ACK, &[]);
    for _ in 0..3 {
        deaf.engine.handle_frame(Instant::from_nanos(2_000_000), &again);
    }
    assert_eq!(deaf.only_row(), ("silent_after_synack", "greeting", 30));
    assert_eq!(deaf.rows()[0].segments_in, 3);
}

#[test]
fn the_sum_of_all_stages_has_a_deadline() {
    let limits = Limits { total: Duration::from_secs(20), ..Limits::default() };
    let late: Clockwork = |now| if now == 12_000 { Act::Say("220 mx\r\n") } else { Act::Rest };
    let mut world = World::of_one(Config { limits, ..config(4, None) }, silent, late);
    assert_eq!(world.only_row(), ("timeout_total", "capabilities", 20));
}

#[test]
fn bytes_and_segments_have_budgets() {
    let banner: Clockwork = |_| Act::Say(ENDLESS);
    let mut world = World::of_one(config(4, None), silent, banner);
    assert_eq!(world.only_row().0, "too_much_data");
    let bytes = world.rows()[0].bytes_in;
    assert!((384 * 1024..384 * 1024 + 1_000).contains(&bytes), "{bytes}");
    assert_eq!(world.resets, 1);

    let storm: Clockwork = |_| Act::Acknowledge;
    let mut world = World::of_one(config(4, None), silent, storm);
    assert_eq!(world.only_row(), ("too_many_segments", "greeting", 4));
    assert_eq!((world.rows()[0].segments_in, world.resets), (4_097, 1));
}

/// A line that never ends, a thousand bytes at a time.
const ENDLESS: &str = match std::str::from_utf8(&[b'2'; 1_000]) {
    Ok(text) => text,
    Err(_) => unreachable!(),
};

#[test]
fn resets_and_closes_are_told_apart() {
    let reset: Clockwork = |now| if now == 50 { Act::Reset } else { Act::Rest };
    assert_eq!(World::of_one(config(4, None), silent, reset).only_row(), ("reset", "greeting", 0));
    let close: Clockwork = |now| if now == 50 { Act::Close } else { Act::Rest };
    assert_eq!(World::of_one(config(4, None), silent, close).only_row().0, "closed");
}

const FOUR: &[(u16, Protocol)] =
    &[(25, Protocol::Smtp), (26, Protocol::Smtp), (587, Protocol::Smtp), (2525, Protocol::Smtp)];

/// Greets after three seconds; `plain_smtp` from then on.
fn slow_greeting(now: u64) -> Act {
    if now == 3_000 { Act::Say("220 mx\r\n") } else { Act::Rest }
}

fn slow_smtp(line: Option<&str>) -> &'static str {
    line.map_or("", |line| plain_smtp(Some(line)))
}

#[test]
fn all_ports_of_an_address_get_their_rows_one_after_the_other() {
    let hosts: Vec<(u32, Script)> = (0..50).map(|host| (host, plain_smtp as Script)).collect();
    let mut world = World::new(config_on(FOUR, 50, Some(1_000.0)), &hosts);
    world.run();
    assert!((190..=202).contains(&world.swept_at), "the sweep waits for nobody: {}", world.swept_at);
    assert_eq!(world.rows().len(), 200);
    assert!(world.rows().iter().all(|row| row.outcome == "no_starttls"));

    // Slow ones: three seconds each. The host repeats its SYN-ACKs meanwhile, so nobody is asked again.
    let mut world = World::of_one(config_on(FOUR, 2, None), slow_smtp, slow_greeting);
    world.repetitions = 5;
    world.step();
    assert_eq!((world.engine.open(), world.engine.waiting(), world.engine.ledger().waited), (1, 3, 3));
    assert_eq!(world.swept_at, 0, "the sweep waits for nobody");
    world.run();
    let ledger = *world.engine.ledger();
    assert_eq!((ledger.answers, ledger.opened, ledger.ended), (4, 4, 4));
    assert_eq!((ledger.probes, ledger.asked_again, ledger.turns_lost), (8, 0, 0));
    let rows = world.rows();
    assert!(rows.iter().all(|row| row.outcome == "no_starttls"));
    let seconds: Vec<u32> = rows.iter().map(|row| row.waited_ms / 1_000).collect();
    assert_eq!(seconds, [0, 3, 6, 9]);
    assert!(rows.iter().all(|row| row.duration_us / 1_000_000 == 3), "the wait is not part of the connection");
    let hosts = world.facts.iter().filter(|fact| matches!(fact, Fact::Host(_))).count();
    assert_eq!(hosts, 4);
    assert!(world.engine.config.claims.is_empty());
}

#[test]
fn a_half_open_connection_that_was_given_up_is_asked_for_again() {
    // Its host never repeats a SYN-ACK, and forgets after a second.
    let mut world = World::of_one(config_on(FOUR, 2, None), slow_smtp, slow_greeting);
    world.run();
    let ledger = *world.engine.ledger();
    assert_eq!((ledger.answers, ledger.opened, ledger.ended, ledger.turns_lost), (4, 4, 4, 0));
    assert_eq!((ledger.probes, ledger.asked_again, ledger.duplicates), (8, 3, 3));
    assert!(world.rows().iter().all(|row| row.outcome == "no_starttls"));
    assert!((12_000..12_500).contains(&world.now), "at once, when the turn comes: {}", world.now);
    assert_eq!(world.probed[&(NET, 25)], 1);

    // It answers one SYN of each port only: it is asked three times, and then given up.
    let mut world = World::of_one(config_on(FOUR, 2, None), slow_smtp, slow_greeting);
    world.answers_max = 1;
    world.run();
    let ledger = *world.engine.ledger();
    assert_eq!((ledger.answers, ledger.opened, ledger.turns_lost, ledger.asked_again), (4, 1, 3, 9));
    assert_eq!((world.rows().len(), world.engine.waiting()), (1, 0));
    assert!((21_000..21_500).contains(&world.now), "three seconds, then six for each: {}", world.now);
    assert!(world.engine.config.claims.is_empty());
}

#[test]
fn those_who_wait_are_bounded_and_nobody_is_lost() {
    let ports: Vec<(u16, Protocol)> = (0..40).map(|port| (2_000 + port, Protocol::Smtp)).collect();
    let mut world =
        World::of_one(Config { connections_max: 16, ..config_on(&ports, 1, None) }, slow_smtp, slow_greeting);
    world.scripts = BTreeMap::from([(NET, slow_smtp as Script)]);
    world.clockworks = BTreeMap::from([(NET, slow_greeting as Clockwork)]);
    world.repetitions = 5;
    world.step();
    assert_eq!((world.engine.open(), world.engine.waiting()), (1, 15));
    assert_eq!(world.engine.slowed_by(), Some(Hold::Turns));
    world.run();
    assert_eq!((world.rows().len(), world.engine.ledger().no_room), (40, 0), "the sweep waits, so that all fit");
    assert!(world.engine.held().turns_us > 30_000_000);
}

#[test]
fn a_full_waiting_list_turns_answers_away_until_they_come_again() {
    let ports: Vec<(u16, Protocol)> = (0..20).map(|port| (2_000 + port, Protocol::Smtp)).collect();
    let mut world = World::new(config_on(&ports, 1, None), &[(0, plain_smtp)]);
    world.engine.turns = Turns::new(Arc::default(), 4);
    world.repetitions = 5;
    // The whole sweep at once, as if all SYN-ACKs had been under way.
    world.clockworks.insert(NET, slow_greeting);
    world.scripts.insert(NET, slow_smtp);
    while world.engine.ledger().probes < 20 {
        let facts = world.engine.facts_of(
            Target { address: NET, port: 2_000 + u16::try_from(world.engine.ledger().probes).expect("few") },
            0,
        );
        let mut buffer = [0; 64];
        let length = world.engine.template.write(&facts, &mut buffer);
        world.engine.ledger.probes += 1;
        world.engine.sweep.next(Instant::ZERO, &mut [0]);
        world.engine.ledger.walked += 1;
        world.deliver(&buffer[..length]);
    }
    let ledger = *world.engine.ledger();
    assert_eq!((ledger.answers, world.engine.open(), world.engine.waiting(), ledger.no_room), (5, 1, 4, 15));
    world.run();
    let ledger = *world.engine.ledger();
    assert!(ledger.opened > 8 && ledger.opened == ledger.ended, "{ledger:?}");
}

#[test]
fn an_answer_that_finds_no_room_leaves_nothing_behind_and_may_come_again() {
    let mut engine = engine(Config { left: Left::default(), connections_max: 1, ..config(4, None) });
    let mut buffer = [0; 1_518];
    for host in [1, 2] {
        let answer = answer_of(&engine, NET + host, 25, flags::SYN | flags::ACK);
        engine.handle_frame(Instant::ZERO, &answer);
    }
    assert_eq!((engine.open(), engine.ledger().no_room, engine.config.claims.len()), (1, 1, 1));
    for seconds in [0, 31] {
        let now = Instant::from_nanos(seconds * 1_000_000_000);
        engine.handle_timeout(now);
        while engine.poll_frame(now, &mut buffer).is_some() {}
    }
    let again = answer_of(&engine, NET + 2, 25, flags::SYN | flags::ACK);
    engine.handle_frame(Instant::from_nanos(31_000_000_000), &again);
    assert_eq!((engine.open(), engine.ledger().ended, engine.ledger().answers), (1, 1, 2));
}

#[test]
fn what_waits_is_not_reset() {
    let mut engine = engine(Config { left: Left::default(), ..config_on(FOUR, 4, None) });
    for (port, bits) in
        [(25, flags::SYN | flags::ACK), (26, flags::SYN | flags::ACK), (26, flags::ACK), (587, flags::ACK)]
    {
        let frame = answer_of(&engine, NET + 1, port, bits);
        engine.handle_frame(Instant::ZERO, &frame);
    }
    assert_eq!((engine.waiting(), engine.ledger().late), (1, 2));
    let mut buffer = [0; 1_518];
    let length = engine.poll_frame(Instant::ZERO, &mut buffer).expect("a reset");
    let reset = parse(&buffer[..length]).expect("a segment");
    assert_eq!((reset.flags, reset.destination_port), (flags::RST, 587), "of what nobody knows, only");
}

/// A segment from a target that acknowledges the probe to it.
fn answer_of(engine: &Engine, address: u32, port: u16, bits: u8) -> Vec<u8> {
    let facts = engine.facts_of(Target { address, port }, 0);
    let mut probe = [0; 64];
    let length = engine.template.write(&facts, &mut probe);
    host_says(&parse(&probe[..length]).expect("a probe"), ISS, facts.seq.wrapping_add(1), bits, &[])
}

#[test]
fn a_stop_serves_those_who_wait_and_an_interrupt_tells_them() {
    let mut world = World::of_one(config_on(FOUR, 2, None), slow_smtp, slow_greeting);
    world.repetitions = 5;
    world.step();
    let now = world.instant();
    world.engine.stop(now);
    world.run();
    assert_eq!(world.rows().len(), 4);

    let mut world = World::of_one(config_on(FOUR, 2, None), slow_smtp, slow_greeting);
    world.step();
    world.engine.interrupt();
    world.run();
    assert!(world.now < 5);
    assert_eq!((world.rows().len(), world.engine.ledger().turns_lost, world.resets), (1, 3, 4));
    // An answer that comes now is turned away.
    let probe = world.hosts[&(NET + 1, 25)].probe.clone();
    let probe = parse(&probe).expect("a probe");
    world.engine.config.answered = Arc::default();
    let answer = host_says(&probe, ISS, probe.seq.wrapping_add(1), flags::SYN | flags::ACK, &[]);
    world.engine.handle_frame(Instant::from_nanos(9_000_000), &answer);
    assert_eq!((world.engine.open(), world.engine.ledger().late), (0, 1));
    assert!(world.engine.config.claims.is_empty());
}

#[test]
fn lanes_keep_out_of_each_others_way() {
    let claims = Arc::new(Claims::default());
    let shared = || Config { claims: Arc::clone(&claims), left: Left::default(), ..config_on(FOUR, 2, None) };
    let (mut a, mut b) = (engine(shared()), engine(shared()));
    let mut buffer = [0; 1_518];
    let mut drain = |engine: &mut Engine, millis: u64| {
        let now = Instant::from_nanos(millis * 1_000_000);
        engine.handle_timeout(now);
        std::iter::from_fn(|| engine.poll_frame(now, &mut buffer)).count()
    };
    let answer = |engine: &mut Engine, port: u16, millis: u64| {
        let frame = answer_of(engine, NET + 1, port, flags::SYN | flags::ACK);
        engine.handle_frame(Instant::from_nanos(millis * 1_000_000), &frame);
    };
    answer(&mut a, 25, 0);
    answer(&mut b, 26, 1);
    answer(&mut b, 587, 2);
    assert_eq!((a.open(), b.open(), b.waiting()), (1, 0, 2));
    for millis in 3..500 {
        assert_eq!((drain(&mut b, millis), b.open()), (0, 0));
    }
    a.interrupt();
    assert_eq!(drain(&mut a, 500), 1, "the reset");
    assert_eq!((a.open(), claims.len()), (0, 0));
    drain(&mut b, 551);
    assert_eq!((b.open(), b.waiting()), (1, 1));
    // And the other way round.
    answer(&mut a, 2525, 552);
    assert_eq!((a.open(), a.waiting()), (0, 0), "an interrupted lane takes nobody");
    b.interrupt();
    drain(&mut b, 553);
    assert_eq!((b.open(), b.waiting(), claims.len()), (0, 0, 0));
}

#[test]
fn the_sweep_slows_down_in_proportion_to_what_is_free() {
    let hosts: Vec<(u32, Script)> = (0..2_000).map(|host| (host, silent as Script)).collect();
    let mut world = World::new(Config { connections_max: 800, ..config(2_000, Some(1_000.0)) }, &hosts);
    let mut opened_in = |millis: u64| {
        let before = world.engine.open();
        for _ in 0..millis {
            world.step();
        }
        (world.engine.open() - before, world.engine.slowed_by())
    };
    assert!(matches!(opened_in(590), (570..=600, None)));
    // From 200 free entries (a quarter) to 50 (a sixteenth), ever slower.
    let (first, by) = opened_in(100);
    assert!((50..=90).contains(&first) && by == Some(Hold::Table), "{first}");
    let (second, _) = opened_in(100);
    assert!(second < first && second > 10, "{first}, then {second}");
    let (_, by) = opened_in(5_000);
    assert_eq!((world.engine.open(), by), (750, Some(Hold::Table)));
    let held = *world.engine.held();
    assert!((5_100_000..5_300_000).contains(&held.table_us) && held.writer_us == 0, "{held:?}");
}

#[test]
fn a_conversation_is_small() {
    assert!(size_of::<Conversation>() <= 1_024, "{}", size_of::<Conversation>());
}

#[test]
fn a_greeting_on_the_syn_ack_is_heard() {
    let mut engine = engine(Config { left: Left::default(), ..config(4, None) });
    let facts = engine.facts_of(Target { address: NET + 1, port: 25 }, 0);
    let mut probe = [0; 64];
    let length = engine.template.write(&facts, &mut probe);
    let probe = parse(&probe[..length]).expect("a probe");
    let answer = host_says(&probe, ISS, facts.seq.wrapping_add(1), flags::SYN | flags::ACK, b"220 mx\r\n");
    engine.handle_frame(Instant::ZERO, &answer);
    let mut buffer = [0; 1_518];
    let length = engine.poll_frame(Instant::ZERO, &mut buffer).expect("a command");
    assert_eq!(parse(&buffer[..length]).expect("a segment").payload, b"EHLO [10.77.0.2]\r\n");
}

#[test]
fn the_last_ack_of_a_handshake_that_waited_is_sent_again() {
    let open = |answered: u64, now: u64| {
        let to = ours_to(NET, 61_000);
        let frame = host_says(&to, ISS, 1, flags::SYN | flags::ACK, &[]);
        let context = context();
        let syn_ack = parse(&frame).expect("well-formed");
        let at = |millis: u64| Instant::from_nanos(millis * 1_000_000);
        let mut conversation =
            Conversation::open(&context, Protocol::Smtp, at(now), &syn_ack, (Rung::Modern, at(answered)));
        let mut acks = Vec::new();
        for millis in now..now + 20_000 {
            if conversation.next_timeout(&Limits::default()) <= at(millis) {
                conversation.handle_timeout(&Limits::default(), at(millis));
            }
            while let Some(sent) = conversation.tcp().poll(at(millis)) {
                assert_eq!((sent.flags, sent.payload.len()), (flags::ACK, 0));
                acks.push(millis - now);
            }
        }
        acks
    };
    assert_eq!(open(1_000, 9_000), [0, 1_000, 3_000, 7_000]);
    assert_eq!(open(1_000, 1_100), [0], "a fresh SYN-ACK is repeated soon enough by its host");
}

#[test]
fn a_lucky_guess_from_outside_the_targets_gets_no_answer() {
    let mut world = World::new(config(4, None), &[]);
    world.run();
    let facts = world.engine.facts_of(Target { address: NET + 99, port: 25 }, 0);
    let from = |flags| {
        let to = ours_to(NET + 99, facts.source_port);
        host_says(&to, 1, facts.seq.wrapping_add(1), flags, &[])
    };
    let now = world.instant();
    world.engine.handle_frame(now, &from(flags::ACK));
    assert_eq!((world.engine.ledger().strays, world.engine.ledger().late), (1, 0));
    assert_eq!(world.engine.poll_frame(now, &mut [0; 1_518]), None);
}

#[test]
fn of_a_list_its_targets_are_probed_and_their_names_recorded() {
    use crate::targets::cidr::AddressSet;
    use crate::targets::input::Input;
    use crate::targets::ports::Service;
    let smtp = |port| Service { port, protocol: Protocol::Smtp };
    let mut input = Input::default();
    for line in ["198.18.0.1,one.example", "198.18.0.2,two.example,,2525", "198.18.0.3:2525"] {
        input.add(line, &[smtp(25), smtp(2_525)], &mut |_| Ok(Vec::new())).expect("well-formed");
    }
    let (space, _) = input.into_space(vec![smtp(25)], None, &AddressSet::default());
    let permutation = Permutation::new(space.size(), 7);
    let config =
        Config { left: Left::of(0..permutation.positions()), permutation, space: Arc::new(space), ..config(1, None) };
    let mut world = World::new(config, &[(1, plain_smtp), (2, plain_smtp), (3, plain_smtp)]);
    world.run();
    let probed: Vec<(u32, u16)> = world.probed.keys().copied().collect();
    assert_eq!(probed, [(NET + 1, 25), (NET + 2, 2_525), (NET + 3, 2_525)]);
    let mut rows: Vec<_> = world.rows().iter().map(|row| (row.ip, row.port, row.name.clone())).collect();
    rows.sort();
    let name = |name: &str| Some(name.to_owned());
    let expected = [(NET + 1, 25, name("one.example")), (NET + 2, 2_525, name("two.example")), (NET + 3, 2_525, None)];
    assert_eq!(rows, expected);

    // Who is not in the list on that port gets no reset, whatever cookie it knows.
    let now = world.instant();
    for (port, resets) in [(25, 0), (2_525, 1)] {
        let facts = world.engine.facts_of(Target { address: NET + 3, port }, 0);
        let to = Segment { destination_port: port, ..ours_to(NET + 3, facts.source_port) };
        let late = host_says(&to, 9, facts.seq.wrapping_add(1), flags::ACK, b"data");
        world.engine.handle_frame(now, &late);
        assert_eq!(world.engine.resets.len(), resets, "port {port}");
    }
}
