use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use depmod_tests::command;
use depmod_tests::system::VERSION;

use crate::world::{SETTLED, World, module};

/// Runs twice: the second run could use data from the first one.
#[track_caller]
fn assert_harmless(world: &World, cache: &str) {
    let expected = world.without_cache(&[]);
    assert_eq!(expected.status, Some(0));
    for _ in 0..2 {
        assert_eq!(world.run(cache, &[]), expected);
    }
}

#[test]
fn unusable_cache_directories_are_not_errors() {
    let world = World::new();
    thread::sleep(SETTLED);
    for dir in ["/dev/null", "/dev/null/x", "/nowhere/x", "/proc", "/proc/self/x", ""] {
        assert_harmless(&world, &format!("--cache={dir}"));
    }
    let verbose = world.run("--cache=/dev/null", &["-vv"]);
    assert!(
        verbose.stderr.contains("depmod: INFO: cache /dev/null not used: Not a directory"),
        "{verbose:?}"
    );
}

#[test]
fn unwritable_caches_are_not_errors() {
    let world = World::new();
    thread::sleep(SETTLED);
    let seen = world.with_cache(&[]);
    let file = world.cache_file().expect("a cache");
    fs::remove_file(&file).unwrap();
    // Writing fails even for root.
    fs::create_dir(&file).unwrap();
    assert_eq!(world.with_cache(&[]), seen);
    fs::remove_dir(&file).unwrap();
    if fs::metadata(world.cache()).is_ok() {
        fs::set_permissions(world.cache(), fs::Permissions::from_mode(0o500)).unwrap();
        assert_eq!(world.with_cache(&[]), seen);
    }
}

#[test]
fn full_file_systems_are_not_errors() {
    let world = World::new();
    thread::sleep(SETTLED);
    let seen = world.without_cache(&[]);
    fs::create_dir(world.cache()).unwrap();
    let line = "unshare -rm true || exit 77; exec unshare -rm sh -c '\
                mount -t tmpfs -o size=4k,nr_inodes=1 none \"$0\" || exit 77; \"$@\"' \"$0\" \"$@\"";
    let run = world.command(&format!("--cache={}", world.cache().display()), &[]);
    let output = Command::new("sh")
        .args(["-c", line])
        .arg(world.cache())
        .arg(run.get_program())
        .args(run.get_args())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "77: user and mount namespaces are needed");
    assert_eq!(String::from_utf8_lossy(&output.stderr), seen.stderr);
    assert_eq!(world.without_cache(&[]), seen);
}

#[test]
fn invalid_files_are_ignored() {
    let world = World::new();
    thread::sleep(SETTLED);
    let cache = format!("--cache={}", world.cache().display());
    assert_harmless(&world, &cache);
    let file = world.cache_file().expect("a cache");
    let sound = fs::read(&file).unwrap();
    let precious = world.root().join("precious");
    fs::write(&precious, "precious").unwrap();

    fs::remove_file(&file).unwrap();
    symlink(&precious, &file).unwrap();
    assert_harmless(&world, &cache);
    fs::remove_file(&file).unwrap();
    fs::hard_link(&precious, &file).unwrap();
    assert_harmless(&world, &cache);
    fs::remove_file(&file).unwrap();
    command::run(Command::new("mkfifo").arg(&file)).unwrap();
    assert_harmless(&world, &cache);
    // Valid, but of another module directory.
    let other = World::new();
    fs::write(&file, &sound).unwrap();
    fs::create_dir_all(other.cache()).unwrap();
    other.with_cache(&[]);
    fs::copy(&file, other.cache_file().expect("a cache")).unwrap();
    fs::write(other.modules().join("kernel/m1.ko"), module(1, 'c')).unwrap();
    assert_eq!(other.with_cache(&[]), other.without_cache(&[]));
    // The name of a temporary file.
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    symlink(&precious, world.cache().join(format!(".{name}.new"))).unwrap();
    fs::remove_file(&file).unwrap();
    assert_harmless(&world, &cache);
    assert!(fs::symlink_metadata(&file).unwrap().is_file());
    assert_eq!(fs::read_to_string(precious).unwrap(), "precious");
    assert_eq!(fs::read_dir(world.cache()).unwrap().count(), 1);
}

