//! Compressed copies from the encoders that distributions use, so that our decoders are tested with foreign
//! encoders.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::command;

/// Compression of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Not compressed.
    Plain,
    /// gzip.
    Gz,
    /// xz with the CRC-32 check, as for kernels.
    Xz,
    /// Zstandard.
    Zst,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Gz, Self::Xz, Self::Zst];

    /// Suffix of file names after `.ko`.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gz => ".gz",
            Self::Xz => ".xz",
            Self::Zst => ".zst",
        }
    }

    /// The format of a file name.
    pub fn of_name(name: &str) -> Self {
        let compressed = [Self::Gz, Self::Xz, Self::Zst];
        compressed.into_iter().find(|format| name.ends_with(format.suffix())).unwrap_or(Self::Plain)
    }

    /// The program, with options that make its output depend on the input alone.
    fn tool(self) -> Command {
        let (program, options): (_, &[&str]) = match self {
            Self::Plain => ("cat", &[]),
            Self::Gz => ("gzip", &["--no-name", "--force", "--quiet"]),
            Self::Xz => ("xz", &["--check=crc32", "--force", "--quiet", "-0"]),
            Self::Zst => ("zstd", &["--force", "--quiet"]),
        };
        let mut tool = Command::new(program);
        tool.args(options);
        tool
    }

    /// Compresses bytes.
    ///
    /// # Panics
    /// When the program is not installed or fails.
    pub fn compress(self, bytes: &[u8]) -> Vec<u8> {
        if self == Self::Plain {
            return bytes.to_vec();
        }
        let input = || -> Result<File> {
            let mut file = tempfile::tempfile()?;
            file.write_all(bytes)?;
            file.rewind()?;
            Ok(file)
        };
        let run = input().and_then(|file| {
            let mut tool = self.tool();
            if self == Self::Zst {
                // kmod needs the size in the header, which zstd cannot determine from stdin.
                tool.arg(format!("--stream-size={}", bytes.len()));
            }
            let output = tool.arg("-c").stdin(file).stderr(Stdio::inherit()).output()?;
            if !output.status.success() {
                bail!("{}", output.status);
            }
            Ok(output.stdout)
        });
        run.unwrap_or_else(|error| panic!("{}: {error:#}", command::line(&self.tool())))
    }

    /// Compresses files in place, many per process; each name gets the suffix.
    ///
    /// # Errors
    /// When the program is not installed or fails.
    pub fn compress_files(self, files: &[PathBuf]) -> Result<()> {
        for batch in files.chunks(200) {
            let mut tool = self.tool();
            match self {
                Self::Plain => return Ok(()),
                Self::Zst => tool.arg("--rm"),
                Self::Gz | Self::Xz => &mut tool,
            };
            command::run(tool.args(batch))?;
        }
        Ok(())
    }

    /// Decompresses files in place, many per process; each name loses the suffix.
    ///
    /// # Errors
    /// When the program is not installed or fails.
    pub fn decompress_files(self, files: &[PathBuf]) -> Result<()> {
        for batch in files.chunks(200) {
            let mut tool = match self {
                Self::Plain => return Ok(()),
                Self::Zst => Command::new("zstd"),
                Self::Gz | Self::Xz => self.tool(),
            };
            if self == Self::Zst {
                tool.args(["--force", "--quiet", "--rm"]);
            }
            command::run(tool.arg("-d").args(batch))?;
        }
        Ok(())
    }
}
