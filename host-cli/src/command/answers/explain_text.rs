//! An explanation for people: the answer in the first line, then parts with a title.
//!
//! ```text
//! nvme: kernel/drivers/nvme/host/nvme.ko, 56.1 KiB; needs 1 module, needed by none
//!
//! needs
//!   nvme_core   nvme_init_ctrl, nvme_start_ctrl, nvme_stop_ctrl, … 24 in all
//!   the kernel  85 symbols that no module provides
//! ```

use bstr::{BString, ByteSlice};
use depmod_core::parts::answer::{
    AliasMatch, ChainLink, ExplainedAlias, ExplainedSymbol, FoundExports, Subject,
};
use depmod_core::parts::sort::sort_by;

use super::explained::{Answer, Module, unknown};
use super::plan_text::{count, human};
use super::style::Style;
use super::{Failure, Out};
use crate::command::nearest::did_you_mean;

/// Characters of names in a line.
const WIDTH: usize = 76;
/// Characters of a label; longer ones stand out.
const LABEL: usize = 48;
/// Rows of a part without `--long`.
const ROWS: usize = 10;

/// Shows an answer.
pub(super) fn show(
    query: &[u8],
    version: &[u8],
    answer: &Answer,
    long: bool,
    out: &mut Out,
) -> Result<(), Failure> {
    let mut page = Page { out, style: Style::of_stdout(), long };
    let asked = query.escape_ascii().to_string();
    match answer {
        Answer::Module(module) => page.module(module),
        Answer::Chain { from, to, builtin, .. } if !builtin.is_empty() => {
            page.builtin_chain(&shown(from), &shown(to), builtin);
        }
        Answer::Chain { from, to, links, .. } => page.chain(&shown(from), &shown(to), links.as_deref()),
        Answer::Alias(alias) => page.alias(&asked, alias),
        Answer::Builtin(builtin) => {
            let path = builtin.path.as_ref().map(|path| format!(": {}", shown(path))).unwrap_or_default();
            page.head(&asked, &format!("built into the kernel{path}"));
            page.list("aliases", &builtin.aliases);
        }
        Answer::Symbol { symbol, kernel, unreadable } => {
            page.symbol(&asked, version, symbol, kernel);
            page.list("modules that cannot be read, and were not asked", unreadable);
        }
        Answer::Unknown(Subject::Unknown { patterns, .. }) if !patterns.is_empty() => {
            page.head(&asked, &page.style.bad("no module or alias of this name"));
            page.matches("nearest patterns", patterns);
        }
        Answer::Unknown(Subject::Unknown { names, .. }) => return Err(unknown(query, names)),
        Answer::Unknown(_) => return Err(unknown(query, &[])),
    }
    Ok(())
}

/// A line of a part, or several below each other.
struct Row {
    tone: Tone,
    label: String,
    text: String,
}

/// How a label looks.
#[derive(Clone, Copy)]
enum Tone {
    Plain,
    Dim,
    Good,
    Bad,
}

fn row(label: String, text: String) -> Row {
    Row { tone: Tone::Plain, label, text }
}

fn toned(tone: Tone, label: &str, text: String) -> Row {
    Row { tone, label: label.to_owned(), text }
}

struct Page<'o> {
    out: &'o mut Out,
    style: Style,
    long: bool,
}

