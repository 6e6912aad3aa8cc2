//! What the targets of a port do: shares, read from text.

use std::fmt;

/// Draws are numbers of so many bits.
const DRAW_BITS: u32 = 31;
/// As many rules as the responder has room for (`LAB_RULES`).
pub(crate) const RULES_MAX: usize = 64;

/// What a target does with a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// SYN-ACK; whatever segment comes next is answered by an RST.
    SynAck,
    /// RST: the port is closed.
    Rst,
    /// ICMP "host unreachable" from the router.
    Icmp,
    /// SYN-ACK and nothing more.
    SynAckOnly,
    /// Nothing.
    Silent,
}

impl Verdict {
    pub(crate) const ALL: [Self; 5] = [Self::SynAck, Self::Rst, Self::Icmp, Self::SynAckOnly, Self::Silent];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SynAck => "syn_ack",
            Self::Rst => "rst",
            Self::Icmp => "icmp",
            Self::SynAckOnly => "syn_ack_only",
            Self::Silent => "silent",
        }
    }
}

/// `struct lab_rule`: bounds of a draw, each at least the one before, and two shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    bounds: [u32; 4],
    loss: u32,
    duplicate: u32,
}

impl Rule {
    pub(crate) fn verdict(&self, draw: u32) -> Verdict {
        let at = self.bounds.iter().position(|bound| draw < *bound).unwrap_or(self.bounds.len());
        Verdict::ALL[at]
    }

    /// As the responder reads it.
    pub(crate) fn words(&self) -> [u32; 6] {
        let [syn_ack, rst, icmp, syn_ack_only] = self.bounds;
        [syn_ack, rst, icmp, syn_ack_only, self.loss, self.duplicate]
    }
}

/// The rule of each port.
#[derive(Clone, Debug)]
pub(crate) struct Rates {
    /// The first one is that of ports without one of their own.
    pub(crate) rules: Vec<Rule>,
    /// Number of the rule, by port.
    pub(crate) of_port: Vec<u16>,
}

/// Why a text says no rates.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong(String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

impl Rates {
    /// Reads `PORTS NAME=SHARE ...`, one rule a line (or between semicolons), `#` comments. PORTS is `*` (ports
    /// without a rule of their own) or a list as in `25,1000-1220`; NAME is `syn_ack`, `rst`, `icmp`, `syn_ack_only`
    /// (the rest of the targets is silent), `loss` or `duplicate`; SHARE is as in `1%`, `0.01` or `1/64`.
    ///
    /// # Errors
    /// Names the rule and what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        let mut rates = Self { rules: vec![Rule::default()], of_port: vec![0; 1 << 16] };
        for line in text.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split(';')) {
            let mut words = line.split_whitespace();
            let Some(ports) = words.next() else { continue };
            let rule = parse_rule(words).map_err(|wrong| Wrong(format!("rates: `{}`: {wrong}", line.trim())))?;
            if ports == "*" {
                rates.rules[0] = rule;
                continue;
            }
            if rates.rules.len() == RULES_MAX {
                return Err(Wrong(format!("rates: more than {RULES_MAX} rules")));
            }
            let number = u16::try_from(rates.rules.len()).unwrap_or_default();
            rates.rules.push(rule);
            for port in parse_ports(ports)? {
                rates.of_port[usize::from(port)] = number;
            }
        }
        Ok(rates)
    }

    pub(crate) fn of(&self, port: u16) -> &Rule {
        &self.rules[usize::from(self.of_port[usize::from(port)])]
    }
}

