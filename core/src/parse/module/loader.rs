//! Loading of a module: plan the reads, read, parse.

use alloc::vec::Vec;
use core::ops::Range;

use super::{
    Facts, FactsBuilder, LoadError, exports, modinfo,
    needs::{self, VersionTable},
    pieces::Pieces,
    ranges::Ranges,
};
use crate::{
    decompress::{Compression, Decoder, claimed_size},
    limits::Limits,
    parse::elf::{ByteOrder, ElfError, Field, FileHeader, SectionTable, Symbols, export_table},
    source::{IoError, ReadAt},
    zeros,
};

/// Bytes needed to detect the format; a shorter file is not a module.
const MAGIC_LEN: u64 = 6;

/// A smaller compressed file is decoded without a reservation of memory, to at most [`SMALL_DECODED`] bytes.
const SMALL_FILE: u64 = 256 << 10;
const SMALL_DECODED: u64 = 4 << 20;

/// Bytes of a compressed file that are read for the decoded size.
const CLAIM: usize = 4 << 10;

/// Bytes to read before the section headers, because the section names are usually there.
const NAMES_AHEAD: u64 = 2048;

/// Whether this is the name of a section, with the bytes after it in the section of names.
fn is_named(name: &[u8], expected: &[u8]) -> bool {
    name.strip_prefix(expected).is_some_and(|rest| rest.first() == Some(&0))
}

/// The ranges of the needed sections.
#[derive(Default)]
struct Sections {
    modinfo: Option<Range<u64>>,
    strings: Option<Range<u64>>,
    symtab: Option<Range<u64>>,
    strtab: Option<Range<u64>>,
    versions: Option<Range<u64>>,
    /// CRCs of exports, read in advance because `__crc_` symbols usually point there.
    crcs: Option<Range<u64>>,
    crcs_gpl: Option<Range<u64>>,
    /// Versions of needs with names of any length.
    version_crcs: Option<Range<u64>>,
    version_names: Option<Range<u64>>,
}

impl Sections {
    fn slots(&mut self) -> [&mut Option<Range<u64>>; 9] {
        let Self { modinfo, strings, symtab, strtab, versions, crcs, crcs_gpl, version_crcs, version_names } =
            self;
        [modinfo, strings, symtab, strtab, versions, crcs, crcs_gpl, version_crcs, version_names]
    }
}

/// Loads modules sequentially, with reused buffers. A host has one per thread.
pub struct Loader<'host> {
    limits: &'host Limits,
    /// Lent to [`Pieces`].
    decoder: Option<&'host mut dyn Decoder>,
    stored: Vec<u8>,
    decoded: Vec<u8>,
    ranges: Ranges,
    wanted: Vec<Range<u64>>,
    versions: VersionTable,
    facts: FactsBuilder,
    #[cfg(feature = "answers")]
    detail: super::Detail,
}

impl<'host> Loader<'host> {
    /// A loader that decompresses with `decoder`.
    pub fn new(limits: &'host Limits, decoder: &'host mut dyn Decoder) -> Self {
        Self {
            limits,
            decoder: Some(decoder),
            stored: Vec::new(),
            decoded: Vec::new(),
            ranges: Ranges::default(),
            wanted: Vec::new(),
            versions: VersionTable::default(),
            facts: FactsBuilder::default(),
            #[cfg(feature = "answers")]
            detail: super::Detail::Classic,
        }
    }

    /// Sets how much is kept of each module.
    #[cfg(feature = "answers")]
    #[must_use]
    pub fn detail(self, detail: super::Detail) -> Self {
        Self { detail, ..self }
    }

    /// Loads one module. The first bytes determine its format; its name is irrelevant.
    ///
    /// # Errors
    /// When it cannot be read, decompressed or parsed; see [`LoadError`].
    pub fn load(&mut self, file: &mut impl ReadAt) -> Result<Facts, LoadError> {
        let size = file.size();
        if size < MAGIC_LEN {
            return Err(LoadError::TooShort { size });
        }
        let mut head = [0; FileHeader::MAX_LEN];
        let head = read_head(file, &mut head)?;
        match Compression::detect(head) {
            None => self.extract(file, head),
            Some(format) => {
                let facts = self.decode(file, format, head);
                self.reserve(0);
                facts
            }
        }
    }

