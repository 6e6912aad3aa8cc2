//! The row types. A field's documentation is the column's documentation in the dataset.

use crate::base::UtcMicros;
use crate::table;

/// A SHA-256 fingerprint.
pub type Sha256 = [u8; 32];

table! {
    /// A valid answer to a probe: the first of its kind from a target.
    "hosts" pub struct Host {
        /// When the answer arrived.
        time: UtcMicros,
        /// Address that answered, as a number in host order (the views show it as text).
        ip: u32,
        /// TCP port that answered.
        port: u16,
        /// Kind of answer: `syn_ack`; on request also `rst` (the port is closed) and `icmp` (an error that quotes the
        /// probe).
        answer: &'static str,
        /// Time to live of the answer's IPv4 header as it arrived.
        ttl: u8,
        /// Window field of the answer, unscaled. Absent for `icmp`.
        window: Option<u16>,
        /// Maximum segment size option of the answer (RFC 9293, section 3.7.1).
        mss: Option<u16>,
        /// Window scale option of the answer, as a shift count (RFC 7323, section 2). Only for probes that offered
        /// it.
        window_scale: Option<u8>,
        /// The answer permits selective acknowledgements (RFC 2018). Only for probes that offered it. Absent for
        /// `icmp`.
        sack_permitted: Option<bool>,
        /// Our source port.
        source_port: u16,
        /// From the probe to the answer, in microseconds, by the timestamp option (RFC 7323, section 3). Absent if
        /// the probe had none or the answer did not echo it.
        rtt_us: Option<u64>,
        /// ICMP type of an `icmp` answer (RFC 792): 3 destination unreachable, 11 time exceeded.
        icmp_type: Option<u8>,
        /// ICMP code of an `icmp` answer.
        icmp_code: Option<u8>,
        /// Who sent the `icmp` answer, if not the target itself: a router or firewall, as a number in host order (the
        /// views show it as text).
        responder: Option<u32>,
    }
}

