//! Server software as its banner names it: a name from a small table, and the version that stands behind it.
//!
//! A rule is a name as the software writes it, in words; a banner names the software if these words stand in it one
//! after the other, whole and in any case. Blanks, brackets, commas, semicolons and slashes part words; a host name is
//! one word, so `postfix.example.org` names nothing. If several rules fit, the one that stands first in the banner
//! counts. The version is the next word if that begins with a digit (or `v` and a digit) and has a dot; years, and words
//! such as `Server` and `Release`, may stand before it. What a server does not say is not guessed: most Postfix servers tell no version, and many servers tell nothing.
//!
//! Looked at are the greeting and, where the protocol has it, the capability `IMPLEMENTATION` (RFC 2449, RFC 5804).

use super::Findings;

/// What a banner says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Software {
    /// Name, from the table.
    pub name: &'static str,
    /// Version as written, without a leading `v`.
    pub version: Option<String>,
}

/// Words of a banner, and the name they stand for.
const RULES: &[(&[&str], &str)] = &[
    (&["ArGoSoft"], "ArGoSoft"),
    (&["AXIGEN"], "Axigen"),
    (&["CommuniGate", "Pro"], "CommuniGate Pro"),
    (&["Courier-IMAP"], "Courier"),
    (&["Courier"], "Courier"),
    (&["Cyrus"], "Cyrus"),
    (&["Domino"], "Domino"),
    (&["Dovecot"], "Dovecot"),
    (&["Exim"], "Exim"),
    (&["gsmtp"], "Google"),
    (&["Gimap"], "Google"),
    (&["Gpop"], "Google"),
    (&["Haraka"], "Haraka"),
    (&["hMailServer"], "hMailServer"),
    (&["IceWarp"], "IceWarp"),
    (&["InspIRCd"], "InspIRCd"),
    (&["InterMail"], "InterMail"),
    (&["JAMES"], "Apache James"),
    (&["Kerio", "Connect"], "Kerio Connect"),
    (&["Kerio", "MailServer"], "Kerio MailServer"),
    (&["MailEnable"], "MailEnable"),
    (&["Mailutils"], "GNU Mailutils"),
    (&["MDaemon"], "MDaemon"),
    (&["MERCUR"], "MERCUR"),
    (&["Mercury"], "Mercury"),
    (&["Merak"], "Merak"),
    (&["Microsoft", "ESMTP", "MAIL", "Service"], "Microsoft ESMTP"),
    (&["Microsoft", "Exchange"], "Microsoft Exchange"),
    (&["Microsoft", "Windows", "POP3"], "Microsoft POP3"),
    (&["OpenSMTPD"], "OpenSMTPD"),
    (&["Postfix"], "Postfix"),
    (&["PowerMTA"], "PowerMTA"),
    (&["Qpopper"], "Qpopper"),
    (&["Qpop"], "Qpopper"),
    (&["Sendmail"], "Sendmail"),
    (&["SmarterMail"], "SmarterMail"),
    (&["Stalwart"], "Stalwart"),
    (&["teapop"], "Teapop"),
    (&["XMail"], "XMail"),
    (&["Zimbra"], "Zimbra"),
];

/// Words that may stand between name and version.
const FILLERS: &[&str] = &[
    "ESMTP",
    "SMTP",
    "IMAP",
    "IMAP4",
    "IMAP4rev1",
    "POP3",
    "Mail",
    "MTA",
    "Release",
    "Server",
    "Service",
    "TM",
    "Version",
];

/// The software that the server says it is.
pub fn software(findings: &Findings) -> Option<Software> {
    let greeting = findings.greeting.as_deref();
    let lists = [&findings.before.list, &findings.after.list];
    let implementations = lists.into_iter().flat_map(|list| list.iter()).filter(|item| {
        let start = item.trim_start_matches('"').get(..14);
        start.is_some_and(|start| start.eq_ignore_ascii_case("IMPLEMENTATION"))
    });
    greeting.into_iter().chain(implementations).find_map(named)
}

