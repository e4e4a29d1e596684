//! Words that may have been meant.

/// The word that is closest to another one, if any is close.
#[cfg(feature = "answers")]
pub(super) fn nearest<'n>(word: &[u8], mut names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    depmod_core::parts::answer::nearest_word(word, &mut names)
}

/// The small program proposes nothing.
#[cfg(not(feature = "answers"))]
pub(super) fn nearest<'n>(_: &[u8], _: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    None
}

/// `; did you mean A or B?`, or nothing.
#[cfg(feature = "answers")]
pub(super) fn did_you_mean(names: &[impl std::fmt::Display]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => format!("; did you mean {only}?"),
        Some((last, others)) => format!("; did you mean {} or {last}?", others.join(", ")),
    }
}

/// What to type in place of a word that names no module: names, or the option for a version.
#[cfg(feature = "answers")]
pub(super) fn instead(word: &[u8], names: &[impl std::fmt::Display]) -> String {
    if names.is_empty() && super::paths::is_version(word) {
        return "; a kernel version follows -k".into();
    }
    did_you_mean(names)
}

#[cfg(all(test, feature = "answers"))]
mod tests {
    use super::*;

    #[test]
    fn proposals_are_a_sentence() {
        assert_eq!(did_you_mean(&[""; 0]), "");
        assert_eq!(did_you_mean(&["a"]), "; did you mean a?");
        assert_eq!(instead(b"d", &["a", "b", "c"]), "; did you mean a, b or c?");
        assert_eq!(instead(b"6.1.0-50-amd64", &[""; 0]), "; a kernel version follows -k");
    }
}