table! {
    /// A connection: from the valid SYN-ACK to its close.
    "handshakes" pub struct Handshake {
        /// When the connection was opened: arrival of the SYN-ACK, or the end of the wait for its turn.
        time: UtcMicros,
        /// Server address, as a number in host order (the views show it as text).
        ip: u32,
        /// Server port.
        port: u16,
        /// Protocol spoken, by its name in `-p` (`starling scan --help` lists them).
        protocol: &'static str,
        /// Name of the server, where the list of targets gave one: it was sent as SNI (RFC 6066, section 3).
        name: Option<String>,
        /// Last stage entered: `greeting` (until the server's first words), `capabilities`, `starttls`, `tls`, `capabilities_tls`,
        /// `goodbye`, `done`.
        stage: &'static str,
        /// How the conversation ended. All was seen: `complete`, or `no_starttls` (not advertised). The server said
        /// no: `starttls_refused` (asked for because advertised, or because the server does not let itself be asked),
        /// `service_refused`, `host_unknown` (XMPP: not the host it was addressed as). It failed: `tls_failed`,
        /// `tls_too_large` (a message of the handshake is longer than is taken), `not_tls` (garbage in place of the TLS handshake, after STARTTLS or where TLS comes first),
        /// `protocol_error` (another protocol), `reset` by the server, `closed` by it too early. It took too long: `timeout_greeting`, `timeout_reply`
        /// (to a command), `timeout_tls`, `timeout_total` (all together); `silent_after_synack` if nothing at all
        /// came after the SYN-ACK; `tarpit` if bytes had come at least twice in the stage whose deadline passed,
        /// and still in the second half of its time. It was too much: `too_much_data`, `too_many_segments`.
        /// We were stopped: `interrupted`, or told not to go on by a blocklist read again: `blocked`.
        outcome: &'static str,
        /// What went wrong, in words, where something did.
        error: Option<String>,
        /// How long the answer waited before `time` because another port of the address had its turn, in
        /// milliseconds.
        waited_ms: u32,
        /// From `time` to the close, in microseconds.
        duration_us: u64,
        /// From `time` to the first complete greeting, in microseconds.
        greeting_us: Option<u64>,
        /// From the first byte of the ClientHello to the end of the TLS handshake, in microseconds.
        tls_us: Option<u64>,
        /// Payload bytes received in order.
        bytes_in: u64,
        /// Payload bytes sent, retransmissions not counted.
        bytes_out: u64,
        /// Segments received.
        segments_in: u32,
        /// Segments sent, retransmissions included.
        segments_out: u32,
        /// Segments we sent again.
        retransmits: u32,
        /// Greeting as sent by the server, lines joined by a line feed (IRC: its notices before TLS).
        banner: Option<String>,
        /// Reply code of the greeting, where the protocol has numbers.
        banner_code: Option<u16>,
        /// What the server calls itself: the domain of SMTP's reply to EHLO, `from` of XMPP's stream header; the last one,
        /// if it says another inside TLS. To be held against `name`, where the list of targets gave one.
        own_name: Option<String>,
        /// Server software as the banner (or POP3's and ManageSieve's `IMPLEMENTATION`) names it, by the table in
        /// `src/dialogue/software.rs`. Absent if none of its names stands there: nothing is guessed.
        software: Option<&'static str>,
        /// Its version, as the banner tells it.
        software_version: Option<String>,
        /// What the server said when it refused service: the line, or the condition (XMPP).
        refusal: Option<String>,
        /// The greeting has a timestamp for APOP (POP3: RFC 1939, section 7).
        apop: bool,
        /// A capability query in the clear was answered.
        capabilities_before_ok: bool,
        /// Code of the reply to that query, where the protocol has numbers (SMTP 250, or 502 and the like if it was
        /// refused; IRC 421 or 451 if it was refused).
        capabilities_before_code: Option<u16>,
        /// Capabilities before encryption, as written by the server, in its order.
        capabilities_before: Vec<String>,
        /// Authentication mechanisms before encryption, upper case, in the server's order.
        auth_before: Vec<String>,
        /// The server advertised STARTTLS. Absent where the protocol has none or no list was seen.
        starttls_offered: Option<bool>,
        /// The server says that nothing goes without STARTTLS (XMPP `<required/>`). Absent where the protocol cannot
        /// say so, or no list was seen.
        starttls_required: Option<bool>,
        /// We asked for STARTTLS.
        starttls_sent: bool,
        /// The server agreed to STARTTLS. Absent if it was not asked or did not answer.
        starttls_accepted: Option<bool>,
        /// The server's reply to STARTTLS.
        starttls_reply: Option<String>,
        /// Bytes the server sent after agreeing and before TLS (response injection).
        starttls_injected: u32,
        /// A capability query inside TLS was answered.
        capabilities_after_ok: bool,
        /// Code of the reply to that query, as before TLS.
        capabilities_after_code: Option<u16>,
        /// Capabilities inside TLS, as written by the server, in its order.
        capabilities_after: Vec<String>,
        /// Authentication mechanisms inside TLS, upper case, in the server's order.
        auth_after: Vec<String>,
        /// Some line or list exceeded its limit and was cut.
        truncated: bool,
        /// Newest version offered in the ClientHello: `TLSv1.3`, `TLSv1.2` or `SSLv3`, by `rung`. Absent where TLS was
        /// not begun.
        tls_offered: Option<&'static str>,
        /// Negotiated version of a complete handshake: `SSLv3`, `TLSv1.0`, `TLSv1.1`, `TLSv1.2`, `TLSv1.3`.
        tls_version: Option<&'static str>,
        /// Cipher suite that the server chose, IANA name, or its number as `0x` and four digits. There too where the
        /// handshake then failed.
        tls_cipher: Option<String>,
        /// Class of that suite as in the study's Fig. 3: `ECDHE` and `DHE` (forward secret; TLS 1.3 by its group), `AES` without
        /// forward secrecy, `RC4`, `other`.
        tls_cipher_class: Option<&'static str>,
        /// Key-exchange group, IANA name.
        tls_group: Option<String>,
        /// Bits of the prime of finite-field Diffie-Hellman, where the server sent one (before TLS 1.3).
        tls_dh_bits: Option<u32>,
        /// Signature scheme of the server's handshake signature, IANA name. Before TLS 1.2 it is not said.
        tls_signature: Option<String>,
        /// The server chose a compression method (before TLS 1.3).
        tls_compression: Option<bool>,
        /// Types of the server's extensions, by their IANA numbers, in its order: those of ServerHello, then those of
        /// EncryptedExtensions (TLS 1.3).
        tls_extensions: Vec<u32>,
        /// The server asked for another key share first: HelloRetryRequest (RFC 8446, section 4.1.4).
        tls_retried: Option<bool>,
        /// Application protocol agreed on by ALPN (RFC 7301).
        tls_alpn: Option<String>,
        /// The server issued a session ticket. In TLS 1.3 it comes after the handshake: absent if none came while we
        /// listened, which is no time at all where nothing is said inside (`https`).
        tls_ticket: Option<bool>,
        /// Lifetime that the server hints for the ticket, in seconds. Absent in TLS 1.3, where it comes encrypted.
        tls_ticket_lifetime: Option<u32>,
        /// Description of the first alert received (RFC 8446, section 6); `close_notify` is not among them.
        tls_alert: Option<String>,
        /// Description of the fatal alert that we sent, if it went out in the clear.
        tls_alert_sent: Option<String>,
        /// What kind of failure ended the handshake or the session inside: `alert` (received), `malformed`, `too_large`,
        /// `unexpected` (a message at the wrong time), `incompatible` (a choice that was not offered or cannot be spoken), `misbehaved` (another
        /// break of the protocol), `decrypt`, `internal` (ours). The words are in `error`.
        tls_error: Option<&'static str>,
        /// The server asked for a certificate of ours. We have none.
        tls_client_certificate: Option<bool>,
        /// The server stapled an OCSP response.
        tls_ocsp: Option<bool>,
        /// What that response says of the leaf: `good`, `revoked`, `unknown` (RFC 6960, section 4.2.1); or the error
        /// it is: `malformed_request`, `internal_error`, `try_later`, `sig_required`, `unauthorized`; or
        /// `unreadable`. Its signature is not checked.
        tls_ocsp_status: Option<&'static str>,
        /// When that status was known to be right.
        tls_ocsp_this_update: Option<UtcMicros>,
        /// When newer information was to be there.
        tls_ocsp_next_update: Option<UtcMicros>,
        /// Signed certificate timestamps in the TLS extension (RFC 6962, section 3.3).
        tls_scts: Option<u16>,
        /// Bytes of the server's first flight, record headers included, until its handshake was over or went on
        /// encrypted (before TLS 1.3: up to its ChangeCipherSpec).
        tls_flight_bytes: Option<u64>,
        /// Who spoke TLS: `rustls`, or `legacy`, which takes over where rustls cannot go on.
        tls_engine: Option<&'static str>,
        /// Certificate chain as presented: SHA-256 of the concatenated SHA-256s (table `chains`).
        chain_id: Option<Sha256>,
        /// First certificate of the chain: SHA-256 of its DER.
        leaf_sha256: Option<Sha256>,
        /// Which connection to this address and port this was, by what it offers: `modern` (TLS 1.3 and 1.2, and all
        /// suites), `bare` (the same without SNI and ALPN), `legacy` (TLS 1.2 at most, in a ClientHello of before TLS
        /// 1.3), `ssl3` (SSL 3.0 and no extensions).
        rung: &'static str,
    }
}

