//! `--strict` and its options, as typed.

use depmod_core::parts::answer::Check;

use super::format::Format;
use super::nearest::nearest;

/// The checks of `--strict=LIST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checks {
    pub(super) checks: Vec<Check>,
    /// The list is not empty.
    pub(super) named: bool,
}

impl Checks {
    /// Parses a list; an empty one means all checks.
    pub(super) fn parse(list: &str) -> Result<Self, String> {
        if list.is_empty() {
            return Ok(Self { checks: Check::ALL.to_vec(), named: false });
        }
        let check = |word: &str| {
            let known = Check::ALL.into_iter().find(|check| check.name() == word);
            known.ok_or_else(|| {
                let all = Check::ALL.map(Check::name);
                match nearest(word.as_bytes(), all.into_iter()) {
                    Some(name) => format!("'{word}' is no check; did you mean {name}?"),
                    None => format!("'{word}' is no check; there are {}", all.join(", ")),
                }
            })
        };
        let checks = list.split(',').map(check).collect::<Result<_, _>>()?;
        Ok(Self { checks, named: true })
    }
}

/// `--strict` and its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Strict {
    /// The checks to make.
    pub(super) checks: Checks,
    /// `--no-write`
    pub(super) no_write: bool,
    /// `--format`
    pub(super) format: Format,
    /// `--long`
    pub(super) long: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_checks() {
        assert_eq!(Checks::parse("").unwrap().checks, Check::ALL);
        let some = Checks::parse("cycle,crc").unwrap();
        assert!(some.named && some.checks == [Check::Cycle, Check::Crc]);
        let error = Checks::parse("crcs").unwrap_err();
        assert_eq!(error, "'crcs' is no check; did you mean crc?");
        let error = Checks::parse("crc,magic").unwrap_err();
        assert!(error.starts_with("'magic' is no check; there are corrupt, cycle"), "{error}");
        assert!(Checks::parse(",").is_err());
    }
}
