//! `depmod diff`: comparison of two kernels.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use bstr::BString;
use clap::Parser;
use depmod_core::parts::answer::{Change, ChangeKind, Count, IndexDirectory, Side, diff};
use depmod_core::parts::diagnostic::Chain;
use depmod_core::parts::run::{Indexed, Listed};
use depmod_core::parts::sort::sort_by;
use depmod_core::{IndexFiles, Options, Output, Source};
use serde_json::{Map, Value, json};

use super::style::Style;
use super::{Command, Failure, Format, Out, json, versions};
use crate::command::args::{Color, Place};
use crate::command::paths::is_version;
use crate::command::report::Report;
use crate::command::settings::{Environment, Target};
use crate::command::status::{DONE, FINDINGS};
use crate::run::Run;
use crate::source::{DiskSource, from_io};

/// The arguments of `depmod diff`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "depmod diff",
    no_binary_name = true,
    about = "Compare two kernels: devices that lose their driver, modules, symbols, dependencies.",
    after_help = "\
A and B are kernel versions, module directories, or directories of index files. Modules are read
only without index files; versions of symbols are compared only if the modules of both are read.

Examples:
  depmod diff 6.1.0-50-amd64 6.12.0-1-amd64
  depmod diff --from-modules /mnt/lib/modules/6.1.0-50-amd64 6.1.0-51-amd64
  depmod diff --format json 6.1.0-50-amd64 6.12.0-1-amd64 | jq -r '.changes[].kind' | sort | uniq -c

Exit status: 0 no changes, 3 changes, 1 the comparison failed."
)]
pub(super) struct Diff {
    #[arg(value_name = "A", help = "The old kernel: a version, or a directory with a / in its path")]
    old: OsString,
    #[arg(value_name = "B", help = "The new kernel")]
    new: OsString,
    #[command(flatten)]
    place: Place,
    #[arg(long, help = "Read the modules instead of index files")]
    from_modules: bool,
    #[arg(long, help = "Show every change")]
    long: bool,
    #[arg(long, value_enum, value_name = "FORM", default_value_t, help = "Show the answer as text or json")]
    format: Format,
}

/// One kernel, and the origin of its index files.
struct Loaded {
    /// The operand.
    name: Vec<u8>,
    options: Options,
    files: IndexFiles,
    /// Indexes of built-in modules that are missing or empty.
    unknown: Vec<Output>,
    /// The result of reading modules.
    read: Option<(Listed, Indexed)>,
}

impl Loaded {
    fn side(&self) -> Result<Side<'_>, Failure> {
        let broken = |error| format!("index files of {} are broken: {error}", self.options.directory);
        let side = Side::of(&self.files).map_err(broken)?;
        Ok(match &self.read {
            Some((listed, indexed)) => side.with_versions(&listed.list, &indexed.facts),
            None => side,
        })
    }
}

impl Command for Diff {
    fn answer(self, out: &mut Out) -> Result<u8, Failure> {
        let (old, new) = (self.load(&self.old)?, self.load(&self.new)?);
        let (a, b) = (old.side()?, new.side()?);
        let versions = a.has_versions() && b.has_versions();
        let changes = diff(&a, &b)?;
        match self.format {
            Format::Text => self.text(out, [&old, &new], &changes, versions),
            Format::Json => out.json(&object([&old, &new], &changes, versions)),
        }
        Ok(if changes.is_empty() { DONE } else { FINDINGS })
    }
}

impl Diff {
    fn load(&self, operand: &OsString) -> Result<Loaded, Failure> {
        let name = operand.as_bytes().to_vec();
        let options = self.options(operand)?;
        let mut report = Report::new(Color::Auto);
        if !self.from_modules {
            let stored =
                IndexDirectory::new(&DiskSource, options.directory.clone(), &options.limits).indexes();
            match stored {
                Ok((files, unknown)) => return Ok(Loaded { name, options, files, unknown, read: None }),
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(Chain(&error).to_string().into()),
            }
        }
        require_modules(&options)?;
        let (listed, indexed) = Run::new(&options).make(&mut report)?;
        let files = indexed.files.clone();
        let unknown = [Output::BuiltinIndex, Output::BuiltinAliasIndex].into_iter();
        let unknown = unknown.filter(|&output| files.get(output).is_empty()).collect();
        Ok(Loaded { name, options, files, unknown, read: Some((listed, indexed)) })
    }

