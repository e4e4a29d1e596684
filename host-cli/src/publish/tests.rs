//! Publishing against failures at every step.

use super::swap::Swaps;
use super::temporary::Temporaries;
use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

const OLD: &[(&str, &[u8])] = &[("modules.dep", b"old dep"), ("modules.alias", b"old alias")];
const NEW: &[(&str, &[u8])] =
    &[("modules.dep", b"new dep\n"), ("modules.alias", b""), ("modules.devname", b"new devname")];

const NAMES: [&str; 3] = ["modules.dep", "modules.alias", "modules.devname"];

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn lock(dir: &Path) -> Option<Publisher> {
    Publisher::lock(bytes(dir), PATIENCE, &mut Vec::new()).unwrap()
}

fn create(dir: &Path) -> Result<Publisher, Diagnostic> {
    Publisher::create(bytes(dir), PATIENCE, &mut Vec::new())
}

fn publish(dir: &Path, outputs: &[(&str, &[u8])]) -> Result<(), Diagnostic> {
    create(dir)?.publish(outputs)
}

fn holds(dir: &Path, outputs: &[(&str, &[u8])]) -> bool {
    let digests: Vec<_> = outputs.iter().map(|(name, bytes)| (*name, Digest::of(bytes))).collect();
    lock(dir).unwrap().holds(&digests)
}

/// The content of a directory, sorted.
fn content(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap_or_default())
        })
        .collect();
    files.sort();
    files
}

fn expected(outputs: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = outputs.iter().map(|(name, data)| ((*name).into(), data.to_vec())).collect();
    files.sort();
    files
}

#[test]
fn missing_directories_are_created() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/lib/modules/5.0");
    assert!(lock(&dir).is_none());
    publish(&dir, NEW).unwrap();
    assert_eq!(content(&dir), expected(NEW));
    for (name, _) in NEW {
        let mode = fs::metadata(dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o644);
    }
}

#[test]
fn files_and_links_are_replaced_and_others_untouched() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    publish(dir, OLD).unwrap();
    fs::write(dir.join("modules.order"), b"order").unwrap();
    fs::write(dir.join("target"), b"target").unwrap();
    symlink("target", dir.join("modules.devname")).unwrap();
    publish(dir, NEW).unwrap();
    let others: &[(&str, &[u8])] = &[("modules.order", b"order"), ("target", b"target")];
    assert_eq!(content(dir), expected(&[NEW, others].concat()));
    assert!(fs::symlink_metadata(dir.join("modules.devname")).unwrap().is_file());
}

#[test]
fn a_directory_with_an_output_name_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    publish(dir, OLD).unwrap();
    fs::create_dir(dir.join("modules.devname")).unwrap();
    let before = content(dir);
    let error = publish(dir, NEW).unwrap_err().to_string();
    assert!(error.starts_with("publish temporary from .modules.devname."), "{error}");
    assert!(error.ends_with(".depmod-new to modules.devname: Is a directory"), "{error}");
    assert_eq!(content(dir), before);
}

#[test]
fn failed_exchanges_are_undone() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    publish(dir, OLD).unwrap();
    let publisher = create(dir).unwrap();
    let mut temporaries = Temporaries::new(&publisher.dir, &publisher.path, publisher.begin);
    for (name, bytes) in NEW {
        temporaries.write(name, bytes).unwrap();
    }
    // Removes the last temporary file, so that its exchange fails after two that succeed.
    let last = temporaries.files().last().unwrap().file.temporary();
    fs::remove_file(dir.join(OsStr::from_bytes(last))).unwrap();
    let mut swaps = Swaps::new(&publisher.dir);
    let results: Vec<_> = temporaries.files().map(|file| swaps.put(file)).collect();
    assert_eq!(fs::read(dir.join("modules.dep")).unwrap(), b"new dep\n");
    assert!(results[..2].iter().all(Result::is_ok) && results[2].is_err());
    drop(swaps);
    drop(temporaries);
    assert_eq!(content(dir), expected(OLD));
}

