//! One kernel in every module format.

use std::path::PathBuf;

use anyhow::Result;
use depmod_tests::compress::Format;
use depmod_tests::debian::Kernel;
use depmod_tests::outcome::{Outcome, differences};
use depmod_tests::system::{Place, link_directory};

use super::{Report, index, kmod, module_files, ours};

/// Recompresses the kernel, which is stored as `.ko.xz`, and compares each copy.
pub(super) fn compare(kernel: &Kernel, report: &mut Report) -> Result<()> {
    let xz = Place::beside(&kernel.root);
    link_directory(&kernel.root.join("lib"), &xz.root().join("lib"));
    let of_xz = index(&xz.root(), kmod(), &["-v"], kernel);

    let plain = Place::beside(&kernel.root);
    link_directory(&kernel.root.join("lib"), &plain.root().join("lib"));
    Format::Xz.decompress_files(&files(&plain))?;
    for format in Format::ALL {
        if format == Format::Xz {
            continue;
        }
        let place = Place::beside(&kernel.root);
        link_directory(&plain.root().join("lib"), &place.root().join("lib"));
        format.compress_files(&files(&place))?;
        let root = place.root();
        let ours = index(&root, ours()?, &["-v"], kernel);
        let what = format!("{} recompressed as .ko{}", kernel.version, format.suffix());
        if format == Format::Gz {
            // Debian's kmod does not support gzip. The suffixes `.gz` and `.xz` have the same length, so the
            // outputs must equal those of the `.xz` modules except for the suffix.
            report.add(&what, differences(&renamed(of_xz.clone(), &ours.root), &ours));
        } else {
            report.add(&what, differences(&index(&root, kmod(), &["-v"], kernel), &ours));
        }
    }
    Ok(())
}

fn files(place: &Place) -> Vec<PathBuf> {
    module_files(&place.root()).into_values().collect()
}

/// An outcome as if in another root directory, and with `.ko.gz` for `.ko.xz`.
fn renamed(mut outcome: Outcome, root: &str) -> Outcome {
    let old_root = std::mem::replace(&mut outcome.root, root.to_owned());
    let rename =
        |bytes: &[u8]| replace(&replace(bytes, b".ko.xz", b".ko.gz"), old_root.as_bytes(), root.as_bytes());
    outcome.stdout = rename(&outcome.stdout);
    outcome.stderr = rename(&outcome.stderr);
    for content in outcome.written.values_mut() {
        *content = rename(content);
    }
    outcome
}

/// Replaces a text by another of the same length.
fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "offsets in index files must not change");
    let mut out = bytes.to_vec();
    let mut at = 0;
    while let Some(rest) = out.get_mut(at..).filter(|rest| rest.len() >= from.len()) {
        if rest.starts_with(from) {
            rest[..to.len()].copy_from_slice(to);
        }
        at += 1;
    }
    out
}
