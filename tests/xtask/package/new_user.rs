//! A new user on Debian 13, who has the README and nothing else: from the compiler to the package and back to kmod.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use depmod_tests::clean_root::{Base, CleanRoot, as_root};
use depmod_tests::{command, workspace};

use crate::boot::page::commands;
use crate::builds::{copy_registry, copy_workspace};

const BASE: Base = Base {
    name: "root-user",
    suite: "trixie",
    packages: &["initramfs-tools", "kmod", "linux-image-cloud-amd64", "zstd"],
};

/// Where the checkout is.
const CHECKOUT: &str = "/root/depmod";

/// What a login shell proposes for `$1`.
const COMPLETE: &str = r#"bash --login -ic '
    complete -p depmod 2>/dev/null || _comp_load depmod || exit 1
    read -ra COMP_WORDS <<<"$1"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$1 COMP_POINT=${#1}
    _depmod depmod "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
    printf "%s\n" "${COMPREPLY[@]}"' bash "#;

/// Follows the README's commands, line by line.
///
/// # Errors
/// When a command fails, or does not do what stands beside it.
pub(crate) fn check() -> Result<String> {
    let readme = fs::read_to_string(workspace().join("README.md"))?;
    let lines = commands(&readme, "new-user").context("the README has no commands for a new user")?;
    let root = BASE.root()?;
    prepare(&root)?;
    let old = kernels(&root)?;
    let (mut compiler, mut new) = (String::new(), Vec::new());
    for line in lines.lines() {
        let words = line.split("  #").next().unwrap_or_default().trim();
        println!("    {words}");
        match words {
            // It would wait for somebody who types.
            "exec bash --login" => completions(&root, &old)?,
            _ => drop(in_checkout(&root, words)?),
        }
        match words.split_whitespace().collect::<Vec<_>>()[..] {
            ["apt", "install", "-t", ..] => compiler = in_checkout(&root, "rustc --version")?,
            ["apt", "install", package] if package.ends_with(".deb") => {
                let version = in_checkout(&root, "depmod --version")?;
                ensure!(version.contains("independent implementation"), "depmod is not ours: {version}");
            }
            ["man", ..] => {
                let shown = in_checkout(&root, words)?;
                ensure!(shown.contains("DEPMOD(8)") && shown.contains("depmod-verify(8)"), "{shown}");
            }
            // Debian stable seldom has a newer kernel on the same day; the backports have one.
            ["apt", "upgrade"] => {
                in_checkout(&root, "apt install -t trixie-backports linux-image-cloud-amd64")?;
                new = kernels(&root)?;
                new.retain(|version| !old.contains(version));
                ensure!(!new.is_empty(), "no newer kernel");
                for version in old.iter().chain(&new) {
                    let said = in_checkout(&root, &format!("depmod verify {version}"))?;
                    ensure!(said.contains("all index files are right"), "{said}");
                    ensure!(
                        root.path().join(format!("boot/initrd.img-{version}")).exists(),
                        "no initrd of {version}"
                    );
                }
            }
            _ => {}
        }
    }
    let version = in_checkout(&root, "depmod --version; dpkg --verify kmod; man -w depmod")?;
    ensure!(version.starts_with("kmod "), "kmod's depmod is not back: {version}");
    Ok(format!(
        "{}: the package is built, installed, used by {}, and removed",
        compiler.trim(),
        new.join(" ")
    ))
}

/// A checkout of one commit, the crates that cargo would fetch, and answers for apt.
fn prepare(root: &CleanRoot) -> Result<()> {
    let work = tempfile::tempdir()?;
    let checkout = work.path().join("depmod");
    copy_workspace(&checkout)?;
    for words in [&["init", "--quiet"][..], &["add", "--all"], &["commit", "--quiet", "--message", "all"]] {
        let mut git = Command::new("git");
        git.current_dir(&checkout).args(["-c", "user.name=test", "-c", "user.email=test@localhost"]);
        command::run(git.args(words))?;
    }
    let home = work.path().join("home");
    copy_registry(&home.join(".cargo"))?;
    let into =
        |from: &Path, to: &str| command::run(as_root("cp").args(["-R"]).arg(from).arg(root.path().join(to)));
    into(&checkout, "root")?;
    into(&home.join(".cargo"), "root")?;
    root.write("/etc/apt/apt.conf.d/yes", b"APT::Get::Assume-Yes \"true\";\n", "644")
}

/// A command of the user's, in the checkout.
fn in_checkout(root: &CleanRoot, words: &str) -> Result<String> {
    root.run(&format!("cd {CHECKOUT}; export CARGO_NET_OFFLINE=true MANPAGER=cat; {words}"))
}

fn kernels(root: &CleanRoot) -> Result<Vec<String>> {
    Ok(root.run("ls /usr/lib/modules")?.lines().map(str::to_owned).collect())
}

fn completions(root: &CleanRoot, versions: &[String]) -> Result<()> {
    let version = versions.first().context("a kernel")?;
    let begin = version.get(..4).context("a version")?;
    for (line, expected) in [
        ("depmod --all-k".to_owned(), "--all-kernels"),
        (format!("depmod verify {begin}"), version),
        (format!("depmod explain -k {version} virtio_ne"), "virtio_net"),
    ] {
        let proposed = in_checkout(root, &format!("{COMPLETE} '{line}'"))?;
        let found = proposed.lines().any(|word| word.trim() == expected);
        ensure!(found, "{line}: {proposed:?} in place of {expected}");
    }
    Ok(())
}
