//! The recipes of other distributions, as far as a Debian machine can check them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use depmod_tests::{apt, command, workspace};

use super::description::{directory, version};
use crate::builds::copy_workspace;

/// Each recipe's check: a program with arguments, run in `targets/packages`.
const CHECKS: &[&[&str]] = &[
    &["bash", "-n", "arch/PKGBUILD"],
    &["sh", "-n", "arch/depmod-rs.install"],
    &["sh", "-n", "alpine/APKBUILD"],
    &["rpmspec", "-P", "rpm/depmod.spec"],
    &["rpmlint", "rpm/depmod.spec"],
    &["nix-instantiate", "--parse", "nix/default.nix"],
    &["nix-instantiate", "--eval", "--strict", "--expr", NIXPKGS],
    // Buildroot's own functions are not there; what remains is make's syntax.
    &["make", "--dry-run", "--file", "buildroot/depmod-rs/depmod-rs.mk", "--eval", "all:"],
];

/// What shells do with functions of recipes, in a directory with the sources: `$1` is the recipe, `$2` the package.
/// makepkg's defaults are those of Arch's makepkg.conf, without what is for one processor, and it adds the flag for `lto`
/// unless the recipe refuses it.
const ARCH: &str = r#"
    set -e; srcdir=$PWD pkgdir=$2; . "$1"
    export CFLAGS="-O2 -pipe -fno-plt -fexceptions -Wp,-D_FORTIFY_SOURCE=3 -Wformat -Werror=format-security \
        -fstack-clash-protection -fno-omit-frame-pointer" RUSTFLAGS=-Cforce-frame-pointers=yes
    case " ${options[*]} " in
    *' !lto '*) ;;
    *) CFLAGS+=' -flto=auto' ;;
    esac
    (build); (package)"#;
const ALPINE: &str = "set -e; srcdir=$PWD pkgdir=$2; . \"$1\"; cd \"$builddir\"; build; package";

/// What a package has besides its program.
const SHARED: [&str; 5] = [
    "share/man/man7/depmod.efi.7",
    "share/man/man8/depmod-plan.8",
    "share/bash-completion/completions/depmod",
    "share/fish/vendor_completions.d/depmod.fish",
    "share/zsh/site-functions/_depmod",
];

/// Builds and packs by the recipes for Arch, Alpine and RPM: without optimisation and without their tests, with the
/// tools of this machine. `cargo xtask soak recipes`.
///
/// # Errors
/// When a recipe fails, or its package lacks a file.
pub(crate) fn run() -> Result<String> {
    apt::install(&["rpm"])?;
    let work = tempfile::tempdir()?;
    let sources = work.path().join(format!("depmod-{}", version()?));
    copy_workspace(&sources)?;
    let hook = "depmod-rs.hook";
    fs::copy(directory().join("arch").join(hook), work.path().join(hook))?;
    let packed = |name: &str, shell: &str, recipe: &str, script: &str, own: &[&str]| -> Result<()> {
        let package = work.path().join(name);
        let mut make = Command::new(shell);
        make.current_dir(work.path()).args(["-c", script, shell]).arg(directory().join(recipe)).arg(&package);
        command::run(unoptimised(&mut make)).with_context(|| recipe.to_owned())?;
        has_files(&package, own)
    };
    let own =
        ["usr/lib/depmod-rs/depmod", "usr/share/man/man8/depmod-rs.8", "usr/share/man/man5/modules.dep-rs.5"];
    packed("arch", "bash", "arch/PKGBUILD", ARCH, &own)?;
    let own = ["sbin/depmod", "usr/share/man/man8/depmod.8", "usr/share/man/man5/depmod.d.5"];
    packed("alpine", "sh", "alpine/APKBUILD", ALPINE, &own)?;
    fs::remove_dir_all(sources.join("target"))?;
    let rpm = rpm(work.path())?;
    let unpacked = work.path().join("rpm");
    fs::create_dir(&unpacked)?;
    let mut unpack = Command::new("sh");
    unpack.current_dir(&unpacked).args(["-c", "rpm2cpio \"$0\" | cpio --quiet -id"]).arg(rpm);
    command::run(&mut unpack)?;
    has_files(&unpacked, &["usr/libexec/depmod-rs/depmod", "usr/share/man/man8/depmod-rs.8"])?;
    Ok("the recipes for Arch, Alpine and RPM build, and pack program, manual and completions".to_owned())
}

