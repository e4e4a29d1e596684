//! After each of many random edits, a run with the cache gives the same result as a run without it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::thread;
use std::time::SystemTime;

use depmod_tests::outcome::OUTPUTS;
use depmod_tests::random::Random;

use crate::world::{SETTLED, World, module};

const SEQUENCES: u64 = 6;
const STEPS: usize = 40;

/// Options of the runs.
const OPTIONS: &[&[&str]] = &[
    &[],
    &[],
    &[],
    &[],
    &["-w"],
    &["-v"],
    &["-n"],
    &["-e", "-F", "{}/map"],
    &["-e", "-q", "-F", "{}/map"],
    &["-u", "-F", "{}/map"],
    &["-P", "_"],
    &["--jobs", "1"],
    &["--progress", "--jobs", "1"],
];

#[test]
fn runs_with_and_without_the_cache_agree_after_every_edit() {
    thread::scope(|scope| {
        for seed in 0..SEQUENCES {
            scope.spawn(move || sequence(seed));
        }
    });
}

fn sequence(seed: u64) {
    let mut random = Random::new(seed);
    let world = World::new();
    let mut history = Vec::new();
    let mut options = OPTIONS[0];
    for step in 0..STEPS {
        let edits = random.below(3);
        for _ in 0..edits {
            history.push(edit(&world, &mut random));
        }
        if random.below(2) == 0 {
            thread::sleep(SETTLED);
            history.push("wait".into());
        }
        // A result is reused only by runs with the options of the last run.
        if random.below(2) == 0 {
            options = *random.pick(OPTIONS);
        }
        let cached = world.with_cache(options);
        let full = world.without_cache(options);
        history.push(format!("run {options:?}"));
        assert_eq!(cached, full, "seed {seed}, step {step}: {history:#?}");
    }
}

