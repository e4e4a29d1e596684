//! LVM2: physical volumes, and the logical volumes that their metadata describes.
//!
//! One of the first four sectors has a label, little endian (lvm2, `lib/format_text/layout.h`):
//!
//! ```text
//! label           0 "LABELONE"   20 where the volume's header is   24 "LVM2 001"
//! header          0 UUID, 32 letters   40 pairs of offset and size: data areas, a zero pair, metadata areas, a zero pair
//! metadata area   4 "\x20LVM2\x20x[5A%r0N*>"   32 its size   40 offset and size of the text in it
//! ```
//!
//! A metadata area is a ring: a text at its end goes on behind its first sector. The text ([`super::lvm_text`]) says of
//! which segments a logical volume consists. One that begins with a linear segment on this physical volume can be
//! looked into.

use alloc::{string::String, vec::Vec};

use bstr::BString;
use scroll::{LE, Pread};

use super::device::{BlockDevice, read};
use super::lvm_text::{Value, values};
use super::superblock::{Kind, Superblock, plain_id};
use crate::limits::Limits;

const SECTOR: usize = 512;
const AREA_MAGIC: &[u8] = b"\x20LVM2\x20x[5A%r0N*>";
/// Pairs in a header; there are four in practice.
const MAX_AREAS: usize = 32;
/// Volumes of a group, and those that a logical one is made of; more are not looked at.
const MAX_PHYSICAL: usize = 256;
const MAX_LOGICAL: usize = 4096;
const MAX_PARTS: usize = 64;

/// A physical volume, and the logical ones.
pub(super) struct PhysicalVolume {
    pub(super) superblock: Superblock,
    pub(super) logical: Vec<LogicalVolume>,
}

/// A logical volume.
pub(super) struct LogicalVolume {
    pub(super) superblock: Superblock,
    /// Offset and size of its first segment, if it is linear and on this physical volume.
    pub(super) content: Option<(u64, u64)>,
}

pub(super) fn parse(device: &dyn BlockDevice, head: &[u8], limits: &Limits) -> Option<PhysicalVolume> {
    let labels = head.chunks(SECTOR).take(4);
    let is_label = |label: &[u8]| label.starts_with(b"LABELONE") && label.get(24..32) == Some(b"LVM2 001");
    let (number, label) = labels.enumerate().find(|(_, label)| is_label(label))?;
    let start = number
        .checked_mul(SECTOR)?
        .checked_add(usize::try_from(label.pread_with::<u32>(20, LE).ok()?).ok()?)?;
    let header = head.get(start..)?;
    let id = header.get(..32)?;
    let mut found = PhysicalVolume {
        superblock: Superblock::new(Kind::PhysicalVolume, plain_id(id), "").needs("dm-mod"),
        logical: Vec::new(),
    };
    for area in metadata_areas(header) {
        if let Some(text) = metadata(device, area, limits) {
            Group::parse(&text).describe(limits.steps, &mut found);
            break;
        }
    }
    Some(found)
}

/// Offsets of the metadata areas.
fn metadata_areas(header: &[u8]) -> impl Iterator<Item = u64> {
    let pairs = header.get(40..).unwrap_or_default().chunks_exact(16).take(MAX_AREAS);
    let offsets = pairs.map(|pair| pair.pread_with::<u64>(0, LE).unwrap_or_default());
    offsets.skip_while(|&offset| offset != 0).skip(1).take_while(|&offset| offset != 0)
}

fn metadata(device: &dyn BlockDevice, area: u64, limits: &Limits) -> Option<Vec<u8>> {
    let header = read(device, area, SECTOR)?;
    if header.get(4..20)? != AREA_MAGIC {
        return None;
    }
    let field = |at: usize| header.pread_with::<u64>(at, LE).ok();
    let (area_size, offset, size) = (field(32)?, field(40)?, field(48)?);
    let length = usize::try_from(size).ok().filter(|&size| 0 < size && size <= limits.superblock_size)?;
    let before_end = area_size.checked_sub(offset)?;
    let first = usize::try_from(before_end).map_or(length, |rest| rest.min(length));
    let mut text = read(device, area.checked_add(offset)?, first)?;
    let second = length.checked_sub(first)?;
    text.extend(read(device, area.checked_add(u64::try_from(SECTOR).ok()?)?, second)?);
    Some(text)
}