#[test]
fn unchanged_files_stay_and_get_a_new_time() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    publish(dir, OLD).unwrap();
    let inode = |name: &str| fs::metadata(dir.join(name)).unwrap().ino();
    let before = (inode("modules.dep"), inode("modules.alias"));
    let long_ago = std::time::UNIX_EPOCH;
    fs::File::open(dir.join("modules.dep")).unwrap().set_modified(long_ago).unwrap();
    let other: &[(&str, &[u8])] = &[OLD[0], ("modules.alias", b"other")];
    publish(dir, other).unwrap();
    assert_eq!(content(dir), expected(other));
    assert_eq!(inode("modules.dep"), before.0);
    assert_ne!(inode("modules.alias"), before.1);
    assert!(fs::metadata(dir.join("modules.dep")).unwrap().modified().unwrap() > long_ago);
}

/// The events of publishing in a directory: `to NAME` for a rename, `touch NAME` for a new time.
fn watch(dir: &Path, outputs: &[(&str, &[u8])]) -> Vec<String> {
    use rustix::fs::inotify;

    let watcher = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watcher, dir, inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::ATTRIB).unwrap();
    publish(dir, outputs).unwrap();
    let mut buffer = [core::mem::MaybeUninit::uninit(); 16 << 10];
    let mut reader = inotify::Reader::new(&watcher, &mut buffer);
    let mut seen = Vec::new();
    while let Ok(event) = reader.next() {
        let name = event.file_name().map_or("", |name| name.to_str().unwrap());
        let moved = event.events().contains(inotify::ReadFlags::MOVED_TO);
        if name.starts_with("modules.") {
            seen.push([if moved { "to " } else { "touch " }, name].concat());
        }
    }
    seen
}

#[test]
fn modules_dep_comes_last() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    let names = depmod_core::Output::ALL.map(depmod_core::Output::file_name);
    let mut outputs = names.map(|name| (name, &b"old"[..]));
    let seen = watch(dir, &outputs);
    assert_eq!((seen.len(), &*seen[10]), (11, "to modules.dep"));
    for output in outputs.iter_mut().step_by(2) {
        output.1 = b"new";
    }
    let seen = watch(dir, &outputs);
    assert_eq!((seen.len(), &*seen[5]), (11, "to modules.dep"), "then the unchanged files: {seen:?}");
    for output in outputs.iter_mut().skip(1) {
        output.1 = b"newer";
    }
    let seen = watch(dir, &outputs);
    assert_eq!((seen.len(), &*seen[10]), (11, "touch modules.dep"));
}

#[test]
fn existing_files_are_recognized_by_their_digests() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    publish(dir, NEW).unwrap();
    let holds = || holds(dir, NEW);
    let dep = dir.join("modules.dep");
    let age = || fs::File::open(&dep).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let is_old = || fs::metadata(&dep).unwrap().modified().unwrap() == std::time::UNIX_EPOCH;
    age();
    assert!(holds() && !is_old());
    age();
    fs::write(dir.join("modules.devname"), b"old devname").unwrap();
    assert!(!holds() && is_old(), "all or none");
    fs::remove_file(dir.join("modules.devname")).unwrap();
    assert!(!holds());
}

#[test]
fn interrupted_runs_leave_the_directory_unchanged() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    publish(dir, OLD).unwrap();
    for stop_at in 0..=NEW.len() {
        let publisher = create(dir).unwrap();
        let mut publication = publisher.begin();
        let (before, after) = NEW.split_at(stop_at);
        before.iter().for_each(|(name, bytes)| publication.add(name, bytes));
        publication.signals.arrive();
        after.iter().for_each(|(name, bytes)| publication.add(name, bytes));
        let error = publication.finish(&NAMES);
        assert!(matches!(error, Err(Diagnostic::Interrupted { .. })));
        assert_eq!(content(dir), expected(OLD));
    }
}

#[test]
fn files_come_in_any_order() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    publish(dir, OLD).unwrap();
    let publisher = create(dir).unwrap();
    let mut publication = publisher.begin();
    NEW.iter().rev().for_each(|(name, bytes)| publication.add(name, bytes));
    assert_eq!(content(dir).iter().filter(|(name, _)| !name.starts_with('.')).count(), OLD.len());
    publication.finish(&NAMES).unwrap();
    assert_eq!(content(dir), expected(NEW));
}