    /// A version below the base directory, or a directory by its path.
    fn options(&self, operand: &OsString) -> Result<Options, Failure> {
        let environment = Environment::current();
        if !operand.as_bytes().contains(&b'/') && operand != "." && operand != ".." {
            if !is_version(operand.as_bytes()) {
                let operand = operand.display();
                return Err(format!("{operand} is no version; a directory is written ./{operand}").into());
            }
            let target = Target::new(self.place.clone(), None, Some(operand.clone()), &environment)?;
            versions::check(&target)?;
            return Ok(target.options());
        }
        let path = std::fs::canonicalize(operand)
            .map_err(|error| format!("cannot open {}: {}", operand.display(), from_io(&error)))?;
        if !path.is_dir() {
            return Err(format!("{} is not a directory", operand.display()).into());
        }
        let version = path.file_name().unwrap_or_default().as_bytes().to_vec();
        let options = Options::new(path.into_os_string().into_vec(), version);
        let config = Target::new(self.place.clone(), None, Some("0.0".into()), &environment)?.config;
        Ok(options.config_paths(config))
    }

    fn text(&self, out: &mut Out, sides: [&Loaded; 2], changes: &[Change], versions: bool) {
        let style = Style::of_stdout();
        let [old, new] = sides.map(|side| side.name.escape_ascii());
        let lost = changes.iter().filter(|change| change.kind() == ChangeKind::DriverLost).count();
        let verdict = match (changes.len(), lost) {
            (0, _) => style.good("nothing changed"),
            (_, 0) => style.good("no device loses its driver"),
            (_, 1) => style.bad("1 device loses its driver"),
            (_, lost) => style.bad(&format!("{} devices lose their driver", Count(lost))),
        };
        out.line(format!("{old} -> {new}: {verdict}"));
        for (side, output) in
            sides.iter().flat_map(|side| side.unknown.iter().map(move |output| (side, output)))
        {
            let (name, file) = (side.name.escape_ascii(), output.file_name());
            out.line(
                style.dim(&format!("built-in modules of {name} not compared: {file} is missing or empty")),
            );
        }
        if !versions {
            out.line(style.dim("versions of symbols not compared: --from-modules does"));
        }
        // They are sorted by kind.
        for changes in changes.chunk_by(|one, next| one.kind() == next.kind()) {
            let heading = changes.first().map_or("", |change| change.kind().heading());
            out.line("");
            out.line(style.title(&format!("{heading}: {}", Count(changes.len()))));
            self.groups(out, changes);
        }
    }

