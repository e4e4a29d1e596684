//! JSON answers: every command's against the schema of the package, and the consumers of its documentation.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::system::{System, VERSION};
use depmod_tests::{command, debian, product, workspace};
use serde_json::Value;

/// Validates each line of standard input. Beyond the schema, a field that it does not name is an error: readers accept
/// more, but the program documents its fields. Prints the fields of the schema that no answer has.
const VALIDATE: &str = r##"
import json, sys
import jsonschema

schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)

def closed(part):
    if isinstance(part, list):
        return [closed(value) for value in part]
    if not isinstance(part, dict):
        return part
    part = {name: closed(value) for name, value in part.items()}
    if isinstance(part.get("properties"), dict):
        part["unevaluatedProperties"] = False
    return part

definitions = schema["$defs"]
# Others extend these.
exact = {name: value if name in ("finding", "exports_file") else closed(value) for name, value in definitions.items()}

def fields(part, path, found):
    """The paths of all fields that the schema names."""
    if "$ref" in part:
        fields(definitions[part["$ref"].rsplit("/", 1)[1]], path, found)
    for inner in part.get("allOf", []) + part.get("oneOf", []):
        fields(inner, path, found)
    if "items" in part:
        fields(part["items"], path, found)
    for name, inner in part.get("properties", {}).items():
        found.add(path + "." + name)
        fields(inner, path + "." + name, found)

def used(value, path, found):
    if isinstance(value, list):
        for inner in value:
            used(inner, path, found)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if inner is not None:
                found.add(path + "." + name)
            used(inner, path + "." + name, found)

unused, seen = set(), set()
for line in sys.stdin:
    answer = json.loads(line)
    jsonschema.Draft202012Validator(schema).validate(answer)
    command = answer["command"]
    root = {"$schema": schema["$schema"], "$ref": "#/$defs/" + command, "$defs": exact}
    jsonschema.Draft202012Validator(root).validate(answer)
    fields(definitions[command], command, unused)
    used(answer, command, seen)
print("\n".join(sorted(unused - seen)))
"##;

/// Validates answers, one a line; gives the fields that the schema has and no answer.
///
/// # Panics
/// When an answer is not as the schema says.
pub(crate) fn validate(answers: &[u8]) -> Vec<String> {
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", VALIDATE]).arg(workspace().join("host-cli/schema/depmod-1.schema.json"));
    let mut child =
        python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It reads the schema first, so the end of its output is no deadlock.
    child.stdin.take().unwrap().write_all(answers).unwrap();
    let output = child.wait_with_output().unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "(needs Debian's python3-jsonschema)\n{why}");
    let fields = String::from_utf8(output.stdout).unwrap();
    fields.split_whitespace().map(str::to_owned).collect()
}

/// A root directory with something for every field.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        let card = Elf::new()
            .need("bus_add")
            .modinfo("alias=pci:v1d2*")
            .modinfo("firmware=there.bin")
            .modinfo("firmware=missing.bin")
            .modinfo("softdep=pre: helper loop gone post: late")
            .modinfo("weakdep=weak");
        System::new()
            .module("kernel/drivers/bus/bus.ko", Elf::new().export("bus_add", Crc::Absolute(1)))
            .module("kernel/drivers/net/card.ko", card)
            .module("kernel/helper.ko", Elf::new())
            .module("kernel/late.ko", Elf::new())
            .module("kernel/weak.ko", Elf::new())
            .module("kernel/own.ko", Elf::new())
            .file("modules.order", "kernel/drivers/bus/bus.ko\n")
            .file("modules.builtin", "kernel/loop.ko\n")
            .file("modules.builtin.modinfo", "loop.alias=block-major-7-*\0")
            .root_file("lib/firmware/there.bin", "firmware")
            .root_file("list", "card\nloop\nodd\n")
            .root_file("sys/devices/a/modalias", "pci:v9d9\n")
            .root_file("modprobe.d/x.conf", "install own /bin/true\nblacklist weak\nalias odd weak\n")
            .lay_out(&world.root());
        command::run(&mut world.command(&["-b", "{}", "-C", "/dev/null", VERSION])).unwrap();
        world
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn modules(&self) -> PathBuf {
        self.root().join("lib/modules").join(VERSION)
    }

    /// `{}` stands for the root directory.
    fn command(&self, words: &[&str]) -> Command {
        let mut depmod = product::depmod();
        depmod.args(words.iter().map(|word| word.replace("{}", &self.root().to_string_lossy())));
        depmod.stdin(Stdio::null());
        depmod
    }

    fn depmod(&self, words: &[&str]) -> Command {
        let mut depmod = self.command(words);
        depmod.arg("-b").arg(self.root()).arg("-C").arg(self.root().join("modprobe.d"));
        depmod
    }
}

