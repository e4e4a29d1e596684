//! Manual pages: no warnings, and their examples.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use depmod_tests::command;

use super::files;

/// Columns of a terminal.
const WIDTH: usize = 80;

/// All pages below a directory with sections.
pub(super) fn all(manual: &Path) -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for section in files(manual)? {
        pages.extend(files(&section)?);
    }
    Ok(pages)
}

/// Shows each page, which must work without a warning.
pub(super) fn check(manual: &Path) -> Result<()> {
    for page in all(manual)? {
        let mut man = Command::new("man");
        man.args(["--warnings", "--local-file"]).arg(&page);
        man.env("LC_ALL", "C.UTF-8").env("MANWIDTH", WIDTH.to_string());
        let output = man.output().context("man")?;
        let said = String::from_utf8_lossy(&output.stderr);
        let shown = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success() && said.is_empty(), "{}: {said}", page.display());
        if let Some(wide) = shown.lines().find(|line| line.chars().count() > WIDTH) {
            bail!("{}: a line is wider than a terminal: {wide}", page.display());
        }
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "SEE ALSO"] {
            ensure!(shown.lines().any(|line| line == section), "{} has no {section}", page.display());
        }
        let index = command::text(Command::new("lexgrog").arg(&page).env("LC_ALL", "C.UTF-8"))?;
        ensure!(index.contains(" - "), "{}: apropos cannot find it: {index}", page.display());
        println!("{}: {} lines", page.display(), shown.lines().count());
    }
    Ok(())
}

/// The examples of a page: its bold lines, and blocks without filling.
pub(super) fn examples(page: &str) -> Vec<String> {
    let lines = page.lines().skip_while(|line| *line != ".SH EXAMPLES").skip(1);
    let mut examples = Vec::new();
    let mut block: Option<Vec<String>> = None;
    for line in lines.take_while(|line| !line.starts_with(".SH ")) {
        match (&mut block, line) {
            (None, ".EX") => block = Some(Vec::new()),
            (Some(lines), ".EE") => {
                examples.push(lines.join("\n"));
                block = None;
            }
            (Some(lines), line) => lines.push(plain(line)),
            (None, line) => {
                let bold = line.strip_prefix("\\fB").and_then(|line| line.strip_suffix("\\fR"));
                examples.extend(bold.map(plain));
            }
        }
    }
    examples
}

/// A line without escapes.
fn plain(line: &str) -> String {
    line.replace("\\-", "-")
        .replace("\\*(Aq", "'")
        .replace("\\(aq", "'")
        .replace("\\e", "\\")
        .replace("\\&", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_bold_or_blocks() {
        let page = ".SH EXAMPLES\n\\fBdepmod \\-n \\*(Aqa\\*(Aq\\fR\n.RS\nits meaning\n.RE\ntext\n.EX\na\nb \\e\n.EE\n.SH X\n\\fBno\\fR";
        assert_eq!(examples(page), ["depmod -n 'a'", "a\nb \\"]);
    }
}
