//! From the premaster secret to keys, and the Finished messages: SSL 3.0 (RFC 6101, sections 5.6.9 and 6), TLS 1.0
//! and 1.1 (RFC 2246, section 5), TLS 1.2 (RFC 5246, section 5), extended master secret (RFC 7627).

use super::hash::{Hash, Tag};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384};

pub(super) const SSL_3: u16 = 0x0300;
pub(super) const TLS_1_1: u16 = 0x0302;
pub(super) const TLS_1_2: u16 = 0x0303;

/// Length of a master secret.
pub(super) const MASTER: usize = 48;

/// How a version derives what it needs; `hash` is the suite's and counts in TLS 1.2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) version: u16,
    pub(super) hash: Hash,
}

/// Who says Finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    Server,
}

/// All handshake messages so far, client's and server's, as far as their hashes go.
#[derive(Debug)]
pub(super) enum Transcript {
    /// Which hashes are due is not known yet.
    Before(Vec<u8>),
    Old(Md5, Sha1),
    Sha256(Sha256),
    Sha384(Sha384),
}

impl Transcript {
    pub(super) fn add(&mut self, message: &[u8]) {
        match self {
            Self::Before(messages) => messages.extend_from_slice(message),
            Self::Old(md5, sha1) => {
                md5.update(message);
                sha1.update(message);
            }
            Self::Sha256(hash) => hash.update(message),
            Self::Sha384(hash) => hash.update(message),
        }
    }

    /// The server has chosen.
    pub(super) fn choose(&mut self, schedule: Schedule) {
        let chosen = match (schedule.version, schedule.hash) {
            (TLS_1_2, Hash::Sha384) => Self::Sha384(Sha384::new()),
            (TLS_1_2, _) => Self::Sha256(Sha256::new()),
            _ => Self::Old(Md5::new(), Sha1::new()),
        };
        if let Self::Before(messages) = std::mem::replace(self, chosen) {
            self.add(&messages);
        }
    }

    /// TLS 1.2: one hash; before: MD5 and SHA-1. Behind the messages, `parts` of each hash are hashed too.
    fn sum(&self, parts: impl Fn(Hash) -> Vec<u8>) -> [Tag; 2] {
        fn of<D: Digest + Clone>(state: &D, more: &[u8]) -> Tag {
            Tag::new(&state.clone().chain_update(more).finalize())
        }
        match self {
            Self::Before(_) => [Tag::new(&[]); 2],
            Self::Old(md5, sha1) => [of(md5, &parts(Hash::Md5)), of(sha1, &parts(Hash::Sha1))],
            Self::Sha256(hash) => [of(hash, &parts(Hash::Sha256)), Tag::new(&[])],
            Self::Sha384(hash) => [of(hash, &parts(Hash::Sha384)), Tag::new(&[])],
        }
    }
}

impl Schedule {
    /// The master secret of a handshake without the extension.
    pub(super) fn master(self, premaster: &[u8], client_random: &[u8; 32], server_random: &[u8; 32]) -> [u8; MASTER] {
        let mut master = [0; MASTER];
        if self.version == SSL_3 {
            ssl3_expand(premaster, &[client_random, server_random], &mut master);
        } else {
            self.prf(premaster, b"master secret", &[client_random, server_random], &mut master);
        }
        master
    }

    /// The extended master secret: bound to the transcript up to ClientKeyExchange.
    pub(super) fn extended_master(self, premaster: &[u8], transcript: &Transcript) -> [u8; MASTER] {
        let mut master = [0; MASTER];
        let [first, second] = transcript.sum(|_| Vec::new());
        self.prf(premaster, b"extended master secret", &[&first, &second], &mut master);
        master
    }

    /// Key material for both directions.
    pub(super) fn expand(
        self,
        master: &[u8; MASTER],
        client_random: &[u8; 32],
        server_random: &[u8; 32],
        out: &mut [u8],
    ) {
        if self.version == SSL_3 {
            ssl3_expand(master, &[server_random, client_random], out);
        } else {
            self.prf(master, b"key expansion", &[server_random, client_random], out);
        }
    }

    /// The body of a Finished message.
    pub(super) fn finished(self, master: &[u8; MASTER], sender: Sender, transcript: &Transcript) -> Vec<u8> {
        if self.version == SSL_3 {
            let sender: &[u8] = if sender == Sender::Client { b"CLNT" } else { b"SRVR" };
            let inner = transcript.sum(|hash| [sender, master, ssl3_pads(hash).0].concat());
            let outer = |hash: Hash, inner: &Tag| hash.digest(&[master, ssl3_pads(hash).1, inner]);
            return [&outer(Hash::Md5, &inner[0])[..], &outer(Hash::Sha1, &inner[1])].concat();
        }
        let label: &[u8] = if sender == Sender::Client { b"client finished" } else { b"server finished" };
        let [first, second] = transcript.sum(|_| Vec::new());
        let mut body = vec![0; 12];
        self.prf(master, label, &[&first, &second], &mut body);
        body
    }

    pub(super) fn prf(self, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
        let seed = [&[label], seed].concat();
        out.fill(0);
        if self.version == TLS_1_2 {
            p_hash(self.hash, secret, &seed, out);
        } else {
            // The halves share the byte in the middle of a secret of odd length.
            let half = secret.len().div_ceil(2);
            p_hash(Hash::Md5, &secret[..half], &seed, out);
            p_hash(Hash::Sha1, &secret[secret.len() - half..], &seed, out);
        }
    }
}

/// P_hash (RFC 5246, section 5), XORed onto `out`.
fn p_hash(hash: Hash, secret: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let mut a = hash.hmac(secret, seed);
    for part in out.chunks_mut(hash.length()) {
        let block = hash.hmac(secret, &[&[&a[..]], seed].concat());
        part.iter_mut().zip(block.iter()).for_each(|(out, byte)| *out ^= byte);
        a = hash.hmac(secret, &[&a]);
    }
}

/// `MD5(secret + SHA('A' + secret + seed)) + MD5(secret + SHA('BB' + secret + seed)) + ...`
fn ssl3_expand(secret: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    for (round, part) in (1..).zip(out.chunks_mut(16)) {
        let letters = [b'A' + round - 1; 26];
        let prefix: [&[u8]; 2] = [&letters[..usize::from(round).min(26)], secret];
        let inner = Hash::Sha1.digest(&[&prefix[..], seed].concat());
        part.copy_from_slice(&Hash::Md5.digest(&[secret, &inner])[..part.len()]);
    }
}

/// SSL 3.0's pads for `hash`.
pub(super) const fn ssl3_pads(hash: Hash) -> (&'static [u8], &'static [u8]) {
    match hash {
        Hash::Md5 => (&[0x36; 48], &[0x5c; 48]),
        _ => (&[0x36; 40], &[0x5c; 40]),
    }
}
