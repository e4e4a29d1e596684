//! What the kernel's options say of the root file system, and of what it lies in.
//!
//! ```text
//! root=  rootfstype=  resume=                     the kernel and every initrd
//! nfsroot=  ip=                                   the kernel and every initrd: a root on the network
//! rd.luks.uuid=  rd.luks.name=  luks.uuid= …      systemd, dracut
//! rd.lvm.vg=  rd.lvm.lv=  rd.md.uuid=             dracut
//! cryptdevice=  cryptopts=                        mkinitcpio, initramfs-tools
//! ```

use alloc::{string::String, vec::Vec};

use super::device_name::DeviceName;
use super::superblock::plain_id;
use crate::boot::kernel_options::words;

/// Options about the root file system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RootOptions {
    /// `root=`.
    pub root: Option<DeviceName>,
    /// `resume=`: where a hibernated system is.
    pub resume: Option<DeviceName>,
    /// LUKS containers.
    pub containers: Vec<DeviceName>,
    /// Volume groups and logical volumes.
    pub volumes: Vec<DeviceName>,
    /// UUIDs of arrays.
    pub arrays: Vec<DeviceName>,
    /// `rootfstype=`: the file system, or several to be tried.
    pub file_systems: Vec<String>,
    /// Whether the root file system is on the network (NFS).
    pub nfs: bool,
    /// `ip=`: whether the network is set up.
    pub network: bool,
}

impl RootOptions {
    /// Parses the options. Of an option that names one thing, the last counts.
    ///
    /// ```
    /// use depmod_core::parts::boot::root::{DeviceName, RootOptions};
    /// let options = RootOptions::parse("quiet root=/dev/mapper/vg-root rd.luks.uuid=luks-6F30-11AB");
    /// assert_eq!(options.root, Some(DeviceName::Mapped("vg-root".into())));
    /// assert_eq!(options.containers, [DeviceName::Id("6f3011ab".into())]);
    /// ```
    #[must_use]
    pub fn parse(options: &str) -> Self {
        let mut found = Self::default();
        for option in words(options) {
            if let Some((key, value)) = option.split_once('=')
                && !value.is_empty()
            {
                found.set(key, value.trim_matches('"'));
            }
        }
        found
    }

    /// Whether they name anything that has to be found on disks.
    #[must_use]
    pub fn name_disks(&self) -> bool {
        self.root.is_some()
            || self.resume.is_some()
            || [&self.containers, &self.volumes, &self.arrays].iter().any(|names| !names.is_empty())
    }

    fn set(&mut self, key: &str, value: &str) {
        match key {
            "root" => self.set_root(value),
            "resume" => self.resume = Some(DeviceName::parse(value)),
            "rootfstype" => {
                let is_name = |name: &&str| {
                    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                };
                let names = value.split(',').filter(is_name).filter(|&name| name != "auto");
                self.file_systems = names.map(Into::into).collect();
            }
            "nfsroot" => self.nfs = true,
            "ip" => self.network = !matches!(value, "off" | "none"),
            "rd.luks.uuid" | "luks.uuid" | "rd.luks.name" | "luks.name" => {
                let id = value.split('=').next().unwrap_or_default();
                self.containers
                    .push(DeviceName::Id(plain_id(id.strip_prefix("luks-").unwrap_or(id).as_bytes())));
            }
            "rd.luks.partuuid" => self.containers.push(DeviceName::PartitionId(plain_id(value.as_bytes()))),
            "cryptdevice" => {
                self.containers.push(DeviceName::parse(value.split(':').next().unwrap_or_default()));
            }
            "cryptopts" => {
                let source = value.split(',').find_map(|part| part.strip_prefix("source="));
                self.containers.extend(source.map(DeviceName::parse));
            }
            "rd.lvm.vg" => self.volumes.push(DeviceName::Group(value.into())),
            "rd.lvm.lv" => self.volumes.push(DeviceName::Volume(value.into())),
            "rd.md.uuid" => self.arrays.push(DeviceName::Id(plain_id(value.as_bytes()))),
            "md" => self.arrays.push(DeviceName::Array),
            _ => {}
        }
    }

    fn set_root(&mut self, value: &str) {
        let value = value.strip_prefix("block:").unwrap_or(value);
        let is_nfs = value == "/dev/nfs" || value.starts_with("nfs:") || value.starts_with("nfs4:");
        self.root = (!is_nfs).then(|| DeviceName::parse(value));
        self.nfs |= is_nfs;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> DeviceName {
        DeviceName::Id(text.into())
    }

    #[test]
    fn options_of_all_initrds() {
        let options = RootOptions::parse(
            "quiet root=UUID=0a root=\"LABEL=my root\" resume=/dev/vg/swap rootfstype=ext4,btrfs,../x,auto \
             rd.luks.uuid=luks-11-AA rd.luks.name=22=name luks.uuid=33 rd.luks.partuuid=44 \
             cryptdevice=UUID=55:disk:allow-discards cryptopts=target=t,source=/dev/sda3,lvm=vg \
             rd.lvm.vg=vg rd.lvm.lv=vg/root rd.md.uuid=aa:bb ip=dhcp",
        );
        let expected = RootOptions {
            root: Some(DeviceName::Label("my root".into())),
            resume: Some(DeviceName::Volume("vg/swap".into())),
            containers: [
                id("11aa"),
                id("22"),
                id("33"),
                DeviceName::PartitionId("44".into()),
                id("55"),
                DeviceName::Number(Some(3)),
            ]
            .into(),
            volumes: [DeviceName::Group("vg".into()), DeviceName::Volume("vg/root".into())].into(),
            arrays: [id("aabb")].into(),
            file_systems: ["ext4".into(), "btrfs".into()].into(),
            nfs: false,
            network: true,
        };
        assert_eq!(options, expected);
        assert!(options.name_disks());
    }

    #[test]
    fn roots_on_the_network_name_no_disk() {
        for text in ["root=/dev/nfs nfsroot=10.0.0.1:/r ip=dhcp", "\"root=nfs:10.0.0.1:/r\" ip=dhcp"] {
            let options = RootOptions::parse(text);
            assert!(options.nfs && options.network && !options.name_disks(), "{text}");
        }
        assert_eq!(RootOptions::parse("quiet ip=off root= initrd=x"), RootOptions::default());
    }
}
