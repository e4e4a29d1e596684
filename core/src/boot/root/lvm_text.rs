//! The text of LVM's metadata.
//!
//! ```text
//! vg {
//!     extent_size = 8192
//!     physical_volumes { pv0 { id = "p0XYZ…" pe_start = 2048 } }
//!     logical_volumes {
//!         root {
//!             segment1 { start_extent = 0 extent_count = 25 type = "striped" stripes = ["pv0", 0] }
//!         }
//!     }
//! }
//! ```
//!
//! Sections are in sections, values are texts, numbers and lists of both (lvm2, `lib/format_text`, and `lvmraid(7)` and
//! its like for the types of segments).

use alloc::vec::Vec;

/// A value, or an element of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'t> {
    Text(&'t [u8]),
    Number(u64),
}

/// Takes the sections around a value, outermost first, its key and the value.
type Each<'f, 't> = dyn FnMut(&[&'t [u8]], &'t [u8], Value<'t>) + 'f;

/// Sections that are deeper are not looked into.
const MAX_DEPTH: usize = 8;

/// Calls `each` with every value; of a list, with each element.
pub(super) fn values<'t>(text: &'t [u8], each: &mut Each<'_, 't>) {
    let mut sections: Vec<&[u8]> = Vec::new();
    let mut deeper = 0_usize;
    let mut key: &[u8] = b"";
    let mut is_value = false;
    let mut in_list = false;
    for token in (Tokens { rest: text }) {
        match token {
            Token::Sign(b'{') if sections.len() < MAX_DEPTH => sections.push(key),
            Token::Sign(b'{') => deeper = deeper.saturating_add(1),
            Token::Sign(b'}') if deeper > 0 => deeper = deeper.saturating_sub(1),
            Token::Sign(b'}') => {
                sections.pop();
            }
            Token::Sign(b'=') => is_value = true,
            Token::Sign(b'[') => in_list = true,
            Token::Sign(b']') => (in_list, is_value) = (false, false),
            Token::Sign(_) => {}
            Token::Word(word) if is_value => {
                if deeper == 0
                    && let Some(number) = number(word)
                {
                    each(&sections, key, Value::Number(number));
                }
                is_value = in_list;
            }
            Token::Word(word) => key = word,
            Token::Text(text) => {
                if deeper == 0 && is_value {
                    each(&sections, key, Value::Text(text));
                }
                is_value = in_list;
            }
        }
    }
}

fn number(word: &[u8]) -> Option<u64> {
    word.iter().try_fold(0_u64, |number, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

enum Token<'t> {
    Sign(u8),
    Word(&'t [u8]),
    Text(&'t [u8]),
}

struct Tokens<'t> {
    rest: &'t [u8],
}

impl<'t> Tokens<'t> {
    fn take(&mut self, length: usize) -> Option<&'t [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        loop {
            self.rest = self.rest.trim_ascii_start();
            let &first = self.rest.first()?;
            match first {
                b'#' => {
                    let line = self.rest.iter().position(|&byte| byte == b'\n').unwrap_or(self.rest.len());
                    self.take(line)?;
                }
                b'"' => {
                    self.take(1)?;
                    let length = self.rest.iter().position(|&byte| byte == b'"')?;
                    let text = self.take(length)?;
                    self.take(1)?;
                    return Some(Token::Text(text));
                }
                _ if !is_in_word(first) => {
                    self.take(1)?;
                    return Some(Token::Sign(first));
                }
                _ => {
                    let end = self.rest.iter().position(|&byte| !is_in_word(byte));
                    return self.take(end.unwrap_or(self.rest.len())).map(Token::Word);
                }
            }
        }
    }
}

fn is_in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-+.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use bstr::ByteSlice;

    fn lines(text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        values(text.as_bytes(), &mut |sections, key, value| {
            let value = match value {
                Value::Text(text) => format!("'{}'", text.as_bstr()),
                Value::Number(number) => format!("{number}"),
            };
            lines.push(format!("{} {} {value}", sections.join(&b'/').as_bstr(), key.as_bstr()));
        });
        lines
    }

    #[test]
    fn values_have_their_sections() {
        let text = "# a comment {\nvg {\nid=\"a-b\"\nlogical_volumes {\n\nroot.x {\nsegment1 {\n\
            stripes = [\n\"pv0\", 7\n]\nn = 3\t# so\n}\n}\n}\n}\nversion = 1\n";
        let expected = [
            "vg id 'a-b'",
            "vg/logical_volumes/root.x/segment1 stripes 'pv0'",
            "vg/logical_volumes/root.x/segment1 stripes 7",
            "vg/logical_volumes/root.x/segment1 n 3",
            " version 1",
        ];
        assert_eq!(lines(text), expected);
    }

    #[test]
    fn damaged_text_ends_or_is_skipped() {
        assert_eq!(lines("a { b = \"c"), [""; 0]);
        assert_eq!(lines("} ] = 1 b = 2 }"), ["  1", " b 2"]);
        let deep = format!("{} x = 1 {} y = 2", "s {".repeat(9), "}".repeat(9));
        assert_eq!(lines(&deep), [" y 2"]);
    }
}
