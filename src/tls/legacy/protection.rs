//! One direction's records: MAC, then encryption (RFC 6101, section 5.2.3; RFC 2246, 4346 and 5246, section 6.2.3), or
//! an AEAD (RFC 5288, RFC 7905).

use super::hash::{Hash, Tag};
use super::schedule::{SSL_3, TLS_1_1, ssl3_pads};
use crate::tls::random::Random;
use crate::tls::suites::is_export;
use aes::{Aes128, Aes256};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use cbc::cipher::array::Array;
use cbc::cipher::{Block, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use des::{Des, TdesEde3};
use rc4::{KeyInit, Rc4, StreamCipher};
use tls_parser::{TlsCipherEnc, TlsCipherEncMode, TlsCipherMac, TlsCipherSuite};

/// Longest text in a record.
pub(super) const TEXT_MAX: usize = 1 << 14;
const GCM_EXPLICIT_NONCE: usize = 8;

/// What a suite does to records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Method {
    cipher: Cipher,
    /// `None`: the cipher is an AEAD.
    mac: Option<Hash>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cipher {
    Null,
    Rc4,
    Des,
    TripleDes,
    Aes128,
    Aes256,
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
}

impl Method {
    /// Of a suite in a version; `None` if it is not spoken here, or not allowed there.
    pub(super) fn of(suite: &TlsCipherSuite, version: u16) -> Option<Self> {
        let cipher = match (suite.enc, suite.enc_mode, suite.enc_size) {
            _ if is_export(suite) => return None,
            (TlsCipherEnc::Null, ..) => Cipher::Null,
            (TlsCipherEnc::Rc4, _, 128) => Cipher::Rc4,
            (TlsCipherEnc::Des, TlsCipherEncMode::Cbc, 56) => Cipher::Des,
            (TlsCipherEnc::TripleDes, TlsCipherEncMode::Cbc, _) => Cipher::TripleDes,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Cbc, 128) => Cipher::Aes128,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Cbc, 256) => Cipher::Aes256,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 128) => Cipher::Aes128Gcm,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 256) => Cipher::Aes256Gcm,
            (TlsCipherEnc::Chacha20_Poly1305, ..) => Cipher::ChaCha20Poly1305,
            _ => return None,
        };
        let mac = match suite.mac {
            TlsCipherMac::HmacMd5 => Some(Hash::Md5),
            TlsCipherMac::HmacSha1 => Some(Hash::Sha1),
            TlsCipherMac::HmacSha256 => Some(Hash::Sha256),
            TlsCipherMac::HmacSha384 => Some(Hash::Sha384),
            TlsCipherMac::Aead => None,
            _ => return None,
        };
        let old = matches!(mac, Some(Hash::Md5 | Hash::Sha1));
        (old || version > TLS_1_1).then_some(Self { cipher, mac })
    }

    const fn mac_key(self) -> usize {
        match self.mac {
            Some(hash) => hash.length(),
            None => 0,
        }
    }

    const fn key(self) -> usize {
        match self.cipher {
            Cipher::Null => 0,
            Cipher::Des => 8,
            Cipher::Rc4 | Cipher::Aes128 | Cipher::Aes128Gcm => 16,
            Cipher::TripleDes => 24,
            Cipher::Aes256 | Cipher::Aes256Gcm | Cipher::ChaCha20Poly1305 => 32,
        }
    }

    /// Initialisation vector from the key material: of CBC until TLS 1.1, of an AEAD the part that stays.
    const fn iv(self, version: u16) -> usize {
        match self.cipher {
            Cipher::Null | Cipher::Rc4 => 0,
            Cipher::Aes128Gcm | Cipher::Aes256Gcm => 4,
            Cipher::ChaCha20Poly1305 => NONCE_LEN,
            _ if version >= TLS_1_1 => 0,
            Cipher::Des | Cipher::TripleDes => 8,
            Cipher::Aes128 | Cipher::Aes256 => 16,
        }
    }

    /// Bytes of key material for both directions.
    pub(super) const fn material(self, version: u16) -> usize {
        2 * (self.mac_key() + self.key() + self.iv(version))
    }

    /// Client's and server's keys out of the key material.
    pub(super) fn keys(self, version: u16, material: &[u8]) -> Option<[Keys<'_>; 2]> {
        let (macs, rest) = material.split_at_checked(2 * self.mac_key())?;
        let (keys, ivs) = rest.split_at_checked(2 * self.key())?;
        let (client_mac, server_mac) = macs.split_at(macs.len() / 2);
        let (client_key, server_key) = keys.split_at(keys.len() / 2);
        let (client_iv, server_iv) = ivs.split_at_checked(self.iv(version))?;
        Some([
            Keys { mac: client_mac, key: client_key, iv: client_iv },
            Keys { mac: server_mac, key: server_key, iv: server_iv },
        ])
    }
}