fn has_files(package: &Path, own: &[&str]) -> Result<()> {
    let shared = SHARED.iter().map(|file| format!("usr/{file}"));
    for file in shared.chain(own.iter().map(|&file| file.to_owned())) {
        // rpm compresses manual pages where its distribution has that.
        let found = ["", ".gz"].iter().any(|end| package.join(format!("{file}{end}")).is_file());
        ensure!(found, "{} has no {file}", package.display());
    }
    Ok(())
}

/// The release build of a recipe, without what takes minutes; in the recipe's own target directory.
fn unoptimised(command: &mut Command) -> &mut Command {
    command.env_remove("CARGO_TARGET_DIR").env("CARGO_PROFILE_RELEASE_LTO", "off");
    command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
}

/// Builds the package for RPM from an archive of the sources and one of the vendored crates.
fn rpm(work: &Path) -> Result<PathBuf> {
    let name = format!("depmod-{}", version()?);
    let mut tar = Command::new("tar");
    let archive = work.join(format!("{name}.tar.gz"));
    command::run(tar.current_dir(work).arg("-czf").arg(&archive).arg(&name))?;
    let mut vendor = Command::new("cargo");
    vendor.current_dir(workspace()).args(["vendor", "--quiet", "--locked"]).arg(work.join("vendor"));
    command::output(&mut vendor)?;
    let mut tar = Command::new("tar");
    tar.current_dir(work).args(["--use-compress-program=xz -0", "-cf"]);
    command::run(tar.arg(work.join(format!("{name}-vendor.tar.xz"))).arg("vendor"))?;
    let top = work.join("rpmbuild");
    let define = |name: &str, value: &str| ["--define".to_owned(), format!("{name} {value}")];
    let mut build = Command::new("rpmbuild");
    build.args(["-bb", "--quiet", "--nodeps", "--nocheck"]);
    build.args(define("_topdir", &top.display().to_string()));
    build.args(define("_sourcedir", &work.display().to_string()));
    // Needs programs of Fedora.
    build.args(define("debug_package", "%{nil}"));
    command::run(unoptimised(build.arg(directory().join("rpm/depmod.spec"))))?;
    let mut find = Command::new("find");
    Ok(PathBuf::from(command::text(find.arg(top.join("RPMS")).args(["-name", "*.rpm"]))?))
}

