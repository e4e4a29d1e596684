//! A plan as text.

use bstr::{BString, ByteSlice};
use depmod_core::Reason;
use depmod_core::parts::answer::Unplanned;

use super::Out;
use super::planned::Planned;
use super::style::Style;

/// Limit on shown characters of a query without `--long`.
const QUERY: usize = 48;
/// Limit on lines of a secondary table without `--long`.
const LINES: usize = 10;

/// Shows a plan: the answer in the first line, then tables.
pub(super) fn show(planned: &Planned, long: bool, out: &mut Out) {
    let paint = Style::of_stdout();
    let schedule = &planned.schedule;
    out.line(paint.title(&headline(planned)));
    let modules: Vec<_> = schedule.modules.iter().zip(&planned.sizes).collect();
    let width =
        modules.iter().map(|(module, _)| plain(&module.name).chars().count()).max().unwrap_or(0).max(6);
    let mut heading = format!("wave  {:<width$}       size  why", "module");
    for (module, size) in modules.iter().filter(|(module, _)| module.wave.is_some()) {
        if !heading.is_empty() {
            out.line("");
            out.line(paint.dim(&core::mem::take(&mut heading)));
        }
        let wave = module.wave.unwrap_or(0);
        let size = size.map_or_else(|| "no file".to_owned(), human);
        out.line(format!(
            "{wave:>4}  {:<width$} {size:>10}  {}",
            plain(&module.name),
            why(&module.reasons, long)
        ));
    }
    let carried = modules.iter().filter(|(module, _)| module.wave.is_none());
    let carried = carried.map(|(module, size)| {
        let size = size.map_or_else(|| "no file".to_owned(), human);
        format!("{:<width$} {size:>10}  {}", plain(&module.name), why(&module.reasons, long))
    });
    part("carried along, not loaded", carried.collect(), true, &paint, out);
    let firmware = planned.firmware.as_deref().unwrap_or_default();
    let (found, missing): (Vec<_>, Vec<_>) = firmware.iter().partition(|one| !one.files.is_empty());
    let by = |modules: &[BString]| {
        let names: Vec<_> = modules.iter().map(plain).collect();
        names.join(", ")
    };
    let lines = missing.iter().map(|one| format!("{} for {}", plain(&one.name), by(&one.modules)));
    part("firmware missing", lines.collect(), long, &paint, out);
    let files = found.iter().flat_map(|one| &one.files);
    let lines = files.map(|file| format!("{:>10}  {}", human(file.size), plain(&file.path)));
    part("firmware found", lines.collect(), long, &paint, out);
    let commands = schedule.commands.iter();
    let lines = commands.map(|command| format!("{}: {}", plain(&command.module), plain(&command.command)));
    part("loaded by a command of modprobe.d, which may do anything", lines.collect(), true, &paint, out);
    let (mut builtin, mut blacklisted, mut soft) = (Vec::new(), Vec::new(), Vec::new());
    for unplanned in &schedule.unplanned {
        match unplanned {
            Unplanned::Builtin { reason, names } => {
                builtin.push(format!("{}: {}", by(names), sentence(reason)));
            }
            Unplanned::Blacklisted { reason, name } => {
                blacklisted.push(format!("{}: {}", plain(name), sentence(reason)));
            }
            Unplanned::Missing { reason: Reason::Requested(_), .. } => {}
            Unplanned::Missing { reason, query } => {
                soft.push(format!("{}: {}", plain(query), sentence(reason)));
            }
            _ => {}
        }
    }
    part("built into the kernel", unique(builtin), long, &paint, out);
    part("blacklisted", unique(blacklisted), true, &paint, out);
    part("no module, and not needed", unique(soft), long, &paint, out);
    let lines = planned.missing.iter().map(|(request, _)| text(&request.to_string()));
    part("no module", lines.collect(), true, &paint, out);
    let lines = planned.driverless.iter().map(|request| text(&request.to_string()));
    part("devices without a module", lines.collect(), long, &paint, out);
    let lines = planned.unreadable.iter().map(|(path, why)| format!("{}: {why}", plain(path)));
    part("modules that cannot be read", lines.collect(), true, &paint, out);
}

