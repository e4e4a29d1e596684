//! Lower limits for `depmod`: a program that only reads and writes, or only decodes.
//!
//! `cargo xtask bench` runs it between `depmod`'s own runs, so that "how near the limit" compares two times
//! of the same minute on the same machine. A prepared file of lines is the plan:
//!
//! ```text
//! limit read   THREADS PLAN DIR    PATH<TAB>START-END,START-END…   read these bytes of a module
//!                                  write<TAB>NAME<TAB>SIZE         then write such a file into DIR
//! limit decode THREADS PLAN        PATH                            read all of it and decode it
//! ```
//!
//! Threads take modules in the order of the plan; each has one buffer and one decoder, which it keeps.
//! `depmod` reads in the same way, but processes the modules further.

#![allow(clippy::std_instead_of_core, reason = "this program has an operating system below it")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use depmod::codecs::HostDecoder;
use depmod::source::DiskSource;
use depmod_core::parts::decompress::{Compression, Decoder};
use depmod_core::{Limits, ReadAt, Source};

type Done = Result<(), Box<dyn Error + Send + Sync>>;

const USAGE: &str = "usage: limit read THREADS PLAN DIR | limit decode THREADS PLAN";

fn main() -> Done {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["read", threads, plan, dir] => {
            let plan = fs::read_to_string(plan)?;
            let (writes, reads): (Vec<&str>, Vec<&str>) =
                plan.lines().partition(|line| line.starts_with("write\t"));
            on_threads(threads.parse()?, &reads, || {
                let mut buffer = Vec::new();
                move |line| read(line, &mut buffer)
            })?;
            writes.into_iter().try_for_each(|line| write(line, Path::new(dir)))
        }
        ["decode", threads, plan] => {
            let plan = fs::read_to_string(plan)?;
            let paths: Vec<&str> = plan.lines().collect();
            on_threads(threads.parse()?, &paths, || {
                let (mut decoder, mut stored, mut decoded) = (HostDecoder::default(), Vec::new(), Vec::new());
                move |path| decode(path, &mut decoder, &mut stored, &mut decoded)
            })
        }
        _ => Err(USAGE.into()),
    }
}

/// Gives each line to one of the workers; `worker` makes one for each thread.
fn on_threads<W: FnMut(&str) -> Done>(threads: usize, lines: &[&str], worker: impl Fn() -> W + Sync) -> Done {
    let next = AtomicUsize::new(0);
    let result = Mutex::new(Ok(()));
    let work = || {
        let mut worker = worker();
        while let Some(line) = lines.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = worker(line) {
                *result.lock().unwrap_or_else(PoisonError::into_inner) =
                    Err(format!("{line}: {error}").into());
            }
        }
    };
    thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    result.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn read(line: &str, buffer: &mut Vec<u8>) -> Done {
    let (path, ranges) = line.split_once('\t').ok_or("no ranges")?;
    let mut file = DiskSource.open(path.as_bytes())?;
    for range in ranges.split(',') {
        let (start, end) = range.split_once('-').ok_or("a range is START-END")?;
        let (start, end): (u64, u64) = (start.parse()?, end.parse()?);
        let size = usize::try_from(end.saturating_sub(start))?;
        buffer.resize(size.max(buffer.len()), 0);
        file.read_at(start, &mut buffer[..size])?;
    }
    Ok(())
}

fn write(line: &str, dir: &Path) -> Done {
    let mut fields = line.split('\t').skip(1);
    let (Some(name), Some(size)) = (fields.next(), fields.next()) else { return Err("no size".into()) };
    Ok(fs::write(dir.join(name), vec![b'x'; size.parse()?])?)
}

fn decode(path: &str, decoder: &mut HostDecoder, stored: &mut Vec<u8>, decoded: &mut Vec<u8>) -> Done {
    let mut file = DiskSource.open(path.as_bytes())?;
    let size = usize::try_from(file.size())?;
    stored.resize(size.max(stored.len()), 0);
    let stored = &mut stored[..size];
    file.read_at(0, stored)?;
    let format = Compression::detect(stored).ok_or("not compressed")?;
    decoded.clear();
    Ok(decoder.decode(format, stored, &Limits::DEFAULT, decoded)?)
}
