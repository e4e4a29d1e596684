//! Kernel versions that are there, in place of one that is not.

use depmod_core::Source;
use depmod_core::parts::list::versions;

use super::Failure;
use crate::command::nearest::did_you_mean;
use crate::command::settings::Target;
use crate::source::DiskSource;

/// Limit of versions in one line.
const NAMED: usize = 8;

/// Fails if there is no module directory of the version.
pub(super) fn check(target: &Target) -> Result<(), Failure> {
    match DiskSource.stat(&target.dirname) {
        Err(error) if error.kind() == depmod_core::IoErrorKind::NotFound => Err(unknown(target).into()),
        _ => Ok(()),
    }
}

/// `there is no kernel 6.12 in /lib/modules; did you mean 6.12.117-amd64?`
fn unknown(target: &Target) -> String {
    let version = String::from_utf8_lossy(&target.version);
    let root = String::from_utf8_lossy(&target.module_root);
    let mut text = match target.version_given {
        true => format!("there is no kernel {version} in {root}"),
        false => format!("the running kernel is {version}, which is not in {root}"),
    };
    let known = in_directory(&target.module_root);
    let alike: Vec<&String> = known.iter().filter(|known| known.starts_with(&*version)).collect();
    if !alike.is_empty() && alike.len() <= NAMED {
        text += &did_you_mean(&alike);
    } else {
        text += "; ";
        text += &list(&known);
        if !target.version_given && !known.is_empty() {
            text += "; -k VERSION chooses";
        }
    }
    text
}

/// The versions with modules below a directory, in order.
pub(super) fn in_directory(root: &[u8]) -> Vec<String> {
    versions(&DiskSource, root).unwrap_or_default()
}

/// `there are 6.1.0-50-amd64 and 6.12.117-amd64`
pub(super) fn list(versions: &[String]) -> String {
    let more = versions.len().saturating_sub(NAMED);
    let named = versions.get(more..).unwrap_or_default();
    match named.split_last() {
        None => "it has no modules of any version".into(),
        Some((only, [])) => format!("there is {only}"),
        Some((last, others)) if more == 0 => format!("there are {} and {last}", others.join(", ")),
        Some(_) => format!("there are {} and {more} older ones", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_a_sentence() {
        let versions = |count: usize| (0..count).map(|number| format!("6.{number}")).collect::<Vec<_>>();
        assert_eq!(list(&versions(1)), "there is 6.0");
        assert_eq!(list(&versions(3)), "there are 6.0, 6.1 and 6.2");
        assert_eq!(list(&versions(10)), "there are 6.2, 6.3, 6.4, 6.5, 6.6, 6.7, 6.8, 6.9 and 2 older ones");
    }
}
