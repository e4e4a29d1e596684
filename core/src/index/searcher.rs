//! Searching an index of patterns many times, as fast as the trie allows.
//!
//! [`Index::search`] visits everything below a wildcard and matches each key with the query. A [`Searcher`] matches
//! during the walk: for each byte of a pattern it computes the set of places in the query that the pattern can have
//! reached, one bit for each place, and turns back when the set is empty. It visits a dozen of the 9,000 keys below
//! `of:N*T*C`.
//!
//! ```text
//! query     p c i : v 8 0 8 6 d 1          places 0 to 11
//! pattern   p c i : v                      {5}
//!           *                              {5 … 11}
//!           d                              {10}
//!           2                              {}: no match below
//! ```
//!
//! From the first `[` or `\` of a pattern on, the set stays unchanged, and the rest of the pattern is matched at the
//! end of each key.

use alloc::vec::Vec;

use super::{
    error::{IndexError, Steps},
    fnmatch::matches,
    format::NodeRef,
    reader::{Index, Value},
    walk::MAX_KEY,
};
use crate::name::{is_normal_alias, normalize_alias};

/// The bytes that turn the rest of a key into a pattern, in the order of the search.
const WILDCARDS: [u8; 3] = *b"*?[";

/// Values of a byte.
const BYTES: usize = 1 << u8::BITS;

/// Working memory of searches. It grows with the queries, and is reused.
///
/// ```
/// use depmod_core::{Index, Limits, parts::index::{IndexBuilder, Searcher}};
///
/// let mut builder = IndexBuilder::new();
/// builder.insert(*b"pci:v*d[12]", b"ef", 2)?;
/// let bytes = builder.finish(&Limits::DEFAULT)?;
/// let mut searcher = Searcher::default();
/// let found = searcher.find_all(&Index::parse(&bytes)?, "pci:v8086d1")?;
/// assert_eq!(found.iter().map(|value| value.bytes).collect::<Vec<_>>(), [b"ef"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Searcher {
    /// The normalised query, if it differs from the query.
    normal: Vec<u8>,
    /// Words in a set of places.
    words: usize,
    /// The places of each byte in the query.
    masks: Vec<u64>,
    /// A set for each frame, and one temporary set.
    places: Vec<u64>,
    frames: Vec<Frame>,
    /// The pattern, from the last wildcard of the literal part on.
    key: Vec<u8>,
}

impl core::fmt::Debug for Searcher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Searcher").field("key", &bstr::BStr::new(&self.key)).finish_non_exhaustive()
    }
}

/// A node whose children are being visited.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// The node, without its prefix.
    node: NodeRef,
    /// Length of its key.
    key_len: usize,
    /// Position in the key from which on the set stays unchanged.
    frozen: Option<usize>,
    /// The next edge to try.
    edge: u8,
}

