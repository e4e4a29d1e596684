//! Links the address sanitizer where libraries in C are linked; `cargo xtask fuzz` has them compiled for it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for target in ["codecs", "cache", "command_line", "threads", "publishing"] {
        // Whole and static, so that its `malloc` is the program's.
        let archive = "-Wl,--whole-archive,-l:libasan.a,--no-whole-archive";
        for arg in [archive, "-Wl,--export-dynamic", "-lstdc++", "-lm", "-lpthread", "-ldl", "-lrt", "-lgcc_s", "-lc"] {
            println!("cargo::rustc-link-arg-bin={target}={arg}");
        }
    }
}
