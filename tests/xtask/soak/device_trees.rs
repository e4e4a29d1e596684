//! Device trees of all boards of AArch64 in Linux' sources: the core's modaliases are those that Linux makes of them.
//!
//! `cpp` and `dtc` compile each board's source, as Linux' build does. dtc also prints the compiled tree as text, of which
//! [`expected`] makes the modaliases by the rule of Linux' `of_modalias`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use depmod_core::parts::boot::hardware::DeviceTree;
use depmod_tests::{apt, command, debian};

/// All boards.
pub(super) fn boards() -> Result<String> {
    apt::install(&["device-tree-compiler"])?;
    let source = debian::linux_source()?;
    let found =
        command::text(Command::new("find").arg(source.join("arch/arm64/boot/dts")).args(["-name", "*.dts"]))?;
    let mut boards: Vec<&Path> = found.lines().map(Path::new).collect();
    boards.sort();
    let dir = tempfile::tempdir()?;
    let (mut devices, mut off) = (0, 0);
    for board in &boards {
        let tree = compile(&source, board, dir.path())?;
        let text = command::text(Command::new("dtc").args(["-q", "-I", "dtb", "-O", "dts"]).arg(&tree))?;
        let (expected, without) = expected(&text).with_context(|| board.display().to_string())?;
        let bytes = fs::read(&tree)?;
        let found: Vec<String> =
            DeviceTree::new(&bytes).map(|device| device.modalias().to_string()).collect();
        let different = found.iter().zip(&expected).find(|(ours, theirs)| ours != theirs);
        let (ours, theirs) = (found.len(), expected.len());
        ensure!(
            found == expected,
            "{}: {ours} modaliases, Linux makes {theirs}; {different:?}",
            board.display()
        );
        ensure!(ours > 5, "{}: only {found:?}", board.display());
        devices += ours;
        off += without;
    }
    ensure!(boards.len() > 100, "the sources have only {} boards", boards.len());
    Ok(format!("{} boards, {devices} devices, {off} that are switched off", boards.len()))
}

/// Compiles a board's source.
fn compile(source: &Path, board: &Path, dir: &Path) -> Result<PathBuf> {
    let (plain, tree) = (dir.join("board.dts"), dir.join("board.dtb"));
    let mut cpp = Command::new("gcc");
    cpp.args(["-E", "-nostdinc", "-undef", "-D__DTS__", "-x", "assembler-with-cpp"]);
    cpp.arg("-I").arg(source.join("scripts/dtc/include-prefixes")).arg("-o").args([&*plain, board]);
    command::output(&mut cpp)?;
    let mut dtc = Command::new("dtc");
    dtc.args(["-q", "-I", "dts", "-O", "dtb", "-i"]).args(board.parent());
    command::output(dtc.arg("-o").args([&tree, &plain]))?;
    Ok(tree)
}

/// A node in dtc's text.
#[derive(Default)]
struct Node<'t> {
    name: &'t str,
    kind: Option<&'t str>,
    compatible: Option<&'t str>,
    off: bool,
    /// Its place in the order of the nodes.
    number: usize,
}

/// The modaliases of a tree in dtc's text, in its order, and the number of devices that are switched off.
fn expected(text: &str) -> Result<(Vec<String>, usize)> {
    let (mut open, mut modaliases, mut off) = (Vec::<Node<'_>>::new(), Vec::new(), 0);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_suffix(" {") {
            let name = name.trim_start_matches('/').split('@').next().unwrap_or_default();
            let around = open.last().is_some_and(|node| node.off);
            open.push(Node { name, off: around, number: modaliases.len(), ..Node::default() });
            modaliases.push(None);
        } else if line == "};" {
            let node = open.pop().context("a node too many ends")?;
            let Some(compatible) = node.compatible else { continue };
            if node.off {
                off += 1;
                continue;
            }
            let mut modalias = format!("of:N{}T{}", node.name, node.kind.unwrap_or("(null)"));
            // Between two strings.
            for name in compatible.split("\\0").flat_map(|names| names.split("\", \"")) {
                modalias.push('C');
                modalias.push_str(&name.replace(' ', "_"));
            }
            modaliases[node.number] = Some(modalias);
        } else if let Some((name, value)) = line.split_once(" = ")
            && let Some(node) = open.last_mut()
        {
            let value = value.trim_end_matches(';').trim_matches('"');
            match name {
                "compatible" => node.compatible = Some(value),
                "device_type" => node.kind = Some(value),
                "status" => node.off |= !matches!(value, "okay" | "ok"),
                _ => {}
            }
        }
    }
    ensure!(open.is_empty(), "a node does not end");
    Ok((modaliases.into_iter().flatten().collect(), off))
}
