//! Completions: options and their values by clap, operands and versions from the system by `completions/`.

use std::io;

use clap::Command;
use clap_complete::{Shell, generate};

use super::File;

/// Functions that bash and zsh have in common.
const COMMON: &str = include_str!("../../completions/depmod.sh");
const BASH: &str = include_str!("../../completions/depmod.bash");
const ZSH: &str = include_str!("../../completions/depmod.zsh");
const FISH: &str = include_str!("../../completions/depmod.fish");

/// One script for each shell, under the name that the shell looks for.
pub(super) fn scripts() -> io::Result<Vec<File>> {
    let definition = depmod::command::definition();
    let bash = [&renamed(&by_clap(&definition, Shell::Bash), "\nif [[")?, COMMON, BASH].concat();
    let zsh = without_operands(&by_clap(&definition, Shell::Zsh))?;
    let zsh = [&renamed(&zsh, "\nif [ \"$funcstack")?, COMMON, ZSH].concat();
    let fish = [&by_clap(&definition, Shell::Fish), FISH].concat();
    let files = [("depmod", bash), ("_depmod", zsh), ("depmod.fish", fish)];
    Ok(files.map(|(name, script)| (name.to_owned(), filled(&script, &definition).into_bytes())).into())
}

/// clap's script of a shell.
fn by_clap(definition: &Command, shell: Shell) -> String {
    let mut script = Vec::new();
    generate(shell, &mut definition.clone(), "depmod", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// clap's function under another name, without the end of the script, which registers it.
fn renamed(script: &str, end: &str) -> io::Result<String> {
    let (functions, _) =
        script.rsplit_once(end).ok_or_else(|| io::Error::other("clap's script ends otherwise"))?;
    if !functions.contains("\n_depmod() {") && !functions.starts_with("_depmod() {") {
        return Err(io::Error::other("clap's function has another name"));
    }
    Ok(functions.replace("_depmod() {", "_depmod_options() {"))
}

/// clap's script for zsh without the operand of `depmod` itself, after which it would look for the command.
fn without_operands(script: &str) -> io::Result<String> {
    let lines: Vec<&str> = script.lines().filter(|line| !line.starts_with("'::operands")).collect();
    if lines.len() == script.lines().count() || !script.contains("$line[2]") {
        return Err(io::Error::other("clap's script for zsh has other operands"));
    }
    Ok(lines.join("\n").replace("$line[2]", "$line[1]") + "\n")
}

/// A script with the words of the definition in place of its names.
fn filled(script: &str, definition: &Command) -> String {
    let commands: Vec<&str> = definition.get_subcommands().map(Command::get_name).chain(["help"]).collect();
    let (mut with_value, mut free) = (Vec::new(), Vec::new());
    for command in [definition].into_iter().chain(definition.get_subcommands()) {
        for arg in command.get_opts().filter(|arg| !arg.is_require_equals_set()) {
            let longs = arg.get_long_and_visible_aliases().unwrap_or_default();
            let shorts = arg.get_short().map(|short| format!("-{short}"));
            let names = shorts.into_iter().chain(longs.into_iter().map(|long| format!("--{long}")));
            for name in names.filter(|_| takes_one_value(arg)) {
                if arg.get_possible_values().is_empty() {
                    free.push(name.clone());
                }
                with_value.push(name);
            }
        }
    }
    let alternatives = |mut names: Vec<String>| {
        names.sort();
        names.dedup();
        names.join("|")
    };
    script
        .replace("@WITH_VALUE@", &alternatives(with_value))
        .replace("@FREE_VALUE@", &alternatives(free))
        .replace("@COMMANDS@", &commands.join("|"))
        .replace("@COMMAND_WORDS@", &commands.join(" "))
        .replace("@MODULE_DIRECTORY@", depmod::command::MODULE_DIRECTORY)
}

/// Whether the word after the option is its value.
fn takes_one_value(arg: &clap::Arg) -> bool {
    arg.get_action().takes_values() && arg.get_num_args().is_none_or(|number| number.max_values() == 1)
}