/// Reads a list of ports and ranges of ports; ascending, each once.
pub(crate) fn parse_ports(list: &str) -> Result<Vec<u16>, Wrong> {
    let wrong = |item: &str| Wrong(format!("`{item}` is no port and no range of ports as in 1000-1220"));
    let mut ports = Vec::new();
    for item in list.split(',').filter(|item| !item.is_empty()) {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else { return Err(wrong(item)) };
        if first > last {
            return Err(wrong(item));
        }
        ports.extend(first..=last);
    }
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

fn parse_rule<'a>(words: impl Iterator<Item = &'a str>) -> Result<Rule, Wrong> {
    let mut shares = [0.0; 4];
    let mut rule = Rule::default();
    for word in words {
        let (name, share) = word.split_once('=').ok_or_else(|| Wrong(format!("`{word}` is not NAME=SHARE")))?;
        let share = parse_share(share)?;
        match name {
            "loss" => rule.loss = bound(share),
            "duplicate" => rule.duplicate = bound(share),
            _ => {
                let at = Verdict::ALL[..4].iter().position(|verdict| verdict.name() == name);
                shares[at.ok_or_else(|| {
                    Wrong(format!("no such thing as `{name}`: syn_ack, rst, icmp, syn_ack_only, loss, duplicate"))
                })?] = share;
            }
        }
    }
    let mut sum = 0.0;
    for (bound_of, share) in rule.bounds.iter_mut().zip(shares) {
        sum += share;
        *bound_of = bound(sum);
    }
    if sum > 1.0 + 1e-9 { Err(Wrong("the shares are more than all".into())) } else { Ok(rule) }
}

fn parse_share(text: &str) -> Result<f64, Wrong> {
    let number = |text: &str| text.parse::<f64>().ok();
    let share = if let Some(percent) = text.strip_suffix('%') {
        number(percent).map(|percent| percent / 100.0)
    } else if let Some((part, whole)) = text.split_once('/') {
        number(part).zip(number(whole)).map(|(part, whole)| part / whole)
    } else {
        number(text)
    };
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| Wrong(format!("`{text}` is no share: write it as 1%, 0.01 or 1/64")))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2^31")]
fn bound(share: f64) -> u32 {
    (share.min(1.0) * f64::from(1_u32 << DRAW_BITS)).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_exactly() {
        let rates = Rates::parse("* syn_ack=1/64 rst=50%  # most\n25,1000-1002 syn_ack_only=1; 80 loss=0.25 icmp=0.5")
            .expect("well-formed");
        assert_eq!(rates.of(1).words(), [1 << 25, (1 << 25) + (1 << 30), (1 << 25) + (1 << 30), 1107296256, 0, 0]);
        assert_eq!(rates.of(25).words(), [0, 0, 0, 1 << 31, 0, 0]);
        assert_eq!((rates.of(1000), rates.of(1002)), (rates.of(25), rates.of(25)));
        assert_eq!(rates.of(1003), rates.of(1));
        assert_eq!(rates.of(80).words(), [0, 0, 1 << 30, 1 << 30, 1 << 29, 0]);
    }

    #[test]
    fn a_draw_falls_between_its_bounds() {
        let rates = Rates::parse("* syn_ack=25% rst=25% icmp=25%").expect("well-formed");
        let quarter = 1 << 29;
        let verdicts = [0, quarter - 1, quarter, 2 * quarter, 3 * quarter - 1, 3 * quarter, 4 * quarter - 1];
        let verdicts = verdicts.map(|draw| rates.of(7).verdict(draw));
        use Verdict::{Icmp, Rst, Silent, SynAck};
        assert_eq!(verdicts, [SynAck, SynAck, Rst, Icmp, Icmp, Silent, Silent]);
        assert_eq!(
            Rates::parse("* syn_ack_only=1").expect("well-formed").of(7).verdict(u32::MAX >> 1).name(),
            "syn_ack_only"
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |text: &str| Rates::parse(text).expect_err("wrong").to_string();
        assert_eq!(wrong("* syn_ack"), "rates: `* syn_ack`: `syn_ack` is not NAME=SHARE");
        assert!(wrong("* open=1%").contains("no such thing as `open`"));
        assert!(wrong("* rst=2").contains("`2` is no share"));
        assert!(wrong("* rst=1/0").contains("is no share"));
        assert!(wrong("* rst=60% icmp=60%").contains("more than all"));
        assert!(wrong("70000 rst=1%").contains("no port"));
        assert!(wrong("9-8 rst=1%").contains("no port"));
    }
}
