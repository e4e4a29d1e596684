use super::*;
use crate::{
    limits::Limits,
    list::ModuleFile,
    output::Output,
    parse::module::{LoadError, examples::module},
    source::{FaultySource, IoError, MemorySource},
};
use alloc::string::{String, ToString};
use core::cell::{Cell, RefCell};

const DIRECTORY: &str = "/lib/modules/6.1";

fn options() -> Options {
    let options = Options::new(DIRECTORY, "6.1").config_paths(["/c"]).trace_links(true).warn_duplicates(true);
    options.kernel_symbols(Some(KernelSymbols::SystemMap("/map".into()))).unresolved(Unresolved::Fail)
}

/// A kernel that makes every stage report something.
fn kernel() -> MemorySource {
    let mut source = MemorySource::new();
    let mut insert = |path: &str, bytes: &[u8]| source.insert(path.as_bytes(), bytes);
    insert("/c/a.conf", b"external * /opt\nexternal * /gone\nnonsense\n");
    insert("/map", b"0 T printk\n0 T __ksymtab_printk\nnonsense\n");
    let mut insert = |path: &str, bytes: &[u8]| insert(&[DIRECTORY, path].concat(), bytes);
    insert("/modules.order", b"kernel/disk.ko\n");
    insert("/modules.builtin", b"kernel/fs/ext4.ko\n#\n");
    insert("/modules.builtin.modinfo", b"ext4.alias=fs-ext4\0ext4.alias=a]\0");
    insert("/kernel/bus.ko", &module(&["bus_add"], &["printk"], &["alias=bus]", "alias=pci:v1"]));
    let info = ["alias=pci:v2", "alias=pci:v2", "alias=devname:disk", "softdep=pre: bus", "weakdep=fs"];
    insert("/kernel/disk.ko", &module(&[], &["bus_add", "gone"], &info));
    insert("/kernel/broken.ko", b"#!/bin/sh\n");
    source.insert(b"/opt/bus.ko", module(&[], &[], &[]));
    source.insert(b"/opt/extra.ko", module(&[], &["bus_add"], &[]));
    source
}

#[test]
fn the_best_readable_file_of_a_name_is_indexed() {
    let good = module(&["usb"], &[], &["alias=usb"]);
    let mut source = MemorySource::new();
    let mut insert = |path: &str, bytes: &[u8]| source.insert([DIRECTORY, path].concat().as_bytes(), bytes);
    insert("/modules.order", b"kernel/user.ko\nkernel/usbnet.ko\n");
    insert("/kernel/user.ko", &module(&[], &["usb"], &[]));
    insert("/kernel/usbnet.ko", &good);
    insert("/extra/usbnet.ko", &good[..100]);
    insert("/updates/usbnet.ko", b"");
    insert("/kernel/lone.ko", b"");
    insert("/updates/lone.ko", b"#!/bin/sh\n");
    let mut messages = Vec::new();
    let files = run(&Options::new(DIRECTORY, "6.1"), &source, &mut messages).unwrap();
    let dep = "kernel/user.ko: kernel/usbnet.ko\nkernel/usbnet.ko:\nupdates/lone.ko:\n";
    assert_eq!(files.get(Output::Dep).escape_ascii().to_string(), dep.as_bytes().escape_ascii().to_string());
    assert!(files.get(Output::Alias).ends_with(b"alias usb usbnet\n"));
    let messages: Vec<_> = messages.iter().map(ToString::to_string).collect();
    let expected = [
        "/lib/modules/6.1/updates/usbnet.ko is no usable module: Invalid argument; \
         /lib/modules/6.1/kernel/usbnet.ko takes its place",
        "failed to load symbols from /lib/modules/6.1/updates/lone.ko: Exec format error",
    ];
    assert!(messages.iter().map(String::as_str).take(2).eq(expected), "{messages:?}");
    let one = Options::new(DIRECTORY, "6.1").limits(Limits::DEFAULT.candidates(0));
    let files = run(&one, &source, &mut ()).unwrap();
    assert!(!files.get(Output::Alias).ends_with(b"alias usb usbnet\n"), "no other file is tried");
}