/// Keys of one direction.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    mac: &'a [u8],
    key: &'a [u8],
    iv: &'a [u8],
}

/// A block cipher in CBC mode, in one direction. It goes on from record to record; from TLS 1.1 on, the first block
/// of each is random and thrown away, which is what an explicit vector amounts to (RFC 4346, section 6.2.3.2).
trait Blocks: Send + Sync {
    fn size(&self) -> usize;
    /// In place; what is no whole block at the end stays as it is.
    fn apply(&mut self, bytes: &mut [u8]);
}

struct Encrypting<M>(M);
struct Decrypting<M>(M);

impl<M: BlockModeEncrypt + Send + Sync> Blocks for Encrypting<M> {
    fn size(&self) -> usize {
        M::block_size()
    }

    fn apply(&mut self, bytes: &mut [u8]) {
        let (blocks, _): (&mut [Block<M>], _) = Array::slice_as_chunks_mut(bytes);
        self.0.encrypt_blocks(blocks);
    }
}

impl<M: BlockModeDecrypt + Send + Sync> Blocks for Decrypting<M> {
    fn size(&self) -> usize {
        M::block_size()
    }

    fn apply(&mut self, bytes: &mut [u8]) {
        let (blocks, _): (&mut [Block<M>], _) = Array::slice_as_chunks_mut(bytes);
        self.0.decrypt_blocks(blocks);
    }
}

enum State {
    Null,
    Stream(Box<Rc4>),
    Blocks(Box<dyn Blocks>),
    Aead { key: Box<LessSafeKey>, iv: [u8; NONCE_LEN], explicit: usize },
}

/// What one direction's records go through.
pub(super) struct Protection {
    version: u16,
    mac: Option<(Hash, Tag)>,
    state: State,
    sequence: u64,
}

impl std::fmt::Debug for Protection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Protection").field("version", &self.version).field("sequence", &self.sequence).finish()
    }
}