table! {
    /// A distinct certificate, stored once.
    "certificates" pub struct Certificate {
        /// SHA-256 of the DER encoding.
        sha256: Sha256,
        /// When it was first seen in this run.
        first_seen: UtcMicros,
        /// The certificate itself.
        der: Vec<u8>,
        /// Subject in the form of RFC 4514 (most specific part first), control characters as hex pairs.
        subject: Option<String>,
        /// First common name of the subject.
        subject_cn: Option<String>,
        /// Issuer, in the same form.
        issuer: Option<String>,
        /// First common name of the issuer.
        issuer_cn: Option<String>,
        /// Subject equals issuer, byte for byte.
        self_issued: Option<bool>,
        /// DNS names and IP addresses of the subject alternative name extension, in order.
        names: Vec<String>,
        /// Serial number, lower-case hex, with a minus sign if negative.
        serial: Option<String>,
        /// X.509 version: 1, 2 or 3, or what else it claims to be.
        version: Option<u8>,
        /// Begin of validity.
        not_before: Option<UtcMicros>,
        /// End of validity.
        not_after: Option<UtcMicros>,
        /// Key algorithm: `RSA`, `EC`, `Ed25519`, `Ed448`, `DSA` or the OID.
        key_type: Option<String>,
        /// Key size in bits (RSA and DSA: modulus; EC: field; Ed25519 and Ed448: encoded key).
        key_bits: Option<u32>,
        /// Curve of an EC key: `secp256r1` and the like, else the OID, else `explicit`.
        key_curve: Option<String>,
        /// SHA-256 of the DER encoding of the subject public key info.
        spki_sha256: Option<Sha256>,
        /// Signature algorithm by its usual name (`sha256WithRSAEncryption`, `ecdsa-with-SHA384`, `ED25519`), else
        /// the OID.
        signature_algorithm: Option<String>,
        /// Basic constraints say CA (false where the extension is missing).
        is_ca: Option<bool>,
        /// Subject key identifier (RFC 5280, section 4.2.1.2), lower-case hex.
        subject_key_id: Option<String>,
        /// Key identifier of the issuer that the authority key identifier names (RFC 5280, section 4.2.1.1),
        /// lower-case hex.
        authority_key_id: Option<String>,
        /// Purposes of the extended key usage extension (RFC 5280, section 4.2.1.12), in order: `serverAuth` and the
        /// like, else the OID. Empty where the extension is missing.
        extended_key_usage: Vec<String>,
        /// OIDs of the certificate policies (RFC 5280, section 4.2.1.4), in order; `2.23.140.1.2.1` is domain-validated.
        policies: Vec<String>,
        /// Signed certificate timestamps in the certificate itself (RFC 6962, section 3.3).
        scts: Option<u32>,
        /// The certificate wants a stapled OCSP response in each handshake (RFC 7633: feature `status_request`).
        must_staple: Option<bool>,
        /// Why it, or a part of it, could not be parsed or was cut.
        parse_error: Option<String>,
    }
}

