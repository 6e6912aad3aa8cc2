//! What comes back from a target: SYN-ACK, RST, ICMP error. Each kind counts once for a target, whatever lane it
//! reaches; what becomes of a SYN-ACK depends on the scan.

use super::{Engine, Phase};
use crate::base::Instant;
use crate::record::Fact;
use crate::record::answer::{Answer, Icmp, Kind, Said, Tcp};
use crate::scan::turns::{Repetition, Turn};
use crate::session::Rung;
use crate::targets::Target;
use crate::tcp::cookie::{ACK_WINDOW, cookie};
use crate::wire::icmp::Report;
use crate::wire::{Segment, Tuple, flags};

/// What is done with answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Only probe: a SYN-ACK is recorded, and no connection is made of it.
    pub probe_only: bool,
    /// Then reset the half-open connection, as a kernel would, so that its host need not wait for us.
    pub reset: bool,
    /// Record RSTs that refuse a probe.
    pub rst: bool,
    /// Record ICMP errors about a probe.
    pub icmp: bool,
    /// Tell of every answer, with all it said, as [`Fact::Answer`]; else of the first of each kind, as row.
    pub every: bool,
}

impl Default for Answers {
    fn default() -> Self {
        Self { probe_only: false, reset: true, rst: false, icmp: false, every: false }
    }
}

impl Engine {
    /// Takes a SYN-ACK that belongs to no open connection; it acknowledges `ahead` bytes more than our SYN.
    pub(super) fn handle_answer(&mut self, now: Instant, segment: &Segment<'_>, ahead: u32) {
        let tuple = segment.tuple();
        let protocol = self.protocol(tuple.remote_port).filter(|_| ahead == 0 && self.ours(&tuple));
        let Some(protocol) = protocol else {
            self.ledger.bad_cookie += 1;
            return;
        };
        if self.phase == Phase::Interrupted {
            self.ledger.late += 1;
            return self.reset(tuple, segment.ack);
        }
        if self.is_blocked(tuple.remote) {
            self.ledger.blocked_answers += 1;
            return match self.config.answers.probe_only {
                true => self.reset_half_open(&tuple, segment.ack),
                false => self.reset(tuple, segment.ack),
            };
        }
        let answer = self.answer(now, &tuple, segment, Said::SynAck(tcp(segment)));
        // Noted before it is taken: on another lane the same target's answer counts as repeated from now on.
        if !self.config.answered.insert(target(&tuple), Kind::SynAck) {
            // A host repeats its SYN-ACK with the old echo.
            self.repeated(&Answer { repeat: true, rtt_us: None, ..answer });
            return match self.config.answers.probe_only {
                true => self.reset_half_open(&tuple, segment.ack),
                false => self.handle_repetition(now, segment),
            };
        }
        if self.config.answers.probe_only {
            self.ledger.answers += 1;
            self.ledger.not_opened += 1;
            self.tell(&answer);
            return self.reset_half_open(&tuple, segment.ack);
        }
        let opens = self.turns.claim(tuple.remote);
        let taken = if opens { self.table.room() > 0 } else { self.turns.wait(now, segment) };
        if !taken {
            self.ledger.no_room += 1;
            self.config.answered.remove(target(&tuple), Kind::SynAck);
            if opens {
                self.turns.release(tuple.remote);
            }
            return;
        }
        self.ledger.answers += 1;
        self.tell(&answer);
        if opens {
            self.open_connection(now, protocol, segment, (Rung::Modern, now));
        } else {
            self.ledger.waited += 1;
        }
    }

    /// A SYN-ACK of a target that answered before: one that waits is known to be alive, any other connection of
    /// that kind is over.
    fn handle_repetition(&mut self, now: Instant, segment: &Segment<'_>) {
        match self.turns.repeated(now, segment, self.table.room() > 0) {
            Repetition::Unknown => self.reset(segment.tuple(), segment.ack),
            Repetition::Waits => {}
            Repetition::Open(waiting) => self.take_turn(now, Turn::Open(waiting)),
        }
    }

