//! Starts over the network that the emulator's own servers do not give: HTTP boot, and PXE over IPv6.
//!
//! The machine and its servers, dnsmasq and Python's HTTP server, are in a network of their own, which needs no
//! privileges:
//!
//! ```text
//! unshare ─ sh ─┬─ dnsmasq, http.server ── tap0
//!               └─ qemu ────────────────── tap0
//! ```

use std::fs;

use anyhow::{Context, Result};
use depmod_tests::apt;
use depmod_tests::qemu::Machine;

use super::{program, two_at_a_time};

/// Ends with the emulator, and the servers with it. Its arguments: the servers' directory, the options of dnsmasq in one
/// word, the emulator's command line.
const NETWORK: &str = "set -e; cd \"$1\"; options=\"$2 --tftp-root=$1\"; shift 2\n\
    ip link set lo up\n\
    ip tuntap add tap0 mode tap\n\
    ip address add 192.168.7.1/24 dev tap0\n\
    ip -6 address add fd00:7::1/64 dev tap0 nodad\n\
    ip link set tap0 up\n\
    python3 -m http.server --bind :: 80 >http.log 2>&1 &\n\
    PATH=$PATH:/usr/sbin dnsmasq --no-daemon --conf-file=/dev/null --port=0 --interface=tap0 --user=root --group=root \
        --leasefile-ro $options >dnsmasq.log 2>&1 &\n\
    \"$@\"\n";

/// The path of the program on the servers.
const PROGRAM: &str = "boot/netboot.efi";

/// From HTTP and IPv6 the program cannot take its files: it says so, and the firmware goes on.
pub(super) fn refused() -> Result<()> {
    apt::install(&["dnsmasq-base", "iproute2", "python3"])?;
    let pool = "--enable-ra --dhcp-range=fd00:7::10,fd00:7::20,64";
    // The firmware tries all ways one after the other, and waits for each; these are switched off.
    let off = |way: &str| format!("-fw_cfg name=opt/org.tianocore/{way}Support,string=n ");
    let (pxe, old_pxe) = (off("IPv4PXE") + &off("IPv6PXE"), off("IPv4PXE"));
    let ways = [
        (
            ">>Start HTTP Boot over IPv4",
            &pxe,
            "--dhcp-range=192.168.7.10,192.168.7.20 --dhcp-match=set:http,option:client-arch,16 \
             --dhcp-option-force=tag:http,60,HTTPClient --dhcp-boot=tag:http,http://192.168.7.1/"
                .to_owned()
                + PROGRAM,
        ),
        (
            ">>Start PXE over IPv6",
            &old_pxe,
            format!("{pool} --enable-tftp --dhcp-option=option6:bootfile-url,tftp://[fd00:7::1]/{PROGRAM}"),
        ),
    ];
    two_at_a_time(&ways, |(start, firmware, options)| {
        let server = tempfile::tempdir()?;
        let path = server.path().join(PROGRAM);
        fs::create_dir_all(path.parent().context("a file is in a directory")?)?;
        fs::write(&path, program("x86_64")?)?;
        // A kernel that is taken would end the run without the mark.
        fs::write(path.with_file_name("depmod.conf"), "linux /none\n")?;
        let words =
            ["unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", NETWORK];
        let mut words = words.map(str::to_owned).to_vec();
        words.extend(["sh".to_owned(), server.path().display().to_string(), options.clone()]);
        let mut machine = Machine::new("x86_64")?
            .started_by(words)
            // After all ways of the network, the shell takes it.
            .file("startup.nsh", "echo TEST: end\nreset -s\n")
            .with(firmware)
            .with("-netdev tap,id=net,ifname=tap0,script=no,downscript=no")
            .with("-device virtio-net-pci,netdev=net,romfile=,bootindex=9");
        machine.timeout *= 2;
        let outcome = machine.run("TEST: end").with_context(|| {
            ["dnsmasq.log", "http.log"]
                .map(|name| fs::read_to_string(server.path().join(name)).unwrap_or_default())
                .concat()
        })?;
        let refusal = "depmod: ERROR: cannot find the program's own volume: ";
        outcome.expect(refusal)?;
        // It came by this way.
        let lines = || outcome.lines.iter().map(|line| line.trim());
        let way =
            lines().take_while(|line| !line.starts_with(refusal)).filter(|line| line.starts_with(">>Start"));
        let way = way.last().unwrap_or_default();
        outcome.ensure(way.starts_with(start), &format!("the program came by {way}"))?;
        println!("{start}: {}", outcome.after(refusal).next().unwrap_or_default());
        Ok(())
    })
}
