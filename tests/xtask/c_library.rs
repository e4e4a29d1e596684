//! `cargo xtask c-library`: libdepmod as a C programmer finds it installed; `cargo xtask test c-library` uses it so.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use depmod_tests::command::{self, run, text};
use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::toolchain::hide_build_paths;
use depmod_tests::{apt, target_dir, tool, workspace};

/// The number in the library's file name, which changes with the interface.
const SONAME: &str = "libdepmod.so.0";
/// Its output changes between versions.
const CBINDGEN: &str = "0.29.4";
/// What a static library leaves to the linker.
const PRIVATE: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";

/// Builds the library and lays it out below a directory.
///
/// # Errors
/// When arguments are wrong, or it cannot be built.
pub(crate) fn main(args: &[String]) -> Result<()> {
    let (mut destdir, mut prefix) = (target_dir().join("c-library/root"), "/usr/local".to_owned());
    let mut rest = args.iter();
    while let Some(word) = rest.next() {
        match (word.as_str(), rest.next()) {
            ("--destdir", Some(value)) => destdir = value.into(),
            ("--prefix", Some(value)) if value.starts_with('/') => prefix.clone_from(value),
            _ => bail!("usage: cargo xtask c-library [--destdir DIR] [--prefix /usr]"),
        }
    }
    let root = lay_out("c-library", &destdir, &prefix)?;
    println!("{}", root.display());
    Ok(())
}

/// The header is up to date; the examples build, link in both ways, run, and leave no memory behind; damage and
/// misuse are failures.
///
/// # Errors
/// When anything of it does not hold.
pub(crate) fn test() -> Result<()> {
    apt::install(&["gcc", "pkg-config", "python3", "valgrind"])?;
    header()?;
    let dir = tempfile::Builder::new().prefix("depmod-c-library-").tempdir()?;
    // The test programs end on a panic, so that one would be seen; this profile unwinds.
    let root = lay_out("dev", dir.path(), "/usr")?;
    let pkg_config = |words: &[&str]| -> Result<Vec<String>> {
        let mut command = Command::new("pkg-config");
        command.args(words).arg("depmod").env("PKG_CONFIG_SYSROOT_DIR", dir.path());
        let flags = text(command.env("PKG_CONFIG_LIBDIR", root.join("lib/pkgconfig")))?;
        Ok(flags.split_whitespace().map(str::to_owned).collect())
    };
    let compile = |source: &str, name: &str, flags: Vec<String>| -> Result<PathBuf> {
        let program = dir.path().join(name);
        let mut cc = Command::new("cc");
        cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-g"]).arg(workspace().join(source));
        run(cc.args(flags).arg("-o").arg(&program))?;
        Ok(program)
    };
    let flags = pkg_config(&["--cflags", "--libs"])?;
    let shared = compile("host-cli/c/examples/modules.c", "shared", flags.clone())?;
    let archive = root.join("lib/libdepmod.a");
    let mut alone: Vec<String> = pkg_config(&["--cflags", "--libs", "--static"])?;
    alone
        .iter_mut()
        .filter(|flag| *flag == "-ldepmod")
        .for_each(|flag| *flag = archive.display().to_string());
    let archived = compile("host-cli/c/examples/modules.c", "static", alone)?;
    let misuse = compile("tests/xtask/misuse.c", "misuse", flags)?;

    let modules = modules(dir.path())?;
    let libraries = root.join("lib");
    for (program, checked) in [(&shared, true), (&archived, false)] {
        let mut example = if checked { valgrind(program) } else { Command::new(program) };
        example.arg(&modules).args(["virtio:d00000002v00001AF4", "virtio-bus"]);
        let printed = text(example.env("LD_LIBRARY_PATH", &libraries))?;
        ensure!(
            printed
                == "virtio:d00000002v00001AF4: virtio_blk (kernel/virtio_blk.ko)\n\
                    virtio-bus: virtio (kernel/virtio.ko)\n\
                    load kernel/virtio.ko\n\
                    load kernel/virtio_blk.ko",
            "{} prints {printed}",
            program.display()
        );
    }
    let verify = |wanted: &str| -> Result<()> {
        let mut python = Command::new("python3");
        python.arg(workspace().join("host-cli/c/examples/verify.py")).arg(&modules);
        let printed = text(python.env("LD_LIBRARY_PATH", &libraries))?;
        ensure!(printed == wanted, "verify.py prints {printed}, not {wanted}");
        Ok(())
    };
    verify("all index files are right")?;
    run(valgrind(&misuse).arg(&modules).env("LD_LIBRARY_PATH", &libraries))?;
    let unknown =
        valgrind(&shared).arg(&modules).arg("nothing").env("LD_LIBRARY_PATH", &libraries).output()?;
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    ensure!(
        unknown.status.code() == Some(1) && said == "modules: no module or alias named nothing\n",
        "an unknown name: {}, {said}",
        unknown.status
    );
    // Cut in the middle of a node.
    let alias = modules.join("modules.alias.bin");
    let bytes = fs::read(&alias)?;
    fs::write(&alias, &bytes[..bytes.len() / 2])?;
    let failed = valgrind(&shared).arg(&modules).arg("virtio").env("LD_LIBRARY_PATH", &libraries).output()?;
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    ensure!(
        failed.status.code() == Some(1)
            && said.contains("modules: cannot use")
            && said.contains("modules.alias.bin"),
        "a damaged index: {}, {said}",
        failed.status
    );
    println!("the examples in C and Python work; valgrind finds nothing");
    Ok(())
}