table! {
    /// A distinct chain as presented by servers, leaf first.
    "chains" pub struct Chain {
        /// SHA-256 of the concatenated SHA-256s of its certificates.
        chain_id: Sha256,
        /// When it was first seen in this run.
        first_seen: UtcMicros,
        /// SHA-256 of each certificate, in the order presented (table `certificates`).
        certificates: Vec<Sha256>,
    }
}

table! {
    /// Addresses that the routing table given by `--allow-rib` announces, as disjoint ranges: with reserved ones left
    /// out, what the blocklist has not been taken from yet. Empty without such a table. The AS of a server:
    /// `FROM hosts JOIN prefixes ON ip BETWEEN first_ip AND last_ip`.
    "prefixes" pub struct Prefix {
        /// First address, as a number in host order (the views show it as text).
        first_ip: u32,
        /// Last address, likewise.
        last_ip: u32,
        /// The most specific announced prefix that the range lies in.
        prefix: String,
        /// AS that originates it; of several the one that most peers of the collector see, of equals the smallest
        /// number. Absent if the path names none.
        origin_as: Option<u32>,
        /// All ASes that originate it, that one first, then ascending.
        origins: Vec<u32>,
        /// Some of them come from an AS_SET (RFC 4271, section 4.3): which of its members it is, nobody says.
        as_set: bool,
    }
}