/// A command's answers, however it ends.
fn answers(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn every_answer_is_as_the_schema_says() {
    let world = World::new();
    let json = ["--format", "json"];
    let mut all = Vec::new();
    let mut ask = |words: &[&str]| all.extend(answers(&mut world.depmod(&[words, &json].concat())));
    ask(&["lookup", "-k", VERSION, "card", "nothing"]);
    ask(&["plan", "-k", VERSION, "card", "own", "odd", "--weak"]);
    ask(&["plan", "-k", VERSION, "@{}/list"]);
    let hardware = ["--missing", "warn", "--hardware", "--sysfs", "{}/sys"];
    ask(&[&["plan", "-k", VERSION, "cardd"], &hardware[..]].concat());
    ask(&["plan", "-k", VERSION, "card", "--no-firmware"]);
    ask(&["verify", VERSION]);
    ask(&["verify", "--quick", VERSION]);
    ask(&["--strict", "--no-write", VERSION]);
    let mut dump = |name: &str| all.extend(answers(&mut world.command(&["dump", "--format", "json", name])));
    dump(&format!("{{}}/lib/modules/{VERSION}/modules.alias.bin"));
    dump(&format!("{{}}/lib/modules/{VERSION}/modules.dep"));

    explained(&mut all);

    // The same after something went wrong.
    let other = world.dir.path().join("other");
    System::new()
        .complete()
        .module("kernel/elsewhere/bus.ko", Elf::new().export("bus_new", Crc::Absolute(2)))
        .module("kernel/drivers/net/card.ko", Elf::new().need("bus_new").need("late_add"))
        .module("kernel/late.ko", Elf::new().export("late_add", Crc::Absolute(1)))
        .module("kernel/helper.ko", Elf::new().export("bus_add", Crc::Absolute(1)))
        .lay_out(&other);
    let other = other.join("lib/modules").join(VERSION);
    let mut diff = world.depmod(&["diff", "--format", "json", "--from-modules"]);
    all.extend(answers(diff.arg(world.modules()).arg(&other)));
    let modules = world.modules();
    fs::remove_file(modules.join("kernel/late.ko")).unwrap();
    all.extend(answers(&mut world.depmod(&[
        "plan",
        "-k",
        VERSION,
        "card",
        "--from-index",
        "--format",
        "json",
    ])));
    let index = fs::read(modules.join("modules.alias.bin")).unwrap();
    fs::write(modules.join("modules.alias.bin"), &index[..index.len() - 2]).unwrap();
    fs::remove_file(modules.join("modules.symbols")).unwrap();
    let alias = Elf::new().modinfo("alias=pci:v5*").export("helped", Crc::Absolute(1));
    fs::write(modules.join("kernel/helper.ko"), alias.build()).unwrap();
    let mut ask = |words: &[&str]| all.extend(answers(&mut world.depmod(&[words, &json].concat())));
    ask(&["verify", VERSION]);
    ask(&["verify", "--fix", VERSION]);
    ask(&["--strict", "--no-write", "--all-kernels"]);
    fs::write(modules.join("modules.alias.bin"), &index[..index.len() - 2]).unwrap();
    all.extend(answers(&mut world.command(&[
        "dump",
        "--format",
        "json",
        &format!("{{}}/lib/modules/{VERSION}/modules.alias.bin"),
    ])));

    let unused: Vec<String> =
        validate(&all).into_iter().filter(|field| !field.starts_with("strict.")).collect();
    // All findings may have it; those of a plan and of an explanation are about no symbol.
    assert_eq!(unused, ["explain.findings.symbol", "plan.findings.symbol"], "fields that no answer has");
}

/// Adds every kind of explanation.
fn explained(all: &mut Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let card = Elf::new()
        .need("bus_add")
        .version("bus_add", 7)
        .modinfo("alias=pci:v1d2*")
        .modinfo("firmware=there.bin");
    let card = card.modinfo("softdep=pre: helper post: late").modinfo("weakdep=weak");
    System::new()
        .complete()
        .module("kernel/bus.ko", Elf::new().export("bus_add", Crc::Absolute(1)).need("core_add"))
        .module("kernel/core.ko", Elf::new().export("core_add", Crc::Absolute(2)))
        .module("kernel/card.ko", card)
        .module("updates/card.ko", Elf::new().modinfo("license=GPL"))
        .module("kernel/broken.ko", Elf::new().need("bus_add"))
        .root_file("opt/card.ko", Elf::new().build())
        .file("modules.builtin", "kernel/loop.ko\n")
        .file("modules.builtin.modinfo", "loop.alias=block-major-7-*\0")
        .root_file("lib/firmware/there.bin", "firmware")
        .config("search external updates built-in\nexternal * {}/opt\noverride card * kernel\n")
        .root_file("modprobe.d/x.conf", "install core /bin/true\nblacklist card\nalias mine card\n")
        .lay_out(&root);
    let place = |command: &mut Command| {
        command
            .arg("-b")
            .arg(&root)
            .arg("-C")
            .arg(root.join("depmod.d"))
            .arg("-C")
            .arg(root.join("modprobe.d"));
    };
    let mut index = product::depmod();
    place(&mut index);
    command::run(index.arg(VERSION)).unwrap();
    fs::write(root.join("lib/modules").join(VERSION).join("kernel/broken.ko"), "no ELF").unwrap();
    let loser = root.join("lib/modules").join(VERSION).join("updates/card.ko");
    let queries: [&[&str]; 11] = [
        &["card"],
        &["core"],
        &["broken"],
        &[loser.to_str().unwrap()],
        &["card", "core"],
        &["mine"],
        &["pci:v1d2"],
        &["block-major-7-1"],
        &["loop"],
        &["symbol:bus_add"],
        &["pci:v1d3"],
    ];
    for words in queries.into_iter().chain([&["crad"][..], &["symbol:bus_ad"]]) {
        let mut explain = product::depmod();
        place(explain.arg("explain"));
        all.extend(answers(explain.args(["-k", VERSION, "--format", "json"]).args(words)));
    }
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    let world = World::new();
    let good = answers(&mut world.depmod(&["lookup", "-k", VERSION, "card", "--format", "json"]));
    validate(&good);
    let good: Value = serde_json::from_slice(&good).unwrap();
    let wrong: [fn(&mut Value); 5] = [
        |answer| answer["schema"] = 2.into(),
        |answer| answer["modules"] = "card".into(),
        |answer| drop(answer.as_object_mut().unwrap().remove("query")),
        |answer| answer["undocumented"] = 1.into(),
        |answer| answer["query_bytes"] = "no digits".into(),
    ];
    for (number, spoil) in wrong.into_iter().enumerate() {
        let mut answer = good.clone();
        spoil(&mut answer);
        let line = answer.to_string();
        let refused = std::panic::catch_unwind(|| validate(line.as_bytes()));
        assert!(refused.is_err(), "{number}: {line}");
    }
}

#[test]
fn what_is_not_utf_8_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    System::new().complete().file(b"kernel/odd\xff.ko", "no ELF").lay_out(&root);
    let ask = |command: &mut Command| -> Value {
        let answer = answers(command.stdin(Stdio::null()));
        validate(&answer);
        serde_json::from_slice(&answer).unwrap()
    };
    let strict = ["--strict=corrupt", "--no-write", "--format", "json", "-C", "/dev/null", VERSION, "-b"];
    let answer = ask(product::depmod().args(strict).arg(&root));
    let finding = &answer["findings"][0];
    assert_eq!(finding["file"], "kernel/odd\u{fffd}.ko");
    assert_eq!(finding["file_bytes"], "6b65726e656c2f6f6464ff2e6b6f");
    assert_eq!(finding["module_bytes"], "6f6464ff");

    let path = dir.path().join(OsStr::from_bytes(b"text\xfe"));
    fs::write(&path, b"good\nodd \xff\n").unwrap();
    let answer = ask(product::depmod().args(["dump", "--format", "json"]).arg(&path));
    assert!(answer["file_bytes"].as_str().unwrap().ends_with("74657874fe"));
    let lines = serde_json::json!([{"line": "good"}, {"line": "odd \u{fffd}", "line_bytes": "6f646420ff"}]);
    assert_eq!(answer["lines"], lines);
}

