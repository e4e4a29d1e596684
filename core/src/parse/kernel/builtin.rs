//! `modules.builtin`: one path per module that is part of the kernel image
//! ([`reference::outputs`](crate::reference::outputs) §4.1).

use crate::{
    diagnostic::Diagnostic,
    name::file_name,
    source::{Lines, PATH_LINE},
};

/// The name of the file.
pub const BUILTIN: &str = "modules.builtin";

/// The paths in `modules.builtin`, in file order; each one's
/// [`module_name`](crate::name::module_name) is a key of `modules.builtin.bin`.
///
/// A path keeps its newline: after the first `.` of the file name it has no effect; without `.` it is part of
/// the key, as in kmod. A line that does not begin with an ASCII letter becomes kmod's diagnostic. A path
/// without a file name (`kernel/` at the end of the file) is skipped; kmod reads its key from stale memory.
pub fn builtin_paths(bytes: &[u8]) -> impl Iterator<Item = Result<&[u8], Diagnostic>> {
    Lines::new(bytes, PATH_LINE).filter_map(|line| {
        let path = line.text;
        if !path.first().is_some_and(u8::is_ascii_alphabetic) {
            return Some(Err(Diagnostic::InvalidBuiltinLine { line: path.into() }));
        }
        (!file_name(path).is_empty()).then_some(Ok(path))
    })
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;
    use crate::name::module_name;

    /// Keys and texts of messages, in order.
    fn keys(bytes: &[u8]) -> Vec<Result<Vec<u8>, Vec<u8>>> {
        builtin_paths(bytes)
            .map(|path| match path {
                Ok(path) => Ok(module_name(path).collect()),
                Err(diagnostic) => Err(diagnostic.message()),
            })
            .collect()
    }

    #[test]
    fn keys_are_module_names() {
        assert_eq!(
            keys(b"kernel/a-b.ko\nkernel/a-b.ko\na.d/x-y.z.ko\nkernel/.ko\n"),
            [Ok(b"a_b".to_vec()), Ok(b"a_b".to_vec()), Ok(b"x_y".to_vec()), Ok(vec![])]
        );
    }

    #[test]
    fn keys_of_names_without_a_dot_include_the_newline() {
        assert_eq!(
            keys(b"kernel/x\nkernel/\nkernel/c"),
            [Ok(b"x\n".to_vec()), Ok(b"\n".to_vec()), Ok(b"c".to_vec())]
        );
    }

    #[test]
    fn lines_must_begin_with_a_letter() {
        for line in [&b"# c\n"[..], b"\n", b"1a.ko\n", b"/abs\n", b".x\n", b" a.ko\n", b"\xc3\xa4.ko\n", b"_"]
        {
            let message = [b"Invalid modules.builtin line: ", line].concat();
            assert_eq!(keys(&[line, b""].concat()), [Err(message)]);
        }
    }

    #[test]
    fn paths_without_a_file_name_have_no_key() {
        assert_eq!(keys(b"kernel/a.ko\nkernel/"), [Ok(b"a".to_vec())]);
        assert_eq!(keys(b"a.ko/"), []);
        assert_eq!(keys(b"kernel/\0a.ko\n"), []);
        let split_behind_the_slash = [&*vec![b'k'; 4094], b"/abc.ko\n"].concat();
        assert_eq!(keys(&split_behind_the_slash), [Ok(b"abc".to_vec())]);
    }

    #[test]
    fn long_lines_are_split() {
        let line = [&*vec![b'k'; 4090], b"/abcdefg.ko\n"].concat();
        assert_eq!(keys(&line), [Ok(b"abcd".to_vec()), Ok(b"efg".to_vec())]);
        let line = [b"k/", &*vec![b'a'; 4093], b".ko\n"].concat();
        assert_eq!(keys(&line), [Ok(vec![b'a'; 4093]), Err(b"Invalid modules.builtin line: .ko\n".to_vec())]);
    }

    #[test]
    fn nul_ends_a_line() {
        assert_eq!(
            keys(b"ker\0nel/x.ko\n1\0k/x.ko\n\0k/x.ko\nb.ko\n"),
            [
                Ok(b"ker".to_vec()),
                Err(b"Invalid modules.builtin line: 1".to_vec()),
                Err(b"Invalid modules.builtin line: ".to_vec()),
                Ok(b"b".to_vec())
            ]
        );
    }

    proptest! {
        #[test]
        fn keys_of_arbitrary_bytes_are_bounded(bytes: Vec<u8>) {
            let length: usize = keys(&bytes).iter().flatten().map(Vec::len).sum();
            prop_assert!(length <= bytes.len());
        }
    }
}
