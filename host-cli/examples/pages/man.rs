//! Manual pages: `depmod.8` and one for each command from the definition, the others from `man/`.
//!
//! The texts after the options in the help of a command become sections:
//!
//! ```text
//! Text at the beginning.              DESCRIPTION
//! Examples:                           EXAMPLES
//!   depmod plan nvme    its meaning       a tagged paragraph
//! Exit status: 0 done                 EXIT STATUS
//! ```

use std::io;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::File;

/// The pages about files and about the firmware program.
const WRITTEN: [(&str, &str); 3] = [
    ("depmod.d.5", include_str!("../../man/depmod.d.5")),
    ("modules.dep.5", include_str!("../../man/modules.dep.5")),
    ("depmod.efi.7", include_str!("../../man/depmod.efi.7")),
];

/// The files that `depmod` reads and writes.
const FILES: [(&str, &str); 7] = [
    ("modules.*", "The index files that are written: modules.dep(5)."),
    ("modules.order", "The order of the modules, from the build of the kernel."),
    ("modules.builtin", "The modules that are built into the kernel, from its build."),
    ("modules.builtin.modinfo", "What these say of themselves, from the build of the kernel."),
    ("/etc/depmod.d/*.conf", "Which of two modules of one name counts: depmod.d(5)."),
    ("/etc/modprobe.d/*.conf", "Aliases, soft dependencies and blacklists that answers obey: modprobe.d(5)."),
    (
        "/var/cache/depmod",
        "What is known of modules that have not changed since. It can be deleted at any time.",
    ),
];

const SEE_ALSO: [&str; 5] = ["depmod(8)", "depmod.d(5)", "modules.dep(5)", "depmod.efi(7)", "modprobe(8)"];

/// All pages.
pub(super) fn pages() -> io::Result<Vec<File>> {
    let mut depmod = depmod::command::definition().disable_help_subcommand(true);
    depmod.build();
    let mut pages = vec![page(&depmod, &depmod)?];
    for command in depmod.get_subcommands() {
        pages.push(page(command, &depmod)?);
    }
    for (name, text) in WRITTEN {
        let text = text.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
        let text = text.replace("@MODULE_DIRECTORY@", depmod::command::MODULE_DIRECTORY);
        pages.push((name.to_owned(), text.into_bytes()));
    }
    Ok(pages)
}

/// The page of `depmod`, or of one of its commands.
fn page(command: &Command, depmod: &Command) -> io::Result<File> {
    let is_depmod = command.get_name() == "depmod";
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let sections = Section::all(&command.get_after_help().map(ToString::to_string).unwrap_or_default());
    let name = if is_depmod { "depmod".to_owned() } else { format!("depmod-{}", command.get_name()) };
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).to_owned();
    let command = command.clone().about(summary(&about)).display_name(name.clone()).override_usage(usage);
    let man = Man::new(command.mut_args(complete_help));
    // Without a date: equal sources give equal pages.
    let mut out = title(&name).into_bytes();
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;

    let mut roff = Roff::new();
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(about)]);
    for section in sections.iter().filter(|section| section.title.is_empty()) {
        section.write(&mut roff);
    }
    if is_depmod {
        roff.control("SH", ["COMMANDS"]);
        for command in depmod.get_subcommands() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            tagged(&mut roff, [bold(format!("depmod-{}", command.get_name())), roman("(8)")], &about);
        }
    }
    roff.to_writer(&mut out)?;
    man.render_options_section(&mut out)?;

    let mut roff = Roff::new();
    for section in sections.iter().filter(|section| !section.title.is_empty()) {
        section.write(&mut roff);
    }
    if is_depmod {
        roff.control("SH", ["FILES"]);
        for (path, meaning) in FILES {
            tagged(&mut roff, [italic(path)], meaning);
        }
    }
    roff.control("SH", ["SEE ALSO"]);
    let others = SEE_ALSO.into_iter().filter(|page| page.split('(').next() != Some(&*name));
    roff.text([roman(others.collect::<Vec<_>>().join(", "))]);
    roff.to_writer(&mut out)?;
    Ok((format!("{name}.8"), out))
}

