//! The C libraries of the decoders.

use std::env::{var, var_os};
use std::path::{Path, PathBuf};

/// What decides the speed of decoding.
const FILES: [&str; 5] = [
    "check/crc32_fast.c",
    "check/crc64_fast.c",
    "lz/lz_decoder.c",
    "lzma/lzma2_decoder.c",
    "lzma/lzma_decoder.c",
];

pub(super) fn main() {
    if cfg!(feature = "system-codecs") && !cfg!(feature = "native-codecs") {
        // These crates silently compile their own copy if pkg-config does not find the system's.
        for (copy, library) in
            [("DEP_LZMA_ROOT", "liblzma ≥ 5.8.0"), ("DEP_LIBDEFLATE_ROOT", "libdeflate ≥ 1.23")]
        {
            assert!(
                var_os(copy).is_none(),
                "feature `system-codecs`: pkg-config does not find {library}; \
                 install it, or build with the feature `native-codecs` instead"
            );
        }
    }
    // Only a copy that liblzma's crate compiled has an include directory.
    if let Some(include) = var_os("DEP_LZMA_INCLUDE") {
        tuned(Path::new(&include));
    }
}

/// Compiles liblzma's copies of matches and its checksums again, with the processor's instructions for them:
/// liblzma's own configure script finds these out, its crate does not, and .ko.xz modules then take a tenth longer.
/// The program decides at run time which checksums the processor has.
///
/// These files share the layout of a dictionary among themselves and nothing else. They are linked whole and before
/// the crate's copies, which the linker therefore does not take; one that took both would refuse double names.
fn tuned(api: &Path) {
    let defines: &[&str] = match (&*cargo("CARGO_CFG_TARGET_ARCH"), &*cargo("CARGO_CFG_TARGET_ENDIAN")) {
        ("x86" | "x86_64", _) => &["HAVE_IMMINTRIN_H", "HAVE_USABLE_CLMUL", "TUKLIB_FAST_UNALIGNED_ACCESS"],
        ("aarch64", "little") => &["HAVE_ARM64_CRC32", "HAVE_GETAUXVAL", "HAVE_HWCAP_CRC32"],
        _ => return,
    };
    let Some(liblzma) = api.parent() else { return };
    let files = FILES.map(|name| liblzma.join(name));
    if !files.iter().all(|file| file.exists()) {
        return;
    }
    let mut build = cc::Build::new();
    build.files(files).std("c99").opt_level(3).warnings(false).cargo_metadata(false);
    for define in
        ["HAVE_CONFIG_H", "NDEBUG", "HAVE_FUNC_ATTRIBUTE_CONSTRUCTOR", "HAVE___BUILTIN_ASSUME_ALIGNED"]
            .iter()
            .chain(defines)
    {
        build.define(define, "1");
    }
    for room in ["api", "check", "common", "lz", "lzma", "rangecoder"] {
        build.include(liblzma.join(room));
    }
    build.include(liblzma.join("../common"));
    // `config.h` of the crate.
    build.include(liblzma.join("../../.."));
    if build.try_compile("depmod_lzma").is_ok() {
        println!("cargo::rustc-link-search=native={}", PathBuf::from(cargo("OUT_DIR")).display());
        println!("cargo::rustc-link-lib=static:-bundle,+whole-archive=depmod_lzma");
    }
}

/// A variable that cargo sets for build scripts.
fn cargo(name: &str) -> String {
    var(name).unwrap_or_default()
}