#[test]
fn concurrent_runs_can_share_a_cache() {
    let world = World::new();
    thread::sleep(SETTLED);
    let expected = world.without_cache(&[]);
    let cache = format!("--cache={}", world.cache().display());
    for _ in 0..5 {
        let children: Vec<_> = (0..4)
            .map(|number| {
                let options: &[&str] = if number % 2 == 0 { &[] } else { &["-w", "-n"] };
                let mut command = world.command(&cache, options);
                command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success());
            assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        }
        assert_eq!(world.with_cache(&[]), expected);
        assert_eq!(fs::read_dir(world.cache()).unwrap().count(), 1);
    }
}

#[test]
fn unsettled_modules_are_not_kept() {
    let world = World::new();
    // Simulates a change after this test.
    let later = SystemTime::now() + Duration::from_secs(3600);
    let path = world.modules().join("kernel/m1.ko");
    fs::File::options().write(true).open(path).unwrap().set_modified(later).unwrap();
    thread::sleep(SETTLED);
    for _ in 0..2 {
        assert_eq!(world.with_cache(&[]), world.without_cache(&[]));
        let kept = fs::read(world.cache_file().expect("a cache")).unwrap();
        let has = |name: &[u8]| kept.windows(name.len()).any(|window| window == name);
        assert!(has(b"kernel/m0.ko") && !has(b"kernel/m1.ko"));
    }
}

/// Runs shell commands that may mount; the program and its arguments are `"$@"`.
fn in_namespace(world: &World, commands: &str, options: &[&str]) {
    let run = world.command(&format!("--cache={}", world.cache().display()), options);
    let status = Command::new("unshare")
        .args(["-rm", "sh", "-ec", commands])
        .arg(world.modules())
        .arg(run.get_program())
        .args(run.get_args())
        .status()
        .unwrap();
    assert!(status.success(), "user and mount namespaces are needed");
}