#[test]
fn failures_leave_no_new_directories() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/b");
    let publisher = create(&dir).unwrap();
    let mut publication = publisher.begin();
    publication.add("modules.dep", b"new");
    publication.add("", b"a directory");
    publication.finish(&["modules.dep"]).unwrap_err();
    drop(publisher);
    assert_eq!(content(root.path()), []);
}

#[test]
fn temporary_files_of_killed_runs_are_removed() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    fs::write(dir.join(".modules.dep.123.depmod-new"), b"left").unwrap();
    let others: &[(&str, &[u8])] =
        &[(".modules.dep.x.depmod-new", b"1"), ("modules.dep.1.depmod-new", b"2"), ("tmpfileABCDEF", b"3")];
    for (name, data) in others {
        fs::write(dir.join(name), data).unwrap();
    }
    publish(dir, NEW).unwrap();
    assert_eq!(content(dir), expected(&[NEW, others].concat()));
}

#[test]
fn concurrent_runs_never_mix_their_files() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    let sets: Vec<Vec<u8>> = (0..4u8).map(|n| vec![b'0' + n; 50_000]).collect();
    std::thread::scope(|scope| {
        for set in &sets {
            scope.spawn(move || {
                for _ in 0..5 {
                    publish(dir, &[("modules.dep", set), ("modules.alias", set)]).unwrap();
                }
            });
        }
    });
    let files = content(dir);
    assert_eq!(files.len(), 2);
    assert_eq!(files[0].1, files[1].1);
}

#[test]
fn waiting_for_the_lock_is_bounded() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    let theirs = fs::File::open(dir).unwrap();
    theirs.lock_shared().unwrap();
    let (wait, ignored) = {
        let path = || bytes(dir).into();
        // This process, where the system tells it.
        let tells = cfg!(feature = "answers") && fs::metadata("/proc/locks").is_ok();
        let holder = tells.then(std::process::id);
        (Diagnostic::LockWait { path: path(), holder }, Diagnostic::LockIgnored { path: path(), holder })
    };
    let mut said = Vec::new();
    let publisher = Publisher::lock(bytes(dir), Duration::from_millis(100), &mut said).unwrap().unwrap();
    assert_eq!(said, [wait.clone(), ignored]);
    let temporary = (".modules.dep.1.depmod-new", &b"theirs"[..]);
    fs::write(dir.join(temporary.0), temporary.1).unwrap();
    publisher.publish(NEW).unwrap();
    assert_eq!(content(dir), expected(&[NEW, &[temporary]].concat()), "another run may be writing this file");

    let release = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(900));
        drop(theirs);
    });
    let mut said = Vec::new();
    let patience = Duration::from_secs(6);
    Publisher::create(bytes(dir), patience, &mut said).unwrap().publish(NEW).unwrap();
    release.join().unwrap();
    assert_eq!(said, [wait]);
    assert_eq!(content(dir), expected(NEW));
}

#[test]
fn a_path_through_a_file_is_an_error() {
    let error = publish(Path::new("/dev/null/x/lib/modules/5.0"), NEW).unwrap_err();
    let text = "could not create directory /dev/null/x/lib/modules/5.0: Not a directory";
    assert_eq!(error.to_string(), text);
}

