//! From options and superblocks to requests for modules.
//!
//! * What an option names is taken, with all that it lies in. Of what lies in it, everything if it is a device of the
//!   root file system, and the containers if it is a volume or array.
//! * A root file system that was not found is in a container that cannot be read: in those that options name, else in
//!   any. Then `rootfstype=` says what it is; without it, it may be any usual file system.
//! * What options name and no disk has is expected to be of the usual kind.

use alloc::{format, string::String, vec::Vec};

use super::device_name::{DeviceName, mapped};
use super::layer::{Layer, Layers};
use super::options::RootOptions;
use super::superblock::{Kind, Superblock};
use super::{cipher, luks, md};
use crate::answer::Request;

/// File systems that a root may have if nothing says which.
const USUAL_FILE_SYSTEMS: [&str; 4] = ["ext4", "xfs", "btrfs", "f2fs"];
/// Origin of requests that no superblock made.
const OPTIONS: &str = "kernel's options";

pub(super) fn requests(options: &RootOptions, layers: &Layers, names: &[(String, String)]) -> Vec<Request> {
    let mut policy = Policy { options, layers, names, chosen: Vec::new(), list: Vec::new() };
    policy.network();
    let found_root = policy.root();
    policy.named();
    if !found_root
        && !options.nfs
        && options.name_disks()
        && (options.root.is_some() || options.resume.is_none())
    {
        policy.hidden_root();
    }
    policy.file_systems(&options.file_systems);
    policy.finish()
}

struct Policy<'p> {
    options: &'p RootOptions,
    layers: &'p Layers,
    /// UUIDs and names of partitions.
    names: &'p [(String, String)],
    /// Indexes of layers, sorted. A set would take the firmware program kilobytes.
    chosen: Vec<usize>,
    list: Vec<Request>,
}

