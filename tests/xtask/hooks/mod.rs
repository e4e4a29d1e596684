//! `cargo xtask hooks`: kmod's depmod and ours in the hooks of a Debian system, side by side.
//!
//! Both systems are copies of one root; in the second our package is installed. The same commands run in both. After
//! each, files, exit status and messages must be equal.

mod compare;
mod scenario;

use std::process::Output;

use anyhow::{Result, bail};
use depmod_tests::clean_root::{Base, CleanRoot};

use crate::package::deb;
use compare::{differences, message_differences};
pub(crate) use scenario::SHORT;
use scenario::{SCENARIOS, Scenario};

/// The root of the short scenario, which the packages' test shares.
pub(crate) const TRIXIE: Base =
    Base { name: "root-trixie", suite: "trixie", packages: &["dkms", "initramfs-tools", "kmod", "zstd"] };

/// Runs the scenarios in `args`, or the short one, and lists the differences.
///
/// # Errors
/// When a scenario is unknown, or anything differs.
pub(crate) fn main(args: &[String]) -> Result<()> {
    if args.iter().any(|arg| arg == "--list") {
        for scenario in SCENARIOS {
            println!("{:16} {}", scenario.name, scenario.about);
        }
        return Ok(());
    }
    let names: Vec<&str> =
        if args.is_empty() { vec![SHORT] } else { args.iter().map(String::as_str).collect() };
    let mut failed = Vec::new();
    for name in names {
        let Some(scenario) = SCENARIOS.iter().find(|scenario| scenario.name == name) else {
            bail!("no scenario `{name}`; `cargo xtask hooks --list` names them");
        };
        println!("\n--- {name}: {}", scenario.about);
        let found = run(scenario)?;
        if !found.is_empty() {
            println!("{}", found.join("\n"));
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("differences from kmod: {}", failed.join(" ")) }
}

/// All scenarios.
///
/// # Errors
/// When anything differs.
pub(crate) fn soak() -> Result<String> {
    let names: Vec<String> = SCENARIOS.iter().map(|scenario| scenario.name.to_owned()).collect();
    main(&names)?;
    Ok(format!("{} scenarios, no difference in files, status or messages", names.len()))
}

/// One scenario in both systems; the differences.
fn run(scenario: &Scenario) -> Result<Vec<String>> {
    let kmod = scenario.base.root()?;
    let ours = scenario.base.root()?;
    let package = deb::build("depmod")?;
    ours.put(&package, "/root/depmod.deb")?;
    ours.run("dpkg --install /root/depmod.deb && rm /root/depmod.deb")?;
    let mut found = Vec::new();
    for root in [&kmod, &ours] {
        (scenario.prepare)(root)?;
    }
    for (what, commands) in (scenario.commands)()? {
        println!("    {what}");
        let (theirs, mine) = both(&kmod, &ours, &commands)?;
        let mut new = message_differences(&theirs, &mine);
        if theirs.status != mine.status {
            new.push(format!("status: {} with kmod, {} with ours", theirs.status, mine.status));
        }
        if !theirs.status.success() {
            new.push(format!("fails with kmod: {}", String::from_utf8_lossy(&theirs.stderr)));
        }
        new.extend(differences(&kmod.path(), &ours.path(), scenario)?);
        found.extend(new.into_iter().map(|line| format!("{what}: {line}")));
    }
    Ok(found)
}

/// The same commands in both systems, at once.
fn both(kmod: &CleanRoot, ours: &CleanRoot, commands: &str) -> Result<(Output, Output)> {
    std::thread::scope(|scope| {
        let theirs = scope.spawn(|| kmod.shell(commands));
        let mine = ours.shell(commands);
        let theirs = theirs.join().unwrap_or_else(|_| bail!("a thread panicked"));
        Ok((theirs?, mine?))
    })
}
