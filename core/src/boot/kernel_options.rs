//! The words of the kernel's options, as `lib/cmdline.c` of Linux separates them.
//!
//! ```text
//! quiet root=LABEL=top "modprobe.blacklist=a,b" init="/bin/sh -l"      four words
//! ```

/// The kernel's words: white space separates them, unless it is between quotes.
pub(super) fn words(options: &str) -> impl Iterator<Item = &str> {
    let mut in_quotes = false;
    let words = options.split(move |c: char| {
        in_quotes ^= c == '"';
        c.is_ascii_whitespace() && !in_quotes
    });
    // Quotes may be around the whole word.
    words.map(|word| match word.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').unwrap_or(rest),
        None => word,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn quotes_keep_a_word_together() {
        let found: Vec<&str> =
            words(r#"quiet "a.b=c d" e="f g" h"#).filter(|word| !word.is_empty()).collect();
        assert_eq!(found, ["quiet", "a.b=c d", r#"e="f g""#, "h"]);
    }
}