/// `6.1.0-50-amd64: 12 modules to load in 5 waves, 3.2 MiB; 4 firmware files, 1 missing`
fn headline(planned: &Planned) -> String {
    let modules = &planned.schedule.modules;
    let load = modules.iter().filter(|module| module.wave.is_some()).count();
    let mut line = format!("{}: ", plain(&planned.target.version.as_slice().into()));
    line += &match load {
        0 => "nothing to load".to_owned(),
        _ => format!("{} to load in {}", count(load, "module"), count(planned.schedule.waves, "wave")),
    };
    if modules.len() > load {
        line += &format!(", {} carried along", modules.len().saturating_sub(load));
    }
    if !modules.is_empty() {
        line += &format!(", {}", human(planned.sizes.iter().flatten().sum()));
    }
    let firmware = planned.firmware.as_deref().unwrap_or_default();
    let files: Vec<_> = firmware.iter().flat_map(|one| &one.files).collect();
    let missing = firmware.iter().filter(|one| one.files.is_empty()).count();
    let size = human(files.iter().map(|file| file.size).sum());
    match (files.len(), missing) {
        (0, 0) => {}
        (0, missing) => line += &format!("; {} missing", count(missing, "firmware file")),
        (found, 0) => line += &format!("; {}, {size}", count(found, "firmware file")),
        (found, missing) => {
            line += &format!("; {}, {size}, {missing} missing", count(found, "firmware file"));
        }
    }
    line
}

/// A heading and lines below it; nothing without lines.
fn part(title: &str, lines: Vec<String>, all: bool, paint: &Style, out: &mut Out) {
    if lines.is_empty() {
        return;
    }
    out.line(format!("\n{}", paint.title(&format!("{title} ({})", lines.len()))));
    let shown = if all || lines.len() <= LINES { lines.len() } else { LINES };
    lines.iter().take(shown).for_each(|line| out.line(format!("  {line}")));
    if shown < lines.len() {
        let more = lines.len().saturating_sub(shown);
        out.line(paint.dim(&format!("  and {more} more: --long")));
    }
}

fn unique(mut lines: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    lines
}

fn why(reasons: &[Reason], long: bool) -> String {
    let shown = if long { reasons.len() } else { 1 };
    let mut text =
        reasons.iter().take(shown).map(|reason| short(reason, long)).collect::<Vec<_>>().join("; ");
    if reasons.len() > shown {
        text += &format!("; {} more", reasons.len().saturating_sub(shown));
    }
    text
}

/// A reason in the table. Modaliases of processors have hundreds of characters.
fn short(reason: &Reason, long: bool) -> String {
    match reason {
        Reason::Requested(request) if !long && request.query.len() > QUERY => {
            let start: String = plain(&request.query).chars().take(QUERY).collect();
            let origin =
                if request.origin.is_empty() { String::new() } else { format!(" ({})", request.origin) };
            text(&format!("asked for: {start}…{origin}"))
        }
        reason => sentence(reason),
    }
}

fn sentence(reason: &Reason) -> String {
    match reason {
        Reason::Requested(request) => text(&format!("asked for: {request}")),
        other => text(&other.to_string()),
    }
}

pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

pub(super) fn human(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let Some((shift, unit)) = units.into_iter().find(|(shift, _)| bytes >> shift > 0) else {
        return format!("{bytes} B");
    };
    // Rounded tenths. Formatting of floating point numbers would take ten kilobytes of the program.
    let tenths = bytes.saturating_mul(10).saturating_add(1 << (shift - 1)) >> shift;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// Bytes of input as text without line breaks.
fn plain(bytes: &BString) -> String {
    text(&bytes.to_str_lossy())
}

fn text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(
            [0, 1023, 1024, 1587, 2_097_151, 1 << 20, 3 << 30, 1 << 44].map(human),
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "2.0 MiB", "1.0 MiB", "3.0 GiB", "16384.0 GiB"]
        );
        assert_eq!(count(1, "wave"), "1 wave");
        assert_eq!(count(0, "wave"), "0 waves");
    }
}
