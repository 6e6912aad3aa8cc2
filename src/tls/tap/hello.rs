//! ClientHello and ServerHello, SSL 3.0 to TLS 1.3 (RFC 8446, sections 4.1.2 and 4.1.3; RFC 6101, section 5.6.1).

use super::messages::timestamps;
use super::reader::Reader;

/// Types of extensions that are looked into (IANA, TLS ExtensionType).
pub(in crate::tls) mod extension {
    pub(in crate::tls) const SERVER_NAME: u16 = 0;
    pub(in crate::tls) const STATUS_REQUEST: u16 = 5;
    pub(in crate::tls) const SUPPORTED_GROUPS: u16 = 10;
    pub(in crate::tls) const EC_POINT_FORMATS: u16 = 11;
    pub(in crate::tls) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(in crate::tls) const ALPN: u16 = 16;
    pub(in crate::tls) const SIGNED_CERTIFICATE_TIMESTAMP: u16 = 18;
    pub(in crate::tls) const EXTENDED_MASTER_SECRET: u16 = 23;
    pub(in crate::tls) const SUPPORTED_VERSIONS: u16 = 43;
    /// Until draft 22 of TLS 1.3.
    pub(in crate::tls) const KEY_SHARE_DRAFT: u16 = 40;
    pub(in crate::tls) const KEY_SHARE: u16 = 51;
}

/// The random of a ServerHello that is a HelloRetryRequest.
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What a client offers. Lists are in the client's order, as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// `client_version`: at most 0x0303 since TLS 1.3.
    pub version: u16,
    /// `supported_versions`, where sent.
    pub versions: Vec<u16>,
    /// Length of the session id in bytes.
    pub session_id: u8,
    /// Cipher suites, signalling values among them.
    pub suites: Vec<u16>,
    /// Compression methods.
    pub compressions: Vec<u8>,
    /// Types of the extensions.
    pub extensions: Vec<u16>,
    /// `supported_groups`.
    pub groups: Vec<u16>,
    /// `ec_point_formats`.
    pub point_formats: Vec<u8>,
    /// `signature_algorithms`.
    pub signatures: Vec<u16>,
    /// Groups of the key shares.
    pub key_shares: Vec<u16>,
    /// Host name of `server_name`.
    pub server_name: Option<String>,
    /// Protocols of ALPN.
    pub alpn: Vec<String>,
    /// It breaks its own lengths, or its end is missing: what could be read is here, and there was more.
    pub faulty: bool,
}

/// What a server chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// Negotiated version: `supported_versions` where sent, else `server_version`.
    pub version: u16,
    /// Length of the session id in bytes.
    pub session_id: u8,
    /// Cipher suite.
    pub suite: u16,
    /// Compression method.
    pub compression: u8,
    /// Types of the extensions, in the server's order; from TLS 1.3 on those of EncryptedExtensions follow.
    pub extensions: Vec<u16>,
    /// Group of the key share (TLS 1.3).
    pub group: Option<u16>,
    /// Protocol of ALPN.
    pub alpn: Option<String>,
    /// Signed certificate timestamps in its extension (RFC 6962, section 3.3).
    pub timestamps: Option<u16>,
    /// It is a HelloRetryRequest.
    pub retry: bool,
}

impl ClientHello {
    /// Reads the message's body as far as it can be read; `None` if that is not even its version. `cut`: its end is missing.
    pub(super) fn parse(body: &[u8], cut: bool) -> Option<Self> {
        let mut reader = Reader::new(body);
        let mut hello = Self { version: reader.u16()?, ..Self::default() };
        hello.faulty = hello.read(&mut reader, cut).is_none() || cut;
        Some(hello)
    }

    fn read(&mut self, reader: &mut Reader<'_>, cut: bool) -> Option<()> {
        reader.take(32)?;
        self.session_id = length8(reader.vector8()?.rest());
        self.suites = reader.vector16()?.u16s().collect();
        self.compressions = reader.vector8()?.rest().to_vec();
        // A list that is longer than its message is not taken apart: where it begins is doubtful then.
        let mut list = match reader.is_empty() {
            true => return Some(()),
            false if cut => {
                reader.u16()?;
                *reader
            }
            false => reader.vector16()?,
        };
        let mut whole = Some(());
        while !list.is_empty() {
            let kind = list.u16()?;
            // An extension that is broken in itself ends where it says.
            whole = self.extension(kind, list.vector16()?).and(whole);
        }
        whole
    }

