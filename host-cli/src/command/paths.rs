//! Words of the command line that are paths or versions, before anything else is known.

use depmod_core::parts::name::is_space;

/// The module directory without `-m`: a setting of the build, since some distributions have `/usr/lib/modules`.
pub const MODULE_DIRECTORY: &str = match option_env!("DEPMOD_MODULE_DIRECTORY") {
    Some(directory) => directory,
    None => "/lib/modules",
};
const _: () = assert!(
    MODULE_DIRECTORY.len() > 1 && MODULE_DIRECTORY.as_bytes()[0] == b'/',
    "DEPMOD_MODULE_DIRECTORY is an absolute path"
);

/// A path without slashes at its end.
pub(super) fn before_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last.saturating_add(1));
    path.get(..end).unwrap_or_default()
}

/// A path without slashes in front.
pub(super) fn after_slashes(path: &[u8]) -> &[u8] {
    let start = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    path.get(start..).unwrap_or_default()
}

/// Whether C's `sscanf(word, "%u.%u")` finds both numbers ([`reference::cli`](depmod_core::reference::cli)
/// §3): each may follow blanks and a sign, and any text may follow.
pub(super) fn is_version(word: &[u8]) -> bool {
    fn number(text: &[u8]) -> Option<&[u8]> {
        let start = text.iter().position(|byte| !is_space(byte))?;
        let text = text.get(start..)?;
        let text = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
        let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
        text.get(end..).filter(|_| end > 0)
    }
    number(word).and_then(|rest| rest.strip_prefix(b".")).and_then(number).is_some()
}

/// Quotes an argument for a shell.
pub(super) fn quoted(word: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+:=@,%".contains(byte);
    if !word.is_empty() && word.iter().all(plain) {
        return word.to_vec();
    }
    let inner = word.split(|&byte| byte == b'\'').collect::<Vec<_>>().join(&b"'\\''"[..]);
    [b"'".as_slice(), &inner, b"'"].concat()
}
