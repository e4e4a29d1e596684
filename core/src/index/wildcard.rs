//! Search in an index whose keys are patterns ([`reference::index_format`](crate::reference::index_format)
//! §4.3).
//!
//! The part of a key before its first `*`, `?` or `[` is a path in the trie; the rest is a pattern for the
//! rest of the query. With the aliases `pci:v8086d*` and `pci:v*`, the search descends to `pci:v`, matches
//! all patterns below the edge `*` with `8086d100E`, and continues the descent in the same way.

use super::{
    error::{IndexError, Steps},
    fnmatch::matches,
    format::NodeRef,
    reader::{Index, Value},
    walk::{Event, Key, Scratch, Walk},
};
use crate::name::{is_normal_alias, normalize_alias};

/// The bytes that start the pattern of a key, in search order.
const WILDCARDS: [u8; 3] = *b"*?[";

impl<'a> Index<'a> {
    /// Calls `found` for each value that matches `query`, **in search order**. The order of results is
    /// ascending priority, and of equal priorities the one found later first; [`find`](Self::find) and
    /// `find_all` sort this way. A value may be found more than once.
    ///
    /// The query is normalised like the keys: `crypto-aes` finds `crypto_aes`. A query with an unmatched
    /// bracket finds nothing, because no key has one. [`Self::steps`] limits the search.
    ///
    /// # Errors
    /// When the search meets a corrupt part of the file, or exceeds its steps.
    pub fn search(
        &self,
        query: impl AsRef<[u8]>,
        scratch: &mut Scratch,
        found: impl FnMut(Value<'a>),
    ) -> Result<(), IndexError> {
        let query = query.as_ref();
        let normal: Key;
        let query = if is_normal_alias(query) {
            query
        } else {
            let Ok(bytes) = normalize_alias(query) else { return Ok(()) };
            // A normalised query is shorter than the longest key.
            normal = bytes.take(Key::new().capacity()).collect();
            &normal
        };
        Search { index: *self, steps: Steps::new(self.most_steps()), scratch, found }.run(query)
    }

    /// The results of [`search`](Self::search) in result order, at most `N`.
    ///
    /// # Errors
    /// As for [`search`](Self::search), and when there are more than `N` results.
    pub fn find<const N: usize>(
        &self,
        query: impl AsRef<[u8]>,
        scratch: &mut Scratch,
    ) -> Result<heapless::Vec<Value<'a>, N>, IndexError> {
        let mut results = heapless::Vec::<Value<'a>, N>::new();
        let mut all_fit = true;
        self.search(query, scratch, |value| {
            let place = results.partition_point(|other| other.priority < value.priority);
            all_fit &= results.insert(place, value).is_ok();
        })?;
        if all_fit { Ok(results) } else { Err(IndexError::TooManyResults { limit: N }) }
    }

    /// The results of [`search`](Self::search) in result order.
    ///
    /// # Errors
    /// As for [`search`](Self::search).
    #[cfg(feature = "alloc")]
    pub fn find_all(&self, query: impl AsRef<[u8]>) -> Result<alloc::vec::Vec<Value<'a>>, IndexError> {
        #[cfg(feature = "answers")]
        return super::Searcher::default().find_all(self, query);
        #[cfg(not(feature = "answers"))]
        {
            let mut scratch = alloc::boxed::Box::new(Scratch::new());
            let mut results = alloc::vec::Vec::new();
            self.search(query, &mut scratch, |value| results.push(value))?;
            results.reverse();
            results.sort_by_key(|value| value.priority);
            Ok(results)
        }
    }
}

struct Search<'a, 's, F> {
    index: Index<'a>,
    steps: Steps,
    scratch: &'s mut Scratch,
    found: F,
}

