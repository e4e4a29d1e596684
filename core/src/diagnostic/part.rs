//! Parts of message texts.

use alloc::vec::Vec;
use core::fmt::{self, Write};

use bstr::BString;

use super::{
    cause::{CacheFault, NeedsDiscarded, PatternError, WriteFault},
    file_line::FileLine,
};
use crate::{decompress::DecodeError, limits::Exceeded, source::IoError};

/// A part of a message text.
pub(super) trait Part {
    /// Appends its display form.
    fn push_to(&self, out: &mut Vec<u8>);
}

impl<const N: usize> Part for [u8; N] {
    fn push_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl Part for BString {
    fn push_to(&self, out: &mut Vec<u8>) {
        push_escaped(out, self);
    }
}

/// A line with its newline, as kmod shows it.
pub(super) struct Line<'l>(pub(super) &'l BString);

impl Part for Line<'_> {
    fn push_to(&self, out: &mut Vec<u8>) {
        let line = self.0.strip_suffix(b"\n");
        push_escaped(out, line.unwrap_or(self.0));
        if line.is_some() {
            out.push(b'\n');
        }
    }
}

/// A process, where it is known.
pub(super) struct Process(pub(super) Option<u32>);

impl Part for Process {
    fn push_to(&self, out: &mut Vec<u8>) {
        if let Some(process) = self.0 {
            push_formatted(out, format_args!(", process {process}"));
        }
    }
}

/// Appends a text with `\xNN` in place of control characters, those of Unicode's second block included.
pub fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut before = 0;
    for (at, &byte) in text.iter().enumerate() {
        let second = |byte: u8| (0x80..0xa0).contains(&byte);
        let next = text.get(at.saturating_add(1)).copied().unwrap_or_default();
        if byte.is_ascii_control() || (byte == 0xc2 && second(next)) || (before == 0xc2 && second(byte)) {
            let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
            out.extend([b'\\', b'x', digit(byte >> 4), digit(byte & 0xf)]);
        } else {
            out.push(byte);
        }
        before = byte;
    }
}

impl Part for str {
    fn push_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl<P: Part + ?Sized> Part for &P {
    fn push_to(&self, out: &mut Vec<u8>) {
        (**self).push_to(out);
    }
}

impl Part for IoError {
    fn push_to(&self, out: &mut Vec<u8>) {
        self.text().push_to(out);
    }
}

macro_rules! displayed {
    ($($part:ty),+) => { $(
        impl Part for $part {
            fn push_to(&self, out: &mut Vec<u8>) {
                push_displayed(out, self);
            }
        }
    )+ };
}

displayed!(usize, i32, Exceeded, DecodeError, WriteFault, CacheFault);

impl Part for NeedsDiscarded {
    fn push_to(&self, out: &mut Vec<u8>) {
        self.text().push_to(out);
    }
}

impl Part for PatternError {
    fn push_to(&self, out: &mut Vec<u8>) {
        self.text().push_to(out);
    }
}

impl Part for FileLine {
    fn push_to(&self, out: &mut Vec<u8>) {
        self.file.push_to(out);
        out.push(b':');
        self.line.push_to(out);
    }
}

/// A file type in C's `%o` format.
pub(super) struct Octal(pub(super) u32);

impl Part for Octal {
    fn push_to(&self, out: &mut Vec<u8>) {
        push_formatted(out, format_args!("{:o}", self.0));
    }
}

/// A byte in C's `%x` format.
pub(super) struct Hexadecimal(pub(super) u8);

impl Part for Hexadecimal {
    fn push_to(&self, out: &mut Vec<u8>) {
        push_formatted(out, format_args!("{:x}", self.0));
    }
}

/// Names separated by arrows.
pub(super) struct Joined<'n>(pub(super) &'n [BString]);

impl Part for Joined<'_> {
    fn push_to(&self, out: &mut Vec<u8>) {
        for (at, name) in self.0.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(b" -> ");
            }
            name.push_to(out);
        }
    }
}

fn push_displayed(out: &mut Vec<u8>, value: &dyn fmt::Display) {
    push_formatted(out, format_args!("{value}"));
}

fn push_formatted(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    struct Out<'o>(&'o mut Vec<u8>);

    impl Write for Out<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }

    // Writing to a vector cannot fail.
    let _ = Out(out).write_fmt(text);
}
