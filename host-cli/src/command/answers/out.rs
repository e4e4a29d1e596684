//! Standard output of an answer.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use depmod_core::Diagnostic;
use depmod_core::parts::diagnostic::push_escaped;
use serde_json::Value;

use crate::command::stdout::written;
use crate::command::terminal::lines_for;

/// Buffered standard output. After a closed pipe, further output is dropped without an error.
#[derive(Debug)]
pub(crate) struct Out {
    stream: BufWriter<Stdout>,
    error: Option<io::Error>,
    is_terminal: bool,
}

impl Out {
    /// Standard output.
    pub(crate) fn new() -> Self {
        Self {
            stream: BufWriter::with_capacity(1 << 16, io::stdout()),
            error: None,
            is_terminal: io::stdout().is_terminal(),
        }
    }

    /// Appends bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            self.error = self.stream.write_all(bytes).err();
        }
    }

    /// Appends a line.
    pub(crate) fn line(&mut self, text: impl AsRef<[u8]>) {
        self.bytes(text.as_ref());
        self.bytes(b"\n");
    }

    /// Appends an empty line and a hint, for people: on a terminal.
    pub(crate) fn hint(&mut self, text: &str) {
        if self.is_terminal {
            self.line("");
            self.line(text);
        }
    }

    /// Appends lines of names, as they are for programs.
    pub(crate) fn exact(&mut self, lines: &[u8]) {
        self.bytes(&lines_for(&io::stdout(), lines));
    }

    /// Appends a line with a name, as it is for programs.
    pub(crate) fn name(&mut self, name: impl AsRef<[u8]>) {
        if self.is_terminal {
            let mut line = Vec::new();
            push_escaped(&mut line, name.as_ref());
            self.line(line);
        } else {
            self.line(name);
        }
    }

    /// Appends a line with a JSON value, with the control characters escaped that JSON allows.
    pub(crate) fn json(&mut self, value: &Value) {
        let text = value.to_string();
        if !text.contains(char::is_control) {
            return self.line(text);
        }
        let mut line = String::new();
        for c in text.chars() {
            match c.is_control() {
                true => line.push_str(&format!("\\u{:04x}", u32::from(c))),
                false => line.push(c),
            }
        }
        self.line(line);
    }

    /// Whether further output is dropped.
    pub(crate) fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    /// Flushes the buffer before output on another stream.
    pub(crate) fn flush(&mut self) {
        if self.error.is_none() {
            self.error = self.stream.flush().err();
        }
    }

    /// Flushes the buffer; an error if any output failed.
    pub(crate) fn finish(mut self) -> Result<(), Diagnostic> {
        let flushed = match self.error.take() {
            Some(error) => Err(error),
            None => self.stream.flush(),
        };
        if flushed.is_err() {
            // Dropping the stream would write the buffer again.
            let _ = self.stream.into_parts();
        }
        written(flushed)
    }
}