impl Protection {
    /// For sealing, or for opening.
    pub(super) fn new(method: Method, version: u16, keys: Keys<'_>, sealing: bool) -> Option<Self> {
        fn boxed<E, D>(keys: Keys<'_>, sealing: bool) -> Option<Box<dyn Blocks>>
        where
            E: BlockModeEncrypt + KeyIvInit + Send + Sync + 'static,
            D: BlockModeDecrypt + KeyIvInit + Send + Sync + 'static,
        {
            let iv = if keys.iv.is_empty() { &[0; 16][..E::block_size()] } else { keys.iv };
            Some(if sealing {
                Box::new(Encrypting(E::new_from_slices(keys.key, iv).ok()?))
            } else {
                Box::new(Decrypting(D::new_from_slices(keys.key, iv).ok()?))
            })
        }
        macro_rules! cbc {
            ($cipher:ty) => {
                State::Blocks(boxed::<cbc::Encryptor<$cipher>, cbc::Decryptor<$cipher>>(keys, sealing)?)
            };
        }
        let aead = |algorithm, explicit| {
            let mut iv = [0; NONCE_LEN];
            iv.get_mut(..keys.iv.len())?.copy_from_slice(keys.iv);
            let key = Box::new(LessSafeKey::new(UnboundKey::new(algorithm, keys.key).ok()?));
            Some(State::Aead { key, iv, explicit })
        };
        let state = match method.cipher {
            Cipher::Null => State::Null,
            Cipher::Rc4 => State::Stream(Box::new(Rc4::new_from_slice(keys.key).ok()?)),
            Cipher::Des => cbc!(Des),
            Cipher::TripleDes => cbc!(TdesEde3),
            Cipher::Aes128 => cbc!(Aes128),
            Cipher::Aes256 => cbc!(Aes256),
            Cipher::Aes128Gcm => aead(&AES_128_GCM, GCM_EXPLICIT_NONCE)?,
            Cipher::Aes256Gcm => aead(&AES_256_GCM, GCM_EXPLICIT_NONCE)?,
            Cipher::ChaCha20Poly1305 => aead(&CHACHA20_POLY1305, 0)?,
        };
        Some(Self { version, mac: method.mac.map(|hash| (hash, Tag::new(keys.mac))), state, sequence: 0 })
    }

    /// Writes `text` as the payload of a record.
    pub(super) fn seal(&mut self, content: u8, text: &[u8], random: &mut Random, out: &mut Vec<u8>) {
        let (version, sequence) = (self.version, self.sequence);
        self.sequence += 1;
        let at = out.len();
        let tag = self.mac.as_ref().map(|(hash, key)| mac(*hash, key, version, sequence, content, text));
        match &mut self.state {
            State::Null => {
                out.extend_from_slice(text);
                out.extend_from_slice(tag.as_deref().unwrap_or_default());
            }
            State::Stream(cipher) => {
                out.extend_from_slice(text);
                out.extend_from_slice(tag.as_deref().unwrap_or_default());
                cipher.apply_keystream(&mut out[at..]);
            }
            State::Blocks(blocks) => {
                if version >= TLS_1_1 {
                    out.resize(at + blocks.size(), 0);
                    random.fill(&mut out[at..]);
                }
                out.extend_from_slice(text);
                out.extend_from_slice(tag.as_deref().unwrap_or_default());
                let padding = blocks.size() - (out.len() - at) % blocks.size();
                #[expect(clippy::cast_possible_truncation, reason = "at most a block")]
                out.resize(out.len() + padding, padding as u8 - 1);
                blocks.apply(&mut out[at..]);
            }
            State::Aead { key, iv, explicit } => {
                let counter = sequence.to_be_bytes();
                let nonce = nonce(iv, counter);
                out.extend_from_slice(&counter[..*explicit]);
                let start = out.len();
                out.extend_from_slice(text);
                let aad = Aad::from(header(version, sequence, content, text.len()));
                // It fails beyond 2^36 bytes only.
                if let Ok(tag) = key.seal_in_place_separate_tag(nonce, aad, &mut out[start..]) {
                    out.extend_from_slice(tag.as_ref());
                }
            }
        }
    }

    /// Opens a record's payload in place. Nothing here hides how long it took: there is no secret to protect.
    pub(super) fn open<'a>(&mut self, content: u8, payload: &'a mut [u8]) -> Option<&'a [u8]> {
        let (version, sequence) = (self.version, self.sequence);
        self.sequence += 1;
        let text: &[u8] = match &mut self.state {
            State::Null => payload,
            State::Stream(cipher) => {
                cipher.apply_keystream(payload);
                payload
            }
            State::Blocks(blocks) => {
                let size = blocks.size();
                if payload.is_empty() || !payload.len().is_multiple_of(size) {
                    return None;
                }
                blocks.apply(payload);
                let text = if version >= TLS_1_1 { &payload[size..] } else { payload };
                unpad(version, size, text)?
            }
            State::Aead { key, iv, explicit } => {
                let (counter, sealed) = payload.split_at_mut_checked(*explicit)?;
                let nonce = nonce(iv, (&*counter).try_into().unwrap_or(sequence.to_be_bytes()));
                let length = sealed.len().checked_sub(key.algorithm().tag_len())?;
                let aad = Aad::from(header(version, sequence, content, length));
                key.open_in_place(nonce, aad, sealed).ok()?
            }
        };
        let text = match &self.mac {
            None => text,
            Some((hash, key)) => {
                let (text, tag) = text.split_at_checked(text.len().checked_sub(hash.length())?)?;
                (*mac(*hash, key, version, sequence, content, text) == *tag).then_some(text)?
            }
        };
        (text.len() <= TEXT_MAX).then_some(text)
    }
}

/// The nonce of a record. Where the counter is explicit the vector has only four bytes, and zeros behind them.
fn nonce(iv: &[u8; NONCE_LEN], counter: [u8; 8]) -> Nonce {
    let mut nonce = *iv;
    nonce[NONCE_LEN - 8..].iter_mut().zip(counter).for_each(|(byte, count)| *byte ^= count);
    Nonce::assume_unique_for_key(nonce)
}

/// What is authenticated with a text.
fn header(version: u16, sequence: u64, content: u8, length: usize) -> [u8; 13] {
    let mut header = [0; 13];
    header[..8].copy_from_slice(&sequence.to_be_bytes());
    header[8] = content;
    header[9..11].copy_from_slice(&version.to_be_bytes());
    #[expect(clippy::cast_possible_truncation, reason = "records are shorter than 2^16 bytes")]
    header[11..].copy_from_slice(&(length as u16).to_be_bytes());
    header
}

fn mac(hash: Hash, key: &[u8], version: u16, sequence: u64, content: u8, text: &[u8]) -> Tag {
    let header = header(version, sequence, content, text.len());
    if version > SSL_3 {
        return hash.hmac(key, &[&header, text]);
    }
    let (pad1, pad2) = ssl3_pads(hash);
    let inner = hash.digest(&[key, pad1, &header[..9], &header[11..], text]);
    hash.digest(&[key, pad2, &inner])
}

/// Takes the padding off (RFC 6101, section 5.2.3.2: any bytes, less than a block; since TLS 1.0 all bytes its length).
fn unpad(version: u16, size: usize, text: &[u8]) -> Option<&[u8]> {
    let (length, rest) = text.split_last()?;
    let (text, padding) = rest.split_at_checked(rest.len().checked_sub(usize::from(*length))?)?;
    let sound = if version == SSL_3 { padding.len() < size } else { padding.iter().all(|byte| byte == length) };
    sound.then_some(text)
}