impl Policy<'_> {
    fn network(&mut self) {
        if self.options.network || self.options.nfs {
            // Sockets for raw packets, as DHCP needs them.
            self.add("net-pf-17", OPTIONS);
        }
        if self.options.nfs {
            ["fs-nfs", "fs-nfs4", "nfsv3", "nfsv4"].iter().for_each(|module| self.add(module, OPTIONS));
        }
    }

    /// Takes the root file system, and returns whether it was found.
    fn root(&mut self) -> bool {
        let Some(name) = &self.options.root else { return false };
        let mut found = false;
        for at in self.matching(name) {
            let all = self.with_content(at);
            found |= all.iter().any(|&at| matches!(self.kind(at), Some(Kind::FileSystem(_))));
            self.choose(&all);
        }
        found
    }

    /// Takes what else the options name.
    fn named(&mut self) {
        let options = self.options;
        if let Some(name) = &options.resume {
            let matching = self.matching(name);
            if matching.is_empty() && is_mapped(name) {
                self.add("dm-mod", OPTIONS);
            }
            matching.into_iter().for_each(|at| self.choose(&self.with_content(at)));
        }
        for name in &options.containers {
            let all: Vec<usize> = self.matching(name).iter().flat_map(|&at| self.with_content(at)).collect();
            if !self.has_container(&all) {
                self.usual_container();
            }
            self.choose(&all);
        }
        self.named_around(&options.volumes, &["dm-mod".into()]);
        self.named_around(&options.arrays, &md::usual());
    }

    /// Takes volumes or arrays, with containers in them; `usual` for those that no disk has.
    fn named_around(&mut self, names: &[DeviceName], usual: &[String]) {
        for name in names {
            let matching = self.matching(name);
            if matching.is_empty() {
                usual.iter().for_each(|module| self.add(module, OPTIONS));
            }
            for at in matching {
                self.choose(&[at]);
                if !matches!(name, DeviceName::Group(_)) {
                    let inside: Vec<usize> = self.layers.up(at).filter(|&at| self.is_hiding(at)).collect();
                    self.choose(&inside);
                }
            }
        }
    }

    /// The root file system is in something that cannot be read.
    fn hidden_root(&mut self) {
        if !self.chosen.iter().any(|&at| self.is_hiding(at)) {
            let all: Vec<usize> = (0..self.layers.0.len()).filter(|&at| self.is_hiding(at)).collect();
            self.choose(&all);
        }
        if let Some(name) = self.options.root.as_ref().filter(|name| is_mapped(name)) {
            self.add("dm-mod", OPTIONS);
            let is_volume = matches!(name, DeviceName::Volume(_)) || !self.matching(name).is_empty();
            if !is_volume && !self.has_container(&self.chosen) {
                self.usual_container();
            }
        }
        if self.options.file_systems.is_empty() {
            self.file_systems(&USUAL_FILE_SYSTEMS);
        }
    }

    fn file_systems(&mut self, names: &[impl AsRef<str>]) {
        names.iter().for_each(|name| self.add(&["fs-", name.as_ref()].concat(), OPTIONS));
    }

    fn usual_container(&mut self) {
        let mut usual = luks::container(Superblock::new(Kind::Luks, String::new(), "")).modules;
        cipher::USUAL.iter().for_each(|name| cipher::add_cipher(name.as_bytes(), &mut usual));
        usual.iter().for_each(|module| self.add(module, OPTIONS));
    }

    fn has_container(&self, layers: &[usize]) -> bool {
        layers.iter().any(|&at| self.kind(at) == Some(Kind::Luks))
    }

    fn with_content(&self, at: usize) -> Vec<usize> {
        core::iter::once(at).chain(self.layers.up(at)).collect()
    }

    fn kind(&self, at: usize) -> Option<Kind> {
        self.layers.0.get(at).map(|layer| layer.superblock.kind)
    }

    /// Whether it may have something inside that cannot be read.
    fn is_hiding(&self, at: usize) -> bool {
        match self.kind(at) {
            Some(Kind::Luks) => true,
            Some(Kind::PhysicalVolume | Kind::LogicalVolume | Kind::Array) => {
                self.layers.up(at).next().is_none()
            }
            _ => false,
        }
    }

    /// The layers with a name.
    fn matching(&self, name: &DeviceName) -> Vec<usize> {
        let all = self.layers.0.iter().enumerate();
        all.filter(|(_, layer)| self.is_named(layer, name)).map(|(at, _)| at).collect()
    }

    fn is_named(&self, layer: &Layer, name: &DeviceName) -> bool {
        let superblock = &layer.superblock;
        let is_volume = superblock.kind == Kind::LogicalVolume;
        let is_of_volumes =
            matches!(superblock.kind, Kind::PhysicalVolume | Kind::LogicalVolume | Kind::Array);
        let label = superblock.label.as_slice();
        let has_partition_id = |id: &String| layer.partition.as_ref().is_some_and(|own| own.id == *id);
        match name {
            DeviceName::Id(id) => !id.is_empty() && superblock.id == *id,
            DeviceName::Label(text) => !is_of_volumes && !text.is_empty() && label == text.as_bytes(),
            DeviceName::PartitionId(id) => has_partition_id(id),
            DeviceName::PartitionName(text) => {
                self.names.iter().any(|(id, name)| name == text && has_partition_id(id))
            }
            DeviceName::Number(number) => {
                layer.below.is_none() && layer.partition.as_ref().map(|own| own.number) == *number
            }
            DeviceName::Volume(text) => is_volume && label == text.as_bytes(),
            DeviceName::Mapped(text) => is_volume && mapped(label) == text.as_bytes(),
            DeviceName::Group(text) => superblock.kind == Kind::PhysicalVolume && label == text.as_bytes(),
            DeviceName::Array => superblock.kind == Kind::Array,
            DeviceName::Other => false,
        }
    }

    /// Takes layers, and all that they lie in.
    fn choose(&mut self, layers: &[usize]) {
        for &at in layers {
            for at in self.layers.down(at) {
                if let Err(place) = self.chosen.binary_search(&at) {
                    self.chosen.insert(place, at);
                }
            }
        }
    }

    /// Adds a request; the list stays sorted.
    fn add(&mut self, module: &str, origin: &str) {
        let request = Request::new(module, origin);
        match self.list.binary_search_by(|other| other.query.cmp(&request.query)) {
            Err(at) => self.list.insert(at, request),
            Ok(at) => {
                if let Some(other) = self.list.get_mut(at).filter(|other| other.origin > request.origin) {
                    *other = request;
                }
            }
        }
    }

    fn finish(mut self) -> Vec<Request> {
        for at in core::mem::take(&mut self.chosen) {
            let Some(layer) = self.layers.0.get(at) else { continue };
            let superblock = &layer.superblock;
            let origin = match superblock.id.as_str() {
                "" => format!("{} {}", superblock.kind.name(), superblock.label.escape_ascii()),
                id => format!("{} {id}", superblock.kind.name()),
            };
            superblock.modules.iter().for_each(|module| self.add(module, &origin));
        }
        self.list
    }
}

