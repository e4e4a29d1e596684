//! Messages for people: one line each, on the firmware's console.

use alloc::string::String;
use core::fmt::{self, Write};

use depmod_core::diagnostic::{Diagnostic, Severity};
use depmod_core::host::Reporter;
use uefi::CStr16;
use uefi::proto::console::text::Output;

/// Writes diagnostics with the prefixes of the Linux command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Console {
    /// Whether to show what is merely informative.
    pub verbose: bool,
}

impl Console {
    /// A line that says that something went wrong.
    pub fn error(&self, message: fmt::Arguments<'_>) {
        print(format_args!("depmod: ERROR: {message}\n"));
    }

    /// A line that says that something is odd.
    pub fn warning(&self, message: fmt::Arguments<'_>) {
        print(format_args!("depmod: WARNING: {message}\n"));
    }

    /// A line for everybody.
    pub fn say(&self, message: fmt::Arguments<'_>) {
        print(format_args!("depmod: {message}\n"));
    }

    /// A line shown only when asked for.
    pub fn info(&self, message: fmt::Arguments<'_>) {
        if self.verbose {
            self.say(message);
        }
    }
}

impl Reporter for Console {
    fn report(&mut self, diagnostic: Diagnostic) {
        let message = diagnostic.message();
        let text = String::from_utf8_lossy(&message);
        match diagnostic.severity() {
            Severity::Fatal => print(format_args!("depmod: FATAL: {text}\n")),
            Severity::Error => self.error(format_args!("{text}")),
            Severity::Warning => self.warning(format_args!("{text}")),
            _ => self.info(format_args!("{text}")),
        }
    }
}

/// Writes text as it is, lines ending in `\n`. A console that does not take it is no reason to stop.
pub fn print(text: fmt::Arguments<'_>) {
    uefi::system::with_stdout(|output| {
        let write = |piece: &[u16]| write_to(output, piece);
        let mut pieces = Pieces { room: [0; PIECE], used: 0, write };
        let _ = pieces.write_fmt(text);
        pieces.flush();
    });
}

/// Characters without a glyph are the console's to replace.
fn write_to(output: &mut Output, piece: &[u16]) {
    if let Ok(piece) = CStr16::from_u16_with_nul(piece) {
        let _ = output.output_string(piece);
    }
}

/// Code units that the console gets at once, the NUL behind them included.
const PIECE: usize = 128;

/// Turns text into what the console takes: UCS-2 with CR LF, in pieces that end in a NUL. No memory is needed.
struct Pieces<W: FnMut(&[u16])> {
    room: [u16; PIECE],
    used: usize,
    write: W,
}

impl<W: FnMut(&[u16])> Pieces<W> {
    fn push(&mut self, unit: u16) {
        // One place stays for the NUL.
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
    fn what_the_console_cannot_hold_is_replaced() {
        let expected: Vec<u16> = "a?b\u{e4}?\u{20ac}\r\n\0".encode_utf16().collect();
        assert_eq!(shown("a\u{1f600}b\u{e4}\0\u{20ac}\n"), [expected]);
        assert_eq!(shown(""), [[0]]);
    }

    #[test]
    fn long_texts_come_in_pieces() {
        for length in [126, 127, 128, 500] {
            let text = "x".repeat(length);
            let pieces = shown(&text);
            assert!(pieces.iter().all(|piece| piece.len() <= PIECE && piece.last() == Some(&0)));
            let units = pieces.iter().flat_map(|piece| &piece[..piece.len() - 1]);
            assert_eq!(units.count(), length);
        }
    }
}
