//! Targets `imap`, `irc`, `managesieve`, `pop3` and `smtp`: the dialogue of that name as `lines` describes.

use super::lines;
use starling::dialogue::imap::{Imap, ImapSpeaker};
use starling::dialogue::irc::{Irc, IrcSpeaker};
use starling::dialogue::managesieve::{ManageSieve, ManageSieveSpeaker};
use starling::dialogue::pop3::{Pop3, Pop3Speaker};
use starling::dialogue::smtp::{Smtp, SmtpSpeaker};

macro_rules! bodies {
    ($($name:ident: $observer:ident, $speaker:ident;)*) => {
        $(
            /// The body.
            pub fn $name(data: &[u8]) {
                lines::run(data, &$speaker, $observer::new);
            }
        )*
    };
}

bodies! {
    imap: Imap, ImapSpeaker;
    irc: Irc, IrcSpeaker;
    managesieve: ManageSieve, ManageSieveSpeaker;
    pop3: Pop3, Pop3Speaker;
    smtp: Smtp, SmtpSpeaker;
}
