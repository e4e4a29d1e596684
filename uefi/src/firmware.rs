//! Entry, panic and signing data of the program: what only exists in firmware.

use core::panic::PanicInfo;

use depmod_uefi::console::Console;
use depmod_uefi::options::{Command, USAGE, words_of_program};
use depmod_uefi::{Chain, stage};
use uefi::{Status, boot};

/// Generation numbers by which Secure Boot can revoke old programs.
#[unsafe(link_section = ".sbat")]
#[used]
static SBAT: [u8; include_bytes!("sbat.csv").len()] = *include_bytes!("sbat.csv");

#[uefi::entry]
fn main() -> Status {
    match Command::parse(&words_of_program()) {
        Ok(Command::Boot { entry, verbose }) => {
            let error = stage::run(entry.as_deref(), Console { verbose });
            Console::default().error(format_args!("{}", Chain(&error)));
            Status::ABORTED
        }
        Ok(Command::Index(_)) => Status::UNSUPPORTED,
        Ok(Command::Help) => {
            uefi::println!("{USAGE}");
            Status::SUCCESS
        }
        Err(error) => {
            Console::default().error(format_args!("{error}\n{USAGE}"));
            Status::INVALID_PARAMETER
        }
    }
}

/// A defect of ours must not stop the machine: back to whoever started us.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    Console::default().error(format_args!("{info}"));
    // SAFETY: no event of ours is pending; what we allocated is lost, nothing points to it.
    let _ = unsafe { boot::exit(boot::image_handle(), Status::ABORTED, 0, core::ptr::null_mut()) };
    loop {
        boot::stall(core::time::Duration::from_secs(1));
    }
}
