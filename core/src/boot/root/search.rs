//! The search for superblocks on all devices of the firmware.

use alloc::{string::String, vec::Vec};

use super::device::{BlockDevice, Window, read_head};
use super::layer::{Layer, Layers, Partition};
use super::options::RootOptions;
use super::superblock::{HEAD_LEN, Superblock};
use super::{btrfs, ext, f2fs, gpt, luks, lvm, md, policy, swap, xfs};
use crate::answer::Request;
use crate::limits::Limits;

type Parse = fn(&[u8]) -> Option<Superblock>;

/// File systems and swap, each by its own magic.
const PLAIN: [Parse; 5] = [ext::parse, xfs::parse, btrfs::parse, f2fs::parse, swap::parse];

/// What is on the disks.
#[derive(Debug)]
pub struct RootSearch<'l> {
    limits: &'l Limits,
    layers: Layers,
    /// Names of partitions, with their UUIDs.
    partition_names: Vec<(String, String)>,
    devices: usize,
}

impl<'l> RootSearch<'l> {
    /// A search that has found nothing yet.
    #[must_use]
    pub fn new(limits: &'l Limits) -> Self {
        Self { limits, layers: Layers::default(), partition_names: Vec::new(), devices: 0 }
    }

    /// Looks at a partition, or at a whole disk. Returns whether the device could be read; beyond
    /// [`Limits::block_devices`] none is read.
    pub fn look_at(&mut self, device: &dyn BlockDevice, partition: Option<Partition>) -> bool {
        if self.devices >= self.limits.block_devices {
            return false;
        }
        self.devices = self.devices.saturating_add(1);
        if partition.is_none() {
            self.partition_names.extend(gpt::names(device, self.limits).unwrap_or_default());
        }
        self.look(device, None, partition, self.limits.layers)
    }

    /// What was found, in the order of the devices.
    pub fn superblocks(&self) -> impl Iterator<Item = &Superblock> {
        self.layers.0.iter().map(|layer| &layer.superblock)
    }

    /// The modules for what the kernel's options name, sorted: the order of the devices has no influence.
    #[must_use]
    pub fn requests(&self, options: &RootOptions) -> Vec<Request> {
        policy::requests(options, &self.layers, &self.partition_names)
    }

    fn look(
        &mut self,
        device: &dyn BlockDevice,
        below: Option<usize>,
        partition: Option<Partition>,
        depth: usize,
    ) -> bool {
        let Some(depth) = depth.checked_sub(1) else { return true };
        let Some(head) = read_head(device, HEAD_LEN) else { return false };
        // A container first: the superblock of an earlier file system may still be in its unused parts.
        if let Some(member) = md::find(device, &head) {
            let array = self.add(member.superblock, below, partition);
            if let (Some(array), Some((offset, size))) = (array, member.content) {
                self.look(&Window { device, offset, size }, Some(array), None, depth);
            }
        } else if let Some(container) = luks::parse(device, &head, self.limits) {
            self.add(container, below, partition);
        } else if let Some(volume) = lvm::parse(device, &head, self.limits) {
            let Some(physical) = self.add(volume.superblock, below, partition) else { return true };
            for volume in volume.logical {
                let Some(logical) = self.add(volume.superblock, Some(physical), None) else { return true };
                if let Some((offset, size)) = volume.content {
                    self.look(&Window { device, offset, size }, Some(logical), None, depth);
                }
            }
        } else if let Some(found) = PLAIN.iter().find_map(|parse| parse(&head)) {
            self.add(found, below, partition);
        }
        true
    }

