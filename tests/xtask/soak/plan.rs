//! `depmod plan` against `modprobe` and `modinfo`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use depmod_core::parts::name::module_name;
use depmod_tests::command;
use depmod_tests::machines::{MACHINES, modaliases};
use depmod_tests::oracle::Oracle;
use serde_json::Value;

use super::{Indexed, in_parallel};

/// Module files in load order.
type Order = Vec<String>;

fn name_of(path: &str) -> String {
    module_name(path.as_bytes()).map(char::from).collect()
}

/// What each module needs, by name, as `modules.dep` has it.
fn needs(indexed: &Indexed) -> Result<BTreeMap<String, Vec<String>>> {
    let text = fs::read_to_string(indexed.modules().join("modules.dep"))?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    Ok(lines.map(|(path, needs)| (name_of(path), needs.split_whitespace().map(name_of).collect())).collect())
}

/// The modules with more than one line of soft dependencies, and the names in the further lines.
fn further_softdeps(indexed: &Indexed) -> Result<BTreeMap<String, Vec<String>>> {
    let text = fs::read_to_string(indexed.modules().join("modules.softdep"))?;
    let mut first = BTreeSet::new();
    let mut further: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("softdep ")) {
        let (name, words) = line.split_once(' ').context("a line of soft dependencies")?;
        if !first.insert(name.to_owned()) {
            let words = words.split_whitespace().filter(|word| !word.ends_with(':'));
            further.entry(name.to_owned()).or_default().extend(words.map(str::to_owned));
        }
    }
    Ok(further)
}

/// What modprobe would insert, each file once.
fn inserted(indexed: &Indexed, query: &str) -> Result<Order> {
    let output = indexed.modprobe(&["-D", query]).output()?;
    let mut seen = BTreeSet::new();
    let text = String::from_utf8(output.stdout)?;
    let paths =
        text.lines().filter_map(|line| line.strip_prefix("insmod ")).map(|path| path.trim().to_owned());
    Ok(paths.filter(|path| seen.insert(path.clone())).collect())
}

/// The plan as JSON; its modules are checked: each once, each in a later wave than its dependencies.
fn planned(indexed: &Indexed, words: &[&str], needs: &BTreeMap<String, Vec<String>>) -> Result<Order> {
    let words = [&["--no-firmware", "--format", "json", "--from-index", "--missing=ignore"], words].concat();
    let plan: Value = serde_json::from_slice(&command::output(&mut indexed.ask("plan", &words)?)?)?;
    let modules = plan["modules"].as_array().context("a plan has modules")?;
    let mut waves: BTreeMap<String, u64> = BTreeMap::new();
    let mut order = Vec::new();
    for module in modules {
        let path = module["path"].as_str().context("a module has a path")?;
        let wave = module["wave"].as_u64().context("a module has a wave")?;
        let name = name_of(path);
        for need in needs.get(&name).with_context(|| format!("{name} is no module"))? {
            let before = waves.get(need).with_context(|| format!("{need} is not before {name}"))?;
            ensure!(*before < wave, "{need} is not in a wave before that of {name}");
        }
        ensure!(waves.insert(name.clone(), wave).is_none(), "{name} is there twice");
        order.push(indexed.modules().join(path).to_string_lossy().into_owned());
    }
    Ok(order)
}

/// Every module by itself.
pub(crate) fn every_module(indexed: &Indexed) -> Result<String> {
    let (needs, further) = (needs(indexed)?, further_softdeps(indexed)?);
    let names: Vec<&String> = needs.keys().collect();
    let more = in_parallel(&names, |name| {
        let (ours, theirs) = (planned(indexed, &[name], &needs)?, inserted(indexed, name)?);
        if ours == theirs {
            return Ok(None);
        }
        same_but_for_softdeps(indexed, name, &ours, &theirs, &further)?;
        Ok(Some((*name).clone()))
    })?;
    let more: Vec<String> = more.into_iter().flatten().collect();
    Ok(format!(
        "{} modules, of which {} have more by a further line of soft dependencies: {}",
        names.len(),
        more.len(),
        more.join(", ")
    ))
}