/// The checked-in header is what cbindgen makes; `DEPMOD_BLESS=1` writes it.
fn header() -> Result<()> {
    let package = workspace().join("host-cli/c");
    let path = package.join("include/depmod.h");
    let mut cbindgen = Command::new(tool::find_or_install("cbindgen", CBINDGEN)?);
    let made = command::output(
        cbindgen.args(["--quiet", "--config"]).arg(package.join("cbindgen.toml")).arg(&package),
    )?;
    if std::env::var_os("DEPMOD_BLESS").is_some() {
        fs::write(&path, &made)?;
    }
    let there = fs::read(&path).with_context(|| path.display().to_string())?;
    ensure!(there == made, "{} is not up to date: DEPMOD_BLESS=1 cargo xtask test c-library", path.display());
    Ok(())
}

fn valgrind(program: &Path) -> Command {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--error-exitcode=99", "--leak-check=full"]);
    // The C library keeps the stacks of threads that have ended.
    valgrind.args(["--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]).arg(program);
    valgrind
}

/// A module directory with two modules and index files.
fn modules(dir: &Path) -> Result<PathBuf> {
    let modules = dir.join("root/lib/modules/6.1");
    fs::create_dir_all(modules.join("kernel"))?;
    let virtio = Elf::new().modinfo("alias=virtio-bus").export("register_virtio_driver", Crc::Absolute(1));
    let blk = Elf::new().modinfo("alias=virtio:d00000002v*").need("register_virtio_driver");
    fs::write(modules.join("kernel/virtio.ko"), virtio.build())?;
    fs::write(modules.join("kernel/virtio_blk.ko"), blk.build())?;
    fs::write(modules.join("modules.order"), "kernel/virtio.ko\nkernel/virtio_blk.ko\n")?;
    for name in ["modules.builtin", "modules.builtin.modinfo"] {
        fs::write(modules.join(name), "")?;
    }
    run(depmod_tests::product::depmod().arg("-b").arg(dir.join("root")).arg("6.1"))?;
    Ok(modules)
}

/// Builds with a profile and lays out the files below `destdir`; returns the prefix there.
fn lay_out(profile: &str, destdir: &Path, prefix: &str) -> Result<PathBuf> {
    let mut build = Command::new("cargo");
    build.current_dir(workspace()).args(["build", "--quiet", "--package", "depmod-c", "--profile", profile]);
    if profile != "dev" {
        hide_build_paths(&mut build);
    }
    run(&mut build)?;
    let built = target_dir().join(if profile == "dev" { "debug" } else { profile });
    let package = workspace().join("host-cli/c");
    let root = destdir.join(prefix.trim_start_matches('/'));
    let (libraries, headers) = (root.join("lib"), root.join("include"));
    for directory in [&libraries.join("pkgconfig"), &headers] {
        fs::create_dir_all(directory)?;
    }
    let version = env!("CARGO_PKG_VERSION");
    let whole = format!("libdepmod.so.{version}");
    install(&built.join("libdepmod_c.so"), &libraries.join(&whole))?;
    for link in [SONAME, "libdepmod.so"] {
        let _ = fs::remove_file(libraries.join(link));
        symlink(&whole, libraries.join(link))?;
    }
    install(&built.join("libdepmod_c.a"), &libraries.join("libdepmod.a"))?;
    install(&package.join("include/depmod.h"), &headers.join("depmod.h"))?;
    let described = fs::read_to_string(package.join("depmod.pc.in"))?;
    let described = [("@prefix@", prefix), ("@version@", version), ("@private@", PRIVATE)]
        .into_iter()
        .fold(described, |text, (place, value)| text.replace(place, value));
    fs::write(libraries.join("pkgconfig/depmod.pc"), described)?;
    Ok(root)
}

fn install(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    Ok(())
}
