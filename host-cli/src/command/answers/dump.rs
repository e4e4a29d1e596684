//! `depmod dump`: the content of an index file as text.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Parser;
use depmod_core::parts::index::Value;
use depmod_core::{Index, IndexError, Limits, Scratch, Source};
use serde_json::{Map, json};

use super::{Command, Failure, Format, Out, json};
use crate::command::report::say;
use crate::command::status::{DONE, FAILED};
use crate::source::DiskSource;

/// The arguments of `depmod dump`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "depmod dump",
    no_binary_name = true,
    about = "Show the content of an index file.",
    after_help = "\
A .bin file is shown as lines of key and value, a text file unchanged. For a corrupt file, the valid
entries are shown, then an error with the offset. Without a list of built-in modules, kmod leaves
modules.builtin.bin empty, which is no index.

Examples:
  depmod dump /lib/modules/6.1.0-50-amd64/modules.alias.bin
  depmod dump --format json modules.dep.bin | jq -r '.entries[].key'

Exit status: 0 done, 1 the file is unreadable, corrupt, or no index file."
)]
pub(super) struct Dump {
    #[arg(value_name = "FILE", help = "Index file, such as modules.alias.bin")]
    file: PathBuf,
    #[arg(long, value_enum, value_name = "FORM", default_value_t, help = "Show the answer as text or json")]
    format: Format,
}

impl Command for Dump {
    fn answer(self, out: &mut Out) -> Result<u8, Failure> {
        let path = self.file.as_os_str().as_bytes();
        let bytes = DiskSource
            .read_named(path, Limits::DEFAULT.text_size)
            .map_err(|error| Failure::cannot_read(path, &error))?;
        let broken = |error: &IndexError| format!("{} is {}", self.file.display(), Broken(error));
        let is_index =
            bytes.starts_with(&depmod_core::parts::index::MAGIC.to_be_bytes()) || path.ends_with(b".bin");
        if !is_index {
            if !is_text(&bytes) {
                return Err(format!("{} is not an index file", self.file.display()).into());
            }
            match self.format {
                Format::Text => out.exact(&bytes),
                Format::Json => out.json(&lines(path, &bytes)),
            }
            return Ok(DONE);
        }
        let mut valid = Vec::new();
        let mut entry = |key: &[u8], value: Value<'_>| match self.format {
            Format::Text => out.name([key, b" ", value.bytes].concat()),
            Format::Json => {
                let mut entry = Map::new();
                json::text(&mut entry, "key", key);
                json::text(&mut entry, "value", value.bytes);
                entry.insert("priority".into(), json!(value.priority));
                valid.push(entry.into());
            }
        };
        let dumped = dump(&bytes, &mut entry);
        if self.format == Format::Json {
            let mut object = json::answer("dump", None);
            json::text(&mut object, "file", path);
            object.insert("entries".into(), serde_json::Value::Array(valid));
            if let Err(error) = &dumped {
                object.insert("error".into(), json!(Broken(error).to_string()));
            }
            out.json(&serde_json::Value::Object(object));
        }
        match dumped {
            Ok(()) => Ok(DONE),
            Err(error) => {
                out.flush();
                say(depmod_core::Severity::Error, &broken(&error));
                Ok(FAILED)
            }
        }
    }
}

/// Shows the entries of an index, up to the first part that is broken.
fn dump(bytes: &[u8], show: &mut dyn FnMut(&[u8], Value<'_>)) -> Result<(), IndexError> {
    let mut scratch = Box::new(Scratch::new());
    let index = Index::parse(bytes)?;
    let mut entries = index.entries(&mut scratch);
    while let Some((key, value)) = entries.next_entry()? {
        show(key, value);
    }
    Ok(())
}

/// What is wrong with an index, with the offset.
struct Broken<'e>(&'e IndexError);

impl core::fmt::Display for Broken<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            IndexError::TooShort { len: 0 } => f.write_str("broken at offset 0x0: it is empty"),
            IndexError::TooShort { len } => write!(f, "broken at offset {len:#x}: {}", self.0),
            IndexError::Magic { found } => {
                write!(f, "not an index file: it starts with {found:#010x} at offset 0x0")
            }
            IndexError::Version { .. } => write!(f, "broken at offset 0x4: {}", self.0),
            error => write!(f, "broken: {error}"),
        }
    }
}

/// Whether these are lines of text; index files in text form have no control characters.
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte >= b' ' && byte != 0x7f || b"\t\n\r".contains(&byte))
}

/// The lines of a text file.
fn lines(path: &[u8], bytes: &[u8]) -> serde_json::Value {
    let mut object = json::answer("dump", None);
    json::text(&mut object, "file", path);
    let line = |line: &[u8]| {
        let mut object = Map::new();
        json::text(&mut object, "line", line);
        serde_json::Value::Object(object)
    };
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(line).collect();
    object.insert("lines".into(), serde_json::Value::Array(lines));
    serde_json::Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_accepts_the_definition() {
        use clap::CommandFactory;
        Dump::command().debug_assert();
    }
}