    /// Reads a hello in SSL 2.0's format (RFC 5246, appendix E.2), after its two bytes of length. SSL 2.0's own
    /// cipher kinds, which have three bytes, are left out.
    pub(super) fn parse_v2(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        (reader.u8()? == 1).then_some(())?;
        let version = reader.u16()?;
        let (suites, session_id, challenge) = (reader.u16()?, reader.u16()?, reader.u16()?);
        let kinds = reader.take(usize::from(suites))?;
        let session_id = reader.take(usize::from(session_id))?;
        reader.take(usize::from(challenge))?;
        let suites =
            kinds.chunks_exact(3).filter(|kind| kind[0] == 0).map(|kind| u16::from_be_bytes([kind[1], kind[2]]));
        Some(Self { version, session_id: length8(session_id), suites: suites.collect(), ..Self::default() })
    }

    fn extension(&mut self, kind: u16, mut data: Reader<'_>) -> Option<()> {
        self.extensions.push(kind);
        match kind {
            extension::SERVER_NAME if !data.is_empty() => {
                let mut names = data.vector16()?;
                while !names.is_empty() {
                    let host_name = names.u8()? == 0;
                    let name = names.vector16()?.rest();
                    if host_name && self.server_name.is_none() {
                        self.server_name = Some(text(name));
                    }
                }
            }
            extension::SUPPORTED_GROUPS => self.groups = data.vector16()?.u16s().collect(),
            extension::EC_POINT_FORMATS => self.point_formats = data.vector8()?.rest().to_vec(),
            extension::SIGNATURE_ALGORITHMS => self.signatures = data.vector16()?.u16s().collect(),
            extension::ALPN => self.alpn = protocols(data)?,
            extension::SUPPORTED_VERSIONS => self.versions = data.vector8()?.u16s().collect(),
            extension::KEY_SHARE | extension::KEY_SHARE_DRAFT => {
                let mut shares = data.vector16()?;
                while !shares.is_empty() {
                    self.key_shares.push(shares.u16()?);
                    shares.vector16()?;
                }
            }
            _ => {}
        }
        Some(())
    }
}

impl ServerHello {
    /// Reads the message's body.
    pub(in crate::tls) fn parse(body: &[u8]) -> Option<Self> {
        Self::read(body).and_then(|(hello, whole)| whole.then_some(hello))
    }

    /// The same as far as it can be read, and whether that is all of it; `None` if it does not say what it chose.
    pub(super) fn read(body: &[u8]) -> Option<(Self, bool)> {
        let mut reader = Reader::new(body);
        let version = reader.u16()?;
        let retry = reader.take(32)? == RETRY;
        let mut hello = Self { version, retry, ..Self::default() };
        // Until draft 21 of TLS 1.3 there was neither session id nor compression method.
        if matches!(version, 0x7f00..=0x7f15) {
            (hello.suite, hello.retry) = (reader.u16()?, false);
        } else {
            hello.session_id = length8(reader.vector8()?.rest());
            (hello.suite, hello.compression) = (reader.u16()?, reader.u8()?);
        }
        let whole = each_extension(&mut reader, |kind, data| hello.extension(kind, data)).is_some();
        // What is broken and names a version that there is none of is no hello.
        (whole || version >> 8 == 3 || super::is_tls13(version)).then_some((hello, whole))
    }

    /// Reads the body of the HelloRetryRequest of drafts: the version; since draft 19 the suite; extensions.
    pub(super) fn parse_draft_retry(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let version = reader.u16()?;
        let suite = if version >= 0x7f13 { reader.u16()? } else { 0 };
        let mut hello = Self { version, suite, retry: true, ..Self::default() };
        each_extension(&mut reader, |kind, data| hello.extension(kind, data))?;
        Some(hello)
    }

    /// An extension of this message, or of EncryptedExtensions.
    pub(super) fn extension(&mut self, kind: u16, mut data: Reader<'_>) -> Option<()> {
        self.extensions.push(kind);
        match kind {
            extension::SUPPORTED_VERSIONS => self.version = data.u16()?,
            extension::KEY_SHARE | extension::KEY_SHARE_DRAFT => self.group = Some(data.u16()?),
            extension::SIGNED_CERTIFICATE_TIMESTAMP => self.timestamps = Some(timestamps(data)?),
            extension::ALPN => self.alpn = protocols(data)?.into_iter().next(),
            _ => {}
        }
        Some(())
    }
}

/// Calls `each` with every extension; an absent list is an empty one (before RFC 3546 there was none).
pub(super) fn each_extension<'a>(
    reader: &mut Reader<'a>,
    mut each: impl FnMut(u16, Reader<'a>) -> Option<()>,
) -> Option<()> {
    if reader.is_empty() {
        return Some(());
    }
    let mut list = reader.vector16()?;
    while !list.is_empty() {
        let kind = list.u16()?;
        each(kind, list.vector16()?)?;
    }
    Some(())
}

fn protocols(mut data: Reader<'_>) -> Option<Vec<String>> {
    let (mut list, mut names) = (data.vector16()?, Vec::new());
    while !list.is_empty() {
        names.push(text(list.vector8()?.rest()));
    }
    Some(names)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn length8(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len()).unwrap_or(u8::MAX)
}