    /// Changes of one kind by subsystem, the largest first.
    fn groups(&self, out: &mut Out, changes: &[Change]) {
        const GROUPS: usize = 12;
        let mut groups: BTreeMap<BString, Vec<&Change>> = BTreeMap::new();
        for change in changes {
            groups.entry(change.subsystem()).or_default().push(change);
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        sort_by(&mut groups, &|a, b| b.1.len().cmp(&a.1.len()));
        let width = groups.iter().map(|(name, _)| name.len()).max().unwrap_or(0).min(24);
        let shown = if self.long { usize::MAX } else { GROUPS };
        for (name, changes) in groups.iter().take(shown) {
            let name = name.escape_ascii().to_string();
            if self.long {
                out.line(format!("  {name}"));
                changes.iter().for_each(|change| out.line(format!("    {change}")));
            } else {
                out.line(format!(
                    "  {name:width$} {:>6}  {}",
                    Count(changes.len()).to_string(),
                    some(changes)
                ));
            }
        }
        if let Some(rest) = groups.get(shown..).filter(|rest| !rest.is_empty()) {
            let more: usize = rest.iter().map(|(_, changes)| changes.len()).sum();
            out.line(format!("  and {} more in {} places (--long shows all)", Count(more), rest.len()));
        }
    }
}

/// Fails for a directory that has neither modules nor index files, and names the directory that was probably meant.
fn require_modules(options: &Options) -> Result<(), Failure> {
    const PARTS: [&[u8]; 5] = [b"kernel", b"updates", b"extra", b"modules.order", b"modules.builtin"];
    let directory = options.directory.as_slice();
    let entries = DiskSource.list(directory);
    let entries = entries.map_err(|error| format!("cannot open {}: {error}", options.directory))?;
    if is_version(&options.version) || entries.iter().any(|entry| PARTS.contains(&entry.name.as_slice())) {
        return Ok(());
    }
    let mut text = format!("{} is neither a module directory nor one of index files", options.directory);
    for root in ["lib/modules", "usr/lib/modules", ""] {
        let path = [directory, b"/", root.as_bytes()].concat();
        let (known, root) = (versions::in_directory(&path), if root.is_empty() { "it" } else { root });
        match &*known {
            [] => continue,
            [only] if root == "it" => text += &format!("; did you mean its {only}?"),
            [only] => text += &format!("; did you mean its {root}/{only}?"),
            known => text += &format!("; in {root} {}", versions::list(known)),
        }
        break;
    }
    Err(text.into())
}

/// The first changes of a group, cut to one line.
fn some(changes: &[&Change]) -> String {
    const WIDTH: usize = 76;
    let mut line = String::new();
    for (number, change) in changes.iter().enumerate() {
        let text = change.to_string();
        if number > 0 && line.len() + text.len() > WIDTH {
            line.push_str(", …");
            break;
        }
        if number > 0 {
            line.push_str(", ");
        }
        line.push_str(&text);
    }
    line
}

fn object(sides: [&Loaded; 2], changes: &[Change], versions: bool) -> Value {
    let mut answer = json::answer("diff", None);
    for (name, side) in ["old", "new"].into_iter().zip(sides) {
        let mut object = Map::new();
        json::text(&mut object, "name", &side.name);
        json::text(&mut object, "directory", &side.options.directory);
        object.insert("from_modules".into(), json!(side.read.is_some()));
        let unknown = side.unknown.iter().map(|output| output.file_name());
        object.insert("not_compared".into(), unknown.collect());
        answer.insert(name.into(), Value::Object(object));
    }
    answer.insert("versions_compared".into(), json!(versions));
    answer.insert("changes".into(), changes.iter().map(change).collect());
    Value::Object(answer)
}

fn change(change: &Change) -> Value {
    let mut object = Map::new();
    object.insert("kind".into(), json!(change.kind().word()));
    json::text(&mut object, "subsystem", &change.subsystem());
    json::text(&mut object, "module", change.module());
    json::text(&mut object, "path", change.path());
    let list = |object: &mut Map<String, Value>, name: &str, names: &[BString]| {
        json::texts(object, name, &mut names.iter().map(|name| name.as_slice()));
    };
    match change {
        Change::Alias { pattern, modules, .. } => {
            json::text(&mut object, "pattern", pattern);
            list(&mut object, "modules", modules);
        }
        Change::Moved { from, to, .. } => {
            json::text(&mut object, "from", from);
            json::text(&mut object, "to", to);
        }
        Change::Symbol { symbol, change, .. } => {
            json::text(&mut object, "symbol", symbol);
            if let Some((from, to)) = change {
                json::text(&mut object, "from", from);
                json::text(&mut object, "to", to);
            }
        }
        Change::Dependencies { added, removed, .. } => {
            list(&mut object, "added", added);
            list(&mut object, "removed", removed);
        }
        _ => {}
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Diff::command().debug_assert();
    }
}
