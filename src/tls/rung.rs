//! The ladder: what a server is offered on its first connection, and on those after it if it answered no ClientHello.

/// A rung.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rung {
    /// TLS 1.3 and 1.2.
    #[default]
    Modern,
    /// TLS 1.2 at most, in a ClientHello of before TLS 1.3.
    Legacy,
    /// SSL 3.0, without extensions.
    Ssl3,
}

impl Rung {
    /// How many there are.
    pub const COUNT: u8 = 3;
    /// Every rung, in order.
    pub const ALL: [Self; Self::COUNT as usize] = [Self::Modern, Self::Legacy, Self::Ssl3];

    /// Name in rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy => "legacy",
            Self::Ssl3 => "ssl3",
        }
    }

    /// Newest version offered.
    pub const fn offered(self) -> &'static str {
        match self {
            Self::Modern => "TLSv1.3",
            Self::Legacy => "TLSv1.2",
            Self::Ssl3 => "SSLv3",
        }
    }

    /// The next one.
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Modern => Some(Self::Legacy),
            Self::Legacy => Some(Self::Ssl3),
            Self::Ssl3 => None,
        }
    }

    /// Whether a server that answers this one with the fatal alert `description` may like the next one better: it wants
    /// another version (70), another choice (40, 47, 71), does not understand what was said (10, 50, 109, 110), or broke
    /// over it (80).
    pub const fn refused_by(description: u8) -> bool {
        matches!(description, 10 | 40 | 47 | 50 | 70 | 71 | 80 | 109 | 110)
    }
}
