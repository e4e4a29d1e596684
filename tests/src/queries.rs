//! Queries for `lookup`, made from a kernel's index files.

use std::fs;
use std::path::Path;

use anyhow::Result;
use depmod_core::Output;

use crate::random::Random;

/// `count` queries: modaliases that patterns fit, names in either spelling, symbols, and unknown words; the same
/// ones for the same files.
///
/// # Errors
/// When a text file is missing from the module directory.
pub fn queries(modules: &Path, count: usize) -> Result<Vec<String>> {
    let read = |output: Output| fs::read_to_string(modules.join(output.file_name()));
    let (aliases, symbols, names) = (read(Output::Alias)?, read(Output::Symbols)?, read(Output::Dep)?);
    fn second(text: &str) -> Vec<&str> {
        text.lines().filter_map(|line| line.split(' ').nth(1)).collect()
    }
    let (patterns, symbols) = (second(&aliases), second(&symbols));
    let names: Vec<&str> =
        names.lines().filter_map(|line| line.split('.').next()?.split('/').next_back()).collect();
    let mut random = Random::new(10);
    let mut queries = Vec::new();
    while queries.len() < count {
        let query = match queries.len() % 20 {
            0 => (*random.pick(&names)).to_owned(),
            1 => random.pick(&names).replace('_', "-"),
            2 => random.pick(&names).replace('-', "_"),
            3 => format!("unknown-{}", random.below(1000)),
            4 => (*random.pick(&symbols)).to_owned(),
            5 => concrete(patterns[random.below(patterns.len())], &mut random).replace('_', "-"),
            _ => concrete(patterns[random.below(patterns.len())], &mut random),
        };
        if !query.is_empty() && !query.starts_with('-') {
            queries.push(query);
        }
    }
    Ok(queries)
}

/// A text that a pattern fits, nearly always.
fn concrete(pattern: &str, random: &mut Random) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in pattern.chars() {
        match c {
            '*' => (0..random.below(9)).for_each(|_| text.push((*random.pick(b"0123456789ABCDEFv")).into())),
            '?' => text.push((*random.pick(b"0123456789abcdef")).into()),
            '[' => inside = true,
            ']' => inside = false,
            // One of the characters in brackets, or some of them.
            _ if inside && text.ends_with(|c: char| c.is_ascii_alphanumeric()) && random.below(2) == 0 => {}
            c => text.push(c),
        }
    }
    text
}