    /// Loads a compressed module.
    fn decode(
        &mut self,
        file: &mut dyn ReadAt,
        format: Compression,
        head: &[u8],
    ) -> Result<Facts, LoadError> {
        let (size, limit) = (file.size(), self.limits.file_size);
        if size > limit {
            return Err(LoadError::TooLarge { size, limit });
        }
        let in_pieces = cfg!(feature = "pieces")
            && self.decoder.as_ref().is_some_and(|decoder| decoder.decodes_in_pieces());
        let mut limits = self.limits.clone();
        if !in_pieces {
            limits.module_size = limits.module_size.min(limits.unpieced_module_size);
        } else if size <= SMALL_FILE {
            limits.module_size = limits.module_size.min(SMALL_DECODED);
        } else {
            let mut last = [0; CLAIM];
            file.read_at(size.saturating_sub(CLAIM as u64), &mut last)?;
            let most = self.limits.buffered_size;
            let room = most.saturating_sub(size);
            let claim = claimed_size(format, head, &last).unwrap_or(room);
            if claim > room {
                return self.decode_in_pieces(file, format);
            }
            limits.module_size = limits.module_size.min(claim);
            self.reserve(size.saturating_add(claim));
        }
        let length = self.read_whole(file)?;
        let stored = self.stored.get(..length).unwrap_or_default();
        let mut decoded = core::mem::take(&mut self.decoded);
        let result = match &mut self.decoder {
            Some(decoder) => decoder.decode(format, stored, &limits, &mut decoded),
            None => return Err(IoError::invalid().into()),
        };
        let facts = match result {
            Err(error)
                if error.exceeded().is_some()
                    && limits.module_size < self.limits.module_size
                    && in_pieces =>
            {
                drop(decoded);
                return self.decode_in_pieces(file, format);
            }
            Err(error) => Err(error.into()),
            Ok(()) => {
                let mut image = decoded.as_slice();
                let mut head = [0; FileHeader::MAX_LEN];
                read_head(&mut image, &mut head)
                    .map_err(LoadError::from)
                    .and_then(|head| self.extract(&mut image, head))
            }
        };
        if decoded.capacity() as u64 <= SMALL_DECODED || !in_pieces {
            self.decoded = decoded;
        }
        if self.stored.len() as u64 > SMALL_FILE && in_pieces {
            self.stored = Vec::new();
        }
        facts
    }

    /// Loads a compressed module in pieces.
    fn decode_in_pieces(&mut self, file: &mut dyn ReadAt, format: Compression) -> Result<Facts, LoadError> {
        self.stored = Vec::new();
        self.reserve(u64::MAX);
        let Some(decoder) = self.decoder.take() else { return Err(IoError::invalid().into()) };
        let facts = match Pieces::new(file, &mut *decoder, format, self.limits) {
            Err(error) => Err(error),
            Ok(mut pieces) => {
                let mut head = [0; FileHeader::MAX_LEN];
                let facts = read_head(&mut pieces, &mut head)
                    .map_err(LoadError::from)
                    .and_then(|head| self.extract(&mut pieces, head));
                match pieces.error.take() {
                    Some(error) => Err(error.into()),
                    None => facts,
                }
            }
        };
        self.decoder = Some(decoder);
        self.ranges = Ranges::default();
        facts
    }

    fn reserve(&mut self, bytes: u64) {
        if let Some(decoder) = &mut self.decoder {
            decoder.reserve(bytes);
        }
    }

