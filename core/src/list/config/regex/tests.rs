//! Results of glibc 2.36 and 2.41 for patterns with surprising behaviour.

use alloc::{format, string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::{PatternError::*, *};

const STEPS: usize = 10_000_000;

fn occurs(pattern: &str, text: &str) -> Result<bool, PatternError> {
    pattern_occurs(pattern.as_bytes(), text.as_bytes(), STEPS)
}

#[test]
fn version_patterns_match_as_in_glibc() {
    for (pattern, text, expected) in [
        ("6.1.0-13-amd64", "6.1.0-13-amd64", true),
        ("6.1", "6.12.9", true),
        ("^6\\.1\\.", "6.12.9", false),
        ("^6\\.(1|12)\\.[0-9]+$", "6.12.9", true),
        ("^6\\.(1|12)\\.[0-9]+$", "6.12.9-amd64", false),
        ("-(amd|arm)64$", "6.1.0-13-arm64", true),
        (".*", "", true),
        ("", "6.1", true),
        ("[[:digit:]]{4,}", "5.4.0-100.113", false),
        ("fc3[6-9]", "6.2.9-300.fc38.x86_64", true),
    ] {
        assert_eq!(occurs(pattern, text), Ok(expected), "{pattern} in {text}");
    }
}

#[test]
fn operators_match_as_in_glibc() {
    for (pattern, text, expected) in [
        // Anchors are special everywhere in a pattern.
        ("a^b", "a^b", false),
        ("$a", "a", false),
        ("(^a)", "ba", false),
        ("(^a)*b", "b", true),
        ("x|^b", "ab", false),
        ("a$|b", "ab", true),
        // Empty branches and groups.
        ("()", "a", true),
        ("a||b", "z", true),
        ("(|a)b$", "ab", true),
        ("|", "x", true),
        ("()*a", "a", true),
        // Unpaired closing parenthesis, braces and brackets.
        (")", ")", true),
        ("a)", "a", false),
        ("a|)", ")", true),
        (")*", "", true),
        ("}", "}", true),
        ("a]", "a]", true),
        // Repetition of repetition.
        ("^a**$", "aaa", true),
        ("^a+?$", "", true),
        ("^a{1,2}{2}$", "a", false),
        ("^a{1,2}{2}$", "aaaa", true),
        ("^a{1,2}{2}$", "aaaaa", false),
        // Intervals.
        ("^a{,2}$", "", true),
        ("^a{,2}$", "aaa", false),
        ("^a{,}$", "aaa", true),
        ("^a{2,}$", "a", false),
        ("^a{0}$", "", true),
        ("^a{01}$", "a", true),
        ("^(a|bc){2,3}$", "abca", true),
        ("a{32767}", "a", false),
        // GNU operators.
        ("\\<a", "b-a", true),
        ("\\<a", "ba", false),
        ("a\\>", "a-", true),
        ("\\b", "", false),
        ("\\B", "", true),
        ("\\B", "a", false),
        ("\\bb\\B", "a.bc", true),
        ("^\\w+\\W\\s\\S$", "a_9. x", true),
        ("\\`a", "ba", false),
        ("a\\'", "ab", false),
        ("x|\\`\\'", "", true),
        // Other escapes stand for the byte itself.
        ("\\d", "d", true),
        ("\\n", "n", true),
        ("\\0", "0", true),
        ("\\(\\)\\{\\}\\|\\*\\+\\?\\.\\^\\$\\[\\]\\\\", "(){}|*+?.^$[]\\", true),
        ("[\\.]", "\\", true),
    ] {
        assert_eq!(occurs(pattern, text), Ok(expected), "{pattern} in {text}");
    }
    assert_eq!(pattern_occurs(b"^.\xe9[^a]$", b"\xff\xe9\x80", STEPS), Ok(true), "bytes, not characters");
}

#[test]
fn invalid_patterns_are_errors() {
    for (pattern, error) in [
        ("*", NothingToRepeat),
        ("+a", NothingToRepeat),
        ("(?a)", NothingToRepeat),
        ("a|*b", NothingToRepeat),
        ("{2}", NothingToRepeat),
        ("^*", NothingToRepeat),
        ("a$+", NothingToRepeat),
        ("\\b?", NothingToRepeat),
        ("\\`{2}", NothingToRepeat),
        ("(", UnmatchedParenthesis),
        ("((a)", UnmatchedParenthesis),
        ("[a", UnmatchedBracket),
        ("[^]", UnmatchedBracket),
        ("a{", UnmatchedBrace),
        ("a{1", UnmatchedBrace),
        ("a{1,", UnmatchedBrace),
        ("a{}", Interval),
        ("a{x}", Interval),
        ("a{1x}", Interval),
        ("a{ 1}", Interval),
        ("a{3,2}", Interval),
        ("a{32768}", TooManyRepetitions),
        ("a{1,99999999999999999999}", TooManyRepetitions),
        ("[b-a]", Range),
        ("[[:kernel:]]", CharacterClass),
        ("[[.space.]]", Collation),
        ("a\\", TrailingBackslash),
        ("(a)\\1", BackReference),
    ] {
        assert_eq!(occurs(pattern, "aa"), Err(error), "{pattern}");
    }
}

#[test]
fn hostile_patterns_stay_within_the_step_limit() {
    let deep =
        |open: &str, inner: &str, close: &str| format!("{}{inner}{}", open.repeat(2000), close.repeat(2000));
    let text = "a".repeat(63);
    let steps = 5_000_000;
    for (pattern, expected) in [
        (deep("(", "a*", ")*"), true),
        (deep("(a|", "b", ")"), true),
        ("(a{1000}){1000}".into(), false),
        (format!("^{}b", "(a*".repeat(20) + &")*".repeat(20)), false),
        (format!("a{}", "{0,32767}".repeat(50)), true),
        (format!("^{}{}$", "a?".repeat(63), "a".repeat(63)), true),
        ("(x+x+)+y".into(), false),
    ] {
        let found = pattern_occurs(pattern.as_bytes(), text.as_bytes(), steps);
        assert_eq!(found, Ok(expected), "{}", pattern.get(..40).unwrap_or(&pattern));
    }
}

#[test]
fn exceeding_the_step_limit_is_an_error() {
    let text = vec![b'a'; 100_000];
    assert_eq!(pattern_occurs(b"a", &text, STEPS), Err(TooCostly));
    assert_eq!(pattern_occurs(b"a*a*a*", &text[..4000], STEPS), Err(TooCostly));
    assert_eq!(pattern_occurs(&b"a*".repeat(1000), b"a", 5000), Err(TooCostly));
}

/// Patterns over few letters, for frequent matches.
fn pattern() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec!["a", "b", ".", "[^a]", "", "\\<", "$", "^"]).prop_map(String::from);
    leaf.prop_recursive(4, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("{x}{y}")),
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("({x}|{y})")),
            (inner, prop::sample::select(vec!["*", "+", "?", "{2}", "{1,3}"]))
                .prop_map(|(x, operator)| format!("({x}){operator}")),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_patterns_terminate(pattern: Vec<u8>, text: Vec<u8>) {
        let _ = pattern_occurs(&pattern, &text, 100_000);
    }

    #[test]
    fn arbitrary_operators_terminate(pattern in "[ab.*+?{}0-9,()|^$\\[\\]\\\\<>-]{0,40}", text in "[ab]{0,20}") {
        prop_assert_ne!(occurs(&pattern, &text), Err(TooCostly));
    }

    #[test]
    fn escaped_patterns_search_substrings(needle in "[a-c.*(]{0,3}", text in "[a-c.*(]{0,8}") {
        let pattern: String = needle.chars().map(|c| if c.is_alphanumeric() { format!("{c}") } else { format!("\\{c}") }).collect();
        prop_assert_eq!(occurs(&pattern, &text), Ok(text.contains(&needle)));
    }

    #[test]
    fn repetition_equals_its_expansion(x in pattern(), text in "[ab-]{0,7}") {
        for (short, long) in [
            (format!("^({x}){{2}}$"), format!("^({x})({x})$")),
            (format!("^({x}){{1,3}}$"), format!("^({x})(|({x})(|({x})))$")),
            (format!("^({x})+$"), format!("^({x})({x})*$")),
            (format!("^({x})?$"), format!("^(|({x}))$")),
            (format!("^({x})*$"), format!("^(({x})*)*$")),
            (format!("^({x}){{7,}}$"), format!("^({x}){{7}}({x})*$")),
        ] {
            prop_assert_eq!(occurs(&short, &text), occurs(&long, &text), "{} and {}", short, long);
        }
    }
}