#[test]
fn debug_output_shows_names_and_no_lists_of_bytes() {
    let source = kernel();
    let options = options();
    let listed = list(&options, &source, &mut ()).unwrap();
    let files = run(&options, &source, &mut ()).unwrap();
    let paths = [&b"kernel/disk.ko"[..], b"kernel/bus.ko"];
    let shown = [
        alloc::format!("{:?}", listed.symbols(&options, &[])),
        alloc::format!("{listed:?}"),
        alloc::format!("{:?}", files.lookup().unwrap()),
        alloc::format!("{:?}", crate::list::Order::of(paths, b"kernel/disk.ko\n").unwrap()),
    ];
    let names = ["printk", "kernel/disk.ko", "disk", "kernel/bus.ko"];
    for (shown, name) in shown.iter().zip(names) {
        assert!(shown.contains(name), "{shown}");
        // The first bytes of `kernel`, `disk` and `printk` as numbers.
        assert!(["107, 101", "100, 105", "112, 114"].iter().all(|bytes| !shown.contains(bytes)), "{shown}");
    }
}

/// Hooks in a host's possible order: modules as its threads finish them, the last piece first.
struct Backwards<'h> {
    in_turn: InTurn<'h, MemorySource>,
    links: Vec<String>,
}

impl Hooks for Backwards<'_> {
    fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
        let mut loads: Vec<Load> =
            list.modules().iter().rev().map(|file| self.in_turn.load_one(file.path())).collect();
        loads.reverse();
        Ok(loads)
    }

    fn links(&mut self, lines: &[u8]) -> Result<(), Diagnostic> {
        self.links.push(String::from_utf8(lines.to_vec()).unwrap());
        Ok(())
    }

    fn build(&self, pieces: &[Piece<'_>], meanwhile: &mut dyn FnMut()) -> Vec<Built> {
        let built = pieces.iter().rev().map(Piece::build).collect();
        meanwhile();
        built
    }
}

#[test]
fn messages_and_dependencies_of_a_run() {
    let mut messages = Vec::new();
    let files = run(&options(), &kernel(), &mut messages).unwrap();
    assert!(files.iter().map(|(output, _)| output).eq(Output::ALL));
    assert_eq!(
        files.get(Output::Dep).escape_ascii().to_string(),
        "kernel/disk.ko: kernel/bus.ko\\nkernel/bus.ko:\\nkernel/broken.ko:\\n/opt/extra.ko: kernel/bus.ko\\n"
    );
    let messages: Vec<_> = messages.iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "/map:3: invalid line: nonsense\n",
            "/c/a.conf:3: ignoring bad line starting with 'nonsense'",
            "could not open directory /gone: No such file or directory",
            "failed to load symbols from /lib/modules/6.1/kernel/broken.ko: Exec format error",
            "/lib/modules/6.1/kernel/disk.ko needs unknown symbol gone",
            "duplicate module alias:\npci:v2 disk",
            "Unmatched bracket in bus]",
            "Invalid modules.builtin line: #\n",
            "Unmatched bracket in a]",
            "Module 'disk' has devname (disk) but lacks major and minor information. Ignoring.",
        ]
    );
}

#[test]
fn order_of_hooks_does_not_affect_results() {
    let (source, options, limits) = (kernel(), options(), Limits::DEFAULT);
    let mut said = Vec::new();
    let files = run(&options, &source, &mut said).unwrap();
    let mut decoder = PureDecoder::default();
    let in_turn = InTurn::new(&source, &mut decoder, &limits);
    let mut hooks = Backwards { in_turn, links: Vec::new() };
    let mut messages = Vec::new();
    let outcome = run_with(&options, &source, &mut hooks, &mut messages).unwrap();
    let indexed = outcome.indexed.unwrap();
    assert_eq!(indexed.files, files);
    assert_eq!(messages, said);
    assert_eq!(indexed.unresolved, 1);
    let loaded: Vec<bool> = indexed.facts.iter().map(Option::is_some).collect();
    assert_eq!(loaded, [true, true, false, true]);
    let bus = "/lib/modules/6.1/kernel/bus.ko";
    assert_eq!(
        hooks.links,
        [[
            "/lib/modules/6.1/kernel/disk.ko needs \"bus_add\": ",
            bus,
            "\n",
            "/opt/extra.ko needs \"bus_add\": ",
            bus,
            "\n",
        ]
        .concat()]
    );
}

#[test]
fn text_only_runs_have_the_same_text_files() {
    let all = run(&options(), &kernel(), &mut ()).unwrap();
    let text = run(&options().text_only(true), &kernel(), &mut ()).unwrap();
    assert!(text.iter().eq(all.iter().filter(|(output, _)| !output.is_index())));
}

