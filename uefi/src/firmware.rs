//! Entry point, panic handler and SBAT section of the program.

use core::panic::PanicInfo;

use depmod_core::parts::diagnostic::Chain;
use depmod_uefi::console::{self, Console};
use depmod_uefi::memory::Allocator;
use depmod_uefi::options::{Command, DEFAULT_ENTRY, USAGE, words_of_program};
use depmod_uefi::stage::Stage;
use depmod_uefi::{Error, fallback, shell, tool};
use uefi::{Status, boot};

/// Generation numbers by which Secure Boot can revoke old programs.
#[unsafe(link_section = ".sbat")]
#[used]
static SBAT: [u8; include_bytes!("sbat.csv").len()] = *include_bytes!("sbat.csv");

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

#[uefi::entry]
fn main() -> Status {
    let command = words_of_program().and_then(|words| Command::parse(&words)).or_else(|error| {
        if shell::is_there() {
            return Err(error);
        }
        // No command of a user: firmware may append its own data to a boot entry.
        Console::default().warning(format_args!("load options: {error}; taking {DEFAULT_ENTRY}"));
        Command::parse(&[])
    });
    let done = match command {
        Ok(Command::Boot { entry, verbose, defect }) => {
            let error = Stage { entry, defect, console: Console { verbose } }.run();
            Console::default().error(format_args!("{}; stopped", Chain(&error)));
            return error.status();
        }
        Ok(Command::Index(command)) => tool::run(&command, Console { verbose: command.verbose }),
        Ok(Command::Help) => {
            console::print(format_args!("{USAGE}\n"));
            Ok(())
        }
        Err(error) => {
            Console::default().error(format_args!("{error}\n{USAGE}"));
            return Status::INVALID_PARAMETER;
        }
    };
    match done {
        Ok(()) => Status::SUCCESS,
        // The console has the reason already.
        Err(error @ Error::Stopped(_)) => error.status(),
        Err(error) => {
            Console::default().error(format_args!("{}", Chain(&error)));
            error.status()
        }
    }
}

/// A defect of the program, or a lack of memory, must not stop the machine: the kernel starts without preload,
/// or the program exits.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // A second panic, in the message of the first, prints nothing.
    if fallback::enter() {
        let next = if fallback::is_armed() { "booting without preload" } else { "stopped" };
        let place = info.location();
        let (file, line) = place.map_or(("?", 0), |place| (place.file(), place.line()));
        Console::default().error(format_args!("{} (at {file}:{line}); {next}", info.message()));
    }
    // SAFETY: no allocated memory is used afterwards: the frames above never run again.
    unsafe { fallback::recover() };
    // SAFETY: there are no pending events, and nothing refers to allocated memory.
    let _ = unsafe { boot::exit(boot::image_handle(), Status::ABORTED, 0, core::ptr::null_mut()) };
    loop {
        boot::stall(core::time::Duration::from_secs(1));
    }
}
