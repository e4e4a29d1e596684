//! Parts of message texts.

use alloc::vec::Vec;
use core::fmt::{self, Write};

use bstr::BString;

use super::{CacheFault, FileLine, NeedsDiscarded, PatternError, WriteFault};
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
        out.extend_from_slice(self);
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

displayed!(usize, i32, Exceeded, DecodeError, WriteFault, CacheFault, NeedsDiscarded, PatternError);

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