/// Hooks that skip their work.
struct Forgetful {
    meanwhile: bool,
}

impl Hooks for Forgetful {
    fn load(&mut self, _: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
        Ok(Vec::new())
    }

    fn build(&self, _: &[Piece<'_>], meanwhile: &mut dyn FnMut()) -> Vec<Built> {
        if self.meanwhile {
            meanwhile();
        }
        Vec::new()
    }
}

#[test]
fn missing_files_are_an_error() {
    let options = Options::new(DIRECTORY, "6.1");
    for meanwhile in [false, true] {
        let (mut hooks, mut messages) = (Forgetful { meanwhile }, Vec::new());
        let stopped = run_with(&options, &kernel(), &mut hooks, &mut messages).unwrap_err();
        assert_eq!(stopped.to_string(), "Could not write index 'modules.dep': not all files were built");
        assert_eq!(messages.last(), Some(stopped.diagnostic()));
    }
}

#[test]
fn any_failed_call_is_reported() {
    let (source, options) = (kernel(), options());
    let counting = FaultySource::counting(&source);
    let mut said = Vec::new();
    let files = run(&options, &counting, &mut said).unwrap();
    let mut silent = Vec::new();
    let calls = counting.calls();
    assert!(calls > 20);
    for call in 0..calls {
        let faulty = FaultySource::new(&source, call, IoError::other("fault"));
        let mut messages = Vec::new();
        match run(&options, &faulty, &mut messages) {
            Err(stopped) => assert!(messages.contains(stopped.diagnostic())),
            Ok(with_fault) => {
                if with_fault != files && messages.iter().all(|message| said.contains(message)) {
                    silent.push(call);
                }
            }
        }
        assert!(faulty.calls() <= calls + 8);
    }
    assert_eq!(silent, [2], "kmod ignores a configuration path that cannot be examined");
}

#[test]
fn machine_faults_end_the_run_with_one_message() {
    let (source, options) = (kernel(), options());
    let mut said = Vec::new();
    let counting = FaultySource::counting(&source);
    run(&options, &counting, &mut said).unwrap();
    for call in 0..counting.calls() {
        let faulty = FaultySource::new(&source, call, IoError::no_memory());
        let mut messages = Vec::new();
        let stopped = run(&options, &faulty, &mut messages).expect_err(&call.to_string());
        messages.retain(|message| !said.contains(message));
        assert_eq!(messages, [stopped.diagnostic().clone()], "call {call}");
        let text = stopped.to_string();
        assert!(text.contains("Cannot allocate memory"), "{text}");
    }
}

/// Lists a missing module the given number of times.
struct Vanishing {
    memory: MemorySource,
    times: Cell<usize>,
}

impl Source for Vanishing {
    type File = <MemorySource as Source>::File;

    fn list(&self, dir: &[u8]) -> Result<Vec<crate::source::DirEntry>, IoError> {
        let mut entries = self.memory.list(dir)?;
        let left = self.times.get();
        if dir == DIRECTORY.as_bytes() && left > 0 {
            self.times.set(left - 1);
            let (name, kind) = ("gone.ko".into(), crate::source::EntryKind::File);
            entries.push(crate::source::DirEntry { name, kind });
        }
        Ok(entries)
    }

    fn stat(&self, path: &[u8]) -> Result<crate::source::Stat, IoError> {
        self.memory.stat(path)
    }