/// The code blocks of a language in the documentation.
fn examples(language: &str) -> Vec<String> {
    let text = fs::read_to_string(workspace().join("host-cli/JSON.md")).unwrap();
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_documented_consumers_read_real_answers() {
    let kernel = debian::kernel("bookworm-cloud-amd64").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let modules = dir.path().join("lib/modules").join(&kernel.version);
    fs::create_dir_all(&modules).unwrap();
    symlink(kernel.modules().join("kernel"), modules.join("kernel")).unwrap();
    for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
        fs::copy(kernel.modules().join(name), modules.join(name)).unwrap();
    }
    let place = ["-b", dir.path().to_str().unwrap(), "-C", "/dev/null"];
    command::run(product::depmod().args(place).arg(&kernel.version)).unwrap();

    // `depmod` in the search path.
    let programs = dir.path().join("bin");
    fs::create_dir_all(&programs).unwrap();
    symlink(product::binary(), programs.join("depmod")).unwrap();
    let path = std::env::var("PATH").unwrap();
    let ask = |interpreter: &[&str], script: &str, words: &[&str]| {
        let mut consumer = Command::new(interpreter[0]);
        consumer.args(&interpreter[1..]).arg(script).args(words);
        command::text(consumer.env("PATH", format!("{}:{path}", programs.display()))).unwrap()
    };
    let words = [&place[..], &["-k", &kernel.version, "nvme", "ext4", "virtio_net", "me_daq"]].concat();
    let mut list = product::depmod();
    let list = command::text(list.args(["plan", "--format", "list"]).args(&words)).unwrap();
    let of_kernel =
        list.lines().map(|line| line.rsplit_once(&*kernel.version).unwrap().1.trim_start_matches('/'));
    let expected: Vec<&str> = of_kernel.collect();
    assert!(expected.len() > 3, "{list}");

    let python = examples("python");
    assert_eq!(python.len(), 2);
    let told = ask(&["/usr/bin/python3", "-c"], &python[0], &words);
    let [shell] = &*examples("sh") else { panic!("one example for the shell") };
    assert_eq!(ask(&["sh", "-c"], &format!("set -- \"$0\" \"$@\"\n{shell}"), &words), told);
    let (modules, firmware): (Vec<&str>, Vec<&str>) =
        told.lines().partition(|line| line.starts_with("kernel/"));
    assert_eq!(modules, expected);
    assert!(firmware.iter().any(|line| line.starts_with("no me2600_firmware.bin")), "{told}");

    // Names as bytes.
    let raw = format!(
        "{}\nassert raw({{'path': 'a\\ufffd', 'path_bytes': '61ff'}}, 'path') == b'a\\xff'\n\
         assert raw({{'path': 'ä'}}, 'path') == 'ä'.encode()",
        python[1]
    );
    assert_eq!(ask(&["/usr/bin/python3", "-c"], &raw, &[]), "");
    for example in python.iter().chain([shell]) {
        assert!(example.lines().count() <= 11, "ten lines: {example}");
    }
}