table! {
    /// A connection seen by `starling monitor`: any with a hello of TLS, or with the clear-text part of a protocol that
    /// knows STARTTLS.
    "connections" pub struct Connection {
        /// When its first packet was captured.
        time: UtcMicros,
        /// Address of the side that opened it, as text (RFC 5952 for IPv6).
        client_ip: String,
        /// Address of the side that was called, likewise.
        server_ip: String,
        /// The server's IPv4 address as a number in host order; absent for IPv6.
        server_ipv4: Option<u32>,
        /// Port of the client.
        client_port: u16,
        /// Port of the server.
        server_port: u16,
        /// Protocol, by its name in `-p` (`starling scan --help` lists them); `tls` for TLS on any other port.
        protocol: &'static str,
        /// What it was recognised by: `port`, or `content` (`--any-port`).
        recognised: &'static str,
        /// From its first to its last packet, in microseconds. Here and in the counts below, what follows the handshake is left
        /// out.
        duration_us: u64,
        /// Why no more of it was read: `handshake_over` (TLS, or an unknown protocol in which none turned up), `closed` (FIN from
        /// both sides), `reset`, `silent` (nothing came for five minutes), `evicted` (its place was needed), `reused` (another
        /// connection of the same ports began), `capture_ended`.
        end: &'static str,
        /// Its first packets were not seen: no SYN, or no SYN-ACK. So it is with what goes on after five minutes of silence.
        midstream: bool,
        /// Packets from the client.
        packets_client: u32,
        /// Packets from the server.
        packets_server: u32,
        /// TCP payload from the client, in bytes, retransmissions included.
        bytes_client: u64,
        /// TCP payload from the server, likewise.
        bytes_server: u64,
        /// Holes in either direction's bytes, before the end of the handshake, that nothing filled: loss, or a short
        /// snap length.
        gaps: u32,
        /// Their bytes.
        gap_bytes: u64,
        /// Capabilities before encryption, as written by the server, in its order.
        capabilities_before: Vec<String>,
        /// Authentication mechanisms before encryption, upper case, in the server's order.
        auth_before: Vec<String>,
        /// The server advertised STARTTLS. Absent where the protocol has none or no list was seen.
        starttls_offered: Option<bool>,
        /// The client asked for STARTTLS.
        starttls_sent: bool,
        /// The server agreed to STARTTLS. Absent if it was not asked or its answer was not seen.
        starttls_accepted: Option<bool>,
        /// Bytes the server sent after agreeing and before TLS (response injection).
        starttls_injected: u32,
        /// How the client authenticated without encryption, if it did: the mechanism of SASL, or the command that does without
        /// (`USER` and `APOP` of POP3, `LOGIN command` of IMAP, `PASS` of IRC, `jabber:iq:auth` of XMPP); `other` for a
        /// mechanism that is not registered. Whether it succeeded is not asked; names and passwords are never kept.
        auth_clear: Option<&'static str>,
        /// TLS got through: both sides went on encrypted (ChangeCipherSpec, or application data in TLS 1.3) without a
        /// fatal alert. Absent where TLS was not begun.
        established: Option<bool>,
        /// The handshake resumed an earlier session (same session id or ticket, or a pre-shared key). Absent without a ServerHello.
        resumed: Option<bool>,
        /// The server's certificates: `seen`; `hidden`, as they are encrypted (TLS 1.3) or in a hole; `none`, as there were none.
        /// Absent without a ServerHello.
        certificates: Option<&'static str>,
        /// Server name that the client asked for (RFC 6066, section 3).
        sni: Option<String>,
        /// The client's hello was in SSL 2.0's format.
        client_v2_hello: bool,
        /// Versions that the client offered: those of `supported_versions`, else the only one it names (its newest). None of a hello
        /// that is malformed or not whole, if they can stand in what could not be read.
        client_versions: Vec<String>,
        /// Cipher suites that the client offered, by their IANA numbers, in its order, signalling values among them.
        client_suites: Vec<u32>,
        /// Groups that the client offered, likewise.
        client_groups: Vec<u32>,
        /// Groups that the client sent key shares for (TLS 1.3), likewise.
        client_key_shares: Vec<u32>,
        /// Signature schemes that the client offered, likewise.
        client_signatures: Vec<u32>,
        /// Types of the client's extensions, likewise.
        client_extensions: Vec<u32>,
        /// Application protocols that the client offered (RFC 7301), in its order.
        client_alpn: Vec<String>,
        /// JA3 fingerprint of the ClientHello: lower-case hex. Absent where the hello is malformed or not whole.
        client_ja3: Option<String>,
        /// Version that the server chose: `SSLv2`, `SSLv3`, `TLSv1.0`, `TLSv1.1`, `TLSv1.2`, `TLSv1.3`; drafts as
        /// `TLSv1.3-draft28`.
        tls_version: Option<String>,
        /// Cipher suite that the server chose, IANA name, or its number as `0x` and four digits. In SSL 2.0 the client chooses
        /// (`SSL_CK_RC4_128_WITH_MD5`).
        tls_cipher: Option<String>,
        /// Class of that suite as in the study's Fig. 3: `ECDHE` and `DHE` (forward secret; TLS 1.3 by its group), `AES` without
        /// forward secrecy, `RC4`, `other`.
        tls_cipher_class: Option<&'static str>,
        /// Key-exchange group, IANA name.
        tls_group: Option<String>,
        /// Bits of the prime of finite-field Diffie-Hellman, where the server sent one (before TLS 1.3).
        tls_dh_bits: Option<u32>,
        /// Signature scheme of the server's key exchange, IANA name. Before TLS 1.2 it is not said, in TLS 1.3 encrypted.
        tls_signature: Option<String>,
        /// The server chose a compression method (before TLS 1.3).
        tls_compression: Option<bool>,
        /// Types of the extensions of the ServerHello, by their IANA numbers, in its order.
        tls_extensions: Vec<u32>,
        /// The server asked for another key share first: HelloRetryRequest (RFC 8446, section 4.1.4).
        tls_retried: Option<bool>,
        /// Application protocol that the server chose (RFC 7301); in TLS 1.3 encrypted.
        tls_alpn: Option<String>,
        /// The server issued a session ticket (before TLS 1.3).
        tls_ticket: Option<bool>,
        /// Lifetime of the ticket, in seconds.
        tls_ticket_lifetime: Option<u32>,
        /// Description of the first alert that the server sent in the clear (RFC 8446, section 6).
        tls_alert: Option<String>,
        /// Description of the first alert that the client sent in the clear.
        tls_alert_sent: Option<String>,
        /// The server asked for a certificate of the client's (before TLS 1.3).
        tls_client_certificate: Option<bool>,
        /// The server stapled an OCSP response (before TLS 1.3). Absent where certificates were not seen.
        tls_ocsp: Option<bool>,
        /// What that response says of the leaf, in the words of `handshakes`. Its signature is not checked.
        tls_ocsp_status: Option<&'static str>,
        /// When that status was known to be right.
        tls_ocsp_this_update: Option<UtcMicros>,
        /// When newer information was to be there.
        tls_ocsp_next_update: Option<UtcMicros>,
        /// Signed certificate timestamps in the extension of the ServerHello (RFC 6962, section 3.3). Absent where there
        /// is none.
        tls_scts: Option<u16>,
        /// Bytes of the server's handshake, record headers included, until it was over or went on encrypted.
        tls_flight_bytes: Option<u64>,
        /// What could not be read, in words.
        error: Option<String>,
        /// Certificate chain as presented: SHA-256 of the concatenated SHA-256s (table `chains`).
        chain_id: Option<Sha256>,
        /// First certificate of the chain: SHA-256 of its DER.
        leaf_sha256: Option<Sha256>,
    }
}