    fn open(&self, path: &[u8]) -> Result<Self::File, IoError> {
        self.memory.open(path)
    }
}

#[test]
fn vanished_modules_cause_one_new_listing() {
    let mut said = Vec::new();
    let files = run(&options(), &kernel(), &mut said).unwrap();
    let vanishing = |times| Vanishing { memory: kernel(), times: Cell::new(times) };
    let mut messages = Vec::new();
    assert_eq!(run(&options(), &vanishing(1), &mut messages), Ok(files));
    assert_eq!(messages, said);
    let mut messages = Vec::new();
    let stopped = run(&options(), &vanishing(2), &mut messages).unwrap_err();
    assert_eq!(messages.last(), Some(stopped.diagnostic()));
    let text = "/lib/modules/6.1/gone.ko vanished while modules were read; index files left as they were";
    assert_eq!(stopped.to_string(), text);
    assert_eq!(messages.iter().filter(|message| message.to_string() == text).count(), 1);
}

#[test]
fn messages_that_a_second_listing_does_not_repeat_are_limited() {
    for (limit, repeated) in [(1000, 0), (0, 3)] {
        let mut memory = kernel();
        memory.insert(b"/c", *b"nonsense\nnonsense\nnonsense\n");
        let vanishing = Vanishing { memory, times: Cell::new(1) };
        let options = options().config_paths(["/c"]).limits(Limits::DEFAULT.messages(limit));
        let mut messages = Vec::new();
        run(&options, &vanishing, &mut messages).unwrap();
        messages.retain(|message| message.to_string().contains("ignoring bad line"));
        assert_eq!(messages.len(), 3 + repeated, "limit {limit}");
    }
}

#[test]
fn stopped_runs_carry_the_first_cause() {
    let plain = || Options::new(DIRECTORY, "6.1");
    let operands =
        |paths: &[&str]| plain().selection(Selection::Files(paths.iter().map(|&path| path.into()).collect()));
    let symbols = KernelSymbols::Symvers("/none".into());
    let mut limits = Limits::DEFAULT;
    limits.index_size = 100;
    let mut source = kernel();
    // `more` is the number of messages after the cause.
    let check = |source: &MemorySource, options: Options, text: &str, more: usize| {
        let mut messages = Vec::new();
        let stopped = run(&options, source, &mut messages).unwrap_err();
        assert_eq!(stopped.to_string(), text);
        assert_eq!(messages.iter().rev().nth(more), Some(stopped.diagnostic()));
    };
    let absent = "could not open directory /none: No such file or directory";
    check(&source, Options::new("/none", "6.1"), absent, 1);
    let unreadable = "could not load /none: No such file or directory";
    check(&source, plain().kernel_symbols(Some(symbols)), unreadable, 0);
    check(&source, operands(&["a.ko"]), "a.ko: not absolute path.", 0);
    let unknown = "could not create module /none.ko: No such file or directory";
    check(&source, operands(&["/opt/bus.ko", "/none.ko"]), unknown, 0);
    check(&source, operands(&["/opt/bus.ko", "/opt/bus.ko"]), "hash_add_unique bus: File exists", 1);
    let large = "Could not write index 'modules.dep.bin': index larger than 100 bytes";
    check(&source, plain().limits(limits), large, 0);

    source.insert(b"/lib/modules/6.1/one.ko", module(&["one"], &["two"], &["alias=\u{e9}"]));
    source.insert(b"/lib/modules/6.1/two.ko", module(&["two"], &[], &[]));
    let foreign = "Module index: bad character '\u{fffd}'=0xc3 - only 7-bit ASCII is supported:\n\u{e9}";
    check(&source, plain(), foreign, 0);
    source.insert(b"/lib/modules/6.1/two.ko", module(&["two"], &["one"], &[]));
    check(&source, plain(), "Cycle detected: two -> one -> two", 1);
}

/// Hooks that fail.
struct Failing {
    load: bool,
}

impl Hooks for Failing {
    fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
        let loads = list.modules().iter().map(|_| Err(LoadError::TooShort { size: 0 })).collect();
        if self.load { Err(Diagnostic::SymbolPrefix {}) } else { Ok(loads) }
    }

    fn links(&mut self, _: &[u8]) -> Result<(), Diagnostic> {
        Err(Diagnostic::StandardOutput { cause: IoError::other("full") })
    }
}

#[test]
fn hook_failures_are_reported() {
    for (load, code) in [(true, "SymbolPrefix"), (false, "StandardOutput")] {
        let (mut hooks, mut messages) = (Failing { load }, Vec::new());
        let stopped = run_with(&options(), &kernel(), &mut hooks, &mut messages).unwrap_err();
        assert_eq!(stopped.diagnostic().code(), code);
        assert_eq!(messages.last(), Some(stopped.diagnostic()));
    }
}

/// Hooks that leave one module out, after it was loaded, and finish without index files if asked to.
struct Choosy<'h> {
    in_turn: InTurn<'h, MemorySource>,
    omit: bool,
    finish: bool,
    loads: usize,
}

