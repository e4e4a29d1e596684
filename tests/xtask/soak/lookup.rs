//! `depmod lookup` against `modprobe --resolve-alias`.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use depmod_tests::command;
use depmod_tests::queries::queries;
use serde_json::Value;

use super::Indexed;

/// Queries in one call: more do not fit into a command line.
const CALL: usize = 2000;

/// The same answers in every way to ask.
pub(crate) fn as_modprobe(indexed: &Indexed, count: usize) -> Result<String> {
    let queries = queries(&indexed.modules(), count)?;
    let mut expected = Vec::new();
    let mut from_operands = Vec::new();
    for some in queries.chunks(CALL) {
        let words: Vec<&str> = some.iter().map(String::as_str).collect();
        // It fails if any is unknown, and has answered the others.
        expected.extend(indexed.modprobe(&["-aR"]).args(&words).output()?.stdout);
        from_operands.extend(command::output(&mut indexed.ask("lookup", &words)?)?);
    }
    ensure!(from_operands == expected, "answers to operands differ from modprobe's");
    let lines = fed(indexed.ask("lookup", &[])?, queries.join("\n").as_bytes())?;
    ensure!(lines == expected, "answers to lines differ");
    let nulls = fed(indexed.ask("lookup", &["-0"])?, queries.join("\0").as_bytes())?;
    ensure!(nulls == expected, "answers with -0 differ");
    let json = fed(indexed.ask("lookup", &["--format", "json"])?, queries.join("\n").as_bytes())?;
    let json = String::from_utf8(json)?;
    let objects: Vec<Value> = json.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(objects.len() == queries.len(), "{} objects for {} queries", objects.len(), queries.len());
    let mut text = String::new();
    let mut answered = 0;
    for (object, query) in objects.iter().zip(&queries) {
        ensure!(object["query"] == query.as_str(), "an object has another query than {query}");
        let modules = object["modules"].as_array().context("an object has modules")?;
        answered += usize::from(!modules.is_empty());
        for module in modules {
            text.push_str(module.as_str().context("a module has a name")?);
            text.push('\n');
        }
    }
    ensure!(text.as_bytes() == expected, "JSON has other answers");
    ensure!(answered * 2 > queries.len(), "only {answered} queries have an answer");
    let modules = text.lines().count();
    Ok(format!("{} queries, {answered} with an answer, {modules} modules, in four ways", queries.len()))
}

fn fed(mut command: Command, input: &[u8]) -> Result<Vec<u8>> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output()
    })?;
    ensure!(output.status.success(), "lookup failed: {}", output.status);
    Ok(output.stdout)
}