    /// Reads a compressed file into the start of `stored`; returns its length.
    fn read_whole(&mut self, file: &mut dyn ReadAt) -> Result<usize, LoadError> {
        let (size, limit) = (file.size(), self.limits.file_size);
        let length = usize::try_from(size).map_err(|_| LoadError::TooLarge { size, limit })?;
        // Never shrinks: clearing memory before overwriting it would cost as much as copying it.
        let more = length.saturating_sub(self.stored.len());
        self.stored.try_reserve(more).map_err(|_| IoError::no_memory())?;
        zeros::grow_to(&mut self.stored, length);
        file.read_at(0, self.stored.get_mut(..length).unwrap_or_default())?;
        Ok(length)
    }

    /// Reads the needed ranges of an uncompressed module.
    fn extract(&mut self, file: &mut dyn ReadAt, head: &[u8]) -> Result<Facts, LoadError> {
        let file_size = file.size();
        let header = FileHeader::parse(head, file_size)?;
        self.ranges.clear();
        self.facts.reset();
        let limit = self.limits.sections_size;

        let table = header.section_headers();
        self.wanted.clear();
        self.wanted.push(table.start.saturating_sub(NAMES_AHEAD)..table.end);
        self.ranges.read(file, &mut self.wanted, limit)?;
        let bytes = self.ranges.get(&table).unwrap_or_default();
        let names = SectionTable::new(header, bytes, file_size).names_range()?;
        self.wanted.clear();
        self.wanted.push(names.clone());
        self.ranges.read(file, &mut self.wanted, limit)?;

        let sections = self.plan(header, file_size, &table, &names)?;
        #[cfg(feature = "answers")]
        let details = (self.detail == super::Detail::Full).then(|| {
            let bytes = self.ranges.get(&table).unwrap_or_default();
            let table = SectionTable::new(header, bytes, file_size);
            let names = self.ranges.get(&names).unwrap_or_default();
            super::details::Sections::find(header, table, names, file_size, &mut self.wanted)
        });
        self.ranges.read(file, &mut self.wanted, limit)?;

        let held = |range: &Option<Range<u64>>| self.ranges.get(range.as_ref()?);
        let table = SectionTable::new(header, self.ranges.get(&table).unwrap_or_default(), file_size);
        let strtab = held(&sections.strtab);
        let symbols = strtab
            .and(held(&sections.symtab))
            .and_then(|symtab| Symbols::new(header.class, header.byte_order, symtab));
        if let (Some(symbols), Some(strtab)) = (&symbols, strtab) {
            let mut fault = None;
            let crc_at = |section, offset| {
                let crc = crc_at(&self.ranges, file, table, header.byte_order, section, offset);
                crc.unwrap_or_else(|error| {
                    fault = Some(error);
                    exports::NO_CRC
                })
            };
            exports::from_crc_symbols(symbols.clone(), strtab, crc_at, &mut self.facts);
            if let Some(fault) = fault.filter(IoError::is_fault) {
                return Err(fault.into());
            }
        }
        if !self.facts.has_exports()
            && let Some(strings) = held(&sections.strings)
        {
            exports::from_strings(strings, &mut self.facts);
        }
        if let Some(section) = held(&sections.modinfo) {
            modinfo::collect(section, &mut self.facts);
        }
        #[cfg(feature = "answers")]
        let named = symbols.clone().zip(strtab);
        if let (Some(symbols), Some(strtab)) = (symbols, strtab) {
            let versions = held(&sections.versions).filter(|bytes| bytes.len().is_multiple_of(64));
            let input = needs::Input {
                class: header.class,
                byte_order: header.byte_order,
                machine: header.machine,
                symbols,
                strtab,
                versions: versions.unwrap_or_default(),
            };
            needs::collect(input, &mut self.versions, &mut self.facts);
            if let (Some(crcs), Some(names)) = (held(&sections.version_crcs), held(&sections.version_names)) {
                #[cfg(feature = "answers")]
                let alone = self.detail == super::Detail::Full;
                #[cfg(not(feature = "answers"))]
                let alone = false;
                needs::collect_extended(header.byte_order, crcs, names, alone, &mut self.facts);
            }
        }
        #[cfg(feature = "answers")]
        if let Some(details) = details {
            if let Some(section) = held(&sections.modinfo) {
                modinfo::collect_details(section, &mut self.facts);
            }
            let strings = held(&sections.strings).unwrap_or_default();
            details.collect(&self.ranges, named, strings, &mut self.facts);
        }
        let size = limit.saturating_add(1);
        self.facts.finish().map_err(|_| LoadError::TooLarge { size, limit })
    }