/// All of the expression for Nix, with stand-ins for what it takes from nixpkgs.
const NIXPKGS: &str = "
    import ./nix/default.nix {
      pkgs = {
        lib = {
          hiPrio = package: package;
          cleanSource = toString;
          optionalString = condition: text: if condition then text else \"\";
          licenses = { mit = \"MIT\"; asl20 = \"Apache-2.0\"; };
          platforms.linux = [ \"x86_64-linux\" ];
        };
        stdenv = { buildPlatform.canExecute = platform: true; hostPlatform = { }; };
        rustPlatform.buildRustPackage = description: description;
      };
    }";

/// Runs the checks of all recipes.
///
/// # Errors
/// When a recipe has a fault.
pub(super) fn check() -> Result<()> {
    apt::install(&["make", "nix-bin", "rpm", "rpmlint", "shellcheck"])?;
    for check in CHECKS {
        let [program, args @ ..] = check else { continue };
        command::output(Command::new(program).current_dir(directory()).args(args))?;
    }
    let mut scripts = Vec::new();
    for folder in ["debian", "depmod-efi"] {
        for entry in fs::read_dir(directory().join(folder))? {
            let path = entry?.path();
            if fs::read(&path)?.starts_with(b"#!/bin/sh") {
                scripts.push(path);
            }
        }
    }
    ensure!(scripts.len() > 5, "the packages' scripts are gone");
    let mut shellcheck = Command::new("shellcheck");
    command::output(shellcheck.args(["--severity=warning", "--shell=dash"]).args(&scripts))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use depmod_tests::command;

    use super::super::description::{directory, version};

    /// Each recipe names the version of the sources that it stands in.
    #[test]
    fn recipes_have_the_product_s_version() {
        let version = version().unwrap();
        for (recipe, line) in [
            ("arch/PKGBUILD", "pkgver="),
            ("alpine/APKBUILD", "pkgver="),
            ("rpm/depmod.spec", "Version:        "),
            ("nix/default.nix", "    version = \""),
            ("buildroot/depmod-rs/depmod-rs.mk", "DEPMOD_RS_VERSION = "),
        ] {
            let text = fs::read_to_string(directory().join(recipe)).unwrap();
            assert!(text.contains(&format!("\n{line}{version}")), "{recipe}");
        }
        assert!(directory().join(format!("yocto/depmod-rs_{version}.bb")).exists());
    }

    /// Objects of the C compiler for its own link-time optimisation are of no use to Rust's linker.
    #[test]
    fn arch_s_recipe_refuses_c_s_link_time_optimisation() {
        let options = "source \"$1\"; printf '%s\\n' \"${options[@]}\"";
        let recipe = directory().join("arch/PKGBUILD");
        let told = command::text(Command::new("bash").args(["-c", options, "bash"]).arg(recipe)).unwrap();
        assert!(told.lines().any(|option| option == "!lto"), "{told}");
    }

    /// Where cargo leaves the program for the target, with and without BR2_ENABLE_DEBUG, and for the host, for which
    /// Buildroot names no target; and what the program on the host is asked to do in the end.
    #[test]
    fn buildroot_s_recipe_installs_what_cargo_built() {
        let work = tempfile::tempdir().unwrap();
        let at = |path: &str| work.path().join(path);
        let built = ["target/triple/release", "target/triple/debug", "target/release"];
        for directory in built {
            fs::create_dir_all(at(directory)).unwrap();
            fs::write(at(directory).join("depmod"), format!("#!/bin/sh\necho {directory} $@\n")).unwrap();
        }
        let root = at("root");
        let run = |debug: &str, goal: &str, commands: &str| {
            let mut make = Command::new("make");
            make.arg("--silent").arg("--file").arg(directory().join("buildroot/depmod-rs/depmod-rs.mk"));
            make.args(["RUSTC_TARGET_NAME=triple", "INSTALL=install", "BR2_LINUX_KERNEL=y"]);
            make.args(["LINUX_VERSION_PROBED=6.12", &format!("BR2_ENABLE_DEBUG={debug}")]);
            make.arg(format!("TARGET_DIR={}", root.display()))
                .arg(format!("HOST_DIR={}", at("host").display()));
            make.arg("--eval").arg(format!("{}:\n\t{commands}", at(goal).display())).arg(at(goal));
            command::text(&mut make).unwrap()
        };
        for (debug, directory) in [("", "target/triple/release"), ("y", "target/triple/debug")] {
            run(debug, "installed", "$(DEPMOD_RS_INSTALL_TARGET_CMDS)");
            assert_eq!(command::text(&mut Command::new(root.join("sbin/depmod"))).unwrap(), directory);
        }
        run("", "installed", "$(HOST_DEPMOD_RS_INSTALL_CMDS)");
        let index = "$(call $(HOST_DEPMOD_RS_TARGET_FINALIZE_HOOKS))";
        assert_eq!(run("", "finished", index), "", "no modules");
        fs::create_dir_all(root.join("lib/modules/6.12")).unwrap();
        let called = format!("target/release -a -b {} 6.12", root.display());
        assert_eq!(run("", "finished", index), called);
    }

    /// A file that the recipe requires would stop BitBake before the task that makes it.
    #[test]
    fn yocto_s_recipe_can_be_read_alone() {
        let directory = directory().join("yocto");
        let recipe = directory.join(format!("depmod-rs_{}.bb", version().unwrap()));
        for line in fs::read_to_string(recipe).unwrap().lines() {
            if let Some(name) = line.strip_prefix("require ") {
                assert!(directory.join(name.replace("${BPN}", "depmod-rs")).exists(), "{line}");
            }
        }
    }

    /// Where kmod looks for modules, which is not the same everywhere.
    #[test]
    fn recipes_have_the_distribution_s_module_directory() {
        for recipe in ["arch/PKGBUILD", "rpm/depmod.spec"] {
            let text = fs::read_to_string(directory().join(recipe)).unwrap();
            let build = text.find("\ncargo build").or_else(|| text.find(" cargo build")).unwrap();
            let directory = text.find("export DEPMOD_MODULE_DIRECTORY=/usr/lib/modules\n");
            assert!(directory.is_some_and(|at| at < build), "{recipe}");
        }
    }
}