table! {
    /// What `starling verify` says about a distinct chain. Flags overlap; `verdict` is the one word.
    "verdicts" pub struct Verdict {
        /// The chain (table `chains`).
        chain_id: Sha256,
        /// Its first certificate (table `certificates`).
        leaf_sha256: Sha256,
        /// The first that applies: `self_signed`, `bad_signature`, `unknown_root`, `missing_intermediate`, `other`, `expired`,
        /// `not_yet_valid`, `valid`. So `expired` and `not_yet_valid` are chains that lack nothing but the right time.
        verdict: &'static str,
        /// The presented certificates make a path to a root of the store, and nothing on it is wrong at that time. Weak
        /// algorithms do not make a chain invalid: the `weak_` columns tell them.
        valid: bool,
        /// The first certificate is signed by its own key, and no root of the store.
        self_signed: bool,
        /// A certificate of the path was no longer valid.
        expired: bool,
        /// A certificate of the path was not valid yet.
        not_yet_valid: bool,
        /// No path ends in a root of the store, not even with the certificates of other chains: it ends in a self-signed
        /// certificate, or in one whose issuer nobody presented.
        unknown_root: bool,
        /// An issuer that the path needs, and that is no root of the store, was not presented.
        missing_intermediate: bool,
        /// An issuer was presented or is in the store, but its key did not make the signature.
        bad_signature: bool,
        /// The path is the first certificate and a root of the store, without an intermediate.
        issued_by_root_directly: bool,
        /// Something else is wrong; `problems` says what.
        other: bool,
        /// What else is wrong, one word each: `unparsable`, `not_a_ca` (an issuer that is none), `path_length`, `key_usage`,
        /// `extended_key_usage`, `name_constraints`, `critical_extension` (one that nobody knows), `unclear_extension` (it is
        /// there twice, or limits an issuer and cannot be read), `algorithm` (a signature that cannot be checked), `too_complex`
        /// (the search was ended at its limit).
        problems: Vec<String>,
        /// The path has certificates that only other chains presented.
        completed: bool,
        /// The presented certificates are the path as they stand, each issued by the next, nothing else among them; the root
        /// may be there or not.
        in_order: bool,
        /// The best path: SHA-256 of each certificate, from the first one presented as far as issuers are known.
        path: Vec<Sha256>,
        /// Root of the store that the path ends in.
        root_sha256: Option<Sha256>,
        /// A signature on the path is made with MD5, MD4 or MD2 (that of a root by itself is none).
        weak_md5: bool,
        /// Likewise, with SHA-1.
        weak_sha1: bool,
        /// An RSA key on the path, the root's included, has fewer than 2048 bits.
        weak_rsa: bool,
        /// A certificate on the path, the root included, is older than X.509 version 3.
        weak_v1: bool,
        /// Time it is judged at: when the chain was first seen, or `--at`.
        at: UtcMicros,
        /// Root store: `mozilla` and the version of the crate it comes from, or the file of `--roots` and the begin of its SHA-256.
        roots: String,
    }
}
