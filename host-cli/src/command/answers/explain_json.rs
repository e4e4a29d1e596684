//! An explanation as JSON. `kind` is the meaning of `query`, and decides which fields follow.

use bstr::{BString, ByteSlice};
use depmod_core::parts::answer::{AliasMatch, ExplainedSymbol, ExportedBy, Link, NamedFile, Subject};
use depmod_core::parts::diagnostic::FileLine;
use serde_json::{Map, Value};

use super::explained::{Answer, Module};
use super::json;

type Object = Map<String, Value>;

/// The object of an answer.
pub(super) fn of(query: &[u8], version: &[u8], answer: &Answer) -> Value {
    let mut object = json::answer("explain", Some(version));
    json::text(&mut object, "query", query);
    let kind = match answer {
        Answer::Module(found) if found.module.is_indexed => "module",
        Answer::Module(_) => "file",
        Answer::Chain { .. } => "chain",
        Answer::Alias(_) => "alias",
        Answer::Builtin(_) => "builtin",
        Answer::Symbol { .. } => "symbol",
        Answer::Unknown(_) => "unknown",
    };
    add(&mut object, "kind", kind.into());
    match answer {
        Answer::Module(found) => module(&mut object, found),
        Answer::Chain { from, to, links, builtin } => {
            json::text(&mut object, "from", from);
            json::text(&mut object, "to", to);
            let links = links.as_ref().map(|links| {
                let link = links.iter().map(|link| {
                    let mut object = texts(&[("from", &link.from), ("to", &link.to)]);
                    list(&mut object, "symbols", &link.symbols);
                    Value::Object(object)
                });
                link.collect()
            });
            add(&mut object, "chain", links.unwrap_or(Value::Null));
            list(&mut object, "builtin", builtin);
        }
        Answer::Alias(alias) => {
            list(&mut object, "configured", &alias.configured);
            matches(&mut object, "matches", &alias.modules);
            matches(&mut object, "builtin_matches", &alias.builtin);
            list(&mut object, "blacklisted_modules", &alias.blacklisted);
        }
        Answer::Builtin(builtin) => {
            json::text(&mut object, "module", &builtin.name);
            match &builtin.path {
                Some(path) => json::text(&mut object, "path", path),
                None => add(&mut object, "path", Value::Null),
            }
            list(&mut object, "aliases", &builtin.aliases);
        }
        Answer::Symbol { symbol: found, kernel, unreadable } => {
            symbol(&mut object, found);
            add(&mut object, "kernel_known", kernel.exports.is_some().into());
            list(&mut object, "unreadable", unreadable);
            list(&mut object, "nearest", &found.nearest);
        }
        Answer::Unknown(subject) => {
            if let Subject::Unknown { names, patterns } = subject {
                list(&mut object, "nearest", names);
                matches(&mut object, "nearest_patterns", patterns);
            }
        }
    }
    Value::Object(object)
}

