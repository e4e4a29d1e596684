//! `depmod dump` against kmod's own dump, and against a reader of the format that is written here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use depmod_tests::oracle::Oracle;
use depmod_tests::{command, debian, product};
use serde_json::Value;

/// A value of a key: key, priority, value.
type Entry = (Vec<u8>, u64, Vec<u8>);

/// A node of an index file.
#[derive(Default)]
struct Node {
    prefix: Vec<u8>,
    values: Vec<(u32, Vec<u8>)>,
    children: Vec<(u8, Node)>,
}

/// Reads an index file as the format is described (`core/doc/index_format.md` §2): the entries in the order of a dump,
/// up to the first part that is not all there.
struct Reader<'f> {
    file: &'f [u8],
    entries: Vec<Entry>,
    key: Vec<u8>,
}

impl<'f> Reader<'f> {
    /// The entries, and the root if the file is whole.
    fn read(file: &'f [u8]) -> (Vec<Entry>, Option<Node>) {
        let mut reader = Self { file, entries: Vec::new(), key: Vec::new() };
        let root = reader.word(8).and_then(|(root, _)| reader.node(root));
        (reader.entries, root)
    }

    fn word(&self, at: usize) -> Option<(u32, usize)> {
        let bytes = self.file.get(at..at + 4)?;
        Some((u32::from_be_bytes(bytes.try_into().ok()?), at + 4))
    }

    fn string(&self, at: usize) -> Option<(Vec<u8>, usize)> {
        let rest = self.file.get(at..)?;
        let end = rest.iter().position(|&byte| byte == 0)?;
        Some((rest[..end].to_vec(), at + end + 1))
    }

    fn node(&mut self, reference: u32) -> Option<Node> {
        let mut node = Node::default();
        let mut at = (reference & 0x0fff_ffff) as usize;
        if reference & 0x8000_0000 != 0 {
            (node.prefix, at) = self.string(at)?;
        }
        let mut children = Vec::new();
        if reference & 0x2000_0000 != 0 {
            let (first, last) = (*self.file.get(at)?, *self.file.get(at + 1)?);
            at += 2;
            for edge in first..=last {
                let (child, next) = self.word(at)?;
                at = next;
                if child & 0x0fff_ffff != 0 {
                    children.push((edge, child));
                }
            }
        }
        let before = self.key.len();
        self.key.extend_from_slice(&node.prefix);
        if reference & 0x4000_0000 != 0 {
            let (count, next) = self.word(at)?;
            at = next;
            for _ in 0..count {
                let (priority, next) = self.word(at)?;
                let (value, next) = self.string(next)?;
                at = next;
                self.entries.push((self.key.clone(), priority.into(), value.clone()));
                node.values.push((priority, value));
            }
        }
        for (edge, reference) in children {
            self.key.push(edge);
            node.children.push((edge, self.node(reference)?));
            self.key.pop();
        }
        self.key.truncate(before);
        Some(node)
    }
}

/// Writes the layout of kmod 33 and older (§6): children before their parent, the root last.
fn post_order(root: &Node) -> Vec<u8> {
    fn write(node: &Node, file: &mut Vec<u8>) -> u32 {
        let children: Vec<(u8, u32)> =
            node.children.iter().map(|(edge, child)| (*edge, write(child, file))).collect();
        let mut reference = u32::try_from(file.len()).unwrap();
        if !node.prefix.is_empty() {
            reference |= 0x8000_0000;
            file.extend_from_slice(&node.prefix);
            file.push(0);
        }
        if let (Some((first, _)), Some((last, _))) = (children.first(), children.last()) {
            reference |= 0x2000_0000;
            file.extend([*first, *last]);
            for edge in *first..=*last {
                let child = children.iter().find(|(other, _)| *other == edge);
                file.extend(child.map_or(0, |(_, child)| *child).to_be_bytes());
            }
        }
        if !node.values.is_empty() {
            reference |= 0x4000_0000;
            file.extend(u32::try_from(node.values.len()).unwrap().to_be_bytes());
            for (priority, value) in &node.values {
                file.extend(priority.to_be_bytes());
                file.extend_from_slice(value);
                file.push(0);
            }
        }
        reference
    }
    let mut file = vec![0xb0, 0x07, 0xf4, 0x57, 0, 2, 0, 1, 0, 0, 0, 0];
    let root = write(root, &mut file);
    file[8..12].copy_from_slice(&root.to_be_bytes());
    file
}

/// Index files that kmod 34.2 made of a real kernel.
fn indexed_by_kmod() -> (tempfile::TempDir, PathBuf, String) {
    let kernel = debian::kernel("bookworm-cloud-amd64").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let modules = dir.path().join("lib/modules").join(&kernel.version);
    fs::create_dir_all(&modules).unwrap();
    std::os::unix::fs::symlink(kernel.modules().join("kernel"), modules.join("kernel")).unwrap();
    for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
        fs::copy(kernel.modules().join(name), modules.join(name)).unwrap();
    }
    let mut depmod = Oracle::get().tool("depmod");
    command::run(depmod.arg("-b").arg(dir.path()).args(["-C", "/dev/null"]).arg(&kernel.version)).unwrap();
    (dir, modules, kernel.version)
}

