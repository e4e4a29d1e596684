//! `--all-kernels`: the classic run for every version below the module directory.
//!
//! Each version has a run of its own, in natural order, with the same options. A run that fails does not stop the
//! others. Messages have the version in front:
//!
//! ```text
//! depmod: WARNING: 6.1.0-50-amd64: could not open modules.order at /lib/modules/6.1.0-50-amd64: No such file or directory
//! ```
//!
//! The exit status is the worst of all. With `-n`, a line `# VERSION` stands in front of the files of each version.

use depmod_core::parts::list::versions_with_modules;
use depmod_core::{Diagnostic, Limits, Reporter, Severity};

use super::args::Args;
use super::classic::run_one;
use super::confine;
use super::paths::is_version;
use super::report::Report;
use super::settings::{Environment, Settings, Target};
use super::status::{DONE, FAILED};
use crate::source::Directories;

/// Does the runs; returns the worst exit status.
pub(super) fn run(args: &Args, mut report: Report) -> u8 {
    let root = match Target::new(args.place.clone(), None, Some("0.0".into()), &Environment::current()) {
        Ok(target) => target.module_root,
        Err(diagnostic) => {
            report.report(diagnostic);
            return FAILED;
        }
    };
    let mut versions = match versions_with_modules(&Directories::default(), &root, &Limits::DEFAULT) {
        Ok(versions) => versions,
        Err(cause) => {
            report.report(Diagnostic::OpenDirectory { path: root.into(), cause });
            return FAILED;
        }
    };
    versions.retain(|version| is_version(version.as_bytes()));
    if versions.is_empty() {
        report.line(Severity::Fatal, &[b"no kernel version has modules in ", &*root].concat());
        return FAILED;
    }
    let args_of = |version: &str| {
        let mut args = args.clone();
        args.operands = vec![version.into()];
        args
    };
    let settings = |version: &String| Settings::new(args_of(version), &Environment::current()).ok();
    confine::several(&versions.iter().filter_map(settings).collect::<Vec<_>>());
    let statuses = versions.into_iter().map(|version| {
        let report = Report::new(args.color).about_kernel(&version);
        run_one(args_of(&version), report)
    });
    statuses.max_by_key(|status| badness(*status)).unwrap_or(DONE)
}

/// Statuses in order: done, findings and a partial result, a failure.
fn badness(status: u8) -> u8 {
    if status == FAILED { u8::MAX } else { status }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_the_worst() {
        let mut statuses = [1, 3, 0, 4];
        statuses.sort_by_key(|status| badness(*status));
        assert_eq!(statuses, [0, 3, 4, 1]);
    }
}
