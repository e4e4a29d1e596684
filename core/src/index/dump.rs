//! An index as text.

use super::{error::IndexError, reader::Index, walk::Scratch};

impl Index<'_> {
    /// Writes `key value` for each value, one per line, in the order of a dump
    /// ([`reference::index_format`](crate::reference::index_format) §4.4); `out` receives the text in pieces.
    ///
    /// # Errors
    /// When the file is corrupt; `out` has then received the text before the corrupt part.
    pub fn dump(&self, scratch: &mut Scratch, mut out: impl FnMut(&[u8])) -> Result<(), IndexError> {
        let mut entries = self.entries(scratch);
        while let Some((key, value)) = entries.next_entry()? {
            out(key);
            out(b" ");
            out(value.bytes);
            out(b"\n");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::index::{
        Index, Scratch,
        examples::{ALIASES, ALIASES_POST_ORDER, DEPENDENCIES, EMPTY},
    };

    #[test]
    fn worked_examples_are_dumped() {
        let dump = |file| {
            let mut text = alloc::vec::Vec::new();
            let mut scratch = Scratch::new();
            Index::parse(file).unwrap().dump(&mut scratch, |piece| text.extend_from_slice(piece)).unwrap();
            alloc::string::String::from_utf8(text).unwrap()
        };
        let aliases = "p cd\npci:v1* ab\npci:v1* cd\npci:v1* cd\npci:v2 cd\nps_2 ab\n";
        assert_eq!(dump(&ALIASES), aliases);
        assert_eq!(dump(&ALIASES_POST_ORDER), aliases);
        assert_eq!(
            dump(&DEPENDENCIES),
            "snd snd.ko:\nsnd_hda snd-hda.ko: snd.ko\nsnd_hdmi snd_hdmi.ko: snd.ko\nsoc soc.ko: snd.ko\n"
        );
        assert_eq!(dump(&EMPTY), "");
    }
}