fn dump(file: &Path, options: &[&str]) -> Output {
    product::depmod().arg("dump").args(options).arg(file).output().unwrap()
}

/// What `modprobe -c` prints of the index files.
fn dumped_by_kmod(root: &Path, version: &str) -> Vec<Vec<u8>> {
    let mut modprobe = Oracle::get().tool("modprobe");
    modprobe.args(["-C", "/dev/null", "-c", "-S", version, "-d"]).arg(root);
    let text = command::output(&mut modprobe).unwrap();
    let lines = text.split(|&byte| byte == b'\n').skip_while(|line| !line.starts_with(b"# End of config"));
    lines.skip(1).filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line)).collect()
}

fn line_of((key, _, value): &Entry) -> Vec<u8> {
    [&**key, b" ", value].concat()
}

#[test]
fn the_lines_are_those_of_kmod_in_both_layouts() {
    let (dir, modules, version) = indexed_by_kmod();
    let kmod = dumped_by_kmod(dir.path(), &version);
    assert!(kmod.len() > 3000, "{}", kmod.len());
    let text = |names: &[&str]| -> Vec<Vec<u8>> {
        let dumps: Vec<u8> = names.iter().flat_map(|name| dump(&modules.join(name), &[]).stdout).collect();
        lines(&dumps).into_iter().map(<[u8]>::to_vec).collect()
    };
    let names = ["modules.alias.bin", "modules.symbols.bin"];
    let ours: Vec<Vec<u8>> = text(&names).iter().map(|line| [b"alias ", &**line].concat()).collect();
    let is_ours = |line: &&Vec<u8>| ours.contains(line);
    let (of_these, others): (Vec<_>, Vec<_>) = kmod.iter().partition(is_ours);
    assert!(of_these == ours.iter().collect::<Vec<_>>(), "{} of {} lines", of_these.len(), ours.len());
    // Aliases of built-in modules are in their index, without a word in front.
    let others: Vec<Vec<u8>> = others.into_iter().cloned().collect();
    let builtin = text(&["modules.builtin.alias.bin"]);
    assert!(
        others.iter().all(|line| builtin.iter().any(|entry| line.ends_with(entry))),
        "{:?}",
        others.iter().map(|line| String::from_utf8_lossy(line)).take(5).collect::<Vec<_>>()
    );

    // The lines of modules.dep, sorted by name.
    let mut dep = product::depmod();
    dep.arg("-b").arg(dir.path()).args(["-C", "/dev/null", "-n"]).arg(&version);
    let dry = command::output(&mut dep).unwrap();
    let from_index = text(&["modules.dep.bin"]);
    let mut values: Vec<&[u8]> =
        from_index.iter().map(|line| line.splitn(2, |&byte| byte == b' ').nth(1).unwrap()).collect();
    let mut expected: Vec<&[u8]> =
        lines(&dry).into_iter().filter(|line| line.starts_with(b"kernel/")).collect();
    values.sort_unstable();
    expected.sort_unstable();
    assert!(values == expected);

    for entry in fs::read_dir(&modules).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().into_string().unwrap();
        if !name.ends_with(".bin") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let (entries, root) = Reader::read(&bytes);
        let text: Vec<u8> =
            entries.iter().flat_map(|entry| [line_of(entry), b"\n".to_vec()].concat()).collect();
        let old = post_order(&root.unwrap_or_else(|| panic!("{name} is whole")));
        assert!(old != bytes && old.len() == bytes.len(), "{name}");
        let older = modules.join(format!("old-{name}"));
        fs::write(&older, &old).unwrap();
        for file in [&path, &older] {
            let output = dump(file, &[]);
            assert!(output.status.success() && output.stderr.is_empty(), "{}", file.display());
            assert!(output.stdout == text, "{}", file.display());
        }
        fs::rename(&older, &path).unwrap();
    }
    assert!(dumped_by_kmod(dir.path(), &version) == kmod, "kmod reads the old layout");
}