fn title(name: &str) -> String {
    let name = name.to_uppercase();
    format!(".TH \"{name}\" \"8\" \"\" \"depmod {}\" \"System administration\"\n", env!("CARGO_PKG_VERSION"))
}

/// The help of an option with its other names, as `--help` has it. It names the values itself.
fn complete_help(arg: Arg) -> Arg {
    let arg = arg.hide_possible_values(true);
    let aliases = arg.get_visible_aliases().unwrap_or_default();
    if aliases.is_empty() {
        return arg;
    }
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let help = format!("{help} [alias: --{}]", aliases.join(", --"));
    arg.help(help)
}

/// A description as a name section has it: without a capital letter and full stop.
fn summary(about: &str) -> String {
    let about = about.trim_end_matches('.');
    let mut letters = about.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn tagged(roff: &mut Roff, tag: impl IntoIterator<Item = Inline>, text: &str) {
    roff.control("TP", []);
    roff.text(tag.into_iter().collect::<Vec<_>>());
    roff.text([roman(text)]);
}

/// A part of the text after the options.
#[derive(Default)]
struct Section {
    title: String,
    paragraphs: Vec<String>,
    /// Tags and their meaning.
    entries: Vec<(String, String)>,
}

impl Section {
    /// The sections of a text, the first without a title.
    fn all(text: &str) -> Vec<Self> {
        let mut sections = vec![Self::default()];
        for block in text.split("\n\n") {
            let mut lines = block.lines().peekable();
            let Some(first) = lines.peek() else { continue };
            if let Some(title) = first.strip_suffix(':') {
                sections.push(Self { title: title.to_uppercase(), ..Self::default() });
                lines.next();
            } else if let Some((title, _)) =
                first.split_once(": ").filter(|(title, _)| *title == "Exit status")
            {
                sections.push(Self { title: title.to_uppercase(), ..Self::default() });
            }
            if let Some(section) = sections.last_mut() {
                section.add(lines);
            }
        }
        sections
    }

    fn add<'l>(&mut self, lines: impl Iterator<Item = &'l str>) {
        let mut paragraph = String::new();
        for line in lines {
            let line = line.strip_prefix("Exit status: ").unwrap_or(line);
            let indented = line.strip_prefix("  ");
            match (indented, self.entries.last_mut()) {
                // Continues the meaning of the tag above.
                (Some(more), Some((_, meaning))) if more.starts_with(' ') => {
                    *meaning = [meaning, " ", more.trim()].concat().trim().to_owned();
                }
                (Some(entry), _) => {
                    let (tag, meaning) = entry.split_once("  ").unwrap_or((entry, ""));
                    self.entries.push((tag.to_owned(), meaning.trim().to_owned()));
                }
                (None, _) => paragraph = [&*paragraph, " ", line].concat().trim().to_owned(),
            }
        }
        if !paragraph.is_empty() {
            self.paragraphs.push(paragraph);
        }
    }

    fn write(&self, roff: &mut Roff) {
        if !self.title.is_empty() {
            roff.control("SH", [&*self.title]);
        }
        for (number, paragraph) in self.paragraphs.iter().enumerate() {
            if number > 0 || self.title.is_empty() {
                roff.control("PP", []);
            }
            roff.text([roman(&**paragraph)]);
        }
        for (number, (tag, meaning)) in self.entries.iter().enumerate() {
            if self.title != "EXAMPLES" {
                tagged(roff, [bold(&**tag)], meaning);
                continue;
            }
            if number > 0 {
                roff.control("PP", []);
            }
            roff.text([bold(&**tag)]);
            if !meaning.is_empty() {
                roff.control("RS", []);
                roff.text([roman(&**meaning)]);
                roff.control("RE", []);
            }
        }
    }
}
