//! The names of what can become of a conversation: stages, clocks, causes, outcomes.

/// How far a conversation got: the column `stage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Waiting for the greeting.
    Greeting,
    /// Asking for capabilities in the clear.
    Capabilities,
    /// Asking for the upgrade.
    Starttls,
    /// In the TLS handshake.
    Tls,
    /// Waiting for the greeting, or asking for capabilities, inside TLS.
    CapabilitiesTls,
    /// Goodbye was said.
    Goodbye,
    /// The conversation came to its end.
    Done,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: &'static [Self] = &[
        Self::Greeting,
        Self::Capabilities,
        Self::Starttls,
        Self::Tls,
        Self::CapabilitiesTls,
        Self::Goodbye,
        Self::Done,
    ];

    /// Name in rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Capabilities => "capabilities",
            Self::Starttls => "starttls",
            Self::Tls => "tls",
            Self::CapabilitiesTls => "capabilities_tls",
            Self::Goodbye => "goodbye",
            Self::Done => "done",
        }
    }
}

/// The clock that runs at a stage, and what of the conversation it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// Until the greeting is complete, in the clear or inside TLS.
    Greeting,
    /// From a command to its complete reply.
    Reply,
    /// From the ClientHello to the end of the handshake.
    Tls,
    /// From the goodbye to its reply.
    Goodbye,
    /// The whole connection.
    Total,
}

/// What ended a connection from outside the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The session itself had finished.
    Finished,
    /// The peer sent FIN.
    PeerClosed,
    /// The peer sent RST.
    Reset,
    /// The peer stopped acknowledging.
    Unacknowledged,
    /// A deadline passed.
    Timeout(Deadline),
    /// A deadline passed while bytes kept coming, too slowly.
    Tarpit,
    /// Nothing at all came after the SYN-ACK.
    Silent,
    /// The peer sent more bytes than we are ready to take.
    TooMuchData,
    /// The peer sent more segments than we are ready to take.
    TooManySegments,
    /// The run was stopped.
    Interrupted,
    /// The address was blocked.
    Blocked,
}

macro_rules! outcomes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)*) => {
        /// How a conversation ended: the column `outcome`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Outcome { $($(#[doc = $doc])+ $name,)* }

        impl Outcome {
            /// Every outcome.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Name in rows.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

outcomes! {
    /// Everything the protocol has to show was seen.
    Complete = "complete",
    /// The server did not advertise STARTTLS; everything else was seen.
    NoStarttls = "no_starttls",
    /// The server was asked for STARTTLS and refused it. (It is asked if it advertised it, or if it does not let
    /// itself be asked for capabilities.)
    StarttlsRefused = "starttls_refused",
    /// The TLS handshake failed, or the session broke inside TLS.
    TlsFailed = "tls_failed",
    /// A message of the TLS handshake is longer than is taken. Its certificates may have been seen all the same.
    TlsTooLarge = "tls_too_large",
    /// What came in place of the TLS handshake is not TLS: after the server agreed to STARTTLS, or on a port where
    /// TLS comes first.
    NotTls = "not_tls",
    /// The server refused service, in its greeting or later.
    ServiceRefused = "service_refused",
    /// The server does not serve the name it was asked for (XMPP `host-unknown` or `host-gone`).
    HostUnknown = "host_unknown",
    /// The server does not speak the protocol.
    ProtocolError = "protocol_error",
    /// The greeting was not complete in time.
    TimeoutGreeting = "timeout_greeting",
    /// A reply was not complete in time, or the server stopped acknowledging the command.
    TimeoutReply = "timeout_reply",
    /// The TLS handshake was not complete in time.
    TimeoutTls = "timeout_tls",
    /// Each stage was in time, all together were not.
    TimeoutTotal = "timeout_total",
    /// A deadline passed although bytes kept coming: at least twice in that stage, and still in the second half
    /// of its time.
    Tarpit = "tarpit",
    /// The server reset the connection.
    Reset = "reset",
    /// The server closed the connection before the end.
    Closed = "closed",
    /// Nothing came after the SYN-ACK: the study's background noise.
    SilentAfterSynack = "silent_after_synack",
    /// The server sent more bytes than we take.
    TooMuchData = "too_much_data",
    /// The server sent more segments than we take.
    TooManySegments = "too_many_segments",
    /// The run was stopped.
    Interrupted = "interrupted",
    /// The address was blocked in mid-run.
    Blocked = "blocked",
}

/// The outcome when this clock has run out.
pub(super) const fn timeout(deadline: Deadline) -> Outcome {
    match deadline {
        Deadline::Greeting => Outcome::TimeoutGreeting,
        Deadline::Reply | Deadline::Goodbye => Outcome::TimeoutReply,
        Deadline::Tls => Outcome::TimeoutTls,
        Deadline::Total => Outcome::TimeoutTotal,
    }
}

/// What the cause is, in words.
pub(super) const fn reason(cause: Cause) -> Option<&'static str> {
    match cause {
        Cause::PeerClosed => Some("the server closed the connection"),
        Cause::Reset => Some("the server reset the connection"),
        Cause::Timeout(_) => Some("the server took too long"),
        Cause::Unacknowledged => Some("the server stopped acknowledging"),
        Cause::Tarpit => Some("the server kept sending, too slowly"),
        Cause::TooMuchData => Some("the server sent more bytes than the limit"),
        Cause::TooManySegments => Some("the server sent more segments than the limit"),
        _ => None,
    }
}
