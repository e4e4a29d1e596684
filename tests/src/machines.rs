//! Thirty machines as Linux sees them: the modaliases of their devices, as below `/sys/devices`.
//!
//! Each machine is a list of parts; a part is one device, or a few that always come together. Vendor and product
//! are those of real hardware.

/// A part: its name, and its modaliases.
type Part = (&'static str, &'static [&'static str]);

/// The names of the machines, and their parts.
pub const MACHINES: [(&str, &str); 30] = [
    ("qemu-virtio", "pc q35 virtio-net virtio-blk virtio-scsi virtio-balloon virtio-rng virtio-gpu"),
    ("qemu-i440fx", "pc i440fx piix-ide e1000 cirrus uhci tablet"),
    ("qemu-nvme", "pc q35 qemu-nvme e1000e qemu-vga xhci-qemu tablet stick"),
    ("virtualbox", "pc i440fx piix-ide e1000 vmware-vga ohci-apple intel-ac97"),
    ("vmware", "pc i440fx pvscsi vmxnet3 vmware-vga vmci balloon-vmware tablet"),
    ("hyper-v", "pc hyper-v"),
    ("xen-guest", "xen"),
    ("cloud-ec2", "pc ena ebs virtio-rng"),
    ("cloud-gce", "pc gve-net virtio-scsi virtio-rng google-nvme"),
    (
        "laptop-thinkpad-x230",
        "pc laptop ivy ahci-7 e1000e-lm iwl-6205 hda-7 xhci-7 sdhci-ricoh keyboard touchpad",
    ),
    (
        "laptop-thinkpad-t480",
        "pc laptop kaby nvme-samsung iwl-8265 e1000e-lm hda-kaby xhci-100 webcam bt-intel",
    ),
    ("laptop-thinkpad-t14", "pc laptop renoir nvme-wd rtl8168 ath11k hda-amd xhci-amd bt-intel touchpad-i2c"),
    ("laptop-dell-xps", "pc laptop tiger nvme-samsung iwl-ax201 sof-tiger thunderbolt touchpad-i2c webcam"),
    ("laptop-macbook", "pc laptop haswell nvme-apple bcm4360 hda-8 xhci-8 apple-keyboard"),
    ("laptop-acer", "pc laptop sandy ahci-6 atl1c ath9k hda-6 ehci-6 touchpad webcam"),
    ("laptop-framework", "pc laptop alder nvme-wd iwl-ax210 hda-alder xhci-alder thunderbolt touchpad-i2c"),
    ("laptop-asus-optimus", "pc laptop tiger nouveau nvme-intel mt7921 hda-tiger xhci-100 bt-mediatek"),
    ("desktop-intel-2010", "pc piix-ide ich10 r8169 radeon hda-ich10 ehci-6 uhci keyboard mouse"),
    ("desktop-intel-2018", "pc kaby ahci-100 e1000e-v hda-kaby xhci-100 keyboard mouse stick printer"),
    ("desktop-ryzen", "pc amd-bus navi nvme-samsung igc hda-amd xhci-amd ccp keyboard mouse gamepad"),
    ("desktop-nvidia", "pc amd-bus nouveau ahci-amd rtl8125 hda-amd xhci-amd webcam headset"),
    ("workstation-xeon", "pc server-bus nouveau megaraid ixgbe hda-ich10 xhci-100 firewire keyboard"),
    ("server-dell", "pc server-bus perc tg3 bnx2x matrox ipmi uas-disk"),
    ("server-hpe", "pc server-bus smartarray be2net i40e hpe-ilo ipmi nvme-intel"),
    ("server-supermicro", "pc server-bus mpt3sas mlx5 ast ipmi ixgbe ahci-100 nvme-intel"),
    ("server-amd-epyc", "pc amd-bus ccp bnxt ice mlx5 ast ipmi nvme-samsung ahci-amd"),
    ("server-fibre-channel", "pc server-bus qla2xxx lpfc aacraid be2net matrox"),
    ("nas", "pc atom ahci-marvell r8169 sata-sil xhci-renesas uas-disk stick"),
    ("router", "pc atom sdhci-intel igb e1000 ath10k lte-modem serial-ftdi"),
    ("thin-client", "pc atom sdhci-intel rtl8168 rtl8821 hda-atom xhci-atom keyboard mouse reader"),
];

#[rustfmt::skip]
const PARTS: &[Part] = &[
    ("pc", &[
        "acpi:PNP0A08:PNP0A03:", "acpi:PNP0C0C:", "acpi:PNP0100:", "acpi:PNP0B00:", "acpi:LNXCPU:", "acpi:LNXSYSTM:",
        "acpi:PNP0303:PNP030B:", "acpi:PNP0F13:", "acpi:PNP0501:", "platform:pcspkr", "platform:i8042",
        "platform:serial8250", "platform:rtc_cmos", "platform:reg-dummy", "input:b0011v0001p0001eAB41-e0,1,4,11,14,k71,ram4,l0,1,2,sfw",
        "cpu:type:x86,ven0000fam0006mod008E:feature:,0000,0001,0002,0003,0004,0005,0006,0007,0008,0009,0017,0018,0019,001A,0080,0081,0099,009C,0123,",
        "dmi:bvnLENOVO:bvrN24ET76W(1.51):bd02/27/2024:br1.51:efr1.22:svnLENOVO:pn20L5CTO1WW:pvrThinkPadT480:rvnLENOVO:rn20L5CTO1WW:rvrSDK0J40697WIN:cvnLENOVO:ct10:cvrNone:skuLENOVO_MT_20L5:",
    ]),
    ("q35", &["pci:v00008086d000029C0sv00001AF4sd00001100bc06sc00i00", "pci:v00008086d00002918sv00001AF4sd00001100bc06sc01i00",
        "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", "pci:v00008086d00002930sv00001AF4sd00001100bc0Csc05i00"]),
    ("i440fx", &["pci:v00008086d00001237sv00001AF4sd00001100bc06sc00i00", "pci:v00008086d00007000sv00001AF4sd00001100bc06sc01i00",
        "pci:v00008086d00007113sv00001AF4sd00001100bc06sc80i00"]),
    ("piix-ide", &["pci:v00008086d00007010sv00001AF4sd00001100bc01sc01i80", "scsi:t-0x00", "scsi:t-0x05"]),
    ("virtio-net", &["pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00", "virtio:d00000001v00001AF4"]),
    ("virtio-blk", &["pci:v00001AF4d00001042sv00001AF4sd00001100bc01sc00i00", "virtio:d00000002v00001AF4"]),
    ("virtio-scsi", &["pci:v00001AF4d00001048sv00001AF4sd00001100bc01sc00i00", "virtio:d00000008v00001AF4", "scsi:t-0x00"]),
    ("virtio-balloon", &["virtio:d00000005v00001AF4"]),
    ("virtio-rng", &["pci:v00001AF4d00001044sv00001AF4sd00001100bc00scFFi00", "virtio:d00000004v00001AF4"]),
    ("virtio-gpu", &["pci:v00001AF4d00001050sv00001AF4sd00001100bc03sc00i00", "virtio:d00000010v00001AF4"]),
    ("cirrus", &["pci:v00001013d000000B8sv00001AF4sd00001100bc03sc00i00"]),
    ("qemu-vga", &["pci:v00001234d00001111sv00001AF4sd00001100bc03sc00i00"]),
    ("qemu-nvme", &["pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02"]),
    ("xhci-qemu", &["pci:v00001B36d0000000Dsv00001AF4sd00001100bc0Csc03i30", "usb:v1D6Bp0003d0612dc09dsc00dp03ic09isc00ip00in00"]),
    ("tablet", &["usb:v0627p0001d0000dc00dsc00dp00ic03isc00ip00in00", "hid:b0003g0001v00000627p00000001"]),
    ("e1000", &["pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00"]),
    ("e1000e", &["pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00"]),
    ("e1000e-lm", &["pci:v00008086d00001502sv000017AAsd000021F3bc02sc00i00", "pci:v00008086d000015D7sv000017AAsd0000225Dbc02sc00i00"]),
    ("e1000e-v", &["pci:v00008086d000015BCsv00001043sd00008672bc02sc00i00"]),
    ("uhci", &["pci:v00008086d00002934sv00001AF4sd00001100bc0Csc03i00", "usb:v1D6Bp0001d0612dc09dsc00dp00ic09isc00ip00in00"]),
    ("ohci-apple", &["pci:v0000106Bd0000003Fsv00000000sd00000000bc0Csc03i10"]),
    ("intel-ac97", &["pci:v00008086d00002415sv00008086sd00000000bc04sc01i00", "ac97:v83847600:"]),
    ("vmware-vga", &["pci:v000015ADd00000405sv000015ADsd00000405bc03sc00i00"]),
    ("pvscsi", &["pci:v000015ADd000007C0sv000015ADsd000007C0bc01sc07i00", "scsi:t-0x00"]),
    ("vmxnet3", &["pci:v000015ADd000007B0sv000015ADsd000007B0bc02sc00i00"]),
    ("vmci", &["pci:v000015ADd00000740sv000015ADsd00000740bc08sc80i00"]),
    ("balloon-vmware", &["dmi:bvnPhoenixTechnologiesLTD:bvr6.00:bd11/12/2020:br4.6:efr0.0:svnVMware,Inc.:pnVMwareVirtualPlatform:pvrNone:rvnIntelCorporation:rn440BXDesktopReferencePlatform:rvrNone:cvnNoEnclosure:ct1:cvrN/A:sku:"]),
    ("hyper-v", &["acpi:VMBUS:", "vmbus:d96361baa104294db60572e2ffb1dc7f", "vmbus:635161f83edfc546913ff2d2f965ed0e",
        "vmbus:cfa8b69e5b4a4cc0b98b8ba1a1f3f95a", "vmbus:9e88a3c9e1b1e64eab9a6b7dd4d7f1b5", "vmbus:f9139a0a5d6b404d81c3c7fa1a2b3c4d"]),
    ("xen", &["xen:vbd", "xen:vif", "xen:pci", "xen:vfb", "xen-backend:vif", "xen-backend:vbd"]),
    ("ena", &["pci:v00001D0Fd0000EC20sv00001D0Fsd0000EC20bc02sc00i00"]),
    ("ebs", &["pci:v00001D0Fd00008061sv00001D0Fsd00000000bc01sc08i02"]),
    ("gve-net", &["pci:v00001AE0d00000042sv00001AE0sd00000058bc02sc00i00"]),
    ("google-nvme", &["pci:v00001AE0d0000001Fsv00001AE0sd0000001Fbc01sc08i02"]),
    ("laptop", &["acpi:PNP0C0A:", "acpi:ACPI0003:", "acpi:PNP0C0D:", "acpi:LEN0068:LEN0268:", "acpi:DELL0767:", "acpi:PNP0C09:",
        "acpi:INT33A1:PNP0D80:", "acpi:PNP0C14:", "wmi:9DBB5994-A997-11DA-B012-B622A1EF5492", "wmi:05901221-D566-11D1-B2F0-00A0C9062910",
        "platform:coretemp", "acpi:INT3400:", "acpi:SMO8800:"]),
    ("ivy", &["pci:v00008086d00000154sv000017AAsd000021FAbc06sc00i00", "pci:v00008086d00000166sv000017AAsd000021FAbc03sc00i00",
        "pci:v00008086d00001E55sv000017AAsd000021FAbc06sc01i00", "pci:v00008086d00001E22sv000017AAsd000021FAbc0Csc05i00", "pci:v00008086d00001E3Asv000017AAsd000021FAbc07sc80i00"]),
    ("kaby", &["pci:v00008086d00005914sv000017AAsd0000225Dbc06sc00i00", "pci:v00008086d00005917sv000017AAsd0000225Dbc03sc00i00",
        "pci:v00008086d00009D3Asv000017AAsd0000225Dbc07sc80i00", "pci:v00008086d00009D23sv000017AAsd0000225Dbc0Csc05i00", "pci:v00008086d00001903sv000017AAsd0000225Dbc11sc80i00"]),
    ("tiger", &["pci:v00008086d00009A49sv00001028sd00000991bc03sc00i00", "pci:v00008086d00009A14sv00001028sd00000991bc06sc00i00",
        "pci:v00008086d0000A0A3sv00001028sd00000991bc0Csc05i00", "pci:v00008086d00009A03sv00001028sd00000991bc11sc80i00", "pci:v00008086d0000A0E8sv00001028sd00000991bc0Csc80i00"]),
    ("alder", &["pci:v00008086d000046A6sv0000F111sd00000002bc03sc00i00", "pci:v00008086d000051A3sv0000F111sd00000002bc0Csc05i00",
        "pci:v00008086d0000467Dsv0000F111sd00000002bc11sc80i00"]),
    ("haswell", &["pci:v00008086d00000A2Esv0000106Bsd0000011Abc03sc00i00", "pci:v00008086d00009C22sv00008086sd00007270bc0Csc05i00"]),
    ("sandy", &["pci:v00008086d00000116sv00001025sd0000052Bbc03sc00i00", "pci:v00008086d00001C22sv00001025sd0000052Bbc0Csc05i00"]),
    ("renoir", &["pci:v00001002d00001636sv000017AAsd00005081bc03sc00i00", "pci:v00001022d0000790Bsv000017AAsd00005081bc0Csc05i00",
        "pci:v00001022d00001448sv00000000sd00000000bc06sc00i00", "pci:v00001022d000015E2sv000017AAsd00005081bc04sc80i00"]),
    ("atom", &["pci:v00008086d00005A85sv00008086sd00002212bc03sc00i00", "pci:v00008086d00005AD4sv00008086sd00007270bc0Csc05i00", "acpi:INT34D1:"]),
    ("amd-bus", &["pci:v00001022d00001480sv00001022sd00001480bc06sc00i00", "pci:v00001022d0000790Bsv00001043sd000087C0bc0Csc05i00", "pci:v00001022d00001443sv00000000sd00000000bc06sc00i00"]),
    ("server-bus", &["pci:v00008086d00002F71sv00008086sd00002F71bc08sc80i00", "pci:v00008086d00008D22sv00001028sd00000600bc0Csc05i00",
        "pci:v00008086d00002F20sv00001028sd00000600bc08sc80i00", "acpi:ACPI000D:", "acpi:PNP0C80:", "pci:v00008086d00008D3Asv00001028sd00000600bc07sc80i00"]),
    ("ahci-6", &["pci:v00008086d00001C03sv00001025sd0000052Bbc01sc06i01", "scsi:t-0x00"]),
    ("ahci-7", &["pci:v00008086d00001E03sv000017AAsd000021FAbc01sc06i01", "scsi:t-0x00"]),
    ("ahci-100", &["pci:v00008086d0000A102sv00001043sd00008694bc01sc06i01", "scsi:t-0x00", "scsi:t-0x05"]),
    ("ahci-amd", &["pci:v00001022d00007901sv00001022sd00007901bc01sc06i01", "scsi:t-0x00"]),
    ("ahci-marvell", &["pci:v00001B4Bd00009215sv00001B4Bsd00009215bc01sc06i01", "scsi:t-0x00"]),
    ("ich10", &["pci:v00008086d00003A22sv00001043sd000082D4bc01sc06i01", "pci:v00008086d00003A30sv00001043sd000082D4bc0Csc05i00"]),
    ("sata-sil", &["pci:v00001095d00003132sv00001095sd00003132bc01sc80i00"]),
    ("nvme-samsung", &["pci:v0000144Dd0000A80Asv0000144Dsd0000A801bc01sc08i02"]),
    ("nvme-wd", &["pci:v000015B7d00005009sv000015B7sd00005009bc01sc08i02"]),
    ("nvme-intel", &["pci:v00008086d00000A54sv00008086sd00004702bc01sc08i02"]),
    ("nvme-apple", &["pci:v0000106Bd00002001sv0000106Bsd00002001bc01sc80i02"]),
    ("iwl-6205", &["pci:v00008086d00000085sv00008086sd00001311bc02sc80i00"]),
    ("iwl-8265", &["pci:v00008086d000024FDsv00008086sd00000010bc02sc80i00"]),
    ("iwl-ax201", &["pci:v00008086d0000A0F0sv00008086sd00000074bc02sc80i00"]),
    ("iwl-ax210", &["pci:v00008086d00002725sv00008086sd00000024bc02sc80i00"]),
    ("ath9k", &["pci:v0000168Cd00000032sv0000105Bsd0000E047bc02sc80i00"]),
    ("ath10k", &["pci:v0000168Cd0000003Csv0000168Csd00003361bc02sc80i00"]),
    ("ath11k", &["pci:v000017CBd00001103sv000017AAsd00009309bc02sc80i00"]),
    ("mt7921", &["pci:v000014C3d00007961sv00001A3Bsd00004680bc02sc80i00"]),
    ("bcm4360", &["pci:v000014E4d000043A0sv0000106Bsd00000134bc02sc80i00", "pci:v000014E4d00001570sv000014E4sd00001570bc04sc80i00"]),
    ("rtl8821", &["usb:v0BDApC811d0200dc00dsc00dp00icFFiscFFipFFin00"]),
    ("r8169", &["pci:v000010ECd00008168sv00001043sd000083A3bc02sc00i00"]),
    ("rtl8168", &["pci:v000010ECd00008168sv000017AAsd00005081bc02sc00i00"]),
    ("rtl8125", &["pci:v000010ECd00008125sv00001043sd000087D7bc02sc00i00"]),
    ("atl1c", &["pci:v00001969d00001083sv00001025sd0000052Bbc02sc00i00"]),
    ("igb", &["pci:v00008086d00001533sv00008086sd00001533bc02sc00i00"]),
    ("igc", &["pci:v00008086d000015F3sv00001043sd000087D2bc02sc00i00"]),
    ("ixgbe", &["pci:v00008086d00001528sv000015D9sd00001528bc02sc00i00", "pci:v00008086d000010FBsv00008086sd00000003bc02sc00i00"]),
    ("i40e", &["pci:v00008086d00001572sv0000103Csd000022FDbc02sc00i00"]),
    ("ice", &["pci:v00008086d0000159Bsv00008086sd00000003bc02sc00i00"]),
    ("tg3", &["pci:v000014E4d0000165Fsv00001028sd00001F5Bbc02sc00i00"]),
    ("bnx2x", &["pci:v000014E4d0000168Esv00001028sd00001F67bc02sc00i00"]),
    ("bnxt", &["pci:v000014E4d000016D7sv000014E4sd00001402bc02sc00i00"]),
    ("be2net", &["pci:v000010DFd00000720sv0000103Csd0000803Fbc02sc00i00"]),
    ("mlx5", &["pci:v000015B3d00001017sv000015B3sd00000006bc02sc00i00", "auxiliary:mlx5_core.rdma", "auxiliary:mlx5_core.eth"]),
    ("qla2xxx", &["pci:v00001077d00002532sv00001077sd0000015Dbc0Csc04i00"]),
    ("lpfc", &["pci:v000010DFd0000F100sv000010DFsd0000F100bc0Csc04i00"]),
    ("megaraid", &["pci:v00001000d0000005Bsv00001000sd00009263bc01sc04i00", "scsi:t-0x00"]),
    ("perc", &["pci:v00001000d0000005Dsv00001028sd00001F47bc01sc04i00", "scsi:t-0x00", "scsi:t-0x0d"]),
    ("smartarray", &["pci:v0000103Cd0000323Bsv0000103Csd00003354bc01sc04i00", "scsi:t-0x0c"]),
    ("mpt3sas", &["pci:v00001000d00000097sv000015D9sd00000808bc01sc07i00", "scsi:t-0x00", "scsi:t-0x01"]),
    ("aacraid", &["pci:v00009005d0000028Dsv00009005sd00000550bc01sc04i00"]),
    ("hda-6", &["pci:v00008086d00001C20sv00001025sd0000052Bbc04sc03i00", "hdaudio:v10EC0269r00100202a01"]),
    ("hda-7", &["pci:v00008086d00001E20sv000017AAsd000021FAbc04sc03i00", "hdaudio:v10EC0269r00100203a01", "hdaudio:v80862806r00100000a01"]),
    ("hda-8", &["pci:v00008086d00009C20sv00008086sd00007270bc04sc03i00", "hdaudio:v10134208r00100301a01"]),
    ("hda-kaby", &["pci:v00008086d00009D71sv000017AAsd0000225Dbc04sc03i00", "hdaudio:v10EC0257r00100001a01", "hdaudio:v8086280Br00100000a01"]),
    ("hda-tiger", &["pci:v00008086d0000A0C8sv00001043sd00001EF2bc04sc03i00", "hdaudio:v10EC0294r00100004a01"]),
    ("hda-alder", &["pci:v00008086d000051C8sv0000F111sd00000002bc04sc03i00", "hdaudio:v10EC0295r00100002a01"]),
    ("hda-amd", &["pci:v00001022d000015E3sv000017AAsd00005081bc04sc03i00", "hdaudio:v10EC0257r00100001a01", "hdaudio:v1002AA01r00100700a01"]),
    ("hda-ich10", &["pci:v00008086d00003A3Esv00001043sd00008311bc04sc03i00", "hdaudio:v10EC0888r00100202a01"]),
    ("hda-atom", &["pci:v00008086d00005A98sv00008086sd00007270bc04sc01i00"]),
    ("sof-tiger", &["pci:v00008086d0000A0C8sv00001028sd00000991bc04sc01i00", "sdw:m025Dp0711v02c01", "platform:sof_sdw"]),
    ("ehci-6", &["pci:v00008086d00001C26sv00001025sd0000052Bbc0Csc03i20", "usb:v1D6Bp0002d0612dc09dsc00dp00ic09isc00ip00in00"]),
    ("xhci-7", &["pci:v00008086d00001E31sv000017AAsd000021FAbc0Csc03i30"]),
    ("xhci-8", &["pci:v00008086d00009C31sv00008086sd00007270bc0Csc03i30"]),
    ("xhci-100", &["pci:v00008086d0000A12Fsv00001043sd00008694bc0Csc03i30", "usb:v1D6Bp0003d0612dc09dsc00dp03ic09isc00ip00in00"]),
    ("xhci-alder", &["pci:v00008086d000051EDsv0000F111sd00000002bc0Csc03i30"]),
    ("xhci-amd", &["pci:v00001022d0000149Csv00001043sd000087C0bc0Csc03i30"]),
    ("xhci-atom", &["pci:v00008086d00005AA8sv00008086sd00007270bc0Csc03i30"]),
    ("xhci-renesas", &["pci:v00001912d00000014sv00000000sd00000000bc0Csc03i30"]),
    ("thunderbolt", &["pci:v00008086d00009A1Bsv00002222sd00001111bc0Csc03i40", "tbsvc:kNetworkp00000001v00000001r00000001"]),
    ("firewire", &["pci:v0000104Cd00008023sv00001043sd0000808Bbc0Csc00i10"]),
    ("ccp", &["pci:v00001022d00001486sv00001022sd00001486bc10sc80i00"]),
    ("sdhci-ricoh", &["pci:v00001180d0000E823sv000017AAsd000021FAbc08sc80i01", "mmc:block"]),
    ("sdhci-intel", &["pci:v00008086d00005ACCsv00008086sd00007270bc08sc05i01", "acpi:80860F14:INT33BB:", "mmc:block", "sdio:c00v02D0d4330"]),
    ("radeon", &["pci:v00001002d00006738sv00001787sd00002305bc03sc00i00", "pci:v00001002d0000AA88sv00001787sd0000AA88bc04sc03i00"]),
    ("navi", &["pci:v00001002d000073BFsv00001458sd00002328bc03sc00i00", "pci:v00001002d0000AB28sv00001002sd0000AB28bc04sc03i00"]),
    ("nouveau", &["pci:v000010DEd00001C03sv00001458sd00003716bc03sc00i00", "pci:v000010DEd000010F1sv00001458sd00003716bc04sc03i00", "pci:v000010DEd00001F91sv00001043sd0000109Fbc03sc02i00"]),
    ("matrox", &["pci:v0000102Bd00000534sv00001028sd00000600bc03sc00i00"]),
    ("ast", &["pci:v00001A03d00002000sv000015D9sd00000832bc03sc00i00"]),
    ("hpe-ilo", &["pci:v0000103Cd00003307sv0000103Csd0000337Ebc08sc80i00", "pci:v0000103Cd00003306sv0000103Csd00003309bc08sc80i00", "acpi:HPQ6007:"]),
    ("ipmi", &["acpi:IPI0001:", "platform:dmi-ipmi-si"]),
    ("keyboard", &["usb:v046DpC31Cd6402dc00dsc00dp00ic03isc01ip01in00", "hid:b0003g0001v0000046Dp0000C31C", "input:b0003v046DpC31Ce0110-e0,1,4,11,14,k71,72,73,ram4,l0,1,2,sfw"]),
    ("apple-keyboard", &["usb:v05ACp0262d0225dc00dsc00dp00ic03isc01ip01in00", "hid:b0003g0001v000005ACp00000262", "acpi:APP0001:SMC-MCP:", "acpi:APP0002:"]),
    ("mouse", &["usb:v046DpC077d7200dc00dsc00dp00ic03isc01ip02in00", "hid:b0003g0001v0000046Dp0000C077"]),
    ("touchpad", &["serio:ty01pr00id00ex00", "serio:ty06pr00id00ex00", "rmi4:"]),
    ("touchpad-i2c", &["acpi:ELAN0678:PNP0C50:", "i2c:hid_over_i2c", "hid:b0018g0004v000004F3p0000316B", "pci:v00008086d00009D60sv000017AAsd0000225Dbc11sc80i00"]),
    ("gamepad", &["usb:v045Ep028Ed0114dcFFdscFFdpFFicFFisc5Dip01in00"]),
    ("webcam", &["usb:v5986p111Cd0011dcEFdsc02dp01ic0Eisc01ip00in00", "usb:v5986p111Cd0011dcEFdsc02dp01ic0Eisc02ip00in01"]),
    ("headset", &["usb:v046Dp0A44d0100dc00dsc00dp00ic01isc01ip00in00"]),
    ("bt-intel", &["usb:v8087p0A2Bd0010dcE0dsc01dp01icE0isc01ip01in00"]),
    ("bt-mediatek", &["usb:v13D3p3563d0100dcEFdsc02dp01icE0isc01ip01in00"]),
    ("stick", &["usb:v0781p5567d0100dc00dsc00dp00ic08isc06ip50in00", "scsi:t-0x00", "fs-vfat"]),
    ("uas-disk", &["usb:v174Cp55AAd0100dc00dsc00dp00ic08isc06ip62in00", "scsi:t-0x00"]),
    ("printer", &["usb:v03F0p0C17d0100dc00dsc00dp00ic07isc01ip02in00"]),
    ("lte-modem", &["usb:v1199p9071d0006dc00dsc00dp00icFFiscFFipFFin03", "usb:v1199p9071d0006dc00dsc00dp00icFFiscFFipFFin08"]),
    ("serial-ftdi", &["usb:v0403p6001d0600dc00dsc00dp00icFFiscFFipFFin00"]),
    ("reader", &["usb:v08E6p3437d0100dc00dsc00dp00ic0Bisc00ip00in00", "usb:v0BDAp0129d3960dcFFdscFFdpFFicFFisc06ip50in00"]),
];

/// The modaliases of a machine, in the order of its parts.
///
/// # Panics
/// When a part is not in the table.
pub fn modaliases(parts: &str) -> Vec<&'static str> {
    let find = |name: &str| {
        let part = PARTS.iter().find(|(part, _)| *part == name);
        part.unwrap_or_else(|| panic!("no part {name}")).1
    };
    parts.split(' ').flat_map(find).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_used_and_known() {
        for (name, parts) in MACHINES {
            assert!(modaliases(parts).len() > 4, "{name}");
        }
        for (part, _) in PARTS {
            let used = MACHINES.iter().any(|(_, parts)| parts.split(' ').any(|other| other == *part));
            assert!(used, "{part}");
        }
    }
}
