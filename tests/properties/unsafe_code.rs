//! The amount of `unsafe` code is the one that the README states.

use std::fs;
use std::path::Path;

use depmod_tests::workspace;

/// The text of a package's source, without tests and comments.
fn source(dir: &Path, text: &mut String) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            source(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = fs::read_to_string(&path).unwrap();
            let code = file.split("#[cfg(test)]\nmod ").next().unwrap();
            for line in code.lines() {
                text.push_str(line.split("//").next().unwrap().trim());
                text.push(' ');
            }
        }
    }
}

/// The number of blocks, and of functions and implementations.
fn count(package: &str) -> [usize; 2] {
    let mut text = String::new();
    source(&workspace().join(package).join("src"), &mut text);
    let count = |words: &[&str]| words.iter().map(|words| text.matches(words).count()).sum();
    [
        count(&["unsafe {"]),
        count(&["unsafe fn ", "unsafe impl ", "unsafe extern \"C\" fn ", "unsafe extern \"efiapi\" fn "]),
    ]
}

#[test]
fn the_readme_counts_unsafe_code() {
    assert_eq!(count("core"), [0, 0]);
    let ([host, 0], [library, functions]) = (count("host-cli"), count("host-cli/c")) else {
        panic!("the command has unsafe functions");
    };
    let [firmware, items] = count("uefi");
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = format!(
        "{host} `unsafe` block in `host-cli/src/`; {library} blocks and {functions} functions in `host-cli/c/`, whose \
         callers are in C; {firmware} blocks and {items} functions or traits in `uefi/`"
    );
    assert!(readme.contains(&sentence), "the README does not say: {sentence}");
}
