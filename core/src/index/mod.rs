//! The binary index: the `modules.*.bin` files, written and read
//! ([`reference::index_format`](crate::reference::index_format)).
//!
//! An index maps a key to values, each with a priority. The file is a trie with compressed chains: an edge
//! has one byte, and the bytes after it up to the next branch are the *prefix* of the child node. Values of a
//! key are in ascending priority; of equal priorities, the latest insertion comes first. Duplicates stay.
//!
//! # The file, by example
//!
//! Two values, `ab` (priority 0) under `ps_2` and `cd` (priority 1) under `p`:
//!
//! ```text
//! 00  b0 07 f4 57     magic
//! 04  00 02 00 01     version 2.1
//! 08  20 00 00 0c     reference to the root: at 0x0c, and it has children
//! 0c  70 70           the root's child table spans the bytes 'p' to 'p'
//! 0e  60 00 00 12       'p': node at 0x12 with values and children
//! 12  73 73           node "p": child table from 's' to 's'
//! 14  c0 00 00 23       's': node at 0x23 with prefix and values
//! 18  00 00 00 01     node "p": one value,
//! 1c  00 00 00 01       its priority,
//! 20  63 64 00          "cd"
//! 23  5f 32 00        node "ps_2": prefix "_2" (the edge 's' is not repeated)
//! 26  00 00 00 01       one value,
//! 2a  00 00 00 00       its priority,
//! 2e  61 62 00          "ab"
//! ```
//!
//! All words are big-endian. Four bits of a reference are flags for the parts of a node (prefix, child table,
//! values, in this order); a node cannot be parsed without its reference. A table slot without a child is 0.
//! [`IndexBuilder`] writes a node before its children, like kmod since release 34; older releases wrote the
//! children first, and [`Index`] reads both.
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use depmod_core::{Index, Limits, parts::index::IndexBuilder};
//!
//! let mut builder = IndexBuilder::new();
//! builder.insert(*b"ps_2", b"ab", 0)?;
//! builder.insert(*b"p", b"cd", 1)?;
//! builder.insert(*b"pci:v*d[12]", b"ef", 2)?;
//! let bytes = builder.finish(&Limits::DEFAULT)?;
//!
//! let index = Index::parse(&bytes)?;
//! assert_eq!(index.get(b"ps_2")?, Some(&b"ab"[..]));
//! let found = index.find_all("pci:v8086d1")?;
//! assert_eq!(found.iter().map(|value| value.bytes).collect::<Vec<_>>(), [b"ef"]);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The reader needs no allocator: callers of searches and walks provide a [`Scratch`].

#[cfg(feature = "alloc")]
mod builder;
mod check;
mod dump;
mod entries;
mod error;
mod fnmatch;
mod format;
mod reader;
#[cfg(feature = "answers")]
mod searcher;
#[cfg(feature = "alloc")]
mod skim;
#[cfg(feature = "alloc")]
mod sorted;
mod walk;
mod wildcard;
#[cfg(feature = "alloc")]
mod writer;

#[cfg(feature = "alloc")]
pub(crate) use builder::check_text;
#[cfg(feature = "alloc")]
pub use builder::{BadCharacter, IndexBuilder};
pub use check::{Layout, Summary};
pub use entries::IndexEntries;
pub use error::{Flaw, IndexError};
pub use fnmatch::fnmatch;
pub use format::{HEADER_LEN, MAGIC, NodeRef, VERSION};
pub use reader::{Index, Value, Values};
#[cfg(feature = "answers")]
pub use searcher::Searcher;
pub use walk::{MAX_KEY, Scratch};
#[cfg(feature = "alloc")]
pub use writer::IndexTooLarge;

#[cfg(test)]
mod examples;
#[cfg(all(test, feature = "alloc"))]
mod model;
#[cfg(all(test, feature = "answers"))]
pub(crate) use model::post_order;
