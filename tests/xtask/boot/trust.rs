//! Secure Boot and measured boot.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use depmod_tests::event_log::{self, EV_IPL, Event};
use depmod_tests::existing_initrd::END;
use depmod_tests::qemu::{Machine, Outcome};
use depmod_tests::signing::sign;
use depmod_tests::subset::Subset;
use depmod_tests::{command, debian};

use super::program;
use super::stage::Stage;

const SCRIPT: &str = "say secure $(dmesg | grep -c 'Secure boot enabled')\n\
    modprobe virtio_scsi && say loaded\n\
    mount -t securityfs security /sys/kernel/security\n\
    xxd -p /sys/kernel/security/tpm0/binary_bios_measurements | sed 's/^/TEST: log /'\n";

/// The PCR of the initrd.
const PCR: u32 = 9;

/// Three volumes, of which only the last is completely signed; then the same entry without Secure Boot.
pub(super) fn trust() -> Result<()> {
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    let modules = Subset::of(&kernel, &["virtio_blk", "virtio_scsi", "sd_mod"])?.index()?.archive()?;
    let stage =
        Stage::new("x86_64", &kernel, SCRIPT)?.modules(&modules).keys("x-depmod-preload virtio_scsi\n");
    // ACPI's tables of the machine with Secure Boot have other devices.
    let stage = stage.keys("x-depmod-hardware pci usb");
    let machine = Machine::new("x86_64")?;
    let secure = machine.settings().secure_boot.clone().context("no Secure Boot settings")?;
    let signed = sign(&program("x86_64")?, &secure)?;
    let image = sign(&fs::read(kernel.image())?, &secure)?;

    let boot_path = machine.boot_path();
    let machine = stage.put_on(machine.secure_boot()?.with_tpm())?.volume();
    let machine = stage.put_on(machine)?.file(&boot_path, &*signed).volume();
    let machine = stage.put_on(machine)?.file(&boot_path, signed).file("vmlinuz", image);
    let with = machine.run(END)?;
    let refused =
        |words: &str| with.lines.iter().any(|line| line.contains(words) && line.contains("Access Denied"));
    with.ensure(refused("failed to load"), "firmware starts an unsigned program")?;
    with.expect("depmod: ERROR: cannot load the kernel")?;
    with.expect("TEST: secure 1")?;
    with.expect("TEST: loaded")?;

    let without = stage.put_on(Machine::new("x86_64")?.with_tpm())?.run(END)?;
    without.expect("TEST: secure 0")?;
    let events = [measured(&with)?, measured(&without)?];
    let ours: Vec<&Event> = events[1].iter().filter(|event| event.kind == EV_IPL).collect();
    ensure!(ours.len() == 1, "the log has {ours:#?}");
    println!("logged: {}", ours[0].data.escape_ascii());
    ensure!(
        ours[0].data.windows(11).any(|part| part == b"virtio_scsi"),
        "the event does not list the modules"
    );
    ensure!(hex(&ours[0].sha256) == sha256(&ours[0].data)?, "the digest is not that of the data");
    ensure!(events[1].len() > 1, "the kernel's stub measured nothing");
    ensure!(events[0].ends_with(&events[1]), "measured differently: {events:#?}");
    Ok(())
}

/// The measurements of the PCR since our start.
fn measured(outcome: &Outcome) -> Result<Vec<Event>> {
    let text: String = outcome.after("TEST: log ").collect();
    let digits = text.as_bytes().chunks(2);
    let log: Result<Vec<u8>, _> =
        digits.map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16)).collect();
    let mut events = event_log::parse(&log?)?;
    events.retain(|event| event.pcr == PCR);
    Ok(events)
}

fn sha256(data: &[u8]) -> Result<String> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), data)?;
    let line = command::text(Command::new("sha256sum").arg(file.path()))?;
    Ok(line.split(' ').next().unwrap_or_default().to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
