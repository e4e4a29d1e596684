//! `--keep-going`: a run without the modules that would spoil it, and the list of these.

use std::cell::RefCell;

use depmod_core::parts::answer::{KeepGoing, LeftOut};
use depmod_core::{Severity, Stopped};
use serde_json::{Map, Value, json};

use super::json;
use crate::command::index::index;
use crate::command::report::Report;
use crate::command::settings::Settings;
use crate::command::status::{DONE, PARTIAL};
use crate::run::Run;

/// The end of such a run.
pub(in crate::command) struct Kept {
    /// The exit status.
    pub(in crate::command) status: u8,
    /// The modules that were left out.
    pub(in crate::command) left_out: Vec<LeftOut>,
}

/// Does a run, and reports the modules that it leaves out, one on each line.
///
/// # Errors
/// When the run failed.
pub(in crate::command) fn keep_going(
    run: Run<'_>,
    settings: &Settings,
    report: &mut Report,
) -> Result<Kept, Stopped> {
    let state = RefCell::new(KeepGoing::default());
    let done = index(run.keep_going(&state), settings, report);
    let left_out = state.borrow().left_out().to_vec();
    for LeftOut { path, reason, .. } in &left_out {
        report.line(Severity::Warning, &[path, &b" left out: "[..], reason.to_string().as_bytes()].concat());
    }
    let status = match done? {
        DONE if !left_out.is_empty() => PARTIAL,
        status => status,
    };
    Ok(Kept { status, left_out })
}

/// A module that was left out.
pub(super) fn of_left_out(left_out: &LeftOut) -> Value {
    let mut object = Map::new();
    object.insert("kind".into(), json!(left_out.reason.kind()));
    json::text(&mut object, "module", &left_out.name);
    json::text(&mut object, "path", &left_out.path);
    object.insert("message".into(), json!(left_out.reason.to_string()));
    Value::Object(object)
}
