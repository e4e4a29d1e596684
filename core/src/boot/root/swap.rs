//! Swap space, for `resume=`.
//!
//! The magic is at the end of the first page, whose size is the machine's that made it (Linux `include/linux/swap.h`,
//! `union swap_header`). A hibernated system has a magic of its own there. UUID and label are at bytes 1036 and 1052.
//! It needs no module; what it lies in may.

use super::superblock::{Kind, Superblock, hex, text};

const PAGE_SIZES: [usize; 3] = [4 << 10, 16 << 10, 64 << 10];
const MAGIC_LEN: usize = 10;
/// Of swap space, of a hibernated system, and of one that uswsusp wrote.
const MAGICS: [&[u8; MAGIC_LEN]; 3] = [b"SWAPSPACE2", b"S1SUSPEND\0", b"ULSUSPEND\0"];

pub(super) fn parse(head: &[u8]) -> Option<Superblock> {
    let magic = |page: usize| head.get(page.checked_sub(MAGIC_LEN)?..page);
    let is_swap = |page: usize| magic(page).is_some_and(|magic| MAGICS.iter().any(|known| *known == magic));
    if !PAGE_SIZES.into_iter().any(is_swap) {
        return None;
    }
    Some(Superblock::new(Kind::Swap, hex(head.get(1036..1052)?), text(head.get(1052..1068)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn swap_and_hibernated_systems_are_found() {
        for (page, magic) in [(4096, b"SWAPSPACE2"), (65536, b"S1SUSPEND\0")] {
            let mut head = vec![0; 65536];
            head[1036..1052].copy_from_slice(&[0x5a; 16]);
            head[1052..1055].copy_from_slice(b"swp");
            assert_eq!(parse(&head), None);
            head[page - 10..page].copy_from_slice(magic);
            let found = parse(&head).unwrap();
            assert_eq!(
                (found.id.as_str(), found.label.as_slice()),
                ("5a".repeat(16).as_str(), "swp".as_bytes())
            );
        }
    }
}
