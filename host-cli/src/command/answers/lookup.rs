//! `depmod lookup`: lookups as with `modprobe --resolve-alias`, in batches.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;

use clap::Parser;
use depmod_core::parts::answer::{IndexDirectory, IndexFileError, ModprobeConfig, Resolver, nearest};
use depmod_core::parts::diagnostic::Chain;
use depmod_core::{Limits, Output, Severity};
use serde_json::Value;

use super::kernel::Kernel;
use super::{Command, Failure, Format, Out, json};
use crate::command::args::Color;
use crate::command::nearest::instead;
use crate::command::paths::{MODULE_DIRECTORY, quoted};
use crate::command::report::{Report, say};
use crate::command::settings::Target;
use crate::command::status::{DONE, FAILED};
use crate::source::DiskSource;

/// Limit on warnings about unknown words.
const NAMED: usize = 10;
/// Limit on suggestions for an unknown word.
const PROPOSED: usize = 3;

/// The arguments of `depmod lookup`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "depmod lookup",
    no_binary_name = true,
    mut_arg("config", |arg| arg.help(super::kernel::MODPROBE_D)),
    about = "Resolve names and modaliases to modules, as modprobe --resolve-alias does.",
    after_help = "\
The modules of each QUERY in turn, one name a line, in modprobe's order and with its repeats.
Aliases of /etc/modprobe.d, or of the paths of -C, take precedence. Of the modules, only the index
files are read.

Examples:
  depmod lookup nvme fs-ext4
  depmod lookup pci:v00008086d000010D3sv00000000sd00000000bc02sc00i00
  find /sys/devices -name modalias -exec cat {} + | depmod lookup | sort -u
  depmod lookup --format json < modaliases | jq -r 'select(.modules == []).query'

Exit status: 0 modules found, 1 none found, or the index files cannot be read."
)]
pub(super) struct Lookup {
    #[arg(
        value_name = "QUERY",
        help = "Name, alias or modalias [default, and for -: standard input, one a line]"
    )]
    queries: Vec<OsString>,
    #[command(flatten)]
    kernel: Kernel,
    #[arg(short = '0', long = "null", help = "Standard input has NULs between queries, not line ends")]
    null: bool,
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value_t,
        help = "Show the answer as text, or as json: one object a query, one a line"
    )]
    format: Format,
}

impl Command for Lookup {
    fn answer(self, out: &mut Out) -> Result<u8, Failure> {
        let target = self.kernel.target()?;
        let config = self.kernel.modprobe_config(&mut Report::new(Color::Auto))?;
        let limits = Limits::DEFAULT;
        let files = IndexDirectory::new(&DiskSource, target.dirname.as_slice(), &limits);
        let mut answers = Answers {
            resolver: Resolver::new(&files, &config),
            out,
            version: &target.version,
            format: self.format,
            asked: 0,
            found: false,
            unknown: Vec::new(),
        };
        let answered = ask_all(&self, &mut answers);
        let Answers { asked, found, unknown, .. } = answers;
        out.flush();
        match answered {
            Err(Trouble::Input(why)) => return Err(why),
            Err(Trouble::Index(error)) => return Err(no_index(&error, &target)),
            Ok(()) => {}
        }
        for query in unknown.iter().take(NAMED) {
            say_unknown(query, &files, &config)?;
        }
        if unknown.len() > NAMED {
            let more = unknown.len().saturating_sub(NAMED);
            say(Severity::Warning, &format!("and {more} more"));
        }
        Ok(if found || asked == 0 { DONE } else { FAILED })
    }
}

/// The reason for stopping.
enum Trouble {
    Input(Failure),
    Index(IndexFileError),
}

impl From<IndexFileError> for Trouble {
    fn from(error: IndexFileError) -> Self {
        Self::Index(error)
    }
}

fn ask_all(words: &Lookup, answers: &mut Answers<'_, '_>) -> Result<(), Trouble> {
    if words.queries.is_empty() {
        return answers.stream(words.null);
    }
    for query in &words.queries {
        match query.as_bytes() {
            b"-" => answers.stream(words.null)?,
            query => {
                if !answers.ask(query)? {
                    answers.unknown.push(query.to_vec());
                }
            }
        }
    }
    Ok(())
}

/// The answers so far.
struct Answers<'a, 'o> {
    resolver: Resolver<'a, DiskSource>,
    out: &'o mut Out,
    version: &'a [u8],
    format: Format,
    asked: usize,
    found: bool,
    /// Operands without a result.
    unknown: Vec<Vec<u8>>,
}

