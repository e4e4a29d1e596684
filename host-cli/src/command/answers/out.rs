//! Standard output of an answer.

use std::io::{self, BufWriter, ErrorKind, Stdout, Write};

/// Buffered standard output. After a closed pipe, further output is dropped without an error.
#[derive(Debug)]
pub(crate) struct Out {
    stream: BufWriter<Stdout>,
    error: Option<io::Error>,
}

impl Out {
    /// Standard output.
    pub(crate) fn new() -> Self {
        Self { stream: BufWriter::with_capacity(1 << 16, io::stdout()), error: None }
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
    pub(crate) fn finish(mut self) -> Result<(), String> {
        let flushed = match self.error.take() {
            Some(error) => Err(error),
            None => self.stream.flush(),
        };
        match flushed {
            // Dropping the stream would write the buffer again.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                let _ = self.stream.into_parts();
                Ok(())
            }
            Err(error) => {
                let _ = self.stream.into_parts();
                Err(format!("could not write to standard output: {}", crate::source::from_io(&error)))
            }
            Ok(()) => Ok(()),
        }
    }
}