/// Whether the device mapper makes it.
fn is_mapped(name: &DeviceName) -> bool {
    matches!(name, DeviceName::Mapped(_) | DeviceName::Volume(_))
}

#[cfg(test)]
mod tests {
    use super::super::layer::Partition;
    use super::*;
    use alloc::string::ToString;

    /// Disks: sda1 EFI, sda2 ext4, sda3 LUKS; sdb1 physical volume with an xfs root, LUKS and a mirror in volumes;
    /// sdc an array with btrfs, sdd swap.
    fn disks() -> Layers {
        let layer = |below, number, superblock| {
            let partition =
                u32::try_from(number).ok().map(|number| Partition::mbr(number, [number as u8, 0, 0, 0]));
            Layer { superblock, below, partition }
        };
        let of =
            |kind, id: &str, label: &str, module: &str| Superblock::new(kind, id.into(), label).needs(module);
        Layers(Vec::from([
            layer(None, 2, of(Kind::FileSystem("ext4"), "e4", "old", "fs-ext4")),
            layer(None, 3, of(Kind::Luks, "11", "", "crypto-aes")),
            layer(None, 1, of(Kind::PhysicalVolume, "bb", "vg", "dm-mod")),
            layer(Some(2), -1, of(Kind::LogicalVolume, "", "vg/the-root", "dm-linear")),
            layer(Some(3), -1, of(Kind::FileSystem("xfs"), "f5", "root", "fs-xfs")),
            layer(Some(2), -1, of(Kind::LogicalVolume, "", "vg/home", "dm-linear")),
            layer(Some(5), -1, of(Kind::Luks, "22", "", "crypto-serpent")),
            layer(Some(2), -1, of(Kind::LogicalVolume, "", "vg/mirror", "dm-raid")),
            layer(None, -1, of(Kind::Array, "cc", "host:0", "md-raid1")),
            layer(Some(8), -1, of(Kind::FileSystem("btrfs"), "b7", "sys", "fs-btrfs")),
            layer(None, -1, of(Kind::Swap, "5a", "swp", "no-module")),
        ]))
    }

    fn wanted_of(layers: &Layers, options: &str) -> String {
        let names = [("0000000302".to_string(), "x".to_string()), ("0000000202".into(), "Linux".into())];
        let requests = requests(&RootOptions::parse(options), layers, &names);
        let queries: Vec<String> = requests.iter().map(|request| request.query.to_string()).collect();
        queries.join(" ")
    }

    fn wanted(options: &str) -> String {
        wanted_of(&disks(), options)
    }

    const ANY_ROOT: &str = "fs-btrfs fs-ext4 fs-f2fs fs-xfs";
    const CONTAINER: &str = "algif_skcipher crypto-aes crypto-cbc crypto-ecb crypto-essiv crypto-sha256 crypto-xts dm-crypt dm-mod";

    #[test]
    fn a_root_that_is_found_needs_its_way_and_no_other_file_system() {
        for options in [
            "root=UUID=E4",
            "root=LABEL=old",
            "root=PARTUUID=00000002-02",
            "root=PARTLABEL=Linux",
            "root=/dev/sda2",
        ] {
            assert_eq!(wanted(options), "fs-ext4", "{options}");
        }
        for options in
            ["root=/dev/mapper/vg-the--root", "root=/dev/vg/the-root", "root=UUID=f5", "root=LABEL=root"]
        {
            assert_eq!(wanted(options), "dm-linear dm-mod fs-xfs", "{options}");
        }
        for options in ["root=/dev/md0", "root=UUID=b7", "root=LABEL=sys"] {
            assert_eq!(wanted(options), "fs-btrfs md-raid1", "{options}");
        }
        assert_eq!(wanted("root=UUID=e4 rootfstype=squashfs"), "fs-ext4 fs-squashfs");
    }

