//! `depmod plan`: load orders for modules, devices and names, with reasons.

use std::ffi::OsString;
use std::io::{self, IsTerminal};

use clap::{Parser, ValueEnum};

use super::kernel::Kernel;
use super::planned::{self, How, path_of};
use super::{Command, Failure, Out, plan_dot, plan_json, plan_text};
use crate::command::status::DONE;

/// The arguments of `depmod plan`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "depmod plan",
    no_binary_name = true,
    mut_arg("config", |arg| arg.help(super::kernel::BOTH)),
    about = "Show the load order for modules, modaliases, aliases and globs, with reasons.",
    after_help = "\
X is a module, an alias, a modalias, a glob ('snd_*', 'usb:v*ic08*'), a module's file, or @FILE
with one of these a line (@- for standard input). The order is modprobe's, with every softdep line
of a module; modules of one wave may load in parallel. /etc/modprobe.d is obeyed, or what -C names.
What its install commands do cannot be known: the modules are planned as if there were none, and
the commands are named.

Formats:
  text          for people
  json          for programs
  list          module files in load order, one a line
  modules-load  names in load order, as in /etc/modules-load.d
  dot           a graph for Graphviz
  cpio          an archive of the modules, index files for them, lists, and firmware; its
                directory lib replaces a link of this name in an initrd before it, so for
                systems with /lib -> usr/lib there is --usr: it is then usr/lib

Examples:
  depmod plan nvme ext4
  depmod plan --hardware --weak --format json | jq -r '.modules[] | select(.load) | .name'
  depmod plan -k 6.1.0-50-amd64 'virtio_*' --format list | xargs cp --parents -t image/
  depmod plan --format dot btrfs | dot -Tsvg > btrfs.svg
  depmod plan --format cpio @modules.txt | zstd > modules.cpio.zst

Exit status: 0 done, 1 an X matches nothing, or the modules cannot be read."
)]
pub(super) struct Plan {
    #[arg(
        value_name = "X",
        required_unless_present = "hardware",
        help = "Module, alias, modalias, glob, file, or @FILE"
    )]
    words: Vec<OsString>,
    #[command(flatten)]
    kernel: Kernel,
    #[command(flatten)]
    how: How,
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value_t,
        hide_possible_values = true,
        help = "Show the plan as text, list, json, dot, modules-load or cpio"
    )]
    format: Format,
    #[arg(long, help = "As text: all reasons, and all requests without modules")]
    long: bool,
}

/// The format of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    List,
    Json,
    Dot,
    ModulesLoad,
    Cpio,
}

impl Command for Plan {
    fn answer(self, out: &mut Out) -> Result<u8, Failure> {
        if self.format == Format::Cpio && io::stdout().is_terminal() {
            return Err("an archive is not for a terminal: write it to a file".into());
        }
        if self.how.is_for_archives() && self.format != Format::Cpio {
            return Err("--usr is about archives: give --format cpio, too".into());
        }
        let wants_firmware = matches!(self.format, Format::Text | Format::Json | Format::Cpio);
        let planned = planned::plan(&self.words, &self.how, &self.kernel, wants_firmware)?;
        match self.format {
            Format::Text => plan_text::show(&planned, self.long, out),
            Format::Json => out.json(&plan_json::of(&planned)),
            Format::Dot => out.exact(plan_dot::of(&planned.schedule).as_bytes()),
            Format::List => {
                for module in &planned.schedule.modules {
                    out.name(path_of(&planned.target, &module.path));
                }
            }
            Format::ModulesLoad => {
                for module in planned.schedule.modules.iter().filter(|module| module.wave.is_some()) {
                    out.name(&module.name);
                }
            }
            Format::Cpio => out.bytes(&planned.archive(&self.how)?),
        }
        Ok(DONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Plan::command().debug_assert();
    }
}
