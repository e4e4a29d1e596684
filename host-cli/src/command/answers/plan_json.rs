//! A plan as JSON.
//!
//! ```json
//! {"schema":1,"command":"plan","kernel":"6.1.0-50-amd64",
//!  "modules":[{"name":"nvme","path":"kernel/drivers/nvme/host/nvme.ko","load":true,"wave":2,
//!              "reasons":[{"kind":"requested","query":"nvme"}],"size":61841}],
//!  "firmware":[{"name":"a.bin","found":true,"path":"/lib/firmware/a.bin.zst","size":123,"modules":["nvme"]}],
//!  "builtin":[{"names":["unix"],"reasons":[…]}],
//!  "findings":[{"kind":"no-module","query":"nvem","nearest":["nvme"],"message":"no module or alias named nvem"}],
//!  "totals":{"load":1,"carried":0,"waves":1,"size":61841,"firmware_found":1,"firmware_missing":0,"firmware_size":123}}
//! ```
//!
//! Modules are in load order, followed by those carried along, with `"load":false` and `"wave":null`.
//! Paths of modules are as in `modules.dep`: below the module directory, or absolute. `size` is the file's, or
//! `null` if it is missing. `firmware` is `null` with `--no-firmware`; a glob has one object for each file.

use bstr::BString;
use depmod_core::Reason;
use depmod_core::parts::answer::{ScheduledModule, Unplanned};
use serde_json::{Map, Value, json};

use super::json;
use super::planned::{Firmware, Planned};

/// The whole plan.
pub(super) fn of(planned: &Planned) -> Value {
    let schedule = &planned.schedule;
    let mut object = json::answer("plan", Some(&planned.target.version));
    let modules = schedule.modules.iter().zip(&planned.sizes).map(|(one, size)| module(one, *size));
    object.insert("modules".into(), modules.collect());
    let firmware = planned.firmware.as_ref().map(|all| all.iter().flat_map(firmware).collect());
    object.insert("firmware".into(), firmware.unwrap_or(Value::Null));
    object.insert("builtin".into(), builtin(&schedule.unplanned));
    object.insert("findings".into(), Value::Array(findings(planned)));
    object.insert("totals".into(), totals(planned));
    Value::Object(object)
}

fn module(module: &ScheduledModule, size: Option<u64>) -> Value {
    let mut object = Map::new();
    json::text(&mut object, "name", &module.name);
    json::text(&mut object, "path", &module.path);
    object.insert("load".into(), json!(module.wave.is_some()));
    object.insert("wave".into(), json!(module.wave));
    object.insert("reasons".into(), module.reasons.iter().map(reason).collect());
    object.insert("size".into(), json!(size));
    Value::Object(object)
}

/// Built-in modules, each with its reasons.
fn builtin(unplanned: &[Unplanned]) -> Value {
    let mut all: Vec<(&[BString], Vec<&Reason>)> = Vec::new();
    for unplanned in unplanned {
        let Unplanned::Builtin { reason, names } = unplanned else { continue };
        match all.iter_mut().find(|(other, _)| other == names) {
            Some((_, reasons)) if reasons.contains(&reason) => {}
            Some((_, reasons)) => reasons.push(reason),
            None => all.push((names, vec![reason])),
        }
    }
    let entry = |(names, reasons): (&[BString], Vec<&Reason>)| {
        let mut object = Map::new();
        list(&mut object, "names", names);
        object.insert("reasons".into(), reasons.into_iter().map(reason).collect());
        Value::Object(object)
    };
    all.into_iter().map(entry).collect()
}

fn reason(reason: &Reason) -> Value {
    let mut object = Map::new();
    let (kind, module) = match reason {
        Reason::Requested(request) => {
            object.insert("kind".into(), json!("requested"));
            json::text(&mut object, "query", &request.query);
            if !request.origin.is_empty() {
                object.insert("origin".into(), json!(request.origin));
            }
            return Value::Object(object);
        }
        Reason::NeededBy(module) => ("needed-by", module),
        Reason::Before(module) => ("soft-before", module),
        Reason::After(module) => ("soft-after", module),
        Reason::Later(module) => ("weak", module),
        _ => return Value::Null,
    };
    object.insert("kind".into(), json!(kind));
    json::text(&mut object, "module", module);
    Value::Object(object)
}

