//! One connection of the scan: TCP below, the session above, deadlines around, and a row at the end.

use crate::base::time::WallClock;
use crate::base::{Duration, Instant};
use crate::record::row::Handshake;
use crate::session::{Cause, Context, Deadline, Outcome, Rung, Session, Stage};
use crate::targets::ports::Protocol;
use crate::tcp::connection::{Connection, Ending};
use crate::wire::{Segment, Tuple, flags};

/// How long each stage may take, and how much a server may say. Deadlines count from the begin of a stage: bytes
/// that drip in do not move them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Where we speak first: from the SYN-ACK to the first sign of life. A host that means it acknowledges our
    /// ClientHello at once. Where the server speaks first it owes us nothing before its greeting, so there
    /// the greeting's time is the only measure.
    pub connect: Duration,
    /// From the SYN-ACK, or the end of the TLS handshake, to the complete greeting. Real servers take up to half
    /// a minute.
    pub greeting: Duration,
    /// From a command to its complete reply.
    pub reply: Duration,
    /// From the ClientHello to the end of the handshake.
    pub tls: Duration,
    /// From the goodbye to its reply.
    pub goodbye: Duration,
    /// From the SYN-ACK to the close.
    pub total: Duration,
    /// Payload bytes taken from a server.
    pub bytes_in: u64,
    /// Segments taken from a server.
    pub segments_in: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            greeting: Duration::from_secs(30),
            reply: Duration::from_secs(15),
            tls: Duration::from_secs(30),
            goodbye: Duration::from_secs(3),
            total: Duration::from_secs(90),
            bytes_in: 384 * 1024,
            segments_in: 4_096,
        }
    }
}

impl Limits {
    fn of(&self, deadline: Deadline) -> Duration {
        match deadline {
            Deadline::Greeting => self.greeting,
            Deadline::Reply => self.reply,
            Deadline::Tls => self.tls,
            Deadline::Goodbye => self.goodbye,
            Deadline::Total => self.total,
        }
    }
}

/// A wait for the turn after which the host's next SYN-ACK may be seconds away.
const LONG_WAIT_MS: u32 = 500;
/// How often the handshake's last ACK is sent again.
const REMINDERS_MAX: u32 = 3;

/// One connection.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) tuple: Tuple,
    /// When the wheel will hint at this connection.
    pub(super) hint: Instant,
    /// Whether it stands in the queue of those that want to send.
    pub(super) ready: bool,
    tcp: Connection,
    session: Session,
    opened: Instant,
    /// How long before that the SYN-ACK had come.
    waited_ms: u32,
    /// The stage, its clock, and when both began.
    stage: (Stage, Deadline),
    stage_since: Instant,
    /// How often bytes came in this stage (up to 255 times), and how long after its begin they last did, in
    /// tenths of a second.
    arrivals: u8,
    last_arrival_tenths: u16,
    /// Something other than a repeated SYN-ACK has come.
    heard: bool,
    cause: Option<Cause>,
}

impl Conversation {
    /// Opens it from `syn_ack`, which came at `answered`.
    pub(super) fn open(
        context: &Context,
        protocol: Protocol,
        now: Instant,
        syn_ack: &Segment<'_>,
        (rung, answered): (Rung, Instant),
    ) -> Self {
        let tuple = syn_ack.tuple();
        let mut tcp = Connection::open(syn_ack);
        let mut out = Vec::new();
        let session = Session::open(context, protocol, (tuple.remote, tuple.remote_port), rung, now, &mut out);
        tcp.send(&out);
        let stage = (session.stage(), session.deadline());
        let mut conversation = Self {
            tuple,
            hint: Instant::FAR_FUTURE,
            ready: false,
            tcp,
            session,
            opened: now,
            waited_ms: millis(now - answered),
            stage,
            stage_since: now,
            arrivals: 0,
            last_arrival_tenths: 0,
            heard: false,
            cause: None,
        };
        conversation.hear(context, now); // data and FIN may have come with the SYN-ACK
        conversation.settle(now);
        conversation
    }

    pub(super) fn handle_segment(&mut self, context: &Context, limits: &Limits, now: Instant, segment: &Segment<'_>) {
        self.heard |= !segment.has(flags::SYN);
        self.tcp.handle_segment(now, segment);
        let traffic = self.tcp.traffic();
        if traffic.bytes_in > limits.bytes_in {
            self.give_up(Cause::TooMuchData);
        } else if traffic.segments_in > limits.segments_in {
            self.give_up(Cause::TooManySegments);
        } else {
            self.hear(context, now);
        }
        self.settle(now);
    }

