//! Command lines of any words, parsed and not executed.

use std::ffi::OsString;

use super::args::{Args, Stop};
use super::settings::{Environment, Settings};
use super::{answers, exit, pack, usage};

/// Parses a command line as the program does, that of a command as every command's.
pub(crate) fn fuzz(words: &[OsString]) {
    if let Some((_, words)) = exit::with_arguments(words) {
        answers::fuzz(&words);
        let _ = usage::parsed::<pack::PackArgs>(&pack::command(), &words);
        return;
    }
    for posixly_correct in [false, true] {
        match Args::parse_words(words, posixly_correct) {
            Ok(args) => {
                let environment = Environment {
                    current_dir: Some(b"/root".to_vec()),
                    release: Ok(b"6.1".to_vec()),
                    is_reproducible: false,
                };
                if let Ok(settings) = Settings::new(args, &environment) {
                    let _ = settings.options();
                }
            }
            Err(Stop::Clap(error)) => assert!(!error.to_string().is_empty()),
            Err(stop) => assert_ne!(stop.status(), 0),
        }
    }
}
