//! The command line as one definition, for manual pages and completions.

use clap::CommandFactory;

use super::args::{Args, version_text};
use super::{commands, pack};

/// `depmod` with its commands as sub-commands, as `examples/pages` needs it. The program itself parses each alone.
#[must_use]
pub fn definition() -> clap::Command {
    let mut all = Args::command().version(version_text());
    for name in commands::names() {
        if let Some(command) = command(name) {
            all = all.subcommand(command.name(name).bin_name(format!("depmod {name}")));
        }
    }
    all
}

/// The definition of a command; `help` is clap's own.
fn command(name: &str) -> Option<clap::Command> {
    match name {
        "pack" => Some(pack::command()),
        #[cfg(feature = "answers")]
        name => super::answers::definition(name),
        #[cfg(not(feature = "answers"))]
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_sound_and_complete() {
        definition().debug_assert();
        let defined = definition();
        let defined: Vec<&str> = defined.get_subcommands().map(clap::Command::get_name).collect();
        let named: Vec<&str> = commands::names().filter(|name| *name != "help").collect();
        assert_eq!(defined, named);
    }
}