#[test]
fn read_only_mounts_have_no_cache() {
    let world = World::new();
    let out = world.root().join("out");
    thread::sleep(SETTLED);
    let options = ["-o", out.to_str().unwrap()];
    in_namespace(&world, r#"mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; "$@""#, &options);
    assert_eq!(world.cache_file(), None);
    in_namespace(&world, r#"mount --bind "$0" "$0"; "$@""#, &options);
    assert!(world.cache_file().is_some());
}

#[test]
fn modules_in_memory_have_no_cache() {
    let world = World::new();
    let commands = r#"cp -a "$0" "$0.old"; mount -t tmpfs none "$0"; cp -a "$0.old/." "$0"; sleep 0.2; "$@""#;
    in_namespace(&world, commands, &[]);
    assert_eq!(world.cache_file(), None);
}

#[test]
fn unreadable_cached_modules_are_reported() {
    let world = World::new();
    fs::set_permissions(world.modules().join("kernel/m1.ko"), fs::Permissions::from_mode(0o000)).unwrap();
    thread::sleep(SETTLED);
    in_namespace(&world, r#""$@""#, &[]);
    assert!(world.cache_file().is_some());
    let [cached, full] = [format!("--cache={}", world.cache().display()), "--no-cache".into()].map(|cache| {
        let run = world.command(&cache, &[]);
        let output = Command::new("unshare")
            .args(["-r", "setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"])
            .arg(run.get_program())
            .args(run.get_args())
            .output()
            .unwrap();
        let dep = fs::read_to_string(world.modules().join("modules.dep")).unwrap();
        (String::from_utf8_lossy(&output.stderr).into_owned(), dep)
    });
    assert_eq!(cached, full);
    assert!(full.0.contains("Permission denied"), "{}", full.0);
}

/// A difference between two runs.
type Change = fn(&World) -> std::io::Result<()>;

#[test]
fn every_single_change_is_detected() {
    let map = |world: &World, symbol: &str| {
        fs::write(world.root().join("map"), format!("0000000000000000 T __ksymtab_{symbol}\n"))
    };
    let cases: [(&[&str], Change); 4] = [
        (&["-v"], |_| Ok(())),
        (&["-e", "-F", "{}/map"], |world| fs::write(world.root().join("map"), "")),
        (&[], |world| fs::rename(world.modules().join("kernel"), world.modules().join("updates"))),
        (&[], |world| fs::write(world.modules().join(".modules.dep.1.depmod-new"), "left behind")),
    ];
    for (number, (options, change)) in cases.into_iter().enumerate() {
        let world = World::new();
        fs::write(world.modules().join("kernel/m1.ko"), module(1, 'z')).unwrap();
        // `modules.order` alone would reveal a renamed directory.
        fs::write(world.modules().join("modules.order"), "").unwrap();
        map(&world, "f_nowhere").unwrap();
        thread::sleep(SETTLED);
        let first = world.with_cache(options);
        assert_eq!(first.stderr, "", "{number}");
        assert_eq!(world.with_cache(options), first, "{number}");
        change(&world).unwrap();
        let cached = world.with_cache(options);
        let left = fs::read_dir(world.modules()).unwrap().count();
        assert_eq!(cached, world.without_cache(options), "{number}");
        assert_eq!(fs::read_dir(world.modules()).unwrap().count(), left, "{number}");
    }
}

#[test]
fn inner_mounts_are_always_read() {
    let world = World::new();
    fs::create_dir(world.modules().join("updates")).unwrap();
    let commands = r#"mount -t tmpfs none "$0/updates"; cp "$0/kernel/m1.ko" "$0/updates"; sleep 0.2; "$@""#;
    in_namespace(&world, commands, &[]);
    let kept = fs::read(world.cache_file().expect("a cache")).unwrap();
    let has = |name: &[u8]| kept.windows(name.len()).any(|window| window == name);
    assert!(has(b"kernel/m0.ko") && !has(b"updates/m1.ko"));
}

#[test]
fn caches_inside_the_module_directory_are_refused() {
    let world = World::new();
    let link = world.root().join("link");
    symlink(world.modules().join("kernel"), &link).unwrap();
    for dir in [world.modules().join("cache"), link.join("cache")] {
        let seen = world.run(&format!("--cache={}", dir.display()), &[]);
        let message =
            format!("depmod: ERROR: cache {} would be inside the module directory\n", dir.display());
        assert_eq!((seen.status, seen.stderr), (Some(1), message));
        assert!(!dir.exists());
    }
    let out = world.root().join("out/lib/modules").join(VERSION);
    fs::create_dir_all(&out).unwrap();
    let cache = format!("--cache={}", out.join("cache").display());
    let seen = world.run(&cache, &["-o", &format!("{}/out", world.root().display())]);
    assert_eq!((seen.status, fs::read_dir(&out).unwrap().count()), (Some(1), 0), "the output's directory");
}

#[test]
fn another_build_reads_all_modules_again() {
    let world = World::new();
    thread::sleep(SETTLED);
    let program = world.root().join("depmod");
    let cache = format!("--cache={}", world.cache().display());
    let mut kept = Vec::new();
    for _ in 0..2 {
        let _ = fs::remove_file(&program);
        // Copied by another process: a test in a forked child could still hold a file that we opened for
        // writing.
        command::run(Command::new("cp").arg(depmod_tests::product::binary()).arg(&program)).unwrap();
        command::run(Command::new(&program).args(world.command(&cache, &[]).get_args())).unwrap();
        kept.push(fs::read(world.cache_file().expect("a cache")).unwrap());
    }
    assert!(kept[0] != kept[1], "the first program's facts are believed");
}

#[test]
fn caches_are_written_only_to_the_selected_directory() {
    let world = World::new();
    thread::sleep(SETTLED);
    let listing = || {
        let mut names: Vec<_> =
            fs::read_dir(world.modules()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    world.without_cache(&[]);
    let before = listing();
    world.with_cache(&[]);
    assert_eq!(listing(), before);
    let file = world.cache_file().expect("a cache");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // Without changes, the file is not rewritten.
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    world.with_cache(&[]);
    world.with_cache(&["-n"]);
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), time);
}
