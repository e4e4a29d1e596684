//! Standard output of an answer.

use std::io::{self, BufWriter, ErrorKind, Stdout, Write};

/// Standard output, buffered. A reader that went away is no failure: the rest is dropped.
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

    /// Brings what there is to the reader before something else is said.
    pub(crate) fn flush(&mut self) {
        if self.error.is_none() {
            self.error = self.stream.flush().err();
        }
    }

    /// Writes what is left; an error if not all of it could be written.
    pub(crate) fn finish(mut self) -> Result<(), String> {
        let flushed = match self.error.take() {
            Some(error) => Err(error),
            None => self.stream.flush(),
        };
        match flushed {
            // What is left in the buffer would be tried again.
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
