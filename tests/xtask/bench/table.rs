//! The tables of `cargo xtask bench`, in Markdown.

use std::fs;
use std::process::Command;

use anyhow::Result;
use depmod_tests::bench::measure::Cost;
use depmod_tests::command;

/// Head of the main table.
pub(crate) const HEAD: &str = "\
| run | kmod s | ours s | kmod ÷ ours | CPU s, kmod / ours | peak MiB, kmod / ours | limit s | ours ÷ limit |
|---|--:|--:|--:|--:|--:|--:|--:|";

/// Head of the table of generated modules.
pub(crate) const GROWTH_HEAD: &str = "\
| generated modules | kmod s | ours s | times the first | peak MiB | limit s | times the first |
|--:|--:|--:|--:|--:|--:|--:|";

/// Required figures of a row. A figure outside its limit is bold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Minimum of kmod's wall time divided by ours.
    pub ratio: f64,
    /// Maximum of our wall time divided by the limit's.
    pub limit: f64,
    /// Maximum of our peak divided by kmod's.
    pub peak_of_kmod: f64,
    /// Maximum of our peak in MiB.
    pub peak_mib: f64,
}

impl Wanted {
    pub(crate) const NOTHING: Self =
        Self { ratio: 0.0, limit: f64::INFINITY, peak_of_kmod: f64::INFINITY, peak_mib: f64::INFINITY };
    pub(crate) const COMPRESSED: Self = Self { peak_mib: 64.0, ..Self::NOTHING };
}

/// Medians of one row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub name: &'static str,
    /// `None` if kmod's time is quoted.
    pub kmod: Option<Cost>,
    pub kmod_seconds: f64,
    pub ours: Cost,
    pub limit: Option<Cost>,
}

impl Line {
    fn ratio(&self) -> f64 {
        self.kmod_seconds / self.ours.wall.as_secs_f64()
    }

    fn of_limit(&self) -> Option<f64> {
        Some(self.ours.wall.as_secs_f64() / self.limit?.wall.as_secs_f64())
    }

    /// Limit for our peak in MiB.
    fn peak_allowed(&self, wanted: &Wanted) -> f64 {
        self.kmod.map_or(f64::INFINITY, |kmod| mib(kmod.peak) * wanted.peak_of_kmod).min(wanted.peak_mib)
    }

    /// Whether all figures are within their limits.
    pub(crate) fn meets(&self, wanted: &Wanted) -> bool {
        self.ratio() >= wanted.ratio
            && self.of_limit().is_none_or(|of_limit| of_limit <= wanted.limit)
            && mib(self.ours.peak) <= self.peak_allowed(wanted)
    }

    /// The row in Markdown.
    pub(crate) fn markdown(&self, wanted: &Wanted) -> String {
        let kmod = self.kmod;
        let kmod_wall = format!("{:.3}{}", self.kmod_seconds, if kmod.is_some() { "" } else { " (quoted)" });
        let kmod_cpu = kmod.map_or("–".to_owned(), |kmod| format!("{:.3}", kmod.cpu.as_secs_f64()));
        let kmod_peak = kmod.map_or("–".to_owned(), |kmod| format!("{:.1}", mib(kmod.peak)));
        let peak = at_most(mib(self.ours.peak), self.peak_allowed(wanted), 1);
        let limit = self.limit.map_or("–".to_owned(), |limit| format!("{:.3}", limit.wall.as_secs_f64()));
        let of_limit = self.of_limit().map_or("–".to_owned(), |of| at_most(of, wanted.limit, 2));
        format!(
            "| {} | {kmod_wall} | {:.3} | {} | {kmod_cpu} / {:.3} | {kmod_peak} / {peak} | {limit} | {of_limit} |",
            self.name,
            self.ours.wall.as_secs_f64(),
            at_least(self.ratio(), wanted.ratio),
            self.ours.cpu.as_secs_f64(),
        )
    }
}

/// Medians for one number of generated modules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    pub count: usize,
    /// `None` if there are more modules than kmod supports.
    pub kmod: Option<Cost>,
    pub ours: Cost,
    pub limit: Cost,
}

impl Growth {
    /// Our wall time divided by that of another number of modules.
    pub(crate) fn times(&self, first: &Self) -> f64 {
        self.ours.wall.as_secs_f64() / first.ours.wall.as_secs_f64()
    }

    /// The row in Markdown; `allowed` is the limit for [`Self::times`].
    pub(crate) fn markdown(&self, first: &Self, allowed: f64) -> String {
        let kmod = self.kmod.map_or("refuses".to_owned(), |kmod| format!("{:.3}", kmod.wall.as_secs_f64()));
        let [ours, limit, limit_first] =
            [self.ours, self.limit, first.limit].map(|cost| cost.wall.as_secs_f64());
        format!(
            "| {} | {kmod} | {ours:.3} | {} | {:.1} | {limit:.3} | {:.1} |",
            self.count,
            at_most(self.times(first), allowed, 1),
            mib(self.ours.peak),
            limit / limit_first,
        )
    }
}

fn at_least(figure: f64, wanted: f64) -> String {
    let shown = format!("{figure:.1}");
    match () {
        () if wanted == 0.0 => shown,
        () if figure >= wanted => format!("{shown} (≥ {wanted})"),
        () => format!("**{shown}** (≥ {wanted})"),
    }
}

fn at_most(figure: f64, wanted: f64, digits: usize) -> String {
    let shown = format!("{figure:.digits$}");
    match () {
        () if wanted.is_infinite() => shown,
        () if figure <= wanted => format!("{shown} (≤ {wanted:.digits$})"),
        () => format!("**{shown}** (≤ {wanted:.digits$})"),
    }
}

/// Bytes as MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Date, machine, compiler and load of the machine in one line.
///
/// # Errors
/// When a system file or a program is missing.
pub(crate) fn machine() -> Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(format!(
        "{}, {} × {}, Linux {}, {}; load at the start: {}",
        command::text(Command::new("date").args(["-u", "+%F"]))?,
        std::thread::available_parallelism()?,
        model.map_or(std::env::consts::ARCH, |(_, model)| model),
        command::text(Command::new("uname").arg("-r"))?,
        command::text(Command::new("rustc").arg("--version"))?,
        load.split(' ').next().unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn figures_outside_their_limit_are_bold() {
        let cost = |ms, mib: u64| Cost {
            wall: Duration::from_millis(ms),
            peak: mib * (1u64 << 20),
            ..Cost::default()
        };
        let (kmod, ours, limit) = (cost(400, 76), cost(100, 40), cost(50, 2));
        let line = Line { name: "plain", kmod: Some(kmod), kmod_seconds: 0.4, ours, limit: Some(limit) };
        let wanted = Wanted { ratio: 6.0, limit: 2.5, peak_of_kmod: 0.5, peak_mib: f64::INFINITY };
        assert!(!line.meets(&wanted));
        assert_eq!(
            line.markdown(&wanted),
            "| plain | 0.400 | 0.100 | **4.0** (≥ 6) | 0.000 / 0.000 | 76.0 / **40.0** (≤ 38.0) | 0.050 | 2.00 (≤ 2.50) |"
        );
        assert!(line.meets(&Wanted { ratio: 4.0, ..Wanted::NOTHING }));
    }
}
