//! Every dialogue behind one door: which family speaks which, and the calls passed on.

use crate::dialogue::imap::{Imap, ImapSpeaker};
use crate::dialogue::irc::{Irc, IrcSpeaker};
use crate::dialogue::managesieve::{ManageSieve, ManageSieveSpeaker};
use crate::dialogue::pop3::{Pop3, Pop3Speaker};
use crate::dialogue::smtp::{Smtp, SmtpSpeaker};
use crate::dialogue::xmpp::{Xmpp, XmppSpeaker};
use crate::dialogue::{Call, Direction, Expect, Findings, Next, Observe, Speak, Start};
use crate::targets::ports::Family;

macro_rules! dialogues {
    ($($family:ident: $observer:ident by $new:path, $speaker:ident;)*) => {
        /// The dialogue of a connection.
        #[derive(Debug)]
        pub(crate) enum Dialogue {
            $($family($observer),)*
            /// Nothing is said.
            Silent,
        }

        impl Dialogue {
            pub(crate) fn new(family: Family, start: Start) -> Self {
                match family {
                    $(Family::$family => Self::$family($new(start)),)*
                    Family::Silent => Self::Silent,
                }
            }

            pub(crate) fn observe(&mut self, from: Direction, bytes: &[u8]) {
                match self {
                    $(Self::$family(observer) => observer.bytes(from, bytes),)*
                    Self::Silent => {}
                }
            }

            pub(crate) fn join(&mut self) {
                match self {
                    $(Self::$family(observer) => observer.join(),)*
                    Self::Silent => {}
                }
            }

            pub(crate) fn alone(&mut self) {
                match self {
                    $(Self::$family(observer) => observer.alone(),)*
                    Self::Silent => {}
                }
            }

            pub(crate) fn closed(&mut self, from: Direction) {
                match self {
                    $(Self::$family(observer) => observer.closed(from),)*
                    Self::Silent => {}
                }
            }

            pub(crate) fn tls_started(&mut self) {
                match self {
                    $(Self::$family(observer) => observer.tls_started(),)*
                    Self::Silent => {}
                }
            }

            /// Where it stands; `None` where nothing is said.
            pub(crate) fn expect(&self) -> Option<Expect> {
                match self {
                    $(Self::$family(observer) => Some(observer.expect()),)*
                    Self::Silent => None,
                }
            }

            pub(crate) fn findings(&self) -> Option<&Findings> {
                match self {
                    $(Self::$family(observer) => Some(observer.findings()),)*
                    Self::Silent => None,
                }
            }

            pub(crate) fn next(&self, call: &Call<'_>) -> Next {
                match self {
                    $(Self::$family(observer) => $speaker.next(observer, call),)*
                    Self::Silent => Next::Close,
                }
            }
        }
    };
}

dialogues! {
    Smtp: Smtp by Smtp::new, SmtpSpeaker;
    Imap: Imap by Imap::new, ImapSpeaker;
    Pop3: Pop3 by Pop3::new, Pop3Speaker;
    Irc: Irc by Irc::new, IrcSpeaker;
    ManageSieve: ManageSieve by ManageSieve::new, ManageSieveSpeaker;
    XmppClient: Xmpp by Xmpp::client, XmppSpeaker;
    XmppServer: Xmpp by Xmpp::server, XmppSpeaker;
}