    /// Finds the sections and adds the needed ranges to `wanted`.
    fn plan(
        &mut self,
        header: FileHeader,
        file_size: u64,
        table: &Range<u64>,
        names: &Range<u64>,
    ) -> Result<Sections, LoadError> {
        let bytes = self.ranges.get(table).unwrap_or_default();
        let table = SectionTable::new(header, bytes, file_size);
        let names_bytes = self.ranges.get(names).unwrap_or_default();
        if names_bytes.last() != Some(&0) {
            let value = u64::from(header.names_index);
            return Err(ElfError::Field { field: Field::SectionNames, offset: names.end, value }.into());
        }
        let mut sections = Sections::default();
        self.wanted.clear();
        for (name, section) in table.named(names_bytes) {
            let slot = match name {
                [b'.', b'm', ..] if name.starts_with(b".modinfo\0") => {
                    if !section.has_bytes {
                        return Err(ElfError::DebugOnly.into());
                    }
                    &mut sections.modinfo
                }
                [b'.', b's', ..] if name.starts_with(b".symtab\0") => &mut sections.symtab,
                [b'.', b's', ..] if name.starts_with(b".strtab\0") => &mut sections.strtab,
                [b'_', ..] if is_named(name, export_table::STRINGS) => &mut sections.strings,
                [b'_', ..] if name.starts_with(b"__versions\0") => &mut sections.versions,
                [b'_', ..] if is_named(name, export_table::CRCS) => &mut sections.crcs,
                [b'_', ..] if is_named(name, export_table::CRCS_GPL) => &mut sections.crcs_gpl,
                [b'_', ..] if is_named(name, b"__version_ext_crcs") => &mut sections.version_crcs,
                [b'_', ..] if is_named(name, b"__version_ext_names") => &mut sections.version_names,
                _ => continue,
            };
            if let Some(range) = section.range(file_size) {
                slot.get_or_insert(range);
            }
        }
        // The first section of a name decides, even if it counts as absent because it begins at offset 0.
        for slot in sections.slots() {
            *slot = slot.take().filter(|range| range.start != 0);
            self.wanted.extend(slot.clone());
        }
        Ok(sections)
    }
}

/// The 32-bit word at an offset of a section, or [`exports::NO_CRC`].
fn crc_at(
    ranges: &Ranges,
    file: &mut dyn ReadAt,
    table: SectionTable<'_>,
    byte_order: ByteOrder,
    section: u16,
    offset: u64,
) -> Result<u64, IoError> {
    let place = || {
        let range = table.get(section)?.range(file.size())?;
        let start = range.start.checked_add(offset)?;
        Some(start..start.checked_add(4).filter(|&end| end <= range.end)?)
    };
    let Some(place) = place() else { return Ok(exports::NO_CRC) };
    let mut word = [0; 4];
    match ranges.get(&place) {
        Some(bytes) => word.copy_from_slice(bytes),
        None => file.read_at(place.start, &mut word)?,
    }
    Ok(byte_order.u32(&word).map_or(exports::NO_CRC, u64::from))
}

fn read_head<'head>(
    file: &mut dyn ReadAt,
    head: &'head mut [u8; FileHeader::MAX_LEN],
) -> Result<&'head [u8], IoError> {
    let length = usize::try_from(file.size()).unwrap_or(usize::MAX).min(head.len());
    let (head, _) = head.split_at_mut(length);
    file.read_at(0, head)?;
    Ok(head)
}
