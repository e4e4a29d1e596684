//! The grammar of extended regular expressions, evaluated during parsing.

use alloc::vec::Vec;

use super::{
    bracket,
    spans::{Budget, Spans},
};
use crate::{diagnostic::PatternError, name::is_space};

/// Largest count in `{m,n}`.
const MAX_COUNT: u16 = 0x7fff;

/// Parses a pattern and evaluates it over one text. Nested groups are in a list, not on the call stack.
pub(super) struct Parser<'a> {
    rest: &'a [u8],
    text: &'a [u8],
    budget: Budget,
    /// The enclosing groups of the current group.
    outer: Vec<Group>,
    group: Group,
}

/// An incomplete group, or the whole pattern: branches separated by `|`.
#[derive(Default)]
struct Group {
    /// The complete branches, united.
    branches: Option<Spans>,
    /// The current branch; `None` while it is empty.
    branch: Option<Spans>,
}

/// An item of a pattern.
enum Item {
    /// A repeatable item.
    Atom(Spans),
    /// An anchor; not repeatable.
    Assertion(Spans),
    /// `(`
    Open,
    /// `)` of an open group.
    Close,
    /// `|`
    Or,
}

impl<'a> Parser<'a> {
    pub(super) fn new(pattern: &'a [u8], text: &'a [u8], budget: Budget) -> Self {
        Self { rest: pattern, text, budget, outer: Vec::new(), group: Group::default() }
    }

