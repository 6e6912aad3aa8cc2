//! The seeds of the corpora: inputs that reach deep, from which a fuzzer finds its way to the rest.

use super::bodies::{frame, monitor, tls};
use starling::tcp::cookie::cookie;
use starling::tls::{Alpn, Client, Offer, Rung, Session};
use starling::wire::emit::{Outgoing, segment as emit};
use starling::wire::{Link, Tuple, flags};

/// Target, name, input.
pub(super) type Seed = (&'static str, String, Vec<u8>);

/// Every seed that a program can write; certificates are made by openssl.
pub(super) fn all() -> Vec<Seed> {
    let mut all = frames();
    all.extend(connections());
    all.extend(dialogues());
    all.extend(streams());
    all.extend(flights());
    all.extend(old_flights());
    all.extend(worlds());
    all.extend(filters());
    all.extend(files());
    all.extend(passing_by());
    all
}

fn filters() -> Vec<Seed> {
    let texts = [
        ("default", "success = 1 && repeat = 0"),
        ("or", "(classification = \"rst\" || icmp_type != 3) && ttl >= 57"),
        ("fields", "saddr,ttl,timestamp-str"),
        ("unknown", "sucess = 1 || (saddr < 1"),
    ];
    texts.map(|(name, text)| ("filter", name.to_owned(), text.as_bytes().to_vec())).into()
}

/// What passes by: a mail client that upgrades, with losses and without; as events and as a capture file.
fn passing_by() -> Vec<Seed> {
    use monitor::Event::{Ack, Data, Fin, Lost, Syn, Time};
    let event = |side: u8, what: monitor::Event, bytes: &[u8]| {
        let head = [side | (what as u8) << 2, u8::try_from(bytes.len()).unwrap()];
        let bytes = if matches!(what, Data | Fin) { bytes } else { &[] };
        [&head[..], bytes].concat()
    };
    let open = [event(0, Syn, b""), event(1, Syn, b""), event(0, Ack, b"")].concat();
    let upgrade = [
        event(1, Data, b"220 a ESMTP\r\n"),
        event(0, Data, b"EHLO b\r\n"),
        event(1, Data, b"250-a\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n"),
        event(0, Data, b"STARTTLS\r\n"),
        event(1, Data, b"220 go\r\n"),
    ]
    .concat();
    let hello = [&[22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3][..], &[7; 32], &[0, 0, 2, 0, 0x2f, 1, 0]].concat();
    let chosen = [&[22, 3, 3, 0, 56, 2, 0, 0, 38, 3, 3][..], &[9; 32], &[0, 0, 0x2f, 0]].concat();
    let chain = [11, 0, 0, 6, 0, 0, 3, 0, 0, 0, 14, 0, 0, 0];
    let changed = [20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 4, 9, 9, 9, 9];
    let tls = [
        event(0, Data, &hello),
        event(1, Data, &[&chosen[..], &chain].concat()),
        event(0, Data, &changed),
        event(1, Data, &changed),
        event(0, Fin, b""),
        event(1, Fin, b""),
    ]
    .concat();
    let whole = [&open[..], &upgrade, &tls].concat();
    let lossy = [&open[..], &upgrade[..15], &event(0, Lost, &[0; 9]), &event(0, Time, &[0; 200]), &upgrade[25..], &tls]
        .concat();
    let seed = |name: &str, mode: u8, bytes: &[u8]| ("monitor", name.to_owned(), [&[mode], bytes].concat());
    vec![
        seed("upgrade", 1, &whole),
        seed("lossy", 1, &lossy),
        seed("midstream", 3, &tls),
        seed("file", 0, &monitor::capture_of(&whole)),
    ]
}

const ACK: u8 = flags::ACK;

/// Files that say what is scanned, behind the number of their reader.
fn files() -> Vec<Seed> {
    let mut dump = Vec::new();
    for (prefix, length) in [([20, 0, 0, 0], 16), ([20, 0, 1, 0], 24), ([10, 0, 0, 0], 8)] {
        // RFC 6396, section 4.2: a record of TABLE_DUMP, its path 64500 7 or 64500 {7, 8}.
        let path: &[u8] = if length == 24 { &[2, 1, 251, 244, 1, 2, 0, 7, 0, 8] } else { &[2, 2, 251, 244, 0, 7] };
        let attributes = [&[0x40, 1, 1, 0, 0x40, 2, u8::try_from(path.len()).unwrap()], path].concat();
        let body = [
            &[0, 0, 0, 1],
            &prefix[..],
            &[length, 1, 0, 0, 0, 0, 192, 0, 2, 1, 251, 244, 0],
            &[u8::try_from(attributes.len()).unwrap()],
            &attributes,
        ]
        .concat();
        dump.extend([&[0x53, 0x7e, 0, 0, 0, 12, 0, 1, 0, 0, 0, u8::try_from(body.len()).unwrap()], &body[..]].concat());
    }
    [
        ("blocklist", b"\0# all\n10.0.0.0/8 # ours\n8.8.8.8\nmx.example/24 x\n10.1.2.3/9\n".to_vec()),
        ("addresses", b"\x01saddr\n8.8.8.1\n8.8.8.9:993\n8.8.8.10,1143\n8.8.9.0/24\n2001:db8::1\n".to_vec()),
        (
            "zgrab2",
            b"\x018.8.8.9,mx.example,tag,25\n8.8.8.0/24,\"net.example\"\n,mail.example,,143\nmail.example\n".to_vec(),
        ),
        ("pyasn", b"\x02; pyasn\n20.0.0.0/16\t7\n20.0.1.0/24 8\n0.0.0.0/0 1\n2001:db8::/32 2\n".to_vec()),
        ("caida", b"\x0220.0.0.0\t16\t7_8\n20.0.1.0\t24\t9,10_7\n".to_vec()),
        ("mrt", [&[2], &dump[..]].concat()),
    ]
    .map(|(name, bytes)| ("targets", name.to_owned(), bytes))
    .into()
}

fn frames() -> Vec<Seed> {
    let tuple = Tuple { remote: frame::ADDRESS, local: 0x0a01_0203, remote_port: frame::PORTS.0, local_port: 25 };
    let answered = Tuple { remote: tuple.local, local: tuple.remote, remote_port: 25, local_port: frame::PORTS.0 };
    let ack = cookie(frame::KEY, answered).wrapping_add(1);
    let link = Link { source: [2, 0, 0, 0, 0, 1], destination: [2, 0, 0, 0, 0, 2] };
    let write = |seq, flags, mss, payload: &[u8]| {
        let mut buffer = [0; 1_518];
        let outgoing = Outgoing { tuple, seq, ack, flags, window: 512, mss, payload, id: 1 };
        let length = emit(&link, &outgoing, &mut buffer);
        buffer[..length].to_vec()
    };
    let syn_ack = write(5, flags::SYN | ACK, Some(1_460), b"");
    let mut tagged = syn_ack.clone();
    tagged.splice(12..12, [0x81, 0x00, 0x00, 0x05]);
    let mut fragment = syn_ack.clone();
    fragment[20] = 0x20;
    let mut options = syn_ack.clone();
    // A longer IPv4 header: one word of no-operations.
    options[14] = 0x46;
    options[17] += 4;
    options.splice(34..34, [1; 4]);
    // An ICMP error that quotes our SYN.
    let mut icmp = syn_ack[..34].to_vec();
    icmp[23] = 1;
    icmp[17] = 20 + 8 + 28;
    icmp.extend([3, 1, 0, 0, 0, 0, 0, 0]);
    icmp.extend(&syn_ack[14..42]);
    [
        ("syn_ack", syn_ack),
        ("data", write(6, ACK | flags::PSH, None, b"220 mx.example ESMTP\r\n")),
        ("fin", write(28, ACK | flags::FIN, None, b"")),
        ("reset", write(28, flags::RST, None, b"")),
        ("refused", write(0, flags::RST | ACK, None, b"")),
        ("vlan", tagged),
        ("fragment", fragment),
        ("ip_options", options),
        ("icmp", icmp),
    ]
    .into_iter()
    .map(|(name, bytes)| ("frame", name.to_owned(), bytes))
    .collect()
}

/// Events as `connection` decodes them, behind initial sequence numbers, MSS and window.
fn connections() -> Vec<Seed> {
    let open = [0xff, 0xff, 5, 0x20, 0x00];
    let greeting = [8, 6, 0x20, 0x00];
    let all_acknowledged = [8, 0, 0x20, 0x00];
    let seed = |name: &str, parts: &[&[u8]]| {
        let bytes = [&open[..], &parts.concat()].concat();
        ("connection", name.to_owned(), bytes)
    };
    vec![
        seed("conversation", &[&greeting, &[3, 20], &all_acknowledged, &[7, 5, 11, 9]]),
        seed("lost", &[&greeting, &[4, 2, 0], &[2, 2, 2, 2, 2, 2, 2]]),
        seed("duplicate_acks", &[&[4, 2, 0], &[10, 0, 0x20, 0], &[10, 0, 0x20, 0], &[10, 0, 0x20, 0]]),
        seed("closed_window", &[&[8, 0, 0, 0], &[3, 9, 2, 10, 1, 0, 0, 2, 8, 1, 0x20, 0]]),
        seed("out_of_order", &[&[12, 0, 60, 0, ACK, 9, 9, 10], &[12, 0, 30, 0, ACK, 9, 9, 10], &[8, 15, 1, 1, 7]]),
        seed("early_fin", &[&[12, 0, 9, 0, ACK | flags::FIN, 9, 9, 0], &[8, 3, 1, 1, 7, 5]]),
        seed("resets", &[&[12, 0, 1, 0, flags::RST, 0, 0, 0], &[12, 0, 0, 0, flags::RST, 0, 0, 0]]),
        seed("both_close", &[&[5], &[11, 0], &[8, 0, 1, 1], &[1, 1, 0]]),
        seed("abort", &[&[3, 9, 6, 0xab, 8, 1, 1, 1]]),
        seed("anything", &[&[15, 1, 2, 3, 4, 5, 6, 7, 8, 0x12, 1, 1, 0, 9], &[0, 200, 1, 1, 1]]),
    ]
}

/// Chunks as `lines` decodes them.
fn dialogues() -> Vec<Seed> {
    const CLIENT: u8 = 1;
    let chunk = |side: u8, text: &str| {
        let length = u8::try_from(text.len()).expect("a short line");
        [&[length << 1 | side][..], text.as_bytes()].concat()
    };
    let server = |text| chunk(0, text);
    let client = |text| chunk(CLIENT, text);
    let tls = vec![0xff];
    let ehlo = "250-mx.example\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n";
    let smtp = [
        vec![server("220 mx.example ESMTP\r\n"), client("EHLO x\r\n"), server(ehlo), client("STARTTLS\r\n")],
        vec![server("220 go\r\nEXTRA"), tls.clone(), client("EHLO x\r\n"), server(ehlo), client("QUIT\r\n")],
        vec![server("221 bye\r\n")],
    ]
    .concat();
    let list = "* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\na1 OK done\r\n";
    let imap = [
        vec![server("* OK [CAPABILITY IMAP4rev1] hi\r\n"), client("a1 CAPABILITY\r\n"), server(list)],
        vec![client("a2 STARTTLS\r\n"), server("a2 OK go\r\n"), tls.clone(), client("a3 CAPABILITY\r\n")],
        vec![server("* CAPABILITY IMAP4rev1\r\na3 OK\r\n"), client("a4 LOGOUT\r\n"), server("* BYE\r\na4 OK\r\n")],
    ]
    .concat();
    let capa = "+OK\r\nSTLS\r\nSASL PLAIN LOGIN\r\n..x\r\n.\r\n";
    let pop3 = [
        vec![server("+OK hi <1.2@h>\r\n"), client("CAPA\r\n"), server(capa), client("STLS\r\n")],
        vec![server("+OK go\r\nEXTRA"), tls.clone(), client("CAPA\r\n"), server(capa), client("QUIT\r\n")],
        vec![server("+OK bye\r\n")],
    ]
    .concat();
    let caps = ":a CAP * LS * :x y\r\nPING :1\r\n:a CAP * LS :tls sasl=PLAIN,EXTERNAL\r\n";
    let irc = [
        vec![server(":a NOTICE * :hi\r\n"), client("CAP LS 302\r\n"), server(caps), client("PONG :1\r\n")],
        vec![client("STARTTLS\r\n"), server(":a 670 * :go\r\nEXTRA"), tls.clone(), client("CAP LS 302\r\n")],
        vec![server(caps), client("QUIT :x\r\n"), server("ERROR :bye\r\n")],
    ]
    .concat();
    let list = "\"IMPLEMENTATION\" \"x\"\r\n\"SASL\" \"PLAIN\"\r\n\"STARTTLS\"\r\nOK \"hi\"\r\n";
    let managesieve = [
        vec![server(list), client("STARTTLS\r\n"), server("OK\r\nEXTRA"), tls.clone(), server(list)],
        vec![client("LOGOUT\r\n"), server("OK\r\n")],
    ]
    .concat();
    let only_server = |chunks: &[Vec<u8>]| -> Vec<Vec<u8>> {
        chunks.iter().filter(|chunk| chunk[0] == 0xff || chunk[0] & CLIENT == 0).cloned().collect()
    };
    let seed = |target, name: &str, mode: u8, chunks: &[Vec<u8>]| {
        (target, name.to_owned(), [&[mode][..], &chunks.concat()].concat())
    };
    let long = vec![0xfe, b'x', 0x10, 0x00];
    vec![
        seed("smtp", "both_sides", 0, &smtp),
        seed("smtp", "server", 2, &only_server(&smtp)),
        seed("smtp", "inside_tls", 1, &smtp[..3]),
        seed("smtp", "refused", 2, &[server("554-no\r\n554 service\r\n"), server("221 bye\r\n")]),
        seed("smtp", "alien", 0, &[server("SSH-2.0-x\r\n")]),
        seed("smtp", "long", 0, &[server("220-"), long.clone(), server("\r\n220 x\r\n")]),
        seed("smtp", "private", 0, &[smtp[0].clone(), client("AUTH LOGIN\r\n"), server("334 x\r\n535 no\r\n")]),
        seed("imap", "both_sides", 0, &imap),
        seed("imap", "server", 2, &only_server(&imap)),
        seed("imap", "inside_tls", 3, &[server("* PREAUTH hi\r\n"), server("* CAPABILITY X AUTH=Y\r\na1 OK\r\n")]),
        seed("imap", "bye", 2, &[server("* BYE full\r\n")]),
        seed("imap", "literal", 0, &[imap[0].clone(), server("* X {5}\r\nabcde y\r\n"), client("a1 LOGIN {3}\r\n")]),
        seed("pop3", "both_sides", 0, &pop3),
        seed("pop3", "server", 2, &only_server(&pop3)),
        seed("pop3", "without_capa", 2, &[pop3[0].clone(), server("-ERR\r\n"), server("-ERR\r\n+OK\r\n")]),
        seed("pop3", "private", 0, &[pop3[0].clone(), client("AUTH PLAIN\r\n"), server("+ \r\n-ERR\r\n")]),
        seed("pop3", "inside_tls", 3, &[pop3[0].clone(), server(capa), server("+OK\r\n")]),
        seed("irc", "both_sides", 0, &irc),
        seed("irc", "server", 2, &only_server(&irc)),
        seed("irc", "without_cap", 2, &[server(":a 421 * CAP :x\r\n"), server(":a 451 * :x\r\nERROR :x\r\n")]),
        seed("irc", "registers", 0, &[client("NICK a\r\n"), irc[0].clone(), server(":a 001 a :x\r\n"), irc[0].clone()]),
        seed("irc", "inside_tls", 3, &[irc[0].clone(), server(caps), server("ERROR :bye\r\n")]),
        seed("managesieve", "both_sides", 0, &managesieve),
        seed("managesieve", "server", 2, &only_server(&managesieve)),
        seed("managesieve", "refused", 2, &[server("BYE \"full\"\r\n")]),
        seed(
            "managesieve",
            "private",
            0,
            &[managesieve[0].clone(), client("AUTHENTICATE \"X\"\r\n"), server("NO\r\n")],
        ),
        seed("imap", "long", 0, &[server("* OK ["), long, server("\r\n")]),
    ]
}

/// Conversations in XMPP, as `lines` decodes them.
fn streams() -> Vec<Seed> {
    const SERVER: u8 = 0;
    const CLIENT: u8 = 1;
    let said = |side: u8, text: &str| -> Vec<u8> {
        let parts = text.as_bytes().chunks(100);
        parts.flat_map(|part| [&[u8::try_from(part.len()).expect("short") << 1 | side], part].concat()).collect()
    };
    let head = |from: &str| {
        format!(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
             xmlns:stream='http://etherx.jabber.org/streams' {from}='a.example' id='1' xml:lang='en' version='1.0'>"
        )
    };
    let (ours, theirs) = (head("to"), head("from"));
    let offer = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>\
        <dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>";
    let auth = "<stream:features>\n<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism>\
        <mechanism><![CDATA[SCRAM]]>-SHA-1</mechanism></mechanisms><sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>\
        <channel-binding type='tls-exporter'/></sasl-channel-binding></stream:features>";
    let ask = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    let reply = |word: &str| format!("<{word} xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    let error = "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text \
        xmlns='urn:ietf:params:xml:ns:xmpp-streams'>who &lt;&#x2e;</text></stream:error></stream:stream>";
    let bye = "</stream:stream>";
    let opened = [said(CLIENT, &ours), said(SERVER, &theirs)].concat();
    let asked = [said(SERVER, offer), said(CLIENT, ask)].concat();
    let tls = vec![0xff];
    let secured = [said(SERVER, &reply("proceed")), tls.clone()].concat();
    let inside = [said(SERVER, auth), said(CLIENT, bye), said(SERVER, bye)].concat();
    let servers = [&theirs, offer, &reply("proceed")].map(|text| said(SERVER, text)).concat();
    let seed =
        |name: &str, mode: u8, parts: &[&[u8]]| ("xmpp", name.to_owned(), [&[mode][..], &parts.concat()].concat());
    vec![
        seed("both_sides", 0, &[&opened, &asked, &secured, &opened, &inside]),
        seed("server", 2, &[&servers, &tls, &said(SERVER, &(theirs.clone() + auth + bye))]),
        seed("inside_tls", 3, &[&said(SERVER, &(theirs.clone() + "<!-- c -->" + auth + bye))]),
        seed("injected", 0, &[&opened, &asked, &said(SERVER, &(reply("proceed") + auth)), &tls, &opened]),
        seed("refused", 0, &[&opened, &asked, &said(SERVER, &(reply("failure") + bye))]),
        seed("host_unknown", 2, &[&said(SERVER, &(theirs.clone() + error))]),
        seed("private", 0, &[&opened, &said(CLIENT, "<auth xmlns='urn:x'>AA==</auth>"), &said(SERVER, auth)]),
        seed("alien", 2, &[&said(SERVER, "HTTP/1.1 400 Bad Request\r\n\r\n")]),
        seed("doctype", 0, &[&said(SERVER, "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")]),
        seed("deep", 0, &[&opened, &said(SERVER, &"<a xmlns:b='urn:b'>".repeat(40))]),
        seed("long", 0, &[&opened, &said(SERVER, "<stream:features><a>"), &[0xfe, b'x', 0x27, 0x0f], &inside]),
        seed("white_space", 0, &[&opened, &[0xfe, b' ', 0x27, 0x0f], &asked, &secured]),
    ]
}

/// What rustls' server says to a ClientHello, raw; and damaged live ones.
fn flights() -> Vec<Seed> {
    let flight = |version| {
        let client = Client::new(Offer::Wide).expect("a client");
        let mut hello = Vec::new();
        Session::start(&client, (Rung::Modern, 1), None, Alpn::Web, &mut hello).expect("a session");
        [&[1][..], &tls::answer(&mut tls::server(version), &hello)].concat()
    };
    // A ServerHello of TLS 1.2, and a certificate message that is longer than rustls takes, and does not come to its end.
    let record = |kind: u8, length: [u8; 3], body: &[u8]| {
        let message = [&[kind][..], &length, body].concat();
        [&[22, 3, 3, 0, u8::try_from(message.len()).expect("a short one")], &message[..]].concat()
    };
    let random: Vec<u8> = (0..32).collect();
    let hello = record(2, [0, 0, 38], &[&[3, 3][..], &random, &[0, 0xc0, 0x2f, 0]].concat());
    let certificate = [&[0x80, 0, 0, 0, 4, 0][..], &[0; 64]].concat();
    let too_long = [&[0][..], &hello, &record(11, [0x80, 0, 0], &certificate)].concat();
    [
        ("too_long", too_long),
        ("flight12", flight(&rustls::version::TLS12)),
        ("flight13", flight(&rustls::version::TLS13)),
        ("alert", vec![0, 21, 3, 3, 0, 2, 2, 40]),
        ("plain_text", b"\0HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("live13", vec![2]),
        ("live12", vec![7]),
        ("cut12", vec![6, 0, 100, 1]),
        ("flip13", vec![2, 0, 200, 3, 9]),
        ("twice13", vec![3, 0, 0, 5, 0, 0, 5]),
    ]
    .into_iter()
    .map(|(name, bytes)| ("tls", name.to_owned(), bytes))
    .collect()
}

/// What real servers of old versions said, behind the number of the hello they said it to.
fn old_flights() -> Vec<Seed> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/legacy");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let recordings = entries.filter(|path| path.extension().is_some_and(|end| end == "bin"));
    recordings
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let mode = u8::from(name.contains("-ssl3-"));
            let bytes = [&[mode][..], &std::fs::read(&path).unwrap()].concat();
            ("legacy", name, bytes)
        })
        .collect()
}

