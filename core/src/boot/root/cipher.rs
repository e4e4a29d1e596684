//! Names of ciphers and hashes, and the aliases of their modules.
//!
//! dm-crypt asks the kernel's crypto interface for a cipher by a name such as `xts(aes)`, and that asks for modules
//! with the alias `crypto-` and each of its words. Headers name ciphers as cryptsetup does:
//!
//! ```text
//! aes-xts-plain64               aes, xts; plain64 makes initial vectors and is in dm-crypt itself
//! aes-cbc-essiv:sha256          aes, cbc, essiv, sha256
//! xchacha12,aes-adiantum-plain64
//! capi:authenc(hmac(sha256),xts(aes))-random
//! ```

use alloc::{format, string::String, vec::Vec};

/// Words of a cipher's name without a module.
const IN_DM_CRYPT: [&[u8]; 12] = [
    b"capi",
    b"plain",
    b"plain64",
    b"plain64be",
    b"random",
    b"null",
    b"benbi",
    b"lmk",
    b"tcw",
    b"eboiv",
    b"elephant",
    b"none",
];

/// What a word's module asks for itself. `xts` asks for `ecb` by a soft dependency since Linux 5.10 alone.
const ALSO: [(&[u8], &[&str]); 6] = [
    (b"xts", &["ecb"]),
    (b"lrw", &["ecb"]),
    (b"gcm", &["ctr", "ghash"]),
    (b"adiantum", &["nhpoly1305"]),
    (b"hctr2", &["xctr", "polyval"]),
    (b"poly1305", &["rfc7539", "chacha20"]),
];

/// What cryptsetup takes unless told otherwise: of it, and of LUKS 1 in old systems.
pub(super) const USUAL: [&str; 2] = ["aes-xts-plain64", "aes-cbc-essiv:sha256"];

/// Bounds for hostile headers. The kernel's own names have up to 128 characters.
const MAX_NAME: usize = 128;
const MAX_WORD: usize = 32;

/// The aliases of a cipher's modules.
pub(super) fn add_cipher(name: &[u8], modules: &mut Vec<String>) {
    let name = name.get(..MAX_NAME).unwrap_or(name);
    for word in name.split(|&byte| !is_in_word(byte)).filter(|word| !IN_DM_CRYPT.contains(word)) {
        add(word, modules);
        for (_, further) in ALSO.iter().filter(|(of, _)| *of == word) {
            further.iter().for_each(|word| add(word.as_bytes(), modules));
        }
    }
}

/// The alias of a hash's module, such as `sha256` or `blake2b-512`.
pub(super) fn add_hash(name: &[u8], modules: &mut Vec<String>) {
    if name.iter().all(|&byte| is_in_word(byte) || byte == b'-') {
        add(name, modules);
    }
}

fn is_in_word(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

fn add(word: &[u8], modules: &mut Vec<String>) {
    if word.is_empty() || word.len() > MAX_WORD {
        return;
    }
    let alias = format!("crypto-{}", word.escape_ascii());
    if !modules.contains(&alias) {
        modules.push(alias);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cipher(name: &[u8]) -> String {
        let mut modules = Vec::new();
        add_cipher(name, &mut modules);
        modules.join(" ")
    }

    #[test]
    fn names_of_cryptsetup_become_aliases() {
        assert_eq!(cipher(b"aes-xts-plain64"), "crypto-aes crypto-xts crypto-ecb");
        assert_eq!(cipher(b"aes-cbc-essiv:sha256"), "crypto-aes crypto-cbc crypto-essiv crypto-sha256");
        let adiantum = "crypto-xchacha12 crypto-aes crypto-adiantum crypto-nhpoly1305";
        assert_eq!(cipher(b"xchacha12,aes-adiantum-plain64"), adiantum);
        assert_eq!(
            cipher(b"capi:authenc(hmac(sha256),xts(aes))-random"),
            "crypto-authenc crypto-hmac crypto-sha256 crypto-xts crypto-ecb crypto-aes"
        );
        let mut modules = Vec::new();
        add_hash(b"blake2b-512", &mut modules);
        add_hash(b"../x", &mut modules);
        assert_eq!(modules, ["crypto-blake2b-512"]);
    }

    proptest! {
        #[test]
        fn hostile_names_give_few_plain_aliases(name in any::<Vec<u8>>()) {
            let mut modules = Vec::new();
            add_cipher(&name, &mut modules);
            add_hash(&name, &mut modules);
            prop_assert!(modules.len() <= 2 * MAX_NAME);
            for module in modules {
                let word = module.strip_prefix("crypto-").unwrap();
                prop_assert!(word.bytes().all(|byte| is_in_word(byte) || byte == b'-'), "{}", word);
            }
        }
    }
}