fn firmware(firmware: &Firmware) -> Vec<Value> {
    let entry = |path: Option<(&BString, u64)>| {
        let mut object = Map::new();
        json::text(&mut object, "name", &firmware.name);
        object.insert("found".into(), json!(path.is_some()));
        match path {
            Some((path, _)) => json::text(&mut object, "path", path),
            None => drop(object.insert("path".into(), Value::Null)),
        }
        object.insert("size".into(), json!(path.map(|(_, size)| size)));
        list(&mut object, "modules", &firmware.modules);
        Value::Object(object)
    };
    match &*firmware.files {
        [] => vec![entry(None)],
        files => files.iter().map(|file| entry(Some((&file.path, file.size)))).collect(),
    }
}

fn findings(planned: &Planned) -> Vec<Value> {
    let mut findings = Vec::new();
    let mut push = |kind: &str, fields: &[(&str, &[u8])], more: Map<String, Value>, message: String| {
        let mut object = Map::new();
        object.insert("kind".into(), json!(kind));
        fields.iter().for_each(|(name, bytes)| json::text(&mut object, name, bytes));
        object.extend(more);
        object.insert("message".into(), json!(message));
        findings.push(Value::Object(object));
    };
    let reasons = |why: &Reason| Map::from_iter([("reasons".to_owned(), json!([reason(why)]))]);
    for (request, nearest) in &planned.missing {
        let mut more = Map::new();
        list(&mut more, "nearest", nearest);
        let message = format!("no module or alias named {request}");
        push("no-module", &[("query", &request.query)], more, message);
    }
    for request in &planned.driverless {
        let fields: [(&str, &[u8]); 2] = [("query", &request.query), ("origin", request.origin.as_bytes())];
        push("no-driver", &fields, Map::new(), format!("no driver for {request}"));
    }
    for unplanned in &planned.schedule.unplanned {
        match unplanned {
            Unplanned::Blacklisted { reason: why, name } => {
                let message = format!("{name} is blacklisted: {why}");
                push("blacklisted", &[("module", name)], reasons(why), message);
            }
            Unplanned::Missing { reason: why, query } if !matches!(why, Reason::Requested(_)) => {
                let message = format!("no module or alias named {query}: {why}");
                push("no-soft-dependency", &[("query", query)], reasons(why), message);
            }
            _ => {}
        }
    }
    for command in &planned.schedule.commands {
        let fields: [(&str, &[u8]); 2] = [("module", &command.module), ("command", &command.command)];
        let message = format!("modprobe runs a command for {}: {}", command.module, command.command);
        push("install-command", &fields, Map::new(), message);
    }
    for (module, _) in planned.schedule.modules.iter().zip(&planned.sizes).filter(|(_, size)| size.is_none())
    {
        let fields: [(&str, &[u8]); 2] = [("file", &module.path), ("module", &module.name)];
        push("no-file", &fields, Map::new(), format!("{} is not there", module.path));
    }
    for (path, why) in &planned.unreadable {
        push("unreadable", &[("file", path)], Map::new(), format!("{path} cannot be read: {why}"));
    }
    findings
}

fn totals(planned: &Planned) -> Value {
    let load = planned.schedule.modules.iter().filter(|module| module.wave.is_some()).count();
    let firmware = planned.firmware.as_deref().unwrap_or_default();
    let found = firmware.iter().filter(|one| !one.files.is_empty()).count();
    let firmware_size: u64 = firmware.iter().flat_map(|one| &one.files).map(|file| file.size).sum();
    json!({
        "load": load,
        "carried": planned.schedule.modules.len().saturating_sub(load),
        "waves": planned.schedule.waves,
        "size": planned.sizes.iter().flatten().sum::<u64>(),
        "firmware_found": found,
        "firmware_missing": firmware.len().saturating_sub(found),
        "firmware_size": firmware_size,
    })
}

fn list(object: &mut Map<String, Value>, name: &str, list: &[BString]) {
    json::texts(object, name, &mut list.iter().map(|one| one.as_slice()));
}
