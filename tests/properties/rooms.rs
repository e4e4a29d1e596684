//! The structure of the packages: no circles of imports, and the documentation shows the real ones.

use alloc::collections::BTreeSet;
use std::fs;

use depmod_tests::imports::{Graph, Package, circle, closure};
use depmod_tests::workspace;

/// The core's rooms, each after all that it may import.
const ORDER: [&str; 18] = [
    "limits",
    "zeros",
    "name",
    "hash",
    "sort",
    "index",
    "cpio",
    "options",
    "source",
    "decompress",
    "diagnostic",
    "list",
    "parse",
    "resolve",
    "output",
    "run",
    "answer",
    "boot",
];

fn package(name: &str) -> Package {
    Package::read(&workspace().join(name).join("src/lib.rs")).unwrap()
}

fn core_rooms() -> Graph {
    package("core").folders().remove("").unwrap()
}

#[test]
fn no_folder_has_a_circle_of_imports() {
    let mut circles = Vec::new();
    for name in ["core", "host-cli", "uefi"] {
        let folders = package(name).folders();
        assert!(folders.contains_key(""), "{name}: no imports found");
        for (folder, graph) in &folders {
            if let Some(way) = circle(graph) {
                circles.push(format!("{name}/src/{folder}: {}", way.join(" -> ")));
            }
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn rooms_of_the_core_import_only_earlier_ones() {
    let place = |room: &str| ORDER.iter().position(|name| *name == room);
    for (room, imports) in core_rooms() {
        let at = place(&room).unwrap_or_else(|| panic!("{room} has no place in the order"));
        for import in imports {
            assert!(place(&import).unwrap() < at, "{room} imports {import}");
        }
    }
}

#[test]
fn the_table_of_rooms_is_true() {
    let text = fs::read_to_string(workspace().join("CONTRIBUTING.md")).unwrap();
    let table = text.split("| Room | Task | Imports |").nth(1).unwrap().split("\n\n").next().unwrap();
    let words =
        |cell: &str| -> BTreeSet<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let rows = table.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, room, _, imports, _] = cells[..] else { return None };
        Some((words(room).pop_first()?, words(imports)))
    });
    assert_eq!(rows.collect::<Graph>(), core_rooms());
}

#[test]
fn the_picture_of_rooms_is_true() {
    const BELOW_ALL: [&str; 5] = ["limits", "name", "hash", "sort", "zeros"];
    let text = fs::read_to_string(workspace().join("README.md")).unwrap();
    let picture = text.split("flowchart TD\n").nth(1).unwrap().split("```").next().unwrap();
    let mut shown = Graph::new();
    for line in picture.lines() {
        let (from, to) = line.split_once("-->").unwrap();
        let to: BTreeSet<String> = to.split('&').map(|room| room.trim().to_owned()).collect();
        for room in &to {
            shown.entry(room.clone()).or_default();
        }
        shown.entry(from.trim().to_owned()).or_default().extend(to);
    }
    let mut real = core_rooms();
    real.retain(|room, _| !BELOW_ALL.contains(&room.as_str()));
    real.values_mut().for_each(|imports| imports.retain(|room| !BELOW_ALL.contains(&room.as_str())));
    assert_eq!(closure(&shown), closure(&real));
}