impl Hooks for Choosy<'_> {
    fn find(&mut self, walk: &mut dyn Iterator<Item = ModuleFile>) -> Vec<ModuleFile> {
        walk.filter(|file| !(self.omit && file.name() == b"disk")).collect()
    }

    fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
        self.in_turn.load(list)
    }

    fn loaded(&mut self, _: &Listed, loads: &mut Vec<Load>, _: &mut dyn Reporter) -> Next {
        self.loads += loads.len();
        match core::mem::replace(&mut self.omit, true) {
            false => Next::ListAgain,
            true if self.finish => Next::Finish,
            true => Next::Continue,
        }
    }
}

#[test]
fn hooks_can_ask_for_a_new_list_and_finish_early() {
    let mut without = kernel();
    without.remove(&[DIRECTORY, "/kernel/disk.ko"].concat().into_bytes());
    let mut expected = Vec::new();
    let files = run(&options(), &without, &mut expected).unwrap();
    let (source, limits) = (kernel(), Limits::DEFAULT);
    for finish in [false, true] {
        let (mut decoder, mut messages) = (PureDecoder::default(), Vec::new());
        let in_turn = InTurn::new(&source, &mut decoder, &limits);
        let mut hooks = Choosy { in_turn, omit: false, finish, loads: 0 };
        let outcome = run_with(&options(), &source, &mut hooks, &mut messages).unwrap();
        assert_eq!((hooks.loads, outcome.listed.list.modules().len()), (4 + 3, 3));
        if finish {
            assert!(outcome.complete(&mut ()).is_err());
            assert_eq!(messages, expected[..3]);
        } else {
            assert_eq!(outcome.complete(&mut ()).unwrap().1.files, files);
            assert_eq!(messages, expected);
        }
    }
}

/// Hooks that keep no file in memory.
struct Elsewhere<'h> {
    in_turn: InTurn<'h, MemorySource>,
    stored: RefCell<Vec<(Output, Vec<u8>)>>,
    /// Number of files that were stored before all were built.
    early: Cell<usize>,
}

impl Hooks for Elsewhere<'_> {
    fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
        self.in_turn.load(list)
    }

    fn build(&self, pieces: &[Piece<'_>], meanwhile: &mut dyn FnMut()) -> Vec<Built> {
        meanwhile();
        self.early.set(self.stored.borrow().len());
        pieces.iter().map(Piece::build).collect()
    }

    fn store(&self, output: Output, bytes: Vec<u8>) -> Option<Vec<u8>> {
        self.stored.borrow_mut().push((output, bytes));
        None
    }
}

/// Modules that form a chain.
fn chain(modules: u32) -> MemorySource {
    let mut source = MemorySource::new();
    for n in 0..modules {
        let symbol = |n: u32| alloc::format!("s{n}");
        let needed = n.checked_sub(1).map(symbol);
        let needs: Vec<&str> = needed.as_deref().into_iter().collect();
        let path = alloc::format!("{DIRECTORY}/kernel/{n:0>150}.ko");
        source.insert(path.as_bytes(), module(&[&symbol(n)], &needs, &[]));
    }
    source
}

#[test]
fn hooks_receive_every_file_once_and_large_ones_early() {
    let options = Options::new(DIRECTORY, "6.1");
    for (source, early) in [(kernel(), 0), (chain(50), 0), (chain(400), 2)] {
        let mut decoder = PureDecoder::default();
        let in_turn = InTurn::new(&source, &mut decoder, &options.limits);
        let mut hooks = Elsewhere { in_turn, stored: RefCell::default(), early: Cell::default() };
        let outcome = run_with(&options, &source, &mut hooks, &mut ()).unwrap();
        assert_eq!(outcome.indexed.unwrap().files.iter().count(), 0);
        assert_eq!(hooks.early.get(), early);
        let stored = hooks.stored.into_inner();
        assert!(stored.iter().map(|(output, _)| *output).eq(Output::ALL));

        let files = run(&options, &source, &mut ()).unwrap();
        assert!(stored.iter().map(|(output, bytes)| (*output, &bytes[..])).eq(files.iter()));
        let index = crate::index::Index::parse(files.get(Output::DepIndex)).unwrap();
        for line in files.get(Output::Dep).split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let path = line.split(|&byte| byte == b':').next().unwrap();
            let name: Vec<u8> = crate::name::module_name(path).collect();
            assert_eq!(index.get(&name).unwrap(), Some(line));
        }
    }
}