    fn add(
        &mut self,
        superblock: Superblock,
        below: Option<usize>,
        partition: Option<Partition>,
    ) -> Option<usize> {
        let at = self.layers.0.len();
        (at < self.limits.superblocks).then(|| self.layers.0.push(Layer { superblock, below, partition }))?;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::device::Memory;
    use super::super::superblock::Kind;
    use super::*;
    use alloc::{format, vec};
    use proptest::prelude::*;

    const LUKS: &str = r#"{"segments":{"0":{"encryption":"aes-xts-plain64"}}}"#;

    fn kinds(disk: &Memory) -> Vec<Kind> {
        let limits = Limits::DEFAULT;
        let mut search = RootSearch::new(&limits);
        assert!(search.look_at(disk, None));
        search.superblocks().map(|found| found.kind).collect()
    }

    #[test]
    fn containers_are_looked_into_where_they_can_be() {
        let mut disk = lvm::physical_volume(&lvm::volume_group(
            &(lvm::linear("a", "pv0", 0) + &lvm::linear("b", "pv0", 2)),
        ));
        disk.put(1 << 20, b"XFSB");
        disk.put(3 << 20, &luks::luks2("6f30", LUKS));
        let found = [
            Kind::PhysicalVolume,
            Kind::LogicalVolume,
            Kind::FileSystem("xfs"),
            Kind::LogicalVolume,
            Kind::Luks,
        ];
        assert_eq!(kinds(&disk), found);
    }

    #[test]
    fn a_mirror_with_its_superblock_at_the_end_is_looked_into_once() {
        let mut disk = Memory { bytes: b"XFSB".to_vec(), size: 1 << 20 };
        let (at, sectors) = ((1 << 20) - 8192, 1024_u64);
        for (offset, value) in [(0, 0xa92b_4efc), (4, 1), (72, 1), (136, sectors), (144, at as u64 / 512)] {
            disk.put(at + offset, &value.to_le_bytes());
        }
        assert_eq!(kinds(&disk), [Kind::Array, Kind::FileSystem("xfs")]);
    }

    #[test]
    fn a_container_hides_remains_of_a_file_system() {
        let mut disk = Memory::new(luks::luks2("6f30", LUKS));
        disk.put(0x438, &[0x53, 0xef]);
        disk.size = 1 << 20;
        assert_eq!(kinds(&disk), [Kind::Luks]);
    }

    #[test]
    fn volumes_in_themselves_end() {
        // The first extent is the physical volume's own start.
        let metadata = lvm::volume_group(&(lvm::linear("a", "pv0", 0) + &lvm::linear("b", "pv0", 0)));
        let disk = lvm::physical_volume(&metadata.replace("pe_start = 2048", "pe_start = 0"));
        let few = Limits::DEFAULT.superblocks(50);
        let mut search = RootSearch::new(&few);
        search.look_at(&disk, None);
        assert_eq!(search.superblocks().count(), 50);
        let flat = Limits::DEFAULT.layers(2);
        let mut search = RootSearch::new(&flat);
        search.look_at(&disk, None);
        assert_eq!(search.superblocks().count(), 3 + 2 * 3);
    }

    #[test]
    fn devices_that_fail_are_told() {
        struct Broken;

        impl BlockDevice for Broken {
            fn size(&self) -> u64 {
                1 << 40
            }

            fn block_size(&self) -> u32 {
                4096
            }

            fn read(&self, _: u64, _: usize) -> Option<Vec<u8>> {
                None
            }
        }

        let limits = Limits::DEFAULT.block_devices(2);
        let mut search = RootSearch::new(&limits);
        let mut disk = Memory::new(*b"XFSB");
        disk.size = 4096;
        assert!(!search.look_at(&Broken, None));
        assert!(search.look_at(&disk, None));
        assert!(!search.look_at(&disk, None), "one more than the limit");
        assert_eq!(search.superblocks().count(), 1);
    }

    /// Bytes of every format, damaged, where its superblock is.
    fn hostile() -> impl Strategy<Value = Memory> {
        let seeds = vec![
            lvm::physical_volume(&lvm::volume_group(&lvm::linear("a", "pv0", 0))).bytes,
            luks::luks2("6f30", LUKS),
            [&[0; 1024][..], &[0xff; 2048]].concat(),
        ];
        let damage = prop::collection::vec((0..9000_usize, any::<u8>()), 0..40);
        (prop::sample::select(seeds), damage, 0..2_000_000_u64).prop_map(|(bytes, damage, size)| {
            let mut disk = Memory { size: size.max(bytes.len() as u64), bytes };
            for (at, byte) in damage {
                if at < disk.bytes.len() {
                    disk.put(at, &[byte]);
                }
            }
            disk
        })
    }

    proptest! {
        #[test]
        fn hostile_superblocks_are_harmless(disk in hostile()) {
            let limits = Limits::DEFAULT;
            let mut search = RootSearch::new(&limits);
            search.look_at(&disk, None);
            prop_assert!(search.superblocks().count() <= limits.superblocks);
            let options = RootOptions::parse("root=/dev/mapper/vg-a resume=UUID=6f30");
            for request in search.requests(&options) {
                let query = format!("{}", request.query);
                prop_assert!(!query.contains(['*', '?', '[', '/']), "{}", query);
            }
        }
    }
}