/// A volume group, as far as it matters here.
#[derive(Default)]
struct Group<'t> {
    name: &'t [u8],
    extent_size: u64,
    /// Name, UUID and the sector of the first extent.
    physical: Vec<(&'t [u8], String, u64)>,
    /// Sorted by name. A map would take the firmware program kilobytes.
    logical: Vec<Logical<'t>>,
}

struct Logical<'t> {
    name: &'t [u8],
    /// Others are parts: what is in them is to be reached through the volume that they make up.
    is_visible: bool,
    segments: Vec<Segment<'t>>,
}

#[derive(Default)]
struct Segment<'t> {
    name: &'t [u8],
    start: u64,
    count: u64,
    kind: &'t [u8],
    stripes: u64,
    /// All texts: names of physical and logical volumes among them.
    texts: Vec<&'t [u8]>,
    /// The extent after the name of the first physical volume.
    extent: Option<u64>,
}

impl<'t> Group<'t> {
    fn parse(text: &'t [u8]) -> Self {
        let mut group = Self::default();
        values(text, &mut |sections, key, value| match (sections, key, value) {
            ([name], b"extent_size", Value::Number(size)) => (group.name, group.extent_size) = (name, size),
            ([_, b"physical_volumes", name], _, value) => group.set_physical(name, key, value),
            ([_, b"logical_volumes", volume], b"status", Value::Text(b"VISIBLE")) => {
                if let Some(logical) = group.logical(volume) {
                    logical.is_visible = true;
                }
            }
            ([_, b"logical_volumes", volume, name], _, value) => {
                if let Some(logical) = group.logical(volume) {
                    logical.set_segment(name, key, value);
                }
            }
            _ => {}
        });
        group
    }

    fn set_physical(&mut self, name: &'t [u8], key: &[u8], value: Value<'t>) {
        let is_new = self.physical.last().is_none_or(|(last, ..)| *last != name);
        if is_new && self.physical.len() < MAX_PHYSICAL {
            self.physical.push((name, String::new(), 0));
        }
        let Some((_, id, start)) = self.physical.last_mut() else { return };
        match (key, value) {
            (b"id", Value::Text(text)) => *id = plain_id(text),
            (b"pe_start", Value::Number(sector)) => *start = sector,
            _ => {}
        }
    }

