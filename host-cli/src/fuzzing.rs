//! Bodies of fuzz targets that need an operating system or C libraries; `tests/fuzz` runs them. Each takes
//! any bytes, and must neither panic nor use unbounded time or memory.

use std::ffi::OsString;
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt;

use depmod_core::parts::decompress::{Compression, DecodeError, Decoder, Feed, PureDecoder};
use depmod_core::parts::run::run_with;
use depmod_core::{Diagnostic, Limits, MemorySource, Options};

use crate::codecs::NativeDecoder;
use crate::threads::Threads;

/// A fuzz target: its name and body.
pub type Target = (&'static str, fn(&[u8]));

/// A cache file, with right checksums.
pub fn cache(data: &[u8]) {
    crate::cache::fuzz(data);
}

/// Publishing in a directory whose file system fails.
pub fn publishing(data: &[u8]) {
    crate::publish::fuzzing::publishing(data);
}

/// Every target.
pub const TARGETS: &[Target] = &[
    ("codecs", codecs),
    ("cache", cache),
    ("command_line", command_line),
    ("threads", threads),
    ("publishing", publishing),
];

/// Limits low enough that reaching them is cheap.
fn limits() -> Limits {
    Limits::DEFAULT
        .module_size(1 << 22)
        .buffered_size(1 << 20)
        .decoder_memory(1 << 22)
        .file_size(1 << 22)
        .sections_size(1 << 22)
        .text_size(1 << 20)
        .depth(32)
        .cycle_lines(20)
        .steps(100_000)
}

/// The C libraries, whole and in pieces: both ways, and the decoders in Rust, accept the same input.
pub fn codecs(data: &[u8]) {
    let limits = limits();
    let formats = match Compression::detect(data) {
        Some(format) => vec![format],
        None => vec![Compression::Gzip, Compression::Xz, Compression::Zstd],
    };
    for format in formats {
        let mut seen: Option<Vec<u8>> = None;
        for decoder in [&mut NativeDecoder::new() as &mut dyn Decoder, &mut PureDecoder::new()] {
            let mut out = Vec::new();
            let whole = decoder.decode(format, data, &limits, &mut out).map(|()| out);
            let in_pieces = pieces(decoder, format, data, &limits);
            for out in [whole, in_pieces].into_iter().flatten() {
                assert!(out.len() as u64 <= limits.module_size);
                assert!(seen.as_ref().is_none_or(|seen| *seen == out), "{format:?}");
                seen = Some(out);
            }
        }
    }
}

fn pieces(
    decoder: &mut dyn Decoder,
    format: Compression,
    mut file: &[u8],
    limits: &Limits,
) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::new();
    let mut read = |into: &mut [u8]| {
        let (now, later) = file.split_at(into.len().min(file.len()));
        into[..now.len()].copy_from_slice(now);
        file = later;
        now.len()
    };
    let feed = Feed::new(&mut read).expect("128 KiB");
    let mut each = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        out.len() as u64 <= limits.module_size
    };
    decoder.pieces(format, feed, limits, &mut each)?;
    if out.len() as u64 > limits.module_size { Err(DecodeError::too_large(format, limits)) } else { Ok(out) }
}

/// A command line; a line is a word.
pub fn command_line(data: &[u8]) {
    let words = data.split(|&byte| byte == b'\n').filter(|word| !word.contains(&0)).take(64);
    let words: Vec<OsString> = words.map(|word| std::ffi::OsStr::from_bytes(word).to_owned()).collect();
    crate::command::fuzz(&words);
}

/// A whole run on one thread and on three, over the files `PATH LENGTH CONTENT` in `data`: a byte with the length
/// of the path, two with that of the content, both, and so on.
pub fn threads(mut data: &[u8]) {
    let mut source = MemorySource::new();
    while let [path, low, high, rest @ ..] = data {
        let (path, rest) = rest.split_at(usize::from(*path).min(rest.len()));
        let content = usize::from(u16::from_le_bytes([*low, *high]));
        let (content, rest) = rest.split_at(content.min(rest.len()));
        source.insert(&[b"/lib/modules/6.1/", path].concat(), content);
        data = rest;
    }
    let options = Options::new("/lib/modules/6.1", "6.1")
        .config_paths(["/lib/modules/6.1/depmod.d"])
        .warn_duplicates(true)
        .limits(limits());
    let run = |jobs| {
        let mut hooks = Threads::new(&source, &options.limits, NonZero::new(jobs).expect("not zero"));
        let mut messages = Vec::new();
        let outcome = run_with(&options, &source, &mut hooks, &mut messages);
        let files = outcome.ok().and_then(|outcome| Some(outcome.indexed?.files));
        let files: Option<Vec<Vec<u8>>> =
            files.map(|files| files.iter().map(|(_, bytes)| bytes.to_vec()).collect());
        (files, messages.iter().map(Diagnostic::message).collect::<Vec<_>>())
    };
    let (one, three) = (run(1), run(3));
    assert!(one == three, "{:?}\n{:?}", one.1, three.1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    const LINES: &[&str] = &[
        "-a\n-b\n/mnt\n--symbol-prefix=_\n6.1",
        "-b\n/mnt\nplan\n--hardware\n-\next4",
        "pack\n--zstd\n-o\n/tmp/x\n-k\n6.1",
        "-v\n6.1\n--\nplan\nplan",
        "--verb\n=\n--jobs=0",
    ];

    #[test]
    fn known_crashers_do_not_panic() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/crashers");
        for (name, body) in TARGETS {
            for file in fs::read_dir(folder.join(name)).into_iter().flatten().flatten() {
                body(&fs::read(file.path()).unwrap());
            }
        }
    }

    #[test]
    fn cut_and_damaged_command_lines_do_not_panic() {
        for line in LINES {
            let bytes = line.as_bytes();
            for at in 0..bytes.len() {
                command_line(&bytes[..at]);
                for byte in [b'\n', b'-', b'=', 0xff] {
                    let mut bytes = bytes.to_vec();
                    bytes[at] = byte;
                    command_line(&bytes);
                }
            }
        }
    }
}
