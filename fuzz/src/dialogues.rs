//! Targets `imap`, `irc`, `managesieve`, `pop3`, `smtp` and `xmpp`: the dialogue of that name as `lines` describes. What
//! XMPP says are whole tags; a client's stream and a server's differ in our header only.

use super::lines;
use starling::dialogue::imap::{Imap, ImapSpeaker};
use starling::dialogue::irc::{Irc, IrcSpeaker};
use starling::dialogue::managesieve::{ManageSieve, ManageSieveSpeaker};
use starling::dialogue::pop3::{Pop3, Pop3Speaker};
use starling::dialogue::smtp::{Smtp, SmtpSpeaker};
use starling::dialogue::xmpp::{Xmpp, XmppSpeaker};

macro_rules! bodies {
    ($($name:ident: $new:path, $speaker:ident;)*) => {
        $(
            /// The body.
            pub fn $name(data: &[u8]) {
                lines::run(data, &$speaker, $new);
            }
        )*
    };
}

bodies! {
    imap: Imap::new, ImapSpeaker;
    irc: Irc::new, IrcSpeaker;
    managesieve: ManageSieve::new, ManageSieveSpeaker;
    pop3: Pop3::new, Pop3Speaker;
    smtp: Smtp::new, SmtpSpeaker;
    xmpp: Xmpp::server, XmppSpeaker;
}