    /// The volume of this name, a new one if there is none.
    fn logical(&mut self, name: &'t [u8]) -> Option<&mut Logical<'t>> {
        let at = match self.find(name) {
            Ok(at) => at,
            Err(_) if self.logical.len() >= MAX_LOGICAL => return None,
            Err(at) => {
                self.logical.insert(at, Logical { name, is_visible: false, segments: Vec::new() });
                at
            }
        };
        self.logical.get_mut(at)
    }

    fn find(&self, volume: &[u8]) -> Result<usize, usize> {
        self.logical.binary_search_by(|logical| logical.name.cmp(volume))
    }

    fn segments(&self, volume: &[u8]) -> Option<&[Segment<'t>]> {
        Some(&self.logical.get(self.find(volume).ok()?)?.segments)
    }

    /// Adds the logical volumes that can be looked into here, or are not linear.
    fn describe(&self, mut steps: usize, found: &mut PhysicalVolume) {
        found.superblock.label = self.name.into();
        let all = self.logical.iter().flat_map(|logical| &logical.segments);
        let snapshots = all.filter(|segment| segment.kind == b"snapshot").take(MAX_LOGICAL);
        let of_snapshots: Vec<&[u8]> =
            snapshots.flat_map(|segment| segment.texts.iter().take(2)).copied().collect();
        for Logical { name, segments, .. } in self.logical.iter().filter(|logical| logical.is_visible) {
            let content = segments.iter().find_map(|segment| self.content(segment, &found.superblock.id));
            let mut modules = self.modules(name, &mut steps);
            // A snapshot and its origin are other targets than their segments say.
            if of_snapshots.contains(name) {
                add_modules(b"snapshot", &mut modules);
            }
            if content.is_none() && modules.is_empty() {
                continue;
            }
            let label: BString = [self.name, name].join(&b'/').into();
            let mut superblock = Superblock::new(Kind::LogicalVolume, String::new(), label);
            superblock.modules = modules;
            found.logical.push(LogicalVolume { superblock, content });
        }
    }

    /// Where a volume begins that has this as its first segment.
    fn content(&self, segment: &Segment<'_>, physical: &str) -> Option<(u64, u64)> {
        if segment.start != 0 || segment.kind != b"striped" || segment.stripes != 1 {
            return None;
        }
        let name = segment.texts.first()?;
        let (_, _, start) = self.physical.iter().find(|(other, id, _)| other == name && id == physical)?;
        let sectors = segment.extent?.checked_mul(self.extent_size)?.checked_add(*start)?;
        let size = segment.count.checked_mul(self.extent_size)?.checked_mul(512)?;
        Some((sectors.checked_mul(512)?, size))
    }

    /// The modules for the types of all segments of a volume, and of the volumes that it is made of.
    fn modules(&self, volume: &'t [u8], steps: &mut usize) -> Vec<String> {
        let mut modules = Vec::new();
        let mut volumes = Vec::from([volume]);
        let mut next = 0;
        while let Some(segments) = volumes.get(next).and_then(|volume| self.segments(volume)) {
            for segment in segments {
                add_modules(segment.kind, &mut modules);
                for part in &segment.texts {
                    let Some(rest) = steps.checked_sub(1) else { return modules };
                    *steps = rest;
                    let is_new = self.find(part).is_ok() && !volumes.contains(part);
                    if is_new && volumes.len() < MAX_PARTS {
                        volumes.push(part);
                    }
                }
            }
            next = next.saturating_add(1);
        }
        modules
    }
}

impl<'t> Logical<'t> {
    fn set_segment(&mut self, name: &'t [u8], key: &[u8], value: Value<'t>) {
        if self.segments.last().is_none_or(|last| last.name != name) {
            self.segments.push(Segment { name, ..Segment::default() });
        }
        let Some(segment) = self.segments.last_mut() else { return };
        match (key, value) {
            (b"start_extent", Value::Number(number)) => segment.start = number,
            (b"extent_count", Value::Number(number)) => segment.count = number,
            (b"stripe_count", Value::Number(number)) => segment.stripes = number,
            (b"type", Value::Text(text)) => segment.kind = text,
            (b"stripes", Value::Number(number)) => segment.extent = segment.extent.or(Some(number)),
            (_, Value::Text(text)) => segment.texts.push(text),
            _ => {}
        }
    }
}

/// Targets of the device mapper for a type of segment. Linear and striped ones are in `dm-mod`.
fn add_modules(kind: &[u8], modules: &mut Vec<String>) {
    let names: &[&str] = match kind {
        _ if kind.starts_with(b"raid10") => &["dm-raid", "md-raid10"],
        _ if kind.starts_with(b"raid1") => &["dm-raid", "md-raid1"],
        _ if kind.starts_with(b"raid0") => &["dm-raid", "md-raid0"],
        _ if kind.starts_with(b"raid") => &["dm-raid", "md-raid5"],
        b"mirror" => &["dm-mirror"],
        b"thin" | b"thin-pool" => &["dm-thin-pool"],
        b"cache" | b"cache-pool" => &["dm-cache", "dm-cache-smq"],
        b"writecache" => &["dm-writecache"],
        b"snapshot" => &["dm-snapshot"],
        b"vdo" | b"vdo-pool" => &["dm-vdo"],
        _ if kind.starts_with(b"integrity") => &["dm-integrity"],
        _ => &[],
    };
    for name in names {
        if !modules.iter().any(|other| other == name) {
            modules.push((*name).into());
        }
    }
}

/// A physical volume of a megabyte with this text, and 16 MiB for extents.
#[cfg(test)]
pub(super) fn physical_volume(metadata: &str) -> super::device::Memory {
    let mut disk = super::device::Memory::new(*b"");
    disk.put(512, b"LABELONE");
    disk.put(512 + 20, &32_u32.to_le_bytes());
    disk.put(512 + 24, b"LVM2 001");
    disk.put(544, ID.as_bytes());
    let pairs: [u64; 8] = [1 << 20, 0, 0, 0, 4096, (1 << 20) - 4096, 0, 0];
    pairs.iter().enumerate().for_each(|(index, value)| disk.put(584 + 8 * index, &value.to_le_bytes()));
    disk.put(4096 + 4, AREA_MAGIC);
    // The text goes on behind the first sector of the area.
    let size: usize = (1 << 20) - 4096;
    let first = metadata.len().min(100);
    disk.put(4096 + 32, &(size as u64).to_le_bytes());
    disk.put(4096 + 40, &((size - first) as u64).to_le_bytes());
    disk.put(4096 + 48, &(metadata.len() as u64).to_le_bytes());
    disk.put((1 << 20) - first, &metadata.as_bytes()[..first]);
    disk.put(4096 + 512, &metadata.as_bytes()[first..]);
    disk.size = 17 << 20;
    disk
}

#[cfg(test)]
const ID: &str = "AbCdEf0123456789abcdefghijklmnop";

/// A volume group `vg` with these sections of logical volumes; `pv0` is that of [`physical_volume`].
#[cfg(test)]
pub(super) fn volume_group(logical: &str) -> String {
    alloc::format!(
        "vg {{\nid = \"x\"\nextent_size = 2048\nphysical_volumes {{\npv0 {{\nid = \"AbCdEf-0123-4567-89ab-cdef-ghij-klmnop\"\n\
         pe_start = 2048\n}}\npv1 {{\nid = \"other\"\npe_start = 4096\n}}\n}}\nlogical_volumes {{\n{logical}\n}}\n}}\n"
    )
}

/// A linear volume of two extents that begins at this one.
#[cfg(test)]
pub(super) fn linear(name: &str, physical: &str, extent: u64) -> String {
    alloc::format!(
        "{name} {{\nid = \"y\"\nstatus = [\"READ\", \"VISIBLE\"]\nsegment_count = 1\nsegment1 {{\nstart_extent = 0\nextent_count = 2\ntype = \"striped\"\n\
         stripe_count = 1\nstripes = [\n\"{physical}\", {extent}\n]\n}}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    type Found = (BString, String, Option<(u64, u64)>);

    fn logical(metadata: &str) -> Vec<Found> {
        let disk = physical_volume(metadata);
        let found = parse(&disk, &disk.bytes, &Limits::DEFAULT).unwrap();
        assert_eq!(found.superblock.modules, ["dm-mod"]);
        let volumes = found.logical.into_iter();
        volumes
            .map(|volume| (volume.superblock.label, volume.superblock.modules.join(" "), volume.content))
            .collect()
    }

    #[test]
    fn linear_volumes_on_this_physical_volume_can_be_looked_into() {
        let metadata = volume_group(&(linear("swap", "pv1", 0) + &linear("root", "pv0", 3)));
        assert_eq!(logical(&metadata), [("vg/root".into(), "".into(), Some((4 << 20, 2 << 20)))]);
    }

    /// A volume with one segment.
    fn volume(name: &str, is_visible: bool, segment: &str) -> String {
        let status = if is_visible { "\"VISIBLE\"" } else { "" };
        alloc::format!("{name} {{ status = [{status}] segment1 {{ {segment} }} }}\n")
    }

    #[test]
    fn types_of_all_parts_need_modules() {
        let metadata = volume_group(
            &[
                volume("fast", true, "start_extent = 0 type = \"thin\" thin_pool = \"pool\""),
                volume("mirror", true, "type = \"raid1\" raids = [\"m0\", \"i0\"]"),
                volume("pool", false, "type = \"thin-pool\" metadata = \"meta\" pool = \"data\""),
                volume("data", false, "type = \"cache\" cache_pool = \"c\" origin = \"data\""),
            ]
            .concat(),
        );
        let expected = [
            ("vg/fast".into(), "dm-thin-pool dm-cache dm-cache-smq".into(), None),
            ("vg/mirror".into(), "dm-raid md-raid1".into(), None),
        ];
        assert_eq!(logical(&metadata), expected);
    }

    #[test]
    fn the_origin_of_a_snapshot_needs_its_target() {
        let snapshot =
            volume("snapshot0", false, "type = \"snapshot\" origin = \"root\" cow_store = \"snap\"");
        let metadata = volume_group(&(linear("root", "pv0", 0) + &linear("home", "pv0", 2) + &snapshot));
        let modules = |at: usize| logical(&metadata)[at].1.clone();
        assert_eq!((&*modules(0), &*modules(1)), ("", "dm-snapshot"));
    }

    #[test]
    fn parts_are_not_looked_into() {
        let part = linear("pool_tdata", "pv0", 0).replace("VISIBLE", "WRITE");
        assert_eq!(logical(&volume_group(&part)), []);
    }

    #[test]
    fn damaged_metadata_leaves_the_physical_volume() {
        assert_eq!(logical(""), vec![]);
        let mut disk = physical_volume(&volume_group(&linear("root", "pv0", 0)));
        disk.put(4096 + 48, &u64::MAX.to_le_bytes());
        assert_eq!(parse(&disk, &disk.bytes, &Limits::DEFAULT).unwrap().logical.len(), 0);
        disk.put(512 + 20, &u32::MAX.to_le_bytes());
        assert!(parse(&disk, &disk.bytes, &Limits::DEFAULT).is_none());
    }
}
