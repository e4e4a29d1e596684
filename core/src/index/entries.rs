//! Iteration over all index entries, in the order of a dump
//! ([`reference::index_format`](crate::reference::index_format) §4.4).

use super::{
    error::{IndexError, Steps},
    reader::{Index, Value, Values, value_len},
    walk::{Event, Scratch, Walk},
};

/// A walk over all entries; made by [`Index::entries`].
pub struct IndexEntries<'a, 's> {
    walk: Walk<'a, 's>,
    values: Option<Values<'a>>,
    steps: Steps,
    done: bool,
}

impl<'a> Index<'a> {
    /// All index entries: keys in ascending order, values of a key in their order.
    pub fn entries<'s>(&self, scratch: &'s mut Scratch) -> IndexEntries<'a, 's> {
        IndexEntries {
            walk: Walk::all(*self, scratch),
            values: None,
            // Enough for an empty root, too.
            steps: Steps::new(self.bytes().len()),
            done: false,
        }
    }
}

impl<'a> IndexEntries<'a, '_> {
    /// The next key and one of its values; `None` after the last one, or after an error.
    ///
    /// # Errors
    /// When the file is corrupt. Shared or cyclic nodes are detected because the walk reads more bytes than
    /// the file has.
    pub fn next_entry(&mut self) -> Result<Option<(&[u8], Value<'a>)>, IndexError> {
        if self.done {
            return Ok(None);
        }
        self.done = true;
        let value = self.advance()?;
        self.done = value.is_none();
        Ok(value.map(|value| (self.walk.key(), value)))
    }

    fn advance(&mut self) -> Result<Option<Value<'a>>, IndexError> {
        loop {
            if let Some(value) = self.values.as_mut().and_then(Iterator::next) {
                let value = value?;
                self.steps.spend(value_len(value.bytes))?;
                return Ok(Some(value));
            }
            match self.walk.next(&mut self.steps)? {
                Some(Event::Enter(node)) => self.values = Some(node.values),
                Some(Event::Leave(..)) => {}
                None => return Ok(None),
            }
        }
    }
}