/// Addresses, connections, rate, seed and kinds of hosts, as `engine` decodes them; then what spoils the world.
fn worlds() -> Vec<Seed> {
    let honest = [0, 1, 0, 1, 0, 1, 0, 1];
    let mixed = [0, 1, 2, 3, 4, 5, 6, 7];
    let odd = [8, 9, 10, 11, 0, 1, 2, 5];
    let seed = |name: &str, head: [u8; 4], kinds: [u8; 8], rest: &[u8]| {
        ("engine", name.to_owned(), [&head[..], &kinds, rest].concat())
    };
    // Interference, then fates: see `World::interfere` and `World::spoil`.
    let lossy: Vec<u8> = (0..200).map(|n: u8| if n % 5 == 4 { 0x80 } else { 0 }).collect();
    let repeats: Vec<u8> = (0..200).map(|n: u8| if n % 3 == 1 { 0xa0 } else { 1 }).collect();
    let late: Vec<u8> = (0..200).map(|n: u8| if n % 4 == 1 { 0xb8 } else { n % 64 }).collect();
    let forged: Vec<u8> = (0..40).flat_map(|n: u8| [0xd0, n, 0x10 | (n % 32), n, n, n % 8]).collect();
    vec![
        seed("honest", [3, 31, 0, 1], honest, &[]),
        seed("mixed", [15, 31, 100, 2], mixed, &[]),
        seed("odd", [7, 31, 0, 3], odd, &[]),
        seed("full_table", [15, 0, 0, 4], [2; 8], &[]),
        seed("lossy", [3, 10, 0, 5], honest, &lossy),
        seed("repeated", [3, 10, 0, 6], mixed, &repeats),
        seed("late", [3, 10, 50, 7], odd, &late),
        seed("forged", [3, 10, 0, 8], mixed, &forged),
        seed("interrupted", [7, 10, 0, 9], mixed, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff]),
        seed("stopped", [7, 10, 5, 9], mixed, &[0, 0, 0, 0, 0xfd, 0, 0, 0, 0xfc, 0, 0, 0, 0xfe]),
        seed("injected", [1, 10, 0, 9], honest, &[0xf0, 20, 1, 2, 3, 4, 0xc5, 3, 232, 0xf1, 14]),
    ]
}
