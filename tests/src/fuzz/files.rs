//! Several files in one fuzz input.

/// Splits an input into files. Each is a byte with the length of its path, two little-endian bytes with the
/// length of its content, the path, and the content; truncated fields end early.
pub fn split_files(mut data: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut files = Vec::new();
    while let [path_len, low, high, rest @ ..] = data {
        let (path, rest) = rest.split_at(usize::from(*path_len).min(rest.len()));
        let content_len = usize::from(u16::from_le_bytes([*low, *high]));
        let (content, rest) = rest.split_at(content_len.min(rest.len()));
        files.push((path, content));
        data = rest;
    }
    files
}

/// The input that [`split_files`] splits into these files.
///
/// # Panics
/// When a path or content is too long for this format.
pub fn join_files(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut data = Vec::new();
    for (path, content) in files {
        data.push(u8::try_from(path.len()).expect("a short path"));
        data.extend(u16::try_from(content.len()).expect("a short content").to_le_bytes());
        data.extend_from_slice(path.as_bytes());
        data.extend_from_slice(content);
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_files_split_again() {
        let files = [("kernel/a.ko", b"abc".to_vec()), ("", Vec::new())];
        let joined = join_files(&files);
        assert_eq!(split_files(&joined), [(&b"kernel/a.ko"[..], &b"abc"[..]), (b"", b"")]);
        assert_eq!(split_files(&joined[..15]), [(&b"kernel/a.ko"[..], &b"a"[..])]);
    }
}