    /// Whether a RST on a tuple without connection, whose acknowledgement is `ahead` of our SYN's, refuses a probe
    /// and is asked for. Its sequence number is not looked at: firewalls send what they like.
    pub(super) fn refuses(&self, segment: &Segment<'_>, ahead: u32) -> bool {
        let tuple = segment.tuple();
        self.config.answers.rst
            && segment.has(flags::ACK)
            && ahead == 0
            && self.phase != Phase::Interrupted
            && self.ours(&tuple)
            && self.protocol(tuple.remote_port).is_some()
            // Of one that said SYN-ACK it ends the connection.
            && !self.config.answered.contains(target(&tuple), Kind::SynAck)
    }

    /// Takes a RST that refuses a probe, see [`Self::refuses`].
    pub(super) fn handle_refusal(&mut self, now: Instant, segment: &Segment<'_>) {
        let tuple = segment.tuple();
        let answer = self.answer(now, &tuple, segment, Said::Rst(tcp(segment)));
        if self.config.answered.insert(target(&tuple), Kind::Rst) {
            self.ledger.refused += 1;
            self.tell(&answer);
        } else {
            self.repeated(&answer);
        }
    }

    /// Takes an ICMP error.
    pub(super) fn handle_report(&mut self, now: Instant, report: &Report) {
        let tuple = report.tuple;
        let beyond = report.seq.wrapping_sub(cookie(self.config.key, tuple));
        let known = self.ours(&tuple) && self.protocol(tuple.remote_port).is_some();
        if beyond > ACK_WINDOW || !known {
            self.ledger.bad_quotes += 1;
            return;
        }
        // About a later segment than the SYN: it says nothing of the target's answer.
        if beyond > 0 || self.phase == Phase::Interrupted {
            self.ledger.late += 1;
            return;
        }
        let answer = Answer {
            time: self.config.clock.utc(now),
            ip: tuple.remote,
            port: tuple.remote_port,
            source: tuple.local,
            source_port: tuple.local_port,
            ttl: report.ttl,
            ip_id: report.id,
            said: Said::Icmp(Icmp { responder: report.responder, kind: report.kind, code: report.code }),
            repeat: self.config.answered.contains(target(&tuple), Kind::SynAck),
            cooldown: !self.sweeping(),
            rtt_us: None,
        };
        if self.config.answered.insert(target(&tuple), Kind::Icmp) {
            self.ledger.unreachable += 1;
            self.tell(&answer);
        } else {
            self.repeated(&answer);
        }
    }

    /// The first answer of its kind.
    fn tell(&mut self, answer: &Answer) {
        let every = self.config.answers.every;
        self.facts.push(if every { Fact::Answer(Box::new(*answer)) } else { Fact::Host(answer.row()) });
    }

    fn repeated(&mut self, answer: &Answer) {
        self.ledger.duplicates += 1;
        if self.config.answers.every {
            self.facts.push(Fact::Answer(Box::new(*answer)));
        }
    }

    fn reset_half_open(&mut self, tuple: &Tuple, seq: u32) {
        if self.config.answers.reset {
            self.reset(*tuple, seq);
        }
    }

    fn answer(&self, now: Instant, tuple: &Tuple, segment: &Segment<'_>, said: Said) -> Answer {
        let echo = segment.parsed_options().timestamps.map(|timestamps| timestamps.echo);
        Answer {
            time: self.config.clock.utc(now),
            ip: tuple.remote,
            port: tuple.remote_port,
            source: tuple.local,
            source_port: tuple.local_port,
            ttl: segment.ttl,
            ip_id: segment.id,
            said,
            repeat: false,
            cooldown: !self.sweeping(),
            rtt_us: echo.and_then(|echo| self.template.round_trip_us(now, echo)),
        }
    }
}

fn target(tuple: &Tuple) -> Target {
    Target { address: tuple.remote, port: tuple.remote_port }
}

fn tcp(segment: &Segment<'_>) -> Tcp {
    let options = segment.parsed_options();
    Tcp {
        seq: segment.seq,
        ack: segment.ack,
        window: segment.window,
        mss: options.mss,
        window_scale: options.window_scale,
        sack_permitted: options.sack_permitted,
        timestamps: options.timestamps.map(|timestamps| (timestamps.value, timestamps.echo)),
    }
}