/// Makes one change and returns its description.
fn edit(world: &World, random: &mut Random) -> String {
    let modules = world.modules();
    let mut present: Vec<PathBuf> = ["kernel", "updates"]
        .iter()
        .filter_map(|dir| fs::read_dir(modules.join(dir)).ok())
        .flat_map(|dir| dir.flatten().map(|entry| entry.path()))
        .collect();
    present.sort();
    let number = random.below(6);
    let letter = *random.pick(&['a', 'b', 'c', 'z']);
    let content = module(number, letter);
    let directory = modules.join(*random.pick(&["kernel", "kernel", "updates"]));
    let new = directory.join(format!("m{number}.ko"));
    let output = modules.join(OUTPUTS[random.below(OUTPUTS.len())]);
    let what = random.below(21);
    // A step without an applicable file does nothing.
    let done = || -> std::io::Result<String> {
        let old = present.get(random.below(present.len().max(1)));
        Ok(match (what, old) {
            (0..=2, _) => {
                fs::create_dir_all(&directory)?;
                fs::write(&new, &content)?;
                format!("write {} {letter}", new.display())
            }
            (3, Some(old)) => {
                fs::remove_file(old)?;
                format!("remove {}", old.display())
            }
            (4, Some(old)) => {
                let time = fs::metadata(old)?.modified()?;
                fs::write(old, &content)?;
                fs::File::options().write(true).open(old)?.set_modified(time)?;
                format!("rewrite {} {number}{letter}, same time", old.display())
            }
            (5, Some(old)) => {
                let time = fs::metadata(old)?.modified()?;
                let temporary = modules.join("temporary");
                fs::write(&temporary, &content)?;
                fs::File::options().write(true).open(&temporary)?.set_modified(time)?;
                fs::rename(&temporary, old)?;
                format!("replace {} by {number}{letter}, same time", old.display())
            }
            (6, Some(old)) => {
                fs::File::options().write(true).open(old)?.set_modified(SystemTime::now())?;
                format!("touch {}", old.display())
            }
            (7, Some(old)) => {
                fs::create_dir_all(&directory)?;
                fs::rename(old, &new)?;
                format!("rename {} to {}", old.display(), new.display())
            }
            (8, Some(old)) => {
                let other = &present[random.below(present.len())];
                let temporary = modules.join("temporary");
                fs::rename(old, &temporary)?;
                fs::rename(other, old)?;
                fs::rename(&temporary, other)?;
                format!("swap {} and {}", old.display(), other.display())
            }
            (9, Some(old)) => {
                let mut bytes = fs::read(old)?;
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
                fs::write(old, bytes)?;
                format!("spoil {} at {at}", old.display())
            }
            (10, _) => {
                let texts =
                    ["", "kernel/m0.ko\nkernel/m1.ko\n", "kernel/m2.ko\nupdates/m0.ko\n", "kernel/m1.ko"];
                let text = *random.pick(&texts);
                fs::write(modules.join("modules.order"), text)?;
                format!("modules.order {text:?}")
            }
            (11, _) => {
                let name = *random.pick(&["modules.builtin", "modules.builtin.modinfo"]);
                let text = *random.pick(&[
                    "kernel/b.ko\n",
                    "kernel/c.ko\n",
                    "b.alias=x*\0",
                    "b.alias=y\0",
                    "7\n",
                    "",
                ]);
                fs::write(modules.join(name), text)?;
                format!("{name} {text:?}")
            }
            (12, _) => {
                let name = *random.pick(&["modules.order", "modules.builtin", "modules.builtin.modinfo"]);
                fs::remove_file(modules.join(name))?;
                format!("remove {name}")
            }
            (13, _) => {
                let text = *random.pick(&[
                    "search updates built-in\n",
                    "search built-in updates\n",
                    "override m0 * kernel\n",
                    "exclude updates\n",
                    "nonsense\n",
                ]);
                fs::write(world.root().join("depmod.d/1.conf"), text)?;
                format!("configuration {text:?}")
            }
            (14, _) => {
                let symbol = *random.pick(&["f_nowhere", "_f_nowhere", "f0"]);
                fs::write(world.root().join("map"), format!("0000000000000000 T __ksymtab_{symbol}\n"))?;
                format!("map {symbol}")
            }
            (15..=17, _) => return damage_cache(world, random),
            (20, _) => {
                let [kernel, updates, temporary] = ["kernel", "updates", "t"].map(|name| modules.join(name));
                fs::rename(&kernel, &temporary)?;
                let _ = fs::rename(&updates, &kernel);
                fs::rename(&temporary, &updates)?;
                "swap kernel and updates".into()
            }
            (18, _) => {
                match random.below(3) {
                    0 => fs::remove_file(&output)?,
                    1 => fs::set_permissions(&output, fs::Permissions::from_mode(0o600))?,
                    _ => {
                        fs::rename(&output, modules.join("elsewhere"))?;
                        symlink("elsewhere", &output)?;
                    }
                }
                format!("remove, close or move {}", output.display())
            }
            (_, _) => {
                let mut bytes = fs::read(&output)?;
                match (random.below(2), bytes.is_empty()) {
                    (0, false) => {
                        let at = random.below(bytes.len());
                        bytes[at] ^= 1;
                    }
                    _ => bytes.push(b'\n'),
                }
                fs::write(&output, bytes)?;
                format!("spoil {}", output.display())
            }
        })
    };
    let mut done = done;
    done().unwrap_or_else(|error| format!("{what}: {error}"))
}

fn damage_cache(world: &World, random: &mut Random) -> std::io::Result<String> {
    let Some(path) = world.cache_file() else { return Ok("no cache file".into()) };
    let mut bytes = fs::read(&path)?;
    let how = random.below(5);
    match (how, bytes.len()) {
        (0, _) => fs::remove_file(&path)?,
        (1, length @ 1..) => {
            bytes.truncate(random.below(length));
            fs::write(&path, bytes)?;
        }
        (2, 1..) => {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
            fs::write(&path, bytes)?;
        }
        (3, _) => fs::write(&path, random.bytes(200))?,
        _ => fs::remove_dir_all(world.cache())?,
    }
    Ok(format!("damage the cache, method {how}"))
}
