//! Completions, asked for in real shells.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use depmod_tests::command;

/// What is typed, and the candidates. `BASE` has the modules of `VERSION` and of two versions more.
const CASES: [(&str, &[&str]); 11] = [
    ("depmod veri", &["verify"]),
    ("depmod --keep", &["--keep-going"]),
    ("depmod help exp", &["explain"]),
    ("depmod -b BASE 6.1.0-5", &["6.1.0-50-amd64", "6.1.0-51-amd64"]),
    ("depmod -b BASE verify 6.12", &["6.12.0-1-amd64"]),
    ("depmod verify --qui", &["--quick"]),
    ("depmod plan --format js", &["json"]),
    ("depmod plan -b BASE -k 6.12", &["6.12.0-1-amd64"]),
    ("depmod plan -b BASE -k VERSION iwlm", &["iwlmvm"]),
    ("depmod -b BASE explain --kernel VERSION e1000", &["e1000e"]),
    ("depmod pack -b BASE -k VERSION --plan nvm", &["nvme", "nvme-core"]),
];

/// A name that a shell must not expand: as a command, it makes the file [`EXPANDED`].
const HOSTILE: &str = "$(touch${IFS}depmod-expanded)";
const EXPANDED: &str = "depmod-expanded";

/// The name of a shell, and a function that returns the candidates for a line.
type Shell = (&'static str, fn(&Path, &str) -> Result<Vec<String>>);

/// Asks for each completion in bash, fish and zsh.
pub(super) fn check(share: &Path, base: &Path, version: &str) -> Result<()> {
    let base = base.to_str().context("a path is UTF-8")?;
    let mut wrong = Vec::new();
    let shells: [Shell; 3] = [("bash", bash), ("fish", fish), ("zsh", zsh)];
    for (shell, complete) in shells {
        for (line, expected) in CASES {
            let line = line.replace("BASE", base).replace("VERSION", version);
            let expected: Vec<String> =
                expected.iter().map(|word| word.replace("6.1.0-50-amd64", version)).collect();
            // zsh completes as far as all candidates agree.
            let expected = if shell == "zsh" { vec![common(&expected)] } else { expected };
            let found = complete(share, &line).with_context(|| format!("{shell}: {line}"))?;
            if found != expected {
                wrong.push(format!("{shell}: {line}: {found:?} in place of {expected:?}"));
            }
        }
        println!("{shell} completes {} lines", CASES.len());
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    hostile_names(share, base, &shells)
}

/// Asks for completions where a version and a module have hostile names.
fn hostile_names(share: &Path, base: &str, shells: &[Shell]) -> Result<()> {
    let modules = Path::new(base).join("lib/modules");
    fs::create_dir(modules.join(format!("6.66{HOSTILE}")))?;
    fs::create_dir(modules.join("6.67.0"))?;
    let lines = format!("kernel/bad{HOSTILE}.ko:\nkernel/badge.ko:\n");
    fs::write(modules.join("6.67.0/modules.dep"), lines)?;
    for (shell, complete) in shells {
        let version = complete(share, &format!("depmod -b {base} 6.66"))?;
        let module = complete(share, &format!("depmod plan -b {base} -k 6.67.0 bad"))?;
        ensure!(!Path::new(EXPANDED).exists(), "{shell} runs commands that names contain");
        // bash puts a candidate into the line as it is; the others quote it.
        let quiet = *shell != "bash" || (version.is_empty() && module == ["badge"]);
        ensure!(quiet, "{shell} proposes {version:?} and {module:?}");
    }
    println!("hostile names are not expanded");
    Ok(())
}

/// What all words begin with.
fn common(words: &[String]) -> String {
    let first = words.first().cloned().unwrap_or_default();
    let ends = (0..=first.len()).rev().filter_map(|end| first.get(..end));
    ends.into_iter()
        .find(|begin| words.iter().all(|word| word.starts_with(begin)))
        .unwrap_or_default()
        .to_owned()
}

fn sorted(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text
        .lines()
        .filter_map(|line| line.split('\t').next())
        .filter(|word| !word.is_empty())
        .map(Into::into)
        .collect();
    words.sort();
    words.dedup();
    words
}

/// With bash-completion, which finds the script by the name of the command.
fn bash(share: &Path, line: &str) -> Result<Vec<String>> {
    const SCRIPT: &str = r#"
        . /usr/share/bash-completion/bash_completion
        _completion_loader depmod || [ $? = 124 ]
        COMP_LINE=$1 COMP_POINT=${#1}
        read -ra COMP_WORDS <<<"$1"
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        complete -p depmod | grep -q -- '-F _depmod ' || exit 1
        _depmod depmod "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" 2>&1
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", SCRIPT, "bash", line]).env("XDG_DATA_DIRS", share).env("LC_ALL", "C.UTF-8");
    Ok(sorted(&command::text(&mut bash)?))
}

fn fish(share: &Path, line: &str) -> Result<Vec<String>> {
    let script = share.join("fish/vendor_completions.d/depmod.fish");
    let mut fish = Command::new("fish");
    fish.args(["--no-config", "-c", "source $argv[1]; complete -C $argv[2]"]).arg(script).arg(line);
    Ok(sorted(&command::text(fish.env("LC_ALL", "C.UTF-8").env("HOME", "/nonexistent"))?))
}

/// The last word after a press of the tab key, in a zsh on a terminal.
fn zsh(share: &Path, line: &str) -> Result<Vec<String>> {
    const SCRIPT: &str = r#"
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell "PROMPT= fpath=('$1/zsh/site-functions' \$fpath); autoload -Uz compinit; compinit -u -D"
        zpty -w shell 'show() { zle complete-word; zle -I; print -r -- "<""<$BUFFER>"">"; BUFFER=; zle reset-prompt }'
        zpty -w shell 'zle -N show; setopt no_beep; bindkey "^I" show; print "rea""dy"'
        zpty -r shell answer '*ready*'
        zpty -n -w shell "$2"$'\t'
        zpty -r shell answer '*<<*>>*'
        answer=${answer##*<<}
        print -r -- ${answer%%>>*}"#;
    let mut zsh = Command::new("timeout");
    zsh.args(["60", "zsh", "-f", "-c", SCRIPT, "zsh"])
        .arg(share)
        .arg(line)
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "xterm");
    let buffer = command::text(&mut zsh)?;
    Ok(buffer.split_whitespace().last().map(Into::into).into_iter().collect())
}