impl<'a, F: FnMut(Value<'a>)> Search<'a, '_, F> {
    fn run(&mut self, query: &[u8]) -> Result<(), IndexError> {
        let mut rest = query;
        let mut next = self.index.root();
        while let Some(reference) = next {
            let node = self.index.node(reference)?;
            self.steps.spend(node.head_len().max(1))?;
            let wild = node.prefix.iter().position(|b| WILDCARDS.contains(b));
            let literal = wild.and_then(|at| node.prefix.get(..at)).unwrap_or(node.prefix);
            let Some(after) = rest.strip_prefix(literal) else { return Ok(()) };
            if let Some(at) = wild {
                return self.patterns(reference, None, at, after);
            }
            for edge in WILDCARDS {
                if let Some(child) = node.children.get(edge)? {
                    self.patterns(child, Some(edge), 0, after)?;
                }
            }
            let Some((&edge, after)) = after.split_first() else { return self.take(node.values) };
            next = node.children.get(edge)?;
            rest = after;
        }
        Ok(())
    }

    /// Matches `subject` with all patterns below `node`. Patterns begin with `edge` and the node's prefix
    /// from `skip` on. The values of a node come after those of its children.
    fn patterns(
        &mut self,
        node: NodeRef,
        edge: Option<u8>,
        skip: usize,
        subject: &[u8],
    ) -> Result<(), IndexError> {
        let mut walk = Walk::below(self.index, &mut *self.scratch, node, edge, skip);
        while let Some(event) = walk.next(&mut self.steps)? {
            if let Event::Leave(node, _) = event
                && !node.values.is_empty()
                && matches(walk.key(), subject, &mut self.steps)?
            {
                node.values.take_all(&mut self.steps, &mut self.found)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, values: super::Values<'a>) -> Result<(), IndexError> {
        values.take_all(&mut self.steps, &mut self.found)
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use crate::{
        index::{IndexBuilder, examples::ALIASES_POST_ORDER, fnmatch},
        limits::Limits,
        name::normalize_alias,
    };
    use alloc::{string::String, vec::Vec};
    use proptest::prelude::*;

    /// The verified example of [`reference::index_format`](crate::reference::index_format) §4.3.
    fn example() -> Vec<u8> {
        let modules: [(&[u8], &[&[u8]]); 4] = [
            (b"d", &[b"pci:?1d2s4", b"[p]ci:v1d2s4", b"x-y", br"pci:v1d2s\4"]),
            (b"b", &[b"pci:v*", b"pci:v1d[1-3]s?", b"pci:v1d2s4"]),
            (b"a", &[b"pci:v1*", b"pci:v1d2*"]),
            (b"c", &[b"pci:v1*", b"*", b"pci:v1d2s4"]),
        ];
        let mut builder = IndexBuilder::new();
        for (priority, (module, aliases)) in (0..).zip(modules) {
            for alias in aliases {
                builder.insert(normalize_alias(alias).unwrap(), module, priority).unwrap();
            }
        }
        builder.finish(&Limits::DEFAULT).unwrap()
    }

    #[test]
    fn example_of_the_format_page_is_found() {
        let file = example();
        let index = Index::parse(&file).unwrap();
        for (query, expected) in [
            ("pci:v1d2s4", "ddbbbaaccc"),
            ("pci:v1", "bacc"),
            ("pci:v9", "bc"),
            ("x_y", "dc"),
            ("zzz", "c"),
            ("pci:v1*", "baaccc"),
            (r"pci:v1d2s\4", "dbaacc"),
            ("", "c"),
        ] {
            let names = |values: &[Value<'_>]| -> String {
                values.iter().flat_map(|value| value.bytes).map(|&b| char::from(b)).collect()
            };
            let query = query.as_bytes();
            assert_eq!(names(&index.find_all(query).unwrap()), expected);
            let mut scratch = Scratch::new();
            assert_eq!(names(&index.find::<10>(query, &mut scratch).unwrap()), expected);
        }
    }

    #[test]
    fn queries_are_normalised() {
        let file = example();
        let index = Index::parse(&file).unwrap();
        assert_eq!(index.find_all("x-y"), index.find_all("x_y"));
        assert_eq!(index.find_all("x-y").unwrap().len(), 2);
        assert_eq!(index.find_all("x]").unwrap(), [], "an unmatched bracket");
        let long = [b'-'; 5000];
        assert_eq!(index.find_all(long).unwrap().len(), 1, "the key * alone");
    }

    #[test]
    fn exceeding_steps_or_results_is_an_error() {
        let file = example();
        let index = Index::parse(&file).unwrap();
        let found = index.find::<9>("pci:v1d2s4", &mut Scratch::new());
        assert_eq!(found, Err(IndexError::TooManyResults { limit: 9 }));
        assert_eq!(index.steps(50).find_all("pci:v1d2s4"), Err(IndexError::TooManySteps { limit: 50 }));
    }

    #[test]
    fn searches_terminate_on_cycles_and_shared_nodes() {
        // The root's children '*' and '+' are the root: 2^n paths of length n.
        let file =
            [0xb0, 7, 0xf4, 0x57, 0, 2, 0, 1, 0x20, 0, 0, 12, b'*', b'+', 0x20, 0, 0, 12, 0x20, 0, 0, 12];
        let index = Index::parse(&file).unwrap();
        assert_eq!(index.steps(usize::MAX).find_all("+++"), Err(IndexError::KeyTooLong { offset: 12 }));
        let few = index.steps(1000).find_all("+++");
        assert_eq!(few, Err(IndexError::TooManySteps { limit: 1000 }));
        assert!(index.entries(&mut Scratch::new()).next_entry().is_err());
        assert_eq!(index.get(&[b'+'; 10_000]), Ok(None));
    }

    #[test]
    fn entries_end_after_an_error() {
        let mut file = ALIASES_POST_ORDER;
        file[0x3a] = 0xff; // The reference to `pci:v1*`.
        let mut scratch = Scratch::new();
        let mut entries = Index::parse(&file).unwrap().entries(&mut scratch);
        assert_eq!(entries.next_entry().unwrap().unwrap().0, b"p");
        assert!(entries.next_entry().is_err());
        assert_eq!(entries.next_entry(), Ok(None));
    }

    proptest! {
        #[test]
        fn search_equals_a_scan_of_all_keys(
            keys in prop::collection::vec(r"[ab]{0,2}([ab]|[?]|[*]|\[!?[ab]\]){0,4}", 0..30),
            query in "[ab]{0,6}",
        ) {
            let mut builder = IndexBuilder::new();
            for (priority, key) in (0..).zip(&keys) {
                builder.insert(key.bytes(), key.as_bytes(), priority).unwrap();
            }
            let file = builder.finish(&Limits::DEFAULT).unwrap();
            let found = Index::parse(&file).unwrap().steps(usize::MAX).find_all(&query).unwrap();
            let expected = keys.iter().filter(|key| fnmatch(key.as_bytes(), query.as_bytes()));
            prop_assert!(found.iter().map(|value| value.bytes).eq(expected.map(String::as_bytes)));
        }

        #[test]
        fn arbitrary_changes_to_a_file_do_not_panic(
            start in 0..3_usize,
            patches in prop::collection::vec((prop::sample::Index::arbitrary(), any::<u8>()), 0..20),
            cut in prop::sample::Index::arbitrary(),
            noise in prop::collection::vec(any::<u8>(), 0..200),
            query in prop::collection::vec(prop::sample::select(&b"pciv:12ds*?[]"[..]), 0..10),
        ) {
            let mut file = match start {
                0 => example(),
                1 => ALIASES_POST_ORDER.to_vec(),
                _ => [&ALIASES_POST_ORDER[..8], &noise].concat(),
            };
            for (place, byte) in patches {
                let at = place.index(file.len());
                file[at] = byte;
            }
            file.truncate(cut.index(file.len() + 1).max(start * 8));
            let Ok(index) = Index::parse(&file) else { return Ok(()) };
            let mut scratch = Scratch::new();
            let sound = index.check(&mut scratch).is_ok();
            let mut lines = 0;
            let dumped = index.dump(&mut scratch, |_| lines += 1);
            prop_assert!(lines <= 4 * file.len());
            let got = index.get(&query);
            let found = index.steps(100_000).search(&query, &mut scratch, |_| {});
            if sound {
                prop_assert!(dumped.is_ok() && got.is_ok() && found.is_ok());
            }
        }
    }
}