/// Runs one of this module's tests in a child process, through a shell line in which `"$@"` is the
/// command of the test. Exit status 77 means that the machine lacks a requirement; the test fails then
/// instead of being skipped.
fn in_child(test: &str, dir: &Path, line: &str) -> String {
    let name = format!("publish::tests::{test}");
    let output = Command::new("sh")
        .args(["-c", line, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env("DEPMOD_TEST_DIR", dir)
        .output()
        .unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert_ne!(output.status.code(), Some(77), "user and mount namespaces are needed: {said}");
    said
}

/// The directory, in the child process.
fn child_dir() -> Option<std::path::PathBuf> {
    std::env::var_os("DEPMOD_TEST_DIR").map(Into::into)
}

#[test]
fn truncated_files_replace_nothing() {
    let big: &[(&str, &[u8])] = &[("modules.dep", b"new"), ("modules.alias", &[b'x'; 100_000])];
    if let Some(dir) = child_dir() {
        println!("said: {}", publish(&dir, big).unwrap_err());
        return;
    }
    let root = tempfile::tempdir().unwrap();
    publish(root.path(), OLD).unwrap();
    let test = "truncated_files_replace_nothing";
    let said = in_child(test, root.path(), "ulimit -f 64 || exit 77; \"$@\"");
    let text = "said: Could not create index 'modules.alias'. Output is truncated: File too large";
    assert!(said.contains(text), "{said}");
    assert_eq!(content(root.path()), expected(OLD));
}

#[test]
fn a_full_disk_replaces_nothing() {
    let big: &[(&str, &[u8])] = &[("modules.dep", b"new"), ("modules.alias", &[b'x'; 100_000])];
    if let Some(dir) = child_dir() {
        publish(&dir, OLD).unwrap();
        println!("said: {}", publish(&dir, big).unwrap_err());
        assert_eq!(content(&dir), expected(OLD));
        println!("checked");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let line = "unshare -rm true || exit 77; exec unshare -rm sh -c '\
                mount -t tmpfs -o size=64k none \"$DEPMOD_TEST_DIR\" || exit 77; \"$@\"' sh \"$@\"";
    let said = in_child("a_full_disk_replaces_nothing", root.path(), line);
    let text = "Could not create index 'modules.alias'. Output is truncated: No space left on device";
    assert!(said.contains(text) && said.contains("checked"), "{said}");
}

#[test]
fn a_read_only_directory_is_an_error_unless_nothing_changes() {
    if let Some(dir) = child_dir() {
        publish(&dir, OLD).unwrap();
        assert!(holds(&dir, OLD));
        println!("said: {}", publish(&dir, NEW).unwrap_err());
        return;
    }
    let root = tempfile::tempdir().unwrap();
    publish(root.path(), OLD).unwrap();
    let line = "unshare -rm true || exit 77; exec unshare -rm sh -c '\
                mount --bind \"$DEPMOD_TEST_DIR\" \"$DEPMOD_TEST_DIR\" || exit 77; \
                mount -o remount,bind,ro \"$DEPMOD_TEST_DIR\" || exit 77; \"$@\"' sh \"$@\"";
    let said = in_child("a_read_only_directory_is_an_error_unless_nothing_changes", root.path(), line);
    let text = format!("Could not create temporary file at '{}'", root.path().display());
    assert!(said.contains(&format!("said: {text}: Read-only file system")), "{said}");
    assert_eq!(content(root.path()), expected(OLD));
}

#[test]
fn signals_are_delayed_until_the_directory_is_consistent() {
    use rustix::process::{Signal, getpid, kill_process};

    const SIGNALS: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];
    if let Some(dir) = child_dir() {
        let number: i32 = std::env::var("DEPMOD_TEST_SIGNAL").unwrap().parse().unwrap();
        let publisher = create(&dir).unwrap();
        let mut publication = publisher.begin();
        publication.add("modules.dep", b"new");
        kill_process(getpid(), Signal::from_named_raw(number).unwrap()).unwrap();
        // Another thread may receive it.
        while !publication.signals.arrived() {
            std::thread::yield_now();
        }
        publication.add("modules.alias", b"new");
        println!("held: {}", publication.result.as_ref().unwrap_err());
        drop(publication);
        println!("survived");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    publish(root.path(), OLD).unwrap();
    for number in SIGNALS.map(Signal::as_raw) {
        let line = format!("ulimit -c 0; export DEPMOD_TEST_SIGNAL={number}; \"$@\"; echo status $?");
        let said = in_child("signals_are_delayed_until_the_directory_is_consistent", root.path(), &line);
        let status = format!("status {}", 128 + number);
        assert!(said.contains("held: interrupted") && said.contains(&status), "{said}");
        assert!(!said.contains("survived"), "{said}");
        assert_eq!(content(root.path()), expected(OLD));
    }
}
