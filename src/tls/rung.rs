//! The ladder: what a server is offered on its first connection, and on those after it if that was not to its liking.

/// A rung.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rung {
    /// TLS 1.3 and 1.2.
    #[default]
    Modern,
    /// The same without the server's name and without protocols (SNI, ALPN), for who refused one of these.
    Bare,
    /// TLS 1.2 at most, in a ClientHello of before TLS 1.3.
    Legacy,
    /// SSL 3.0, without extensions.
    Ssl3,
}

impl Rung {
    /// Connections to a target, at most.
    pub const CONNECTIONS: u8 = 3;
    /// Every rung, the newest offer first.
    pub const ALL: [Self; 4] = [Self::Modern, Self::Bare, Self::Legacy, Self::Ssl3];

    /// Name in rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Bare => "bare",
            Self::Legacy => "legacy",
            Self::Ssl3 => "ssl3",
        }
    }

    /// Newest version offered.
    pub const fn offered(self) -> &'static str {
        match self {
            Self::Modern | Self::Bare => "TLSv1.3",
            Self::Legacy => "TLSv1.2",
            Self::Ssl3 => "SSLv3",
        }
    }

    /// The next one for who does not answer this one with a ServerHello. Who refused a name knew what a modern hello is.
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Modern => Some(Self::Legacy),
            Self::Legacy => Some(Self::Ssl3),
            Self::Bare | Self::Ssl3 => None,
        }
    }

    /// Whether it is tried where so many connections are made at most.
    pub const fn within(self, connections: u8) -> bool {
        connections
            >= match self {
                Self::Modern => 1,
                Self::Bare | Self::Legacy => 2,
                Self::Ssl3 => 3,
            }
    }

    /// Whether a server that answers this one with the fatal alert `description` may like the next one better: it wants
    /// another version (70), another choice (40, 47, 71), does not understand what was said (10, 50, 109, 110), or broke
    /// over it (80).
    pub const fn refused_by(description: u8) -> bool {
        matches!(description, 10 | 40 | 47 | 50 | 70 | 71 | 80 | 109 | 110)
    }
}
