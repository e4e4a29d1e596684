//! LUKS 1 and 2: encrypted containers.
//!
//! Both headers begin with a magic and a version, big endian (cryptsetup's "LUKS On-Disk Format Specification" 1.2.3,
//! and "LUKS2 On-Disk Format Specification"):
//!
//! ```text
//! LUKS 1   0 "LUKS\xba\xbe" 0001   8 cipher   40 mode   72 hash   168 UUID
//! LUKS 2   0 "LUKS\xba\xbe" 0002   8 size of the header   24 label   168 UUID   4096 JSON, up to the size
//! ```
//!
//! In the JSON, segments and key slots have ciphers, key slots and digests have hashes:
//!
//! ```text
//! {"keyslots":{"0":{"af":{"hash":"sha256",…},"area":{"encryption":"aes-xts-plain64",…},…}},
//!  "segments":{"0":{"encryption":"aes-xts-plain64","integrity":{"type":"hmac(sha256)",…},…}},…}
//! ```
//!
//! No tree is built of it: keys with these names and a text as value are all that is looked for, wherever they are.
//! What was encrypted cannot be read.

use scroll::{BE, Pread};

use super::cipher::{add_cipher, add_hash};
use super::device::{BlockDevice, read};
use super::superblock::{Kind, Superblock, plain_id, text};
use crate::limits::Limits;

const MAGIC: &[u8; 6] = b"LUKS\xba\xbe";
const JSON_START: u64 = 4096;

pub(super) fn parse(device: &dyn BlockDevice, head: &[u8], limits: &Limits) -> Option<Superblock> {
    if !head.starts_with(MAGIC) {
        return None;
    }
    let field = |at: usize, length: usize| Some(text(head.get(at..at.checked_add(length)?)?));
    let id = plain_id(field(168, 40)?);
    let container = |label| container(Superblock::new(Kind::Luks, id, label));
    match head.pread_with::<u16>(6, BE).ok()? {
        1 => {
            let mut found = container(&b""[..]);
            let cipher = [field(8, 32)?, b"-", field(40, 32)?].concat();
            add_cipher(&cipher, &mut found.modules);
            add_hash(field(72, 32)?, &mut found.modules);
            Some(found)
        }
        2 => {
            let mut found = container(field(24, 48)?);
            let size = head.pread_with::<u64>(8, BE).ok()?;
            let length = usize::try_from(size.checked_sub(JSON_START)?).unwrap_or(usize::MAX);
            let json = read(device, JSON_START, length.min(limits.superblock_size)).unwrap_or_default();
            add_json(text(&json), &mut found);
            Some(found)
        }
        _ => None,
    }
}

/// What every container needs: dm-crypt, and the interface through which cryptsetup decrypts key slots.
pub(super) fn container(superblock: Superblock) -> Superblock {
    superblock.needs("dm-mod").needs("dm-crypt").needs("algif_skcipher")
}

fn add_json(json: &[u8], found: &mut Superblock) {
    let mut strings = Strings(json);
    let mut key: &[u8] = b"";
    let mut in_integrity = false;
    while let Some((word, is_key)) = strings.next_string() {
        if is_key {
            in_integrity |= word == b"integrity";
            key = word;
            continue;
        }
        match key {
            b"encryption" => add_cipher(word, &mut found.modules),
            b"hash" => add_hash(word, &mut found.modules),
            b"type" if in_integrity => {
                in_integrity = false;
                found.modules.extend(["dm-integrity", "crypto-authenc"].map(Into::into));
                add_cipher(word, &mut found.modules);
            }
            _ => {}
        }
    }
}

/// The strings of a JSON text, and whether a colon follows.
struct Strings<'j>(&'j [u8]);

impl<'j> Strings<'j> {
    fn next_string(&mut self) -> Option<(&'j [u8], bool)> {
        let quote = self.0.iter().position(|&byte| byte == b'"')?;
        let mut rest = self.0.get(quote.checked_add(1)?..)?;
        let start = rest;
        let mut length = 0_usize;
        loop {
            match rest {
                [b'"', after @ ..] => {
                    self.0 = after;
                    let is_key = after.trim_ascii_start().starts_with(b":");
                    return Some((start.get(..length)?, is_key));
                }
                [b'\\', _, after @ ..] => (rest, length) = (after, length.checked_add(2)?),
                [_, after @ ..] => (rest, length) = (after, length.checked_add(1)?),
                [] => return None,
            }
        }
    }
}

/// A header of LUKS 2 with this JSON.
#[cfg(test)]
pub(super) fn luks2(id: &str, json: &str) -> alloc::vec::Vec<u8> {
    let mut header = alloc::vec![0; 16 << 10];
    header[..6].copy_from_slice(MAGIC);
    header[7] = 2;
    header[8..16].copy_from_slice(&(16_u64 << 10).to_be_bytes());
    header[24..28].copy_from_slice(b"disk");
    header[168..168 + id.len()].copy_from_slice(id.as_bytes());
    header[4096..4096 + json.len()].copy_from_slice(json.as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::super::device::Memory;
    use super::*;
    use alloc::{string::String, vec, vec::Vec};

    fn modules(bytes: Vec<u8>) -> Option<(String, String)> {
        let device = Memory::new(bytes);
        let found = parse(&device, &device.bytes, &Limits::DEFAULT)?;
        Some((found.id, found.modules.join(" ")))
    }

    #[test]
    fn version_1_names_cipher_mode_and_hash() {
        let mut header = vec![0; 4096];
        header[..6].copy_from_slice(MAGIC);
        header[7] = 1;
        header[8..15].copy_from_slice(b"serpent");
        header[40..56].copy_from_slice(b"cbc-essiv:sha256");
        header[72..78].copy_from_slice(b"sha512");
        header[168..177].copy_from_slice(b"6F30-11ab");
        header[177] = 0;
        let expected = "dm-mod dm-crypt algif_skcipher crypto-serpent crypto-cbc crypto-essiv crypto-sha256 crypto-sha512";
        assert_eq!(modules(header.clone()), Some(("6f3011ab".into(), expected.into())));
        header[7] = 3;
        assert_eq!(modules(header), None);
    }

    #[test]
    fn version_2_names_them_in_json() {
        let json = r#"{"keyslots":{"0":{"type":"luks2","af":{"type":"luks1","hash" : "sha256"},
            "area":{"type":"raw","encryption":"aes-xts-plain64"},"kdf":{"type":"argon2id"}}},
            "segments":{"0":{"type":"crypt","iv_tweak":"a\"b","encryption":"chacha20-random",
            "integrity":{"type":"poly1305","journal_encryption":"none"}}}}"#;
        let expected = "dm-mod dm-crypt algif_skcipher crypto-sha256 crypto-aes crypto-xts crypto-ecb \
            crypto-chacha20 dm-integrity crypto-authenc crypto-poly1305 crypto-rfc7539";
        assert_eq!(modules(luks2("6F30", json)), Some(("6f30".into(), expected.into())));
    }

    #[test]
    fn damaged_json_and_sizes_leave_the_container() {
        let bare = Some(("6f30".into(), "dm-mod dm-crypt algif_skcipher".into()));
        assert_eq!(modules(luks2("6f30", r#"{"encryption":"aes"#)), bare);
        let mut header = luks2("6f30", r#"{"encryption":"aes"}"#);
        header[8..16].copy_from_slice(&u64::MAX.to_be_bytes());
        assert_eq!(modules(header.clone()), bare);
        header[8..16].copy_from_slice(&1_u64.to_be_bytes());
        assert_eq!(modules(header), None);
    }
}