    /// The matches of the whole pattern.
    pub(super) fn evaluate(mut self) -> Result<Spans, PatternError> {
        while let Some((&byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            match self.item(byte)? {
                Item::Atom(atom) => self.repeat_and_append(atom)?,
                Item::Assertion(assertion) => self.append(assertion)?,
                Item::Open => self.outer.push(core::mem::take(&mut self.group)),
                Item::Or => self.end_branch()?,
                Item::Close => {
                    let outer = self.outer.pop().unwrap_or_default();
                    let group = self.end_group(outer)?;
                    self.repeat_and_append(group)?;
                }
            }
        }
        if !self.outer.is_empty() {
            return Err(PatternError::UnmatchedParenthesis);
        }
        self.end_group(Group::default())
    }

    /// Reads the item that begins with `byte`.
    fn item(&mut self, byte: u8) -> Result<Item, PatternError> {
        let last = self.text.len();
        match byte {
            b'(' => Ok(Item::Open),
            // Outside of groups it stands for itself.
            b')' if !self.outer.is_empty() => Ok(Item::Close),
            b'|' => Ok(Item::Or),
            b'*' | b'+' | b'?' | b'{' => Err(PatternError::NothingToRepeat),
            b'^' => self.assertion(|position| position == 0),
            b'$' => self.assertion(|position| position == last),
            b'.' => self.atom(|_| true),
            b'[' => {
                let (set, rest) = bracket::parse(self.rest)?;
                self.rest = rest;
                self.atom(|b| set.contains(b))
            }
            b'\\' => {
                let (&escaped, rest) = self.rest.split_first().ok_or(PatternError::TrailingBackslash)?;
                self.rest = rest;
                self.escape(escaped)
            }
            _ => self.atom(|b| b == byte),
        }
    }

    /// Reads the item that begins with a backslash and `byte`: a GNU operator, or the byte itself.
    fn escape(&mut self, byte: u8) -> Result<Item, PatternError> {
        let text = self.text;
        let word_before = |position: usize| {
            position.checked_sub(1).and_then(|before| text.get(before)).copied().is_some_and(is_word)
        };
        let word_after = |position: usize| text.get(position).copied().is_some_and(is_word);
        match byte {
            b'1'..=b'9' => Err(PatternError::BackReference),
            b'w' => self.atom(is_word),
            b'W' => self.atom(|b| !is_word(b)),
            b's' => self.atom(|b| is_space(&b)),
            b'S' => self.atom(|b| !is_space(&b)),
            b'b' => self.assertion(|position| word_before(position) != word_after(position)),
            b'B' => self.assertion(|position| word_before(position) == word_after(position)),
            b'<' => self.assertion(|position| !word_before(position) && word_after(position)),
            b'>' => self.assertion(|position| word_before(position) && !word_after(position)),
            b'`' => self.assertion(|position| position == 0),
            b'\'' => self.assertion(|position| position == text.len()),
            _ => self.atom(|b| b == byte),
        }
    }

    fn atom(&mut self, matches: impl Fn(u8) -> bool) -> Result<Item, PatternError> {
        Spans::byte(self.text, &mut self.budget, matches).map(Item::Atom)
    }

    fn assertion(&mut self, holds: impl Fn(usize) -> bool) -> Result<Item, PatternError> {
        Spans::positions(self.text, &mut self.budget, holds).map(Item::Assertion)
    }

    /// Appends an atom with the repetition operators after it.
    fn repeat_and_append(&mut self, mut atom: Spans) -> Result<(), PatternError> {
        while let Some((&byte, rest)) = self.rest.split_first() {
            let (least, most) = match byte {
                b'*' => (0, None),
                b'+' => (1, None),
                b'?' => (0, Some(1)),
                b'{' => {
                    let (least, most, rest) = interval(rest)?;
                    self.rest = rest;
                    atom = repeat(&atom, least, most, &mut self.budget)?;
                    continue;
                }
                _ => break,
            };
            self.rest = rest;
            atom = repeat(&atom, least, most, &mut self.budget)?;
        }
        self.append(atom)
    }

    fn append(&mut self, next: Spans) -> Result<(), PatternError> {
        self.group.branch = Some(match &self.group.branch {
            Some(branch) => branch.then(&next, &mut self.budget)?,
            None => next,
        });
        Ok(())
    }

    fn end_branch(&mut self) -> Result<(), PatternError> {
        let branch = match self.group.branch.take() {
            Some(branch) => branch,
            None => Spans::positions(self.text, &mut self.budget, |_| true)?,
        };
        self.group.branches = Some(match self.group.branches.take() {
            Some(branches) => branches.or(&branch),
            None => branch,
        });
        Ok(())
    }

    /// Ends the current group, continues with `outer`, and returns the matches of the group.
    fn end_group(&mut self, outer: Group) -> Result<Spans, PatternError> {
        self.end_branch()?;
        match core::mem::replace(&mut self.group, outer).branches {
            Some(branches) => Ok(branches),
            None => Spans::nowhere(self.text, &mut self.budget),
        }
    }
}

/// `atom` from `least` to `most` times; `None` means unlimited.
fn repeat(atom: &Spans, least: u16, most: Option<u16>, budget: &mut Budget) -> Result<Spans, PatternError> {
    let more = match most {
        None => atom.any_times(budget)?,
        Some(most) => atom.optional(budget)?.times(most.saturating_sub(least), budget)?,
    };
    if least == 0 { Ok(more) } else { atom.times(least, budget)?.then(&more, budget) }
}

/// Parses `m}`, `m,}`, `,n}` or `m,n}`.
fn interval(rest: &[u8]) -> Result<(u16, Option<u16>, &[u8]), PatternError> {
    let (least, rest) = count(rest)?;
    let (least, most, rest) = match rest {
        [b'}', ..] => (least.ok_or(PatternError::Interval)?, least, rest),
        [b',', rest @ ..] => {
            let (most, rest) = count(rest)?;
            (least.unwrap_or(0), most, rest)
        }
        _ => (0, None, rest),
    };
    match rest {
        [b'}', rest @ ..] if most.is_none_or(|most| least <= most) => {
            if least.max(most.unwrap_or(0)) > MAX_COUNT {
                return Err(PatternError::TooManyRepetitions);
            }
            Ok((least, most, rest))
        }
        [] => Err(PatternError::UnmatchedBrace),
        _ => Err(PatternError::Interval),
    }
}

/// Parses optional decimal digits. Large counts saturate.
fn count(rest: &[u8]) -> Result<(Option<u16>, &[u8]), PatternError> {
    let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at_checked(length).ok_or(PatternError::Interval)?;
    let number = digits.iter().fold(0u16, |number, digit| {
        number.saturating_mul(10).saturating_add(u16::from(digit.wrapping_sub(b'0')))
    });
    Ok(((!digits.is_empty()).then_some(number), rest))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