/// A plan that has more than modprobe's: just what further lines of the planned modules name, and it does not
/// change the order of the rest.
fn same_but_for_softdeps(
    indexed: &Indexed,
    name: &str,
    ours: &Order,
    theirs: &Order,
    further: &BTreeMap<String, Vec<String>>,
) -> Result<()> {
    let rest: Vec<&String> = ours.iter().filter(|path| theirs.contains(path)).collect();
    ensure!(rest.into_iter().eq(theirs), "{name}: {ours:#?} has not the order of {theirs:#?}");
    let mut expected: BTreeSet<String> = theirs.iter().cloned().collect();
    for (module, words) in further {
        if ours.iter().any(|path| name_of(path) == *module) {
            for word in words {
                expected.extend(inserted(indexed, word)?);
            }
        }
    }
    ensure!(
        ours.iter().cloned().collect::<BTreeSet<_>>() == expected,
        "{name}: {ours:#?} is not what soft dependencies name: {expected:#?}"
    );
    Ok(())
}

/// The whole kernel, in every format but text; as an archive, a part of it.
pub(crate) fn both_sources(indexed: &Indexed) -> Result<String> {
    let mut compared = 0;
    let mut bytes = 0;
    let some =
        "nvme ext4 i915 virtio_* snd_hda_* usb:v0781p5567d0100dc00dsc00dp00ic08isc06ip50in00 ksmbd btrfs";
    let some: Vec<&str> = some.split(' ').collect();
    for weak in [false, true] {
        for format in ["json", "list", "dot", "modules-load", "cpio"] {
            let mut words = if format == "cpio" { some.clone() } else { vec!["*"] };
            words.extend(["--format", format]);
            words.extend(weak.then_some("--weak"));
            let answer = |source| -> Result<Vec<u8>> {
                command::output(&mut indexed.ask("plan", &[&words[..], &[source]].concat())?)
            };
            let (index, modules) = (answer("--from-index")?, answer("--from-modules")?);
            ensure!(!index.is_empty() && index == modules, "{format} differs, --weak is {weak}");
            compared += 1;
            bytes += index.len();
        }
    }
    Ok(format!("{compared} plans, {:.1} MB", bytes as f64 / 1e6))
}

/// The devices of thirty machines.
pub(crate) fn machines(indexed: &Indexed) -> Result<String> {
    let (needs, further) = (needs(indexed)?, further_softdeps(indexed)?);
    let loaded = in_parallel(&MACHINES, |(name, parts)| {
        let devices = modaliases(parts);
        let ours = planned(indexed, &devices, &needs)?;
        let mut expected: BTreeSet<String> = BTreeSet::new();
        for device in &devices {
            expected.extend(inserted(indexed, device)?);
            // The modules of the alias are loaded, built-ins aside.
            let resolved = String::from_utf8(indexed.modprobe(&["-R", device]).output()?.stdout)?;
            for module in resolved.lines().filter(|module| needs.contains_key(*module)) {
                expected.extend(inserted(indexed, module)?);
            }
        }
        for module in ours.iter().map(|path| name_of(path)) {
            for word in further.get(&module).into_iter().flatten() {
                expected.extend(inserted(indexed, word)?);
            }
        }
        ensure!(
            ours.iter().cloned().collect::<BTreeSet<_>>() == expected,
            "{name}: {ours:#?} is not {expected:#?}"
        );
        ensure!(ours.len() > 4, "{name}: only {ours:?}");
        Ok((devices.len(), ours.len()))
    })?;
    let (devices, modules) = loaded.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    Ok(format!("{} machines, {devices} devices, {modules} modules", loaded.len()))
}

/// Drivers with much firmware.
pub(crate) fn firmware(indexed: &Indexed) -> Result<String> {
    let mut figures = Vec::new();
    for driver in ["i915", "amdgpu"] {
        let plan = command::output(&mut indexed.ask("plan", &[driver, "--format", "json"])?)?;
        let plan: Value = serde_json::from_slice(&plan)?;
        let wanted = plan["firmware"].as_array().context("a plan has firmware")?;
        let of_driver = wanted.iter().filter(|one| {
            one["modules"].as_array().is_some_and(|modules| modules.iter().any(|module| module == driver))
        });
        let ours: BTreeSet<&str> = of_driver.filter_map(|one| one["name"].as_str()).collect();
        let mut modinfo = Oracle::get().tool("modinfo");
        modinfo.args(["-k", indexed.version(), "-F", "firmware", "-b"]).arg(indexed.root()).arg(driver);
        let theirs = command::text(&mut modinfo)?;
        let theirs: BTreeSet<&str> = theirs.lines().collect();
        ensure!(theirs.len() > 20, "modinfo knows only {theirs:?} for {driver}");
        ensure!(ours == theirs, "{driver}: {ours:#?} is not {theirs:#?}");
        figures.push(format!("{driver} {}", ours.len()));
    }
    Ok(format!("firmware files: {}", figures.join(", ")))
}