#[test]
fn text_files_are_shown_as_they_are() {
    let (_dir, modules, _) = indexed_by_kmod();
    for name in ["modules.dep", "modules.alias", "modules.softdep", "modules.symbols", "modules.devname"] {
        let path = modules.join(name);
        let bytes = fs::read(&path).unwrap();
        let output = dump(&path, &[]);
        assert!(output.status.success() && output.stdout == bytes, "{name}");
        let answer: Value = serde_json::from_slice(&dump(&path, &["--format", "json"]).stdout).unwrap();
        let told: Vec<&str> =
            answer["lines"].as_array().unwrap().iter().map(|line| line["line"].as_str().unwrap()).collect();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(told, text.lines().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn json_has_every_entry_with_its_priority() {
    let (_dir, modules, _) = indexed_by_kmod();
    for name in ["modules.alias.bin", "modules.dep.bin", "modules.builtin.bin"] {
        let path = modules.join(name);
        let (entries, _) = Reader::read(&fs::read(&path).unwrap());
        let output = dump(&path, &["--format", "json"]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&answer["schema"], &answer["command"]), (&1.into(), &"dump".into()));
        assert_eq!(answer["file"].as_str(), path.to_str());
        let told: Vec<Entry> = answer["entries"].as_array().unwrap().iter().map(entry_of).collect();
        assert!(told == entries, "{name}");
    }
}

fn entry_of(value: &Value) -> Entry {
    let bytes = |name: &str| value[name].as_str().unwrap().as_bytes().to_vec();
    (bytes("key"), value["priority"].as_u64().unwrap(), bytes("value"))
}

#[test]
fn of_a_cut_file_what_is_good_and_then_the_offset() {
    const CUTS: usize = 50;
    let (_dir, modules, _) = indexed_by_kmod();
    let whole = fs::read(modules.join("modules.alias.bin")).unwrap();
    let old = post_order(&Reader::read(&whole).1.unwrap());
    let path = modules.join("cut.bin");
    let mut shown = Vec::new();
    for number in 0..CUTS {
        // Never at the end, and every remainder of four.
        let end = 1 + (whole.len() - 2) * number / (CUTS - 1);
        for (layout, file) in [("new", &whole), ("old", &old)] {
            fs::write(&path, &file[..end]).unwrap();
            let (entries, root) = Reader::read(&file[..end]);
            assert!(root.is_none());
            let output = dump(&path, &[]);
            let what = format!("{layout} layout, {end} bytes of {}", whole.len());
            let expected: Vec<Vec<u8>> = entries.iter().map(line_of).collect();
            assert!(lines(&output.stdout) == expected, "{what}");
            let message = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{what}");
            assert!(message.starts_with("depmod: ") && message.lines().count() == 1, "{what}: {message}");
            if end < 12 {
                assert!(message.contains(&format!("{end} bytes are too short")), "{what}: {message}");
                continue;
            }
            let offset = message.split("offset ").nth(1).unwrap_or_else(|| panic!("{what}: {message}"));
            let digits: String =
                offset.trim_start_matches("0x").chars().take_while(char::is_ascii_hexdigit).collect();
            let radix = if offset.starts_with("0x") { 16 } else { 10 };
            let offset = usize::from_str_radix(&digits, radix).unwrap();
            // Where the part begins that is not all there.
            assert!(offset < file.len(), "{what}: {message}");
            let json = dump(&path, &["--format", "json"]);
            assert_eq!(json.status.code(), Some(1), "{what}");
            let answer: Value = serde_json::from_slice(&json.stdout).unwrap();
            let told: Vec<Entry> = answer["entries"].as_array().unwrap().iter().map(entry_of).collect();
            assert!(told == entries, "{what}");
            assert!(message.contains(answer["error"].as_str().unwrap()), "{what}: {message}");
            if layout == "new" {
                shown.push(entries.len());
            }
        }
    }
    assert!(shown.is_sorted() && shown.len() == CUTS - 1 && shown.last() > Some(&2000), "{shown:?}");
}

#[test]
fn what_cannot_be_read_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dump(&dir.path().join("modules.dep.bin"), &[]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("No such file"));
    let foreign = dir.path().join("modules.dep.bin");
    fs::write(&foreign, "no index, but text").unwrap();
    let output = dump(&foreign, &[]);
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]));
    for (content, said) in [
        (&b"no index, but text"[..], "is not an index file: it starts with 0x6e6f2069 at offset 0x0\n"),
        (b"", "is broken at offset 0x0: it is empty\n"),
        (b"abc", "is broken at offset 0x3: 3 bytes are too short for an index\n"),
        (
            b"\xb0\x07\xf4\x57\0\x03\0\0\0\0\0\0",
            "is broken at offset 0x4: index of unsupported version 3.0\n",
        ),
    ] {
        fs::write(&foreign, content).unwrap();
        for options in [&[][..], &["--format", "json"]] {
            let output = dump(&foreign, options);
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!((output.status.code(), stderr.ends_with(said)), (Some(1), true), "{stderr}");
            let shown = String::from_utf8(output.stdout).unwrap();
            assert_eq!(shown.is_empty(), options.is_empty(), "{shown}");
        }
    }
    let other = dir.path().join("program");
    for content in [&b"\x7fELF\x02\x01"[..], b"text with\0NUL\n"] {
        fs::write(&other, content).unwrap();
        let output = dump(&other, &[]);
        assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]));
        assert!(String::from_utf8_lossy(&output.stderr).ends_with("program is not an index file\n"));
    }
}