fn named(banner: &str) -> Option<Software> {
    let words: Vec<&str> = banner.split(parts).filter(|word| !word.is_empty()).collect();
    (0..words.len()).find_map(|at| {
        let here = &words[at..];
        let same = |word: &&str, wanted: &&str| {
            // Most words fit no rule: the length says so.
            word.len() >= wanted.len() && word.trim_end_matches(['.', ':', '!']).eq_ignore_ascii_case(wanted)
        };
        let fits =
            |rule: &[&str]| here.len() >= rule.len() && here.iter().zip(rule).all(|(word, wanted)| same(word, wanted));
        let (rule, name) = RULES.iter().find(|(rule, _)| fits(rule))?;
        Some(Software { name, version: version(&here[rule.len()..]) })
    })
}

fn parts(c: char) -> bool {
    c.is_whitespace() || "()[]<>{},;/\"'".contains(c)
}

fn version(behind: &[&str]) -> Option<String> {
    let mut behind = behind.iter().map(|word| word.trim_end_matches(['.', ':', '-']));
    let filler = |word: &str| {
        word.chars().all(|c| c.is_ascii_digit()) || FILLERS.iter().any(|filler| filler.eq_ignore_ascii_case(word))
    };
    let word = behind.find(|word| !filler(word))?;
    let number = word.strip_prefix(['v', 'V']).unwrap_or(word);
    let fits = number.starts_with(|c: char| c.is_ascii_digit()) && number.contains('.');
    fits.then(|| number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(banner: &str) -> Option<(&'static str, Option<String>)> {
        let findings = Findings { greeting: Some(banner.into()), ..Findings::default() };
        software(&findings).map(|software| (software.name, software.version))
    }

    #[test]
    fn banners_name_software_and_version() {
        for (banner, name, version) in [
            ("220 mx1.example.org ESMTP Postfix (Debian/GNU)", "Postfix", None),
            ("220 mx1.example.org ESMTP Postfix (2.11.3)", "Postfix", Some("2.11.3")),
            ("220-box.example.com ESMTP Exim 4.96 Tue, 04 Mar 2025 \n220 no spam", "Exim", Some("4.96")),
            ("220 a ESMTP Exim Tue, 04 Mar 2025", "Exim", None),
            ("220 a ESMTP Sendmail 8.17.1/8.17.1; Tue, 4 Mar", "Sendmail", Some("8.17.1")),
            ("* OK [CAPABILITY IMAP4rev1] Dovecot (Debian) ready.", "Dovecot", None),
            ("+OK Dovecot ready.", "Dovecot", None),
            (
                "* OK [CAPABILITY X] a Cyrus IMAP v3.6.1-Debian-3.6.1-4 server ready",
                "Cyrus",
                Some("3.6.1-Debian-3.6.1-4"),
            ),
            (
                "+OK Microsoft Exchange Server 2003 POP3 server version 6.5.7638.1 (x) ready.",
                "Microsoft Exchange",
                Some("6.5.7638.1"),
            ),
            (
                "220 a Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready",
                "Microsoft ESMTP",
                Some("6.0.3790.4675"),
            ),
            ("220 a ESMTP haraka/3.0.1 ready", "Haraka", Some("3.0.1")),
            ("* OK Domino IMAP4 Server Release 9.0.1FP9 ready", "Domino", Some("9.0.1FP9")),
        ] {
            assert_eq!(says(banner), Some((name, version.map(str::to_owned))), "{banner}");
        }
    }

    #[test]
    fn what_is_not_said_is_not_guessed() {
        for banner in
            ["220 mx.example.org ESMTP", "220 postfix.example.org ESMTP", "220 a ESMTP Postfixed", "", "220 a-exim b"]
        {
            assert_eq!(says(banner), None, "{banner}");
        }
        assert_eq!(says("220 exim.example.org ESMTP Postfix, not Exim 4.9"), Some(("Postfix", None)));
    }

    #[test]
    fn implementation_is_looked_at_where_the_greeting_says_nothing() {
        let mut findings = Findings { greeting: Some("+OK ready".into()), ..Findings::default() };
        findings.before.list.push("IMPLEMENTATION Cyrus POP3 v2.4.17");
        findings.after.list.push("USER Exim 1.0");
        assert_eq!(software(&findings), Some(Software { name: "Cyrus", version: Some("2.4.17".to_owned()) }));
        findings.before.list.clear();
        assert_eq!(software(&findings), None);
        findings.after.list.push("\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"");
        assert_eq!(software(&findings), Some(Software { name: "Dovecot", version: None }));
    }
}