fn module(object: &mut Object, found: &Module) {
    let Module { module, size, files, firmware, is_read, .. } = found;
    json::text(object, "module", &module.name);
    json::text(object, "path", &module.path);
    add(object, "size", size.map_or(Value::Null, Value::from));
    let needs = module.needs.iter().map(|name| {
        let link = module.links.modules.iter().find(|link| link.module == *name);
        let mut object = texts(&[("module", name)]);
        match is_read {
            true => list(&mut object, "symbols", link.map(|link: &Link| &*link.symbols).unwrap_or_default()),
            false => add(&mut object, "symbols", Value::Null),
        }
        Value::Object(object)
    });
    add(object, "needs", needs.collect());
    // What is not looked at is not empty.
    let read = |value: Value| if *is_read { value } else { Value::Null };
    add(object, "kernel_symbols", read(module.links.others.into()));
    let needed_by = module.needed_by.iter().map(|by| {
        let mut object = texts(&[("module", &by.module)]);
        match &by.through {
            Some(through) => json::text(&mut object, "through", through),
            None => add(&mut object, "through", Value::Null),
        }
        Value::Object(object)
    });
    add(object, "needed_by", needed_by.collect());
    for (name, names) in [
        ("soft_before", &module.soft_before),
        ("soft_after", &module.soft_after),
        ("weak", &module.weak),
        ("aliases", &module.aliases),
    ] {
        list(object, name, names);
    }
    let firmware = firmware.iter().map(|(name, files)| {
        let paths: Vec<BString> = files.iter().map(|file| file.path.clone()).collect();
        let mut object = texts(&[("name", name)]);
        add(&mut object, "found", (!files.is_empty()).into());
        list(&mut object, "paths", &paths);
        Value::Object(object)
    });
    add(object, "firmware", read(firmware.collect()));
    let winner = files.winner.iter().map(|file| named(file, Value::Null));
    let losers = files.losers.iter().map(|(file, rule)| {
        let mut object = Map::new();
        add(&mut object, "kind", rule.kind().into());
        add(&mut object, "line", place(rule.line()));
        add(&mut object, "message", rule.to_string().into());
        named(file, Value::Object(object))
    });
    add(object, "files", read(winner.chain(losers).collect()));
    add(object, "blacklisted", module.is_blacklisted.into());
    match &module.command {
        Some(command) => json::text(object, "install_command", command),
        None => add(object, "install_command", Value::Null),
    }
    let findings = found.findings().into_iter().map(|(kind, file, message)| {
        let mut object = texts(&[("file", &file), ("module", &module.name)]);
        add(&mut object, "kind", kind.into());
        add(&mut object, "message", message.into());
        Value::Object(object)
    });
    add(object, "findings", findings.collect());
}

fn symbol(object: &mut Object, symbol: &ExplainedSymbol) {
    let last = symbol.exporters.len();
    let exporters = (1_usize..).zip(&symbol.exporters).map(|(number, exporter)| {
        let by = match &exporter.by {
            ExportedBy::Module(path) => path.as_slice(),
            _ => b"vmlinux",
        };
        let mut object = Map::new();
        json::text(&mut object, "by", by);
        add(&mut object, "crc", crc(exporter.crc));
        add(&mut object, "gpl_only", exporter.gpl_only.into());
        json::text(&mut object, "namespace", &exporter.namespace);
        add(&mut object, "wins", (number == last).into());
        Value::Object(object)
    });
    add(object, "exporters", exporters.collect());
    let users = symbol.users.iter().map(|user| {
        let mut object = texts(&[("module", &user.module)]);
        add(&mut object, "crc", crc(user.crc));
        add(&mut object, "weak", user.weak.into());
        add(&mut object, "disagrees", user.agrees.map_or(Value::Null, |agrees| (!agrees).into()));
        Value::Object(object)
    });
    add(object, "users", users.collect());
}

/// A file; the rule by which it loses, if it does.
fn named(file: &NamedFile, rule: Value) -> Value {
    let mut object = texts(&[("path", &file.path)]);
    add(&mut object, "wins", rule.is_null().into());
    add(&mut object, "external", place(file.external.as_ref()));
    add(&mut object, "rule", rule);
    Value::Object(object)
}

fn matches(object: &mut Object, name: &str, found: &[AliasMatch]) {
    let pair =
        |found: &AliasMatch| Value::Object(texts(&[("module", &found.module), ("pattern", &found.pattern)]));
    add(object, name, found.iter().map(pair).collect());
}

fn place(line: Option<&FileLine>) -> Value {
    let Some(FileLine { file, line }) = line else { return Value::Null };
    let mut object = texts(&[("file", file)]);
    add(&mut object, "line", (*line).into());
    Value::Object(object)
}

fn crc(crc: u64) -> Value {
    if crc == 0 { Value::Null } else { format!("{crc:#010x}").into() }
}

fn texts(fields: &[(&str, &BString)]) -> Object {
    let mut object = Map::new();
    fields.iter().for_each(|(name, bytes)| json::text(&mut object, name, bytes));
    object
}

fn list(object: &mut Object, name: &str, names: &[BString]) {
    json::texts(object, name, &mut names.iter().map(|name| name.as_bytes()));
}

fn add(object: &mut Object, name: &str, value: Value) {
    object.insert(name.to_owned(), value);
}