    /// Tells the session what has come.
    fn hear(&mut self, context: &Context, now: Instant) {
        let received = self.tcp.take_received();
        if received.is_empty() {
            return;
        }
        self.heard = true;
        self.arrivals = self.arrivals.saturating_add(1);
        self.last_arrival_tenths = tenths(now - self.stage_since);
        let mut out = Vec::new();
        self.session.receive(context, now, &received, &mut out);
        self.tcp.send(&out);
    }

    pub(super) fn handle_timeout(&mut self, limits: &Limits, now: Instant) {
        self.tcp.handle_timeout(now);
        let (_, deadline) = self.stage;
        if self.cause.is_none() && now >= self.stage_since + limits.of(deadline) {
            match deadline {
                Deadline::Goodbye => self.finish(Cause::Finished),
                deadline => self.too_late(now, deadline),
            }
        }
        if self.next_reminder().is_some_and(|at| at <= now) {
            self.tcp.acknowledge();
        }
        if self.owes_a_sign() && now >= self.opened + limits.connect {
            self.give_up(Cause::Silent);
        }
        if now >= self.opened + limits.total {
            self.too_late(now, Deadline::Total);
        }
        self.settle(now);
    }

    fn too_late(&mut self, now: Instant, deadline: Deadline) {
        // Dripping, not merely incomplete: more than once, and in the second half of the time as well.
        let second_half = self.last_arrival_tenths >= tenths(now - self.stage_since) / 2;
        self.give_up(match deadline {
            _ if !self.heard => Cause::Silent,
            _ if self.arrivals >= 2 && second_half => Cause::Tarpit,
            deadline => Cause::Timeout(deadline),
        });
    }

    /// We spoke first, and not even an acknowledgement has come.
    fn owes_a_sign(&self) -> bool {
        !self.heard && self.tcp.traffic().bytes_out > 0
    }

    /// When the handshake's last ACK goes again: it may be lost, and after a long wait for its turn the host
    /// repeats its SYN-ACK, which would bring the loss to light, only every so often. Where we speak first, data
    /// does this. After one, three and seven seconds.
    fn next_reminder(&self) -> Option<Instant> {
        let traffic = self.tcp.traffic();
        let waits = self.waited_ms >= LONG_WAIT_MS && !self.heard && self.cause.is_none() && traffic.bytes_out == 0;
        // As long as nothing was heard or said, all that was sent are these ACKs.
        let sent = traffic.segments_out;
        (waits && (1..=REMINDERS_MAX).contains(&sent)).then(|| self.opened + Duration::from_secs((1 << sent) - 1))
    }

    /// Ends it from outside, with a reset.
    pub(super) fn interrupt(&mut self) {
        self.give_up(Cause::Interrupted);
    }

    /// Ends it with a reset because its address has been blocked.
    pub(super) fn block(&mut self) {
        self.give_up(Cause::Blocked);
    }

    pub(super) fn next_timeout(&self, limits: &Limits) -> Instant {
        let stage = self.stage_since + limits.of(self.stage.1);
        let stage = if self.cause.is_none() { stage } else { Instant::FAR_FUTURE };
        let sign = if self.owes_a_sign() { self.opened + limits.connect } else { Instant::FAR_FUTURE };
        let total = self.opened + limits.total;
        let reminder = self.next_reminder().unwrap_or(Instant::FAR_FUTURE);
        stage.min(sign).min(total).min(reminder).min(self.tcp.next_timeout().unwrap_or(Instant::FAR_FUTURE))
    }

    pub(super) fn tcp(&mut self) -> &mut Connection {
        &mut self.tcp
    }

    /// Nothing more will happen once what is due has been sent.
    pub(super) fn over(&self) -> bool {
        self.tcp.ending().is_some()
    }

    /// Draws the consequences of what just happened.
    fn settle(&mut self, now: Instant) {
        if self.session.finished() {
            self.finish(Cause::Finished);
        }
        if self.tcp.peer_closed() {
            self.session.peer_closed();
            self.finish(Cause::PeerClosed);
        }
        let cause = match self.tcp.ending() {
            Some(Ending::Reset) => Some(Cause::Reset),
            Some(Ending::Unacknowledged) if !self.heard => Some(Cause::Silent),
            Some(Ending::Unacknowledged) => Some(Cause::Unacknowledged),
            _ => None,
        };
        self.cause = self.cause.or(cause);
        let stage = (self.session.stage(), self.session.deadline());
        if stage != self.stage {
            self.stage = stage;
            self.stage_since = now;
            self.arrivals = 0;
        }
    }

