//! Names of modules and aliases, normalised as in kmod ([`reference::outputs`](crate::reference::outputs)
//! §2).
//!
//! Works without an allocator: names are iterators over bytes.

/// Linux's limit on the length of a path, in bytes, NUL included.
pub const PATH_MAX: usize = 4096;

/// Maximal length of a name or alias in an index, in bytes; the rest is cut off.
pub const MAX_LEN: usize = PATH_MAX - 1;

/// File name suffixes of modules, the one without compression first; a file name that is only a suffix is not a module.
pub const SUFFIXES: [&[u8]; 4] = [b".ko", b".ko.gz", b".ko.xz", b".ko.zst"];

/// Whether a file name is that of a module.
///
/// ```
/// use depmod_core::parts::name::is_module_file;
/// assert!(is_module_file(b"snd-hda.ko.xz") && !is_module_file(b".ko") && !is_module_file(b"a.KO"));
/// ```
#[must_use]
pub fn is_module_file(file_name: &[u8]) -> bool {
    SUFFIXES.iter().any(|suffix| file_name.len() > suffix.len() && file_name.ends_with(suffix))
}

/// Whether a file name is that of a compressed module.
///
/// ```
/// use depmod_core::parts::name::is_compressed_module;
/// assert!(is_compressed_module(b"snd-hda.ko.xz") && !is_compressed_module(b"snd-hda.ko"));
/// ```
#[must_use]
pub fn is_compressed_module(file_name: &[u8]) -> bool {
    is_module_file(file_name) && !file_name.ends_with(SUFFIXES[0])
}

/// The last component of a `/`-separated path.
#[must_use]
pub fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or(path)
}

/// The end of the module name in a path: the first `.` of its last component, or the end of the path.
///
/// ```
/// # use depmod_core::parts::name::stem_end;
/// assert_eq!(stem_end(b"kernel/foo.bar.ko"), b"kernel/foo".len());
/// ```
#[must_use]
pub fn stem_end(path: &[u8]) -> usize {
    let name = file_name(path);
    let dropped = name.iter().position(|&b| b == b'.').map_or(0, |dot| name.len().saturating_sub(dot));
    path.len().saturating_sub(dropped)
}

/// Module name of a path: its last component up to the first `.`, with `-` as `_`.
///
/// ```
/// # use depmod_core::parts::name::module_name;
/// assert!(module_name(b"sound/snd-hda.ko.xz").eq(*b"snd_hda"));
/// assert!(module_name(b"foo.bar.ko").eq(*b"foo"));
/// ```
pub fn module_name(path: &[u8]) -> impl Iterator<Item = u8> + Clone {
    file_name(path)
        .iter()
        .take(MAX_LEN)
        .take_while(|&&b| b != b'.')
        .map(|&b| if b == b'-' { b'_' } else { b })
}

/// A `]` without `[`, or a `[` without `]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnmatchedBracket;

impl core::fmt::Display for UnmatchedBracket {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Unmatched bracket")
    }
}

impl core::error::Error for UnmatchedBracket {}

/// Whether an alias equals its index key; most do.
pub(crate) fn is_normal_alias(raw: &[u8]) -> bool {
    // No early exit, so that the compiler can vectorise the loop.
    let is_special = |byte: &u8| matches!(byte, b'-' | b'[' | b']');
    raw.len() <= MAX_LEN && !raw.iter().fold(false, |special, byte| special | is_special(byte))
}

/// An alias as an index key: `-` outside of brackets as `_`, cut to [`MAX_LEN`].
///
/// ```
/// # use depmod_core::parts::name::normalize_alias;
/// assert!(normalize_alias(b"a[1-3]-x").unwrap().eq(*b"a[1-3]_x"));
/// assert!(normalize_alias(b"a[[]").is_ok());
/// assert!(normalize_alias(b"a]").is_err() && normalize_alias(b"a[]]").is_err());
/// ```
///
/// # Errors
/// When a bracket is unmatched; the indexes omit such an alias.
pub fn normalize_alias(raw: &[u8]) -> Result<impl Iterator<Item = u8> + Clone, UnmatchedBracket> {
    let mut inside = false;
    for &b in raw.iter().take(MAX_LEN) {
        match b {
            b'[' => inside = true,
            b']' if !inside => return Err(UnmatchedBracket),
            b']' => inside = false,
            _ => {}
        }
    }
    if inside {
        return Err(UnmatchedBracket);
    }
    let mut inside = false;
    Ok(raw.iter().take(MAX_LEN).map(move |&b| {
        match b {
            b'[' => inside = true,
            b']' => inside = false,
            b'-' if !inside => return b'_',
            _ => {}
        }
        b
    }))
}

/// C's `isspace`.
#[must_use]
pub fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The members of a POSIX character class in the C locale, by its name: `alpha` of `[[:alpha:]]`.
pub(crate) fn character_class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |b| matches!(b, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |b| matches!(b, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => is_space,
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn normal_aliases_equal_their_keys(alias in r"[ab_*?]{0,9}[a\-\[\]]{0,2}") {
            let alias = alias.as_bytes();
            let same = normalize_alias(alias).is_ok_and(|key| key.eq(alias.iter().copied()));
            let brackets = alias.contains(&b'[');
            prop_assert_eq!(is_normal_alias(alias), same && !brackets);
        }
    }

    #[test]
    fn long_aliases_are_cut() {
        let alias = [b'a'; MAX_LEN + 1];
        assert!(is_normal_alias(&alias[1..]) && !is_normal_alias(&alias));
    }
}
