//! kmod's hash, "SuperFastHash", needed only because its order affects the output
//! ([`reference::modules`](crate::reference::modules) §6).
//!
//! kmod reads 16-bit words in native byte order; here they are always little-endian, so that the output does
//! not depend on the machine.

#![allow(clippy::arithmetic_side_effects, reason = "wrapping is explicit where it can occur")]

/// Hash of `bytes`, seeded with their length.
///
/// ```
/// assert_eq!(depmod_core::parts::hash::superfast(b"e1000e"), 0x4225_eedb);
/// ```
#[must_use]
pub fn superfast(bytes: &[u8]) -> u32 {
    // Lengths beyond 32 bits wrap, as they do in C.
    #[allow(clippy::cast_possible_truncation, reason = "arithmetic modulo 2^32 is the definition")]
    let mut h = bytes.len() as u32;
    let mut groups = bytes.chunks_exact(4);
    for group in &mut groups {
        if let &[a, b, c, d] = group {
            h = h.wrapping_add(word(a, b));
            let t = (word(c, d) << 11) ^ h;
            h = (h << 16) ^ t;
            h = h.wrapping_add(h >> 11);
        }
    }
    match *groups.remainder() {
        [a, b, c] => {
            h = h.wrapping_add(word(a, b));
            h ^= h << 16;
            h ^= u32::from(c) << 18;
            h = h.wrapping_add(h >> 11);
        }
        [a, b] => {
            h = h.wrapping_add(word(a, b));
            h ^= h << 11;
            h = h.wrapping_add(h >> 17);
        }
        [a] => {
            h = h.wrapping_add(u32::from(a));
            h ^= h << 10;
            h = h.wrapping_add(h >> 1);
        }
        _ => {}
    }
    h ^= h << 3;
    h = h.wrapping_add(h >> 5);
    h ^= h << 4;
    h = h.wrapping_add(h >> 17);
    h ^= h << 25;
    h.wrapping_add(h >> 6)
}

fn word(low: u8, high: u8) -> u32 {
    u32::from(u16::from_le_bytes([low, high]))
}

#[cfg(test)]
mod tests {
    use super::superfast;

    #[test]
    fn hashes_match_the_reference_table() {
        for (name, hash) in [
            ("", 0),
            ("a", 0x115e_a782),
            ("ab", 0x516b_8b44),
            ("abc", 0xd2be_198a),
            ("abcd", 0xdad8_b8db),
            ("snd", 0xaffc_70a5),
            ("e1000e", 0x4225_eedb),
        ] {
            assert_eq!(superfast(name.as_bytes()), hash, "{name}");
        }
    }
}