impl Page<'_> {
    /// The first line.
    fn head(&mut self, subject: &str, answer: &str) {
        self.out.line(format!("{}: {answer}", self.style.title(subject)));
    }

    /// A part: its title and rows. Without `--long`, the first of these.
    fn part(&mut self, title: &str, rows: &[Row]) {
        if rows.is_empty() {
            return;
        }
        self.out.line(format!("\n{}", self.style.title(title)));
        let most = if self.long || rows.len() <= ROWS { rows.len() } else { ROWS };
        let shown = || rows.iter().take(most);
        let width = shown().map(|Row { label, .. }| label.len()).max().unwrap_or(0).min(LABEL);
        for Row { tone, label, text } in shown() {
            let mut label = match tone {
                Tone::Plain => format!("{label:width$}"),
                Tone::Dim => self.style.dim(&format!("{label:width$}")),
                Tone::Good => self.style.good(&format!("{label:width$}")),
                Tone::Bad => self.style.bad(&format!("{label:width$}")),
            };
            for line in text.split('\n') {
                self.out.line(format!("  {label}  {line}").trim_end());
                label = " ".repeat(width);
            }
        }
        if rows.len() > most {
            let more = format!("  and {} more: --long", rows.len().saturating_sub(most));
            self.out.line(self.style.dim(&more));
        }
    }

    /// A part that is a list, one item a row.
    fn list(&mut self, title: &str, items: &[BString]) {
        let rows: Vec<_> = items.iter().map(|item| row(shown(item), String::new())).collect();
        self.part(&format!("{title} ({})", items.len()), &rows);
    }

    /// Names in one line: those that fit, and how many there are. With `--long`, all, in several lines.
    fn names(&self, names: &[BString]) -> String {
        let mut text = String::new();
        let mut length = 0_usize;
        for (number, name) in names.iter().enumerate() {
            let name = shown(name);
            length = length.saturating_add(name.len()).saturating_add(2);
            if number > 0 {
                text.push(',');
                if length <= WIDTH {
                    text.push(' ');
                } else if self.long {
                    text.push('\n');
                    length = name.len();
                } else {
                    return text + " " + &self.style.dim(&format!("… {} in all", names.len()));
                }
            }
            text.push_str(&name);
        }
        text
    }

    fn module(&mut self, answer: &Module) {
        let Module { module, size, files, firmware, is_read, is_next } = answer;
        let name = shown(&module.name);
        let size = size.map_or_else(|| self.style.bad("no file"), human);
        let mut head = format!("{}, {size}; needs {}", shown(&module.path), some(module.needs.len()));
        if module.is_indexed {
            head += &match module.needed_by.len() {
                0 => ", needed by none".to_owned(),
                users => format!(", needed by {users}"),
            };
        } else {
            let state = match &files.winner {
                _ if *is_next => "not indexed yet".to_owned(),
                Some(winner) => format!("not used, {} is", shown(&winner.path)),
                None => "not in the module directory".to_owned(),
            };
            head += &format!("; {}", self.style.bad(&state));
        }
        self.head(&name, &head);
        for (_, _, message) in answer.findings() {
            self.out.line(self.style.bad(&message));
        }
        let notes = [
            (module.is_blacklisted, "blacklisted in modprobe.d: aliases do not lead to it".to_owned()),
            (
                module.command.is_some(),
                format!(
                    "modprobe.d runs in its place: {}",
                    shown(module.command.as_ref().unwrap_or(&name.clone().into()))
                ),
            ),
        ];
        notes.iter().filter(|(holds, _)| *holds).for_each(|(_, note)| self.out.line(note));
        self.files(answer);

        let links = module.links.modules.iter();
        let mut rows: Vec<_> =
            links.map(|link| row(shown(&link.module), self.names(&link.symbols))).collect();
        let is_direct = |name: &&BString| module.links.modules.iter().any(|link| link.module == **name);
        let others: Vec<BString> = module.needs.iter().filter(|name| !is_direct(name)).cloned().collect();
        if !others.is_empty() {
            let label = if *is_read && module.unreadable.is_none() { "through these" } else { "modules.dep" };
            rows.push(toned(Tone::Dim, label, self.names(&others)));
        }
        if module.links.others > 0 {
            let text = format!("{} that no module provides", count(module.links.others, "symbol"));
            rows.push(toned(Tone::Dim, "the kernel", text));
        }
        self.part("needs", &rows);

        let (direct, through): (Vec<_>, Vec<_>) =
            module.needed_by.iter().partition(|by| by.through.is_none());
        let names = |users: &[&depmod_core::parts::answer::Dependent]| -> Vec<BString> {
            users.iter().map(|by| by.module.clone()).collect()
        };
        let mut rows = Vec::new();
        for (label, users) in [("directly", names(&direct)), ("directly or through others", names(&through))]
        {
            if !users.is_empty() {
                rows.push(toned(Tone::Dim, label, self.names(&users)));
            }
        }
        self.part(&format!("needed by ({})", module.needed_by.len()), &rows);

        let mut rows = Vec::new();
        for (label, names) in
            [("before", &module.soft_before), ("after", &module.soft_after), ("weak", &module.weak)]
        {
            if !names.is_empty() {
                rows.push(toned(Tone::Dim, label, self.names(names)));
            }
        }
        self.part("soft dependencies", &rows);

        let mut rows = Vec::new();
        for (name, found) in firmware {
            match &**found {
                [] => rows.push(toned(Tone::Bad, "missing", shown(name))),
                found => {
                    rows.extend(found.iter().map(|file| toned(Tone::Good, "found", shown(&file.path))));
                }
            }
        }
        if !is_read {
            let text = "\nnot told from index files: symbols, firmware, other files of this name";
            self.out.line(self.style.dim(text));
        }
        let missing = rows.iter().filter(|row| row.label == "missing").count();
        sort_by(&mut rows, &|a, b| b.label.cmp(&a.label));
        self.part(&format!("firmware ({}, {missing} missing)", firmware.len()), &rows);
        self.list("aliases", &module.aliases);
    }

    /// The files with one name, if there are several.
    fn files(&mut self, answer: &Module) {
        let files = &answer.files;
        let Some(winner) = files.winner.as_ref().filter(|_| !files.losers.is_empty()) else {
            if let Some(line) = files.winner.as_ref().and_then(|winner| winner.external.as_ref()) {
                let place = format!("found by external ({}:{})", line.file.escape_ascii(), line.line);
                self.out.line(place);
            }
            return;
        };
        let external = |file: &depmod_core::parts::answer::NamedFile| match &file.external {
            Some(line) => {
                format!("; in the module list by external ({}:{})", line.file.escape_ascii(), line.line)
            }
            None => String::new(),
        };
        let counts = format!("{}{}", self.style.good("counts"), external(winner));
        let mut rows = vec![row(shown(&winner.path), counts)];
        for (file, rule) in &files.losers {
            rows.push(row(shown(&file.path), format!("loses: {rule}{}", external(file))));
        }
        self.part(&format!("files with this name ({})", rows.len()), &rows);
    }

    /// What is built in needs no module, and no module is loaded for it.
    fn builtin_chain(&mut self, from: &str, to: &str, builtin: &[BString]) {
        let answer = match builtin {
            [_, _] => format!("built into the kernel, as {to} is: neither is loaded"),
            [one] if shown(one) == from => format!("built into the kernel; it needs no module, so not {to}"),
            _ => format!("needs no module for {to}, which is built into the kernel"),
        };
        self.head(from, &answer);
    }

    fn chain(&mut self, from: &str, to: &str, links: Option<&[ChainLink]>) {
        let Some(links) = links else {
            return self.head(from, &format!("does not need {to}, and {to} does not need it"));
        };
        let (first, last) = match (links.first(), links.last()) {
            (Some(first), Some(last)) => (shown(&first.from), shown(&last.to)),
            _ => return,
        };
        let between: Vec<String> = links.iter().rev().skip(1).rev().map(|link| shown(&link.to)).collect();
        let through = match &*between {
            [] => "directly".to_owned(),
            names => format!("through {}", names.join(", ")),
        };
        self.head(&first, &format!("needs {last} {through}"));
        let arrow = |link: &ChainLink| format!("{} -> {}", shown(&link.from), shown(&link.to));
        let rows: Vec<_> = links.iter().map(|link| row(arrow(link), self.names(&link.symbols))).collect();
        self.part("by these symbols", &rows);
    }

    fn alias(&mut self, asked: &str, alias: &ExplainedAlias) {
        let found = if alias.modules.is_empty() { &alias.builtin } else { &alias.modules };
        let mut names: Vec<BString> = found.iter().map(|found| found.module.clone()).collect();
        if !alias.configured.is_empty() {
            names.clone_from(&alias.configured);
        }
        let names = unique(names);
        let mut head = self.names(&names);
        if alias.configured.is_empty() && alias.modules.is_empty() {
            head += ", built into the kernel";
        }
        self.head(asked, &head);
        if !alias.blacklisted.is_empty() {
            let names = self.names(&alias.blacklisted);
            self.out.line(format!("blacklisted in modprobe.d: {names}"));
        }
        self.list("aliases of modprobe.d, which come first", &alias.configured);
        self.matches("modules", &alias.modules);
        self.matches("built-in modules", &alias.builtin);
    }

    fn matches(&mut self, title: &str, found: &[AliasMatch]) {
        let rows: Vec<_> =
            found.iter().map(|found| row(shown(&found.module), shown(&found.pattern))).collect();
        self.part(title, &rows);
    }

    fn symbol(&mut self, asked: &str, version: &[u8], symbol: &ExplainedSymbol, kernel: &FoundExports) {
        let disagree = symbol.users.iter().filter(|user| user.agrees == Some(false)).count();
        let users = match (symbol.users.len(), disagree) {
            (0, _) => "no module needs it".to_owned(),
            (users, 0) => format!("needed by {}", count(users, "module")),
            (users, some) => format!(
                "needed by {}, {}",
                count(users, "module"),
                self.style.bad(&format!("{some} built against another version"))
            ),
        };
        let head = match symbol.exporters.last() {
            Some(exporter) => format!("exported by {}; {users}", exporter.by),
            None if symbol.users.is_empty() => {
                let proposals = did_you_mean(&symbol.nearest);
                self.style.bad(&format!("nobody exports or needs it{proposals}"))
            }
            None => format!("{}; {users}", self.style.bad("no exporter is known")),
        };
        self.head(asked, &head);
        let last = symbol.exporters.len();
        let mut rows = Vec::new();
        for (number, exporter) in (1_usize..).zip(&symbol.exporters) {
            let mut text = match exporter.crc {
                0 => "no version".to_owned(),
                crc => format!("{crc:#010x}"),
            };
            text += if exporter.gpl_only { ", GPL only" } else { "" };
            if !exporter.namespace.is_empty() {
                text += &format!(", namespace {}", shown(&exporter.namespace));
            }
            if last > 1 {
                text += if number == last { ", wins" } else { ", loses" };
            }
            rows.push(row(exporter.by.to_string(), text));
        }
        self.part("exporters", &rows);
        let (bad, good): (Vec<_>, Vec<_>) = symbol.users.iter().partition(|user| user.agrees == Some(false));
        let rows: Vec<_> =
            bad.iter().map(|user| row(shown(&user.module), format!("{:#010x}", user.crc))).collect();
        self.part("built against another version", &rows);
        let names = |weak, known| -> Vec<BString> {
            let users =
                good.iter().filter(|user| user.weak == weak && (weak || user.agrees.is_some() == known));
            users.map(|user| user.module.clone()).collect()
        };
        let mut rows = Vec::new();
        for (label, names) in [
            ("same version", names(false, true)),
            ("version not known", names(false, false)),
            ("if it is there", names(true, true)),
        ] {
            if !names.is_empty() {
                rows.push(toned(Tone::Dim, label, self.names(&names)));
            }
        }
        self.part("needed by", &rows);
        for (file, why) in &kernel.refused {
            self.out.line(format!("\nno kernel symbols from {}: {why}", file.path().escape_ascii()));
        }
        if kernel.exports.is_none() && kernel.refused.is_empty() {
            let version = version.escape_ascii();
            let text =
                format!("\nthe kernel's own symbols are not known: there is no boot/vmlinuz-{version}");
            self.out.line(text);
        }
    }
}

/// Each name once, in order.
fn unique(names: Vec<BString>) -> Vec<BString> {
    let mut seen: Vec<BString> = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

fn some(modules: usize) -> String {
    if modules == 0 { "no module".to_owned() } else { count(modules, "module") }
}

/// Text that stays in its line.
fn shown(bytes: &BString) -> String {
    bytes.as_bstr().escape_ascii().to_string()
}