    fn finish(&mut self, cause: Cause) {
        self.cause.get_or_insert(cause);
        // A further connection has the same ports: none of this one may be left where it goes to.
        match self.next_rung() {
            Some(_) => self.tcp.abort(),
            None => self.tcp.close(),
        }
    }

    /// What the server is to be offered on a further connection, once this one is over.
    pub(super) fn next_rung(&self) -> Option<Rung> {
        self.session.next_rung(self.cause?)
    }

    fn give_up(&mut self, cause: Cause) {
        self.cause.get_or_insert(cause);
        self.tcp.abort();
    }

    /// Its row, and the certificates that the server presented. `protocol` is what it was opened with,
    /// `name` the server's.
    pub(super) fn into_row(
        self,
        protocol: Protocol,
        name: Option<String>,
        clock: WallClock,
        now: Instant,
    ) -> (Outcome, Handshake, Vec<Vec<u8>>) {
        let (outcome, error) = self.session.outcome(self.cause.unwrap_or(Cause::Finished));
        let findings = self.session.findings().cloned().unwrap_or_default();
        let software = self.session.software();
        let tls = self.session.tls_facts().unwrap_or_default();
        let times = self.session.times();
        let traffic = self.tcp.traffic();
        let row = Handshake {
            time: clock.utc(self.opened),
            ip: self.tuple.remote,
            port: self.tuple.remote_port,
            protocol: protocol.name(),
            name,
            stage: self.session.stage().name(),
            outcome: outcome.name(),
            error,
            waited_ms: self.waited_ms,
            duration_us: micros(now - self.opened),
            greeting_us: times.greeting.map(|at| micros(at - self.opened)),
            tls_us: times.tls_started.zip(times.tls_done).map(|(from, to)| micros(to - from)),
            bytes_in: traffic.bytes_in,
            bytes_out: traffic.bytes_out,
            segments_in: traffic.segments_in,
            segments_out: traffic.segments_out,
            retransmits: traffic.retransmits,
            banner: findings.greeting.map(String::from),
            banner_code: findings.greeting_code,
            own_name: findings.own_name.map(String::from),
            software: software.as_ref().map(|software| software.name),
            software_version: software.and_then(|software| software.version),
            refusal: findings.refusal.map(String::from),
            apop: findings.apop,
            capabilities_before_ok: findings.before.answered,
            capabilities_before_code: findings.before.code,
            capabilities_before: findings.before.list.into(),
            auth_before: findings.before.auth.into(),
            starttls_offered: findings.upgrade.offered,
            starttls_required: findings.upgrade.required,
            starttls_sent: findings.upgrade.sent,
            starttls_accepted: findings.upgrade.accepted,
            starttls_reply: findings.upgrade.reply.map(String::from),
            starttls_injected: findings.upgrade.injected,
            capabilities_after_ok: findings.after.answered,
            capabilities_after_code: findings.after.code,
            capabilities_after: findings.after.list.into(),
            auth_after: findings.after.auth.into(),
            truncated: findings.truncated,
            tls_offered: tls.offered,
            tls_version: tls.version,
            tls_cipher: tls.cipher,
            tls_cipher_class: tls.cipher_class,
            tls_group: tls.group,
            tls_dh_bits: tls.dh_bits,
            tls_signature: tls.signature,
            tls_compression: tls.compression,
            tls_extensions: tls.extensions.into_iter().map(u32::from).collect(),
            tls_retried: tls.retried,
            tls_alpn: tls.alpn,
            tls_ticket: tls.ticket,
            tls_ticket_lifetime: tls.ticket_lifetime,
            tls_alert: tls.alert,
            tls_alert_sent: tls.alert_sent,
            tls_error: tls.error.map(|failure| failure.kind.name()),
            tls_client_certificate: tls.client_certificate,
            tls_ocsp: tls.ocsp,
            tls_ocsp_status: tls.ocsp_says.map(|ocsp| ocsp.status),
            tls_ocsp_this_update: tls.ocsp_says.and_then(|ocsp| ocsp.this_update),
            tls_ocsp_next_update: tls.ocsp_says.and_then(|ocsp| ocsp.next_update),
            tls_scts: tls.scts,
            tls_flight_bytes: tls.flight_bytes,
            tls_engine: tls.engine,
            chain_id: None,
            leaf_sha256: None,
            rung: self.session.rung().name(),
        };
        (outcome, row, tls.chain)
    }
}

fn tenths(duration: Duration) -> u16 {
    u16::try_from(duration.as_millis() / 100).unwrap_or(u16::MAX)
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