impl Answers<'_, '_> {
    /// Answers a query; returns whether there is a result.
    fn ask(&mut self, query: &[u8]) -> Result<bool, IndexFileError> {
        self.asked = self.asked.saturating_add(1);
        let out = &mut *self.out;
        let count = match self.format {
            Format::Text => self.resolver.resolve(query, |name| out.name(name))?,
            Format::Json => {
                let mut names = Vec::new();
                let count = self.resolver.resolve(query, |name| names.push(name.to_vec()))?;
                let mut object = json::answer("lookup", Some(self.version));
                json::text(&mut object, "query", query);
                json::texts(&mut object, "modules", &mut names.iter().map(|name| &**name));
                out.json(&Value::Object(object));
                count
            }
        };
        self.found |= count > 0;
        Ok(count > 0)
    }

    /// Answers queries from standard input; flushes before it waits for more.
    fn stream(&mut self, null: bool) -> Result<(), Trouble> {
        let end = if null { 0 } else { b'\n' };
        let mut input = BufReader::with_capacity(1 << 16, io::stdin().lock());
        let mut query = Vec::new();
        let (mut unknown, first) = (None, self.asked);
        loop {
            query.clear();
            if !input.buffer().contains(&end) {
                self.out.flush();
            }
            if self.out.has_failed() {
                // Queries may have no end.
                break;
            }
            let read = input.read_until(end, &mut query);
            let read = read.map_err(|error| {
                Trouble::Input(Failure::Because(format!(
                    "cannot read standard input: {}",
                    crate::source::from_io(&error)
                )))
            })?;
            if read == 0 {
                break;
            }
            let query = query.strip_suffix(&[end]).unwrap_or(&query);
            if !query.is_empty() && !self.ask(query)? {
                unknown.get_or_insert_with(|| query.to_vec());
            }
        }
        // A single word is as good as an operand.
        if self.asked == first.saturating_add(1) {
            self.unknown.extend(unknown);
        }
        Ok(())
    }
}

/// The reason why no index can be read, with a hint.
pub(super) fn no_index(error: &IndexFileError, target: &Target) -> Failure {
    let mut text = Chain(error).to_string();
    if error.is_missing() {
        text += &format!("; \"{}\" makes the index files", run_for(target));
    }
    Failure::Because(text)
}

/// The classic run for a module directory, as it is typed.
fn run_for(target: &Target) -> String {
    let mut words = vec![b"depmod".to_vec()];
    if !target.base.is_empty() {
        words.extend([b"-b".to_vec(), quoted(&target.base)]);
    }
    let below = target.module_root.strip_prefix(&*target.base).unwrap_or(&target.module_root);
    if below != MODULE_DIRECTORY.as_bytes() {
        words.extend([b"-m".to_vec(), quoted(below)]);
    }
    words.push(quoted(&target.version));
    String::from_utf8_lossy(&words.join(&b' ')).into_owned()
}

/// One line about a word that names no module or alias.
fn say_unknown(
    query: &[u8],
    files: &IndexDirectory<'_, DiskSource>,
    config: &ModprobeConfig,
) -> Result<(), Failure> {
    let _ = config;
    let mut indexes = Vec::new();
    for output in [Output::DepIndex, Output::BuiltinIndex, Output::AliasIndex] {
        indexes.extend(files.index(output).map_err(|error| Chain(&error).to_string())?);
    }
    let names = nearest(query, indexes, PROPOSED).unwrap_or_default();
    let query = OsStr::from_bytes(query);
    let text = format!("no module or alias named {}{}", query.display(), instead(query.as_bytes(), &names));
    say(Severity::Warning, &text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Lookup::command().debug_assert();
    }

    #[test]
    fn the_run_for_a_directory_has_its_options() {
        let target = |base: &str, root: &str| Target {
            version: b"6.1.0".to_vec(),
            version_given: true,
            module_root: [base.as_bytes(), root.as_bytes()].concat(),
            base: base.into(),
            dirname: Vec::new(),
            layers: Vec::new(),
            outdirname: Vec::new(),
            config: Vec::new(),
        };
        assert_eq!(run_for(&target("", MODULE_DIRECTORY)), "depmod 6.1.0");
        assert_eq!(run_for(&target("/a b", MODULE_DIRECTORY)), "depmod -b '/a b' 6.1.0");
        assert_eq!(run_for(&target("/a", "/opt/modules")), "depmod -b /a -m /opt/modules 6.1.0");
    }
}