/// Sorts the found values by priority.
fn in_order(results: &mut [Value<'_>]) {
    results.reverse();
    results.sort_by_key(|value| value.priority);
}

impl Searcher {
    /// As [`Index::search`].
    ///
    /// # Errors
    /// As [`Index::search`].
    pub fn search<'a>(
        &mut self,
        index: &Index<'a>,
        query: impl AsRef<[u8]>,
        mut found: impl FnMut(Value<'a>),
    ) -> Result<(), IndexError> {
        let query = query.as_ref();
        let mut normal = core::mem::take(&mut self.normal);
        let query = if is_normal_alias(query) {
            query
        } else {
            let Ok(bytes) = normalize_alias(query) else { return Ok(()) };
            normal.clear();
            normal.extend(bytes);
            &*normal
        };
        self.note(query);
        let done = self.run(index, query, &mut found);
        self.normal = normal;
        done
    }

    /// The results of [`search`](Self::search) in their order.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub fn find_all<'a>(
        &mut self,
        index: &Index<'a>,
        query: impl AsRef<[u8]>,
    ) -> Result<Vec<Value<'a>>, IndexError> {
        let mut results = Vec::new();
        self.find_into(index, query, &mut results)?;
        Ok(results)
    }

    /// The same, in a reused vector.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub fn find_into<'a>(
        &mut self,
        index: &Index<'a>,
        query: impl AsRef<[u8]>,
        results: &mut Vec<Value<'a>>,
    ) -> Result<(), IndexError> {
        results.clear();
        self.search(index, query, |value| results.push(value))?;
        in_order(results);
        Ok(())
    }

    /// Records the places of each byte in the query.
    fn note(&mut self, query: &[u8]) {
        // One place more than bytes: behind the last.
        self.words = query.len().wrapping_div(64).saturating_add(1);
        self.masks.clear();
        self.masks.resize(BYTES.saturating_mul(self.words), 0);
        for (at, &byte) in query.iter().enumerate() {
            let word = usize::from(byte).saturating_mul(self.words).saturating_add(at.wrapping_div(64));
            if let Some(word) = self.masks.get_mut(word) {
                *word |= bit(at);
            }
        }
    }

    fn run<'a>(
        &mut self,
        index: &Index<'a>,
        query: &[u8],
        found: &mut impl FnMut(Value<'a>),
    ) -> Result<(), IndexError> {
        let mut steps = Steps::new(index.most_steps());
        let mut at = 0_usize;
        let mut next = index.root();
        while let Some(reference) = next {
            let node = index.node(reference)?;
            steps.spend(node.head_len().max(1))?;
            let wild = node.prefix.iter().position(|b| WILDCARDS.contains(b));
            let literal = wild.and_then(|wild| node.prefix.get(..wild)).unwrap_or(node.prefix);
            if !query.get(at..).is_some_and(|rest| rest.starts_with(literal)) {
                return Ok(());
            }
            at = at.saturating_add(literal.len());
            let mut below = Below { index, query, steps: &mut steps, found: &mut *found };
            if let Some(wild) = wild {
                return self.patterns(&mut below, reference, (None, wild), at);
            }
            for edge in WILDCARDS {
                if let Some(child) = node.children.get(edge)? {
                    self.patterns(&mut below, child, (Some(edge), 0), at)?;
                }
            }
            let Some(&edge) = query.get(at) else { return node.values.take_all(&mut steps, found) };
            next = node.children.get(edge)?;
            at = at.saturating_add(1);
        }
        Ok(())
    }

    /// Tries everything below `node` on the query from `at` on, as a pattern that begins with an edge and the
    /// node's prefix from `skip` on. The values of a node come after those of its children.
    fn patterns<'a>(
        &mut self,
        below: &mut Below<'a, '_, impl FnMut(Value<'a>)>,
        node: NodeRef,
        (edge, skip): (Option<u8>, usize),
        at: usize,
    ) -> Result<(), IndexError> {
        self.key.clear();
        self.frames.clear();
        self.places.clear();
        self.places.resize(self.words, 0);
        if let Some(word) = self.places.get_mut(at.wrapping_div(64)) {
            *word = bit(at);
        }
        let mut frozen = None;
        if !edge.is_none_or(|edge| self.follow(edge, &mut frozen)) {
            return Ok(());
        }
        self.enter(below, node, skip, frozen)?;
        while let Some(frame) = self.frames.last_mut() {
            let node = below.index.node(frame.node)?;
            let key_len = frame.key_len;
            let mut frozen = frame.frozen;
            if let Some((edge, child)) = node.children.from(frame.edge) {
                // Edges are below 0x80.
                frame.edge = edge.saturating_add(1);
                below.steps.spend(1)?;
                self.key.truncate(key_len);
                self.copy_places();
                if self.follow(edge, &mut frozen) {
                    self.enter(below, child, 0, frozen)?;
                } else {
                    self.drop_places();
                }
                continue;
            }
            self.key.truncate(key_len);
            if !node.values.is_empty() && self.is_match(below.query, frozen, below.steps)? {
                node.values.take_all(below.steps, below.found)?;
            }
            self.frames.pop();
            self.drop_places();
        }
        Ok(())
    }

    /// Goes on through a node's prefix; the node becomes the last frame if the query still fits.
    fn enter<'a>(
        &mut self,
        below: &mut Below<'a, '_, impl FnMut(Value<'a>)>,
        reference: NodeRef,
        skip: usize,
        mut frozen: Option<usize>,
    ) -> Result<(), IndexError> {
        let node = below.index.node(reference)?;
        below.steps.spend(node.head_len().max(1))?;
        for &byte in node.prefix.get(skip..).unwrap_or_default() {
            if !self.follow(byte, &mut frozen) {
                self.drop_places();
                return Ok(());
            }
        }
        if self.key.len() > MAX_KEY {
            return Err(IndexError::KeyTooLong { offset: node.start });
        }
        self.frames.push(Frame { node: node.rest, key_len: self.key.len(), frozen, edge: 0 });
        Ok(())
    }

    /// Appends a byte to the pattern; false if nothing of the query can follow.
    fn follow(&mut self, byte: u8, frozen: &mut Option<usize>) -> bool {
        self.key.push(byte);
        if frozen.is_some() {
            return true;
        }
        let start = self.places.len().saturating_sub(self.words);
        let Some(places) = self.places.get_mut(start..) else { return false };
        match byte {
            b'[' | b'\\' => {
                *frozen = Some(self.key.len().saturating_sub(1));
                return true;
            }
            b'*' => {
                let mut any = false;
                for word in places.iter_mut() {
                    if any {
                        *word = u64::MAX;
                    } else if *word != 0 {
                        // From the lowest one on.
                        *word |= word.wrapping_neg();
                        any = true;
                    }
                }
                return any;
            }
            _ => {}
        }
        let from = usize::from(byte).saturating_mul(self.words);
        let mask = self.masks.get(from..from.saturating_add(self.words)).unwrap_or_default();
        let (mut carry, mut any) = (0, 0);
        for (at, word) in places.iter_mut().enumerate() {
            let stay = if byte == b'?' { *word } else { *word & mask.get(at).copied().unwrap_or(0) };
            *word = (stay << 1) | carry;
            carry = stay >> 63;
            any |= *word;
        }
        any != 0
    }

    /// Whether the pattern is at its end where the query is.
    fn is_match(&self, query: &[u8], frozen: Option<usize>, steps: &mut Steps) -> Result<bool, IndexError> {
        let start = self.places.len().saturating_sub(self.words);
        let places = self.places.get(start..).unwrap_or_default();
        let has = |at: usize| places.get(at.wrapping_div(64)).is_some_and(|word| word & bit(at) != 0);
        let Some(frozen) = frozen else { return Ok(has(query.len())) };
        let pattern = self.key.get(frozen..).unwrap_or_default();
        for at in (0..=query.len()).filter(|&at| has(at)) {
            if matches(pattern, query.get(at..).unwrap_or_default(), steps)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn copy_places(&mut self) {
        let start = self.places.len().saturating_sub(self.words);
        self.places.extend_from_within(start..);
    }

    fn drop_places(&mut self) {
        self.places.truncate(self.places.len().saturating_sub(self.words));
    }
}

/// The unchanging state of a search below a wildcard.
struct Below<'a, 's, F> {
    index: &'s Index<'a>,
    query: &'s [u8],
    steps: &'s mut Steps,
    found: &'s mut F,
}

fn bit(at: usize) -> u64 {
    1 << at.wrapping_rem(64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        index::{IndexBuilder, Scratch, examples::ALIASES},
        limits::Limits,
    };
    use proptest::prelude::*;

    fn index_of(keys: &[alloc::string::String]) -> Vec<u8> {
        let mut builder = IndexBuilder::new();
        for (priority, key) in (0..).zip(keys) {
            // Two neighbours have one priority.
            builder.insert(key.bytes(), key.as_bytes(), priority / 2).unwrap();
        }
        builder.finish(&Limits::DEFAULT).unwrap()
    }

    /// The results of [`Index::search`], in its order.
    fn walked(index: &Index<'_>, query: &[u8]) -> Result<Vec<(u32, Vec<u8>)>, IndexError> {
        let mut found = Vec::new();
        index.search(query, &mut Scratch::new(), |value| {
            found.push((value.priority, value.bytes.to_vec()));
        })?;
        Ok(found)
    }

    fn searched(
        searcher: &mut Searcher,
        index: &Index<'_>,
        query: &[u8],
    ) -> Result<Vec<(u32, Vec<u8>)>, IndexError> {
        let mut found = Vec::new();
        searcher.search(index, query, |value| found.push((value.priority, value.bytes.to_vec())))?;
        Ok(found)
    }

    #[test]
    fn queries_of_every_length_around_a_word() {
        let stars = ["*", "a*", "*a", "a*a", "?*", "*?", "b*", "*b"];
        let mut keys: Vec<_> = stars.iter().map(|&key| key.into()).collect();
        keys.extend((60..70).map(|len| "a".repeat(len)));
        keys.extend((60..70).map(|len| "?".repeat(len)));
        let file = index_of(&keys);
        let index = Index::parse(&file).unwrap();
        let mut searcher = Searcher::default();
        for len in (0..70).chain(120..140) {
            let query = "a".repeat(len);
            let found = searched(&mut searcher, &index, query.as_bytes());
            assert_eq!(found, walked(&index, query.as_bytes()), "{len}");
            assert_eq!(found.unwrap().is_empty(), len == 0 && !keys.contains(&"*".into()));
        }
    }

    #[test]
    fn circles_end() {
        // The root's children '*' and '+' are the root.
        let file =
            [0xb0, 7, 0xf4, 0x57, 0, 2, 0, 1, 0x20, 0, 0, 12, b'*', b'+', 0x20, 0, 0, 12, 0x20, 0, 0, 12];
        let index = Index::parse(&file).unwrap();
        let few = index.steps(1000);
        let found = Searcher::default().find_all(&few, "+++");
        assert_eq!(found, Err(IndexError::TooManySteps { limit: 1000 }));
        let endless = Searcher::default().find_all(&index.steps(usize::MAX), "+++");
        assert_eq!(endless, Err(IndexError::KeyTooLong { offset: 12 }));
    }

    proptest! {
        #[test]
        fn finds_what_a_walk_finds(
            keys in prop::collection::vec(
                r"[ab]{0,2}([ab]|[?]|[*]|\[ab*]|\[!?[ab]-?b?\]|\[\[:alpha:\]\]){0,4}", 0..30,
            ),
            queries in prop::collection::vec(r"[ab]{0,6}|a[-_\[*?]b|a{60,66}b?", 1..4),
        ) {
            let keys: Vec<_> = keys.into_iter().filter(|key| normalize_alias(key.as_bytes()).is_ok()).collect();
            let file = index_of(&keys);
            let index = Index::parse(&file).unwrap().steps(usize::MAX);
            let mut searcher = Searcher::default();
            for query in queries {
                let query = query.as_bytes();
                prop_assert_eq!(searched(&mut searcher, &index, query), walked(&index, query));
                prop_assert_eq!(searcher.find_all(&index, query), index.find_all(query));
            }
        }

        #[test]
        fn nothing_in_a_file_makes_searching_fail_badly(
            patches in prop::collection::vec((prop::sample::Index::arbitrary(), any::<u8>()), 0..20),
            query in prop::collection::vec(prop::sample::select(&b"pciv:12ds*?[]"[..]), 0..10),
        ) {
            let mut file = ALIASES;
            for (place, byte) in patches {
                file[place.index(ALIASES.len())] = byte;
            }
            let Ok(index) = Index::parse(&file) else { return Ok(()) };
            let index = index.steps(100_000);
            let (ours, theirs) = (searched(&mut Searcher::default(), &index, &query), walked(&index, &query));
            // A walk also finds faults in nodes that the searcher skips.
            if let Ok(theirs) = theirs {
                prop_assert_eq!(ours, Ok(theirs));
            }
        }
    }
}
