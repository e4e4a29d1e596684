//! Messages on the firmware's console, one line each.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use depmod_core::{Diagnostic, Reporter, Severity};
use uefi::CStr16;
use uefi::proto::console::text::Output;

/// Set while a line is printed.
static PRINTING: AtomicBool = AtomicBool::new(false);

/// Writes diagnostics with the prefixes of the Linux command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Console {
    /// Whether informative lines are shown.
    pub verbose: bool,
}

impl Console {
    /// Prints an error.
    pub fn error(&self, message: fmt::Arguments<'_>) {
        self.line(Severity::Error, message);
    }

    /// Prints a warning.
    pub fn warning(&self, message: fmt::Arguments<'_>) {
        self.line(Severity::Warning, message);
    }

    fn line(&self, severity: Severity, message: fmt::Arguments<'_>) {
        print(format_args!("depmod: {}: {message}\n", severity.word()));
    }

    /// Prints a message.
    pub fn message(&self, message: fmt::Arguments<'_>) {
        print(format_args!("depmod: {message}\n"));
    }

    /// Prints a message if [`Self::verbose`] is set.
    pub fn info(&self, message: fmt::Arguments<'_>) {
        if self.verbose {
            self.message(message);
        }
    }
}

impl Reporter for Console {
    fn report(&mut self, diagnostic: Diagnostic) {
        match diagnostic.severity() {
            Severity::Info => self.info(format_args!("{diagnostic}")),
            severity => self.line(severity, format_args!("{diagnostic}")),
        }
    }
}

/// Writes text whose lines end in `\n`. Errors of the console are ignored.
pub fn print(text: fmt::Arguments<'_>) {
    let outer = PRINTING.swap(true, Ordering::SeqCst);
    print_now(text);
    PRINTING.store(outer, Ordering::SeqCst);
}

/// Whether a line is being printed, which a line of progress must not interrupt.
pub(crate) fn is_printing() -> bool {
    PRINTING.load(Ordering::SeqCst)
}

fn print_now(text: fmt::Arguments<'_>) {
    uefi::system::with_stdout(|output| {
        let write = |piece: &[u16]| write_to(output, piece);
        let mut pieces = Pieces { room: [0; PIECE], used: 0, write };
        let _ = pieces.write_fmt(text);
        pieces.flush();
    });
}

/// The console itself replaces characters that it has no glyph for.
fn write_to(output: &mut Output, piece: &[u16]) {
    if let Ok(piece) = CStr16::from_u16_with_nul(piece) {
        let _ = output.output_string(piece);
    }
}

/// Code units of one call to the console, with the NUL.
const PIECE: usize = 128;

/// Converts text to UCS-2 with CR LF, in pieces that end in a NUL. No memory is allocated.
struct Pieces<W: FnMut(&[u16])> {
    room: [u16; PIECE],
    used: usize,
    write: W,
}

impl<W: FnMut(&[u16])> Pieces<W> {
    fn push(&mut self, unit: u16) {
        // Keep room for the NUL.
        if self.used + 1 >= PIECE {
            self.flush();
        }
        if let Some(place) = self.room.get_mut(self.used) {
            *place = unit;
            self.used += 1;
        }
    }

    fn flush(&mut self) {
        self.room.iter_mut().skip(self.used).take(1).for_each(|end| *end = 0);
        (self.write)(self.room.get(..=self.used).unwrap_or_default());
        self.used = 0;
    }
}

impl<W: FnMut(&[u16])> Write for Pieces<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c == '\n' {
                self.push(u16::from(b'\r'));
            }
            // UCS-2 has no characters beyond 16 bits, and a NUL would end the text.
            let unit = u16::try_from(u32::from(c)).ok().filter(|&unit| unit != 0);
            self.push(unit.unwrap_or(u16::from(b'?')));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn shown(text: &str) -> Vec<Vec<u16>> {
        let mut shown = Vec::new();
        let write = |piece: &[u16]| shown.push(piece.to_vec());
        let mut pieces = Pieces { room: [9; PIECE], used: 0, write };
        pieces.write_str(text).unwrap();
        pieces.flush();
        shown
    }

    #[test]
    fn unsupported_characters_are_replaced() {
        let expected: Vec<u16> = "a?b\u{e4}?\u{20ac}\r\n\0".encode_utf16().collect();
        assert_eq!(shown("a\u{1f600}b\u{e4}\0\u{20ac}\n"), [expected]);
        assert_eq!(shown(""), [[0]]);
    }

    #[test]
    fn long_texts_are_split() {
        for length in [126, 127, 128, 500] {
            let text = "x".repeat(length);
            let pieces = shown(&text);
            assert!(pieces.iter().all(|piece| piece.len() <= PIECE && piece.last() == Some(&0)));
            let units = pieces.iter().flat_map(|piece| &piece[..piece.len() - 1]);
            assert_eq!(units.count(), length);
        }
    }
}
