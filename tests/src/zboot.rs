//! A kernel in EFI zboot form, which no Debian package has: the stub of Linux' sources around a kernel of Debian.
//!
//! ```text
//! linux-source ──make──► libstub/*.stub.o, zboot-header.o ┐
//! Debian's Image, zeros for its memory ──gzip──► .gzdata ─┴─ld, zboot.lds──► PE image
//! ```
//!
//! The stub is what matters here: it unpacks the kernel and asks for the initrd. Its configuration and that of the
//! kernel inside are independent.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::compress::Format;
use crate::debian::{self, Kernel};
use crate::{apt, command};

/// What kbuild and the cross compiler need.
const PACKAGES: [&str; 5] = ["gcc-aarch64-linux-gnu", "bison", "flex", "bc", "make"];

/// The compiler's prefix.
const CROSS: &str = "aarch64-linux-gnu-";

/// What the stub needs to ask for an initrd, as distributions have it; all else is off, because nothing but it is built.
const CONFIG: &str = "CONFIG_EFI=y\nCONFIG_EFI_ZBOOT=y\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_RANDOMIZE_BASE=y\n";

/// The stub's directory in the sources.
const STUB: &str = "drivers/firmware/efi/libstub";

/// Offset of the size in memory in the header of an Image, eight bytes (`Documentation/arch/arm64/booting.rst`).
const IMAGE_SIZE: usize = 16;

/// The kernel for AArch64 in zboot form. Builds the stub in about a minute of processor time, and keeps it in the cache.
///
/// # Errors
/// When the sources cannot be fetched, or something cannot be built.
pub fn image(kernel: &Kernel) -> Result<PathBuf> {
    apt::install(&PACKAGES)?;
    let source = debian::linux_source()?;
    let stub = debian::cached("zboot-stub-arm64", |dir| build_stub(&source, dir))?;
    let name = format!("zboot-{}", kernel.version);
    Ok(debian::cached(&name, |dir| wrap(kernel, &source, &stub, dir))?.join("vmlinuz.efi"))
}

/// Builds the stub's objects.
fn build_stub(source: &Path, to: &Path) -> Result<()> {
    let build = to.join("build");
    fs::create_dir(&build)?;
    let config = to.join("config");
    fs::write(&config, CONFIG)?;
    let make = |targets: &[&str]| {
        let mut make = Command::new("make");
        make.args(["-s", "-j2", "ARCH=arm64"]).arg(format!("CROSS_COMPILE={CROSS}"));
        make.arg("-C").arg(source).arg(format!("O={}", build.display()));
        command::output(make.env("KCONFIG_ALLCONFIG", &config).args(targets)).map(drop)
    };
    make(&["allnoconfig"])?;
    make(&["prepare"])?;
    make(&[&format!("{STUB}/")])?;
    let mut objects = Vec::new();
    for entry in fs::read_dir(build.join(STUB))? {
        let path = entry?.path();
        objects.extend(path.to_string_lossy().ends_with(".stub.o").then_some(path));
    }
    objects.sort();
    command::output(tool("ar").arg("rcs").arg(to.join("stub.a")).args(objects))?;
    // As kbuild compiles assembly, with the definitions of `Makefile.zboot`.
    let mut header = tool("gcc");
    header.args(["-nostdinc", "-D__KERNEL__", "-D__ASSEMBLY__", "-DMACHINE_TYPE=IMAGE_FILE_MACHINE_ARM64"]);
    header.args(["-DZBOOT_EFI_PATH=\"vmlinuz.efi.elf\"", "-DZBOOT_SIZE_LEN=0", "-DCOMP_TYPE=\"gzip\""]);
    for kind in ["", "/uapi"] {
        header.arg("-I").arg(source.join(format!("arch/arm64/include{kind}")));
        header.arg("-I").arg(build.join(format!("arch/arm64/include/generated{kind}")));
        header.arg("-I").arg(source.join(format!("include{kind}")));
    }
    for generated in ["include", "include/generated/uapi"] {
        header.arg("-I").arg(build.join(generated));
    }
    header.arg("-include").arg(source.join("include/linux/kconfig.h"));
    header.arg("-c").arg("-o").arg(to.join("header.o")).arg(source.join(STUB).join("zboot-header.S"));
    command::output(&mut header)?;
    fs::remove_dir_all(build)?;
    Ok(())
}

/// Puts a kernel into the stub.
fn wrap(kernel: &Kernel, source: &Path, stub: &Path, to: &Path) -> Result<()> {
    let mut image = fs::read(kernel.image())?;
    let size = image.get(IMAGE_SIZE..).and_then(<[u8]>::first_chunk).context("the kernel has no header")?;
    image.resize(usize::try_from(u64::from_le_bytes(*size))?, 0);
    let packed = to.join("gzdata");
    fs::write(&packed, Format::Gz.compress(&image))?;
    let object = to.join("gzdata.o");
    let mut objcopy = tool("objcopy");
    objcopy.args(["-I", "binary", "-O", "elf64-littleaarch64"]);
    objcopy.arg("--rename-section").arg(".data=.gzdata,load,alloc,readonly,contents");
    objcopy.arg("--add-symbol").arg(format!("zboot_code_size={:#x}", code_size(&kernel.image())?));
    command::output(objcopy.args([&packed, &object]))?;
    let elf = to.join("elf");
    let mut ld = tool("ld");
    ld.arg("--no-warn-rwx-segments").arg("-T").arg(source.join(STUB).join("zboot.lds")).arg("-o").arg(&elf);
    command::output(ld.arg(&object).arg(stub.join("header.o")).arg(stub.join("stub.a")))?;
    command::output(tool("objcopy").args(["-O", "binary"]).args([&elf, &to.join("vmlinuz.efi")]))?;
    for made in [packed, object, elf] {
        fs::remove_file(made)?;
    }
    Ok(())
}

/// Bytes of code at the start of an Image: its PE section `.text`.
fn code_size(image: &Path) -> Result<u64> {
    let headers = command::text(tool("objdump").arg("-h").arg(image))?;
    let size = headers.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        (words.next() == Some(".text")).then(|| words.next())?
    });
    Ok(u64::from_str_radix(size.context("the kernel has no code")?, 16)?)
}

fn tool(name: impl AsRef<OsStr>) -> Command {
    Command::new(format!("{CROSS}{}", name.as_ref().display()))
}