    #[test]
    fn a_hidden_root_is_in_the_containers_that_are_named() {
        let options = "rd.luks.uuid=luks-11 root=/dev/mapper/vg2-root";
        assert_eq!(wanted(options), ["crypto-aes dm-mod", ANY_ROOT].join(" "));
        assert_eq!(
            wanted("cryptdevice=/dev/sda3:x root=/dev/mapper/x rootfstype=xfs"),
            "crypto-aes dm-mod fs-xfs"
        );
        let options = "rd.lvm.lv=vg/home root=UUID=77";
        assert_eq!(wanted(options), ["crypto-serpent dm-linear dm-mod", ANY_ROOT].join(" "));
        // The volume itself cannot be read.
        assert_eq!(wanted("root=/dev/vg/mirror"), ["dm-mod dm-raid", ANY_ROOT].join(" "));
        assert_eq!(wanted("root=PARTUUID=0000000303"), ["crypto-aes", ANY_ROOT].join(" "));
    }

    #[test]
    fn without_names_a_hidden_root_is_in_any_container() {
        let any = ["crypto-aes crypto-serpent dm-linear dm-mod dm-raid", ANY_ROOT].join(" ");
        for options in ["root=UUID=77", "root=/dev/mapper/x", "rd.lvm.vg=vg root=/dev/mapper/x"] {
            assert_eq!(wanted(options), any, "{options}");
        }
    }

    #[test]
    fn what_no_disk_has_is_of_the_usual_kind() {
        let none = Layers::default();
        assert_eq!(wanted_of(&none, "root=/dev/mapper/x rootfstype=ext4"), [CONTAINER, "fs-ext4"].join(" "));
        assert_eq!(
            wanted_of(&none, "root=UUID=e4 rd.luks.uuid=77 rootfstype=ext4"),
            [CONTAINER, "fs-ext4"].join(" ")
        );
        assert_eq!(wanted_of(&none, "root=/dev/vg/root rootfstype=ext4"), "dm-mod fs-ext4");
        assert_eq!(
            wanted_of(&none, "rd.md.uuid=cc root=UUID=1 rootfstype=ext4"),
            "fs-ext4 md-mod md-raid0 md-raid1 md-raid10 md-raid5"
        );
        assert_eq!(wanted_of(&none, "root=UUID=e4"), ANY_ROOT);
    }

    #[test]
    fn only_named_things_count() {
        assert_eq!(wanted("quiet"), "");
        assert_eq!(wanted("resume=UUID=5a"), "no-module");
        assert_eq!(wanted("resume=UUID=5a root=UUID=e4 rd.md.uuid=c:c"), "fs-ext4 md-raid1 no-module");
        assert_eq!(wanted("rd.lvm.vg=vg root=UUID=e4"), "dm-mod fs-ext4");
        assert_eq!(wanted("root=/dev/nfs nfsroot=x ip=dhcp"), "fs-nfs fs-nfs4 net-pf-17 nfsv3 nfsv4");
    }

    #[test]
    fn origins_do_not_depend_on_the_order_of_disks() {
        let layer = |id: &str| {
            let superblock = Superblock::new(Kind::Luks, id.into(), "").needs("dm-crypt");
            Layer { superblock, below: None, partition: None }
        };
        let options = RootOptions::parse("root=/dev/mapper/x rootfstype=xfs");
        let [one, other] =
            [["aa", "bb"], ["bb", "aa"]].map(|ids| requests(&options, &Layers(ids.map(layer).into()), &[]));
        assert_eq!(one, other);
        assert_eq!(one[0].to_string(), "dm-crypt (LUKS aa)");
    }
}
