//! `cargo xtask shapes`: kmod and depmod on module directories of unusual shapes, side by side.
//!
//! A shape grows in one way (a chain of dependencies, one long alias, a wide directory): where one of the
//! programs takes more than its share of time or memory, its row shows it. Files and status must be kmod's
//! where kmod itself ends.

mod generator;

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use depmod_tests::bench::measure::{Cost, median, memory_floor};
use depmod_tests::command;
use depmod_tests::oracle::Oracle;
use depmod_tests::outcome::OUTPUTS;
use depmod_tests::product;
use depmod_tests::system::VERSION;
use generator::{Directory, SHAPES, Shape};
use wait4::Wait4;

/// Runs of each program; the figures are medians.
const ROUNDS: usize = 3;
/// After this time, `timeout` ends a program.
const PATIENCE: &str = "60";
/// Times and peaks within this share of kmod's count as equal: noise of a shared machine.
const NOISE: f64 = 1.25;
/// Differences below these are not felt.
const FELT: Duration = Duration::from_millis(10);
const FELT_BYTES: u64 = 4 << 20;

/// Prints a table of the shapes named in `args`, or of all.
///
/// # Errors
/// When a shape is unknown, an output differs from kmod's, or kmod is faster or smaller on a shape.
pub(crate) fn main(args: &[String]) -> Result<()> {
    if let [flag, name, root] = args
        && flag == "--write"
    {
        let shape = SHAPES.iter().find(|shape| shape.name == name).context("no such shape")?;
        return Directory::write(Path::new(root), shape);
    }
    if args.iter().any(|arg| arg == "--list") {
        SHAPES.iter().for_each(|shape| println!("{:28} {}", shape.name, shape.about));
        return Ok(());
    }
    if let Some(unknown) = args.iter().find(|arg| SHAPES.iter().all(|shape| shape.name != *arg)) {
        bail!("no shape `{unknown}`; `cargo xtask shapes --list` names them");
    }
    let ours = product::release()?;
    println!("| shape | kmod s | ours s | CPU s, kmod / ours | peak MiB, kmod / ours | result |");
    println!("|---|--:|--:|--:|--:|---|");
    let mut worse = Vec::new();
    for shape in SHAPES.iter().filter(|shape| args.is_empty() || args.iter().any(|arg| arg == shape.name)) {
        if !row(shape, &ours).with_context(|| shape.name)? {
            worse.push(shape.name);
        }
    }
    if worse.is_empty() { Ok(()) } else { bail!("kmod is faster or smaller: {}", worse.join(", ")) }
}

/// The last run of a program.
struct End {
    status: Option<i32>,
    /// Digests of the eleven files, as far as they are there.
    files: Vec<Option<u64>>,
}

/// Prints a row; returns whether nothing in it is worse than kmod's.
fn row(shape: &Shape, ours: &Path) -> Result<bool> {
    let scratch = tempfile::Builder::new().prefix("shape-").tempdir()?;
    let root = scratch.path().join("root");
    // In a process of its own: our own memory would show in the peak of each child.
    let mut write = command::this_program();
    command::run(write.args(["shapes", "--write", shape.name]).arg(&root))?;
    let mut kmod = Oracle::get().tool("depmod");
    let mut ours = Command::new(ours);
    ours.env("LC_ALL", "C").arg("--no-cache");
    let (mut kmod_costs, mut our_costs) = (Vec::new(), Vec::new());
    let mut ends = None;
    for _ in 0..ROUNDS {
        let kmod_end = run(&mut kmod, &root, scratch.path(), &mut kmod_costs)?;
        let our_end = run(&mut ours, &root, scratch.path(), &mut our_costs)?;
        let out_of_patience = kmod_end.status.is_none() || our_end.status.is_none();
        ends = Some((kmod_end, our_end));
        if out_of_patience {
            break;
        }
    }
    let (kmod_end, our_end) = ends.context("no round")?;
    let floor = memory_floor(scratch.path())?;
    let (kmod, ours) = (median(&kmod_costs), median(&our_costs));
    // On a busy machine, the wall time alone is chance.
    let slower = [(ours.wall, kmod.wall), (ours.cpu, kmod.cpu)]
        .into_iter()
        .all(|(ours, kmod)| ours > kmod.mul_f64(NOISE) + FELT);
    let larger = (ours.peak.max(floor) as f64) > kmod.peak as f64 * NOISE + FELT_BYTES as f64;
    let result = match (kmod_end.status, our_end.status) {
        (_, None) => bail!("no end after {PATIENCE} s"),
        (None, Some(status)) => format!("kmod does not end; ours {status}"),
        (Some(kmod), Some(ours)) if kmod != ours => format!("status {kmod} / {ours}"),
        (Some(status), _) if kmod_end.files != our_end.files => {
            let differs = OUTPUTS.iter().zip(kmod_end.files.iter().zip(&our_end.files));
            let differs: Vec<_> =
                differs.filter(|(_, (kmod, ours))| kmod != ours).map(|(name, _)| *name).collect();
            format!("status {status}, differs: {}", differs.join(" "))
        }
        (Some(status), _) => format!("status {status}, same files"),
    };
    let mark = |worse: bool, text: String| if worse { format!("**{text}**") } else { text };
    println!(
        "| {}: {} | {:.3} | {} | {:.3} / {:.3} | {:.1} / {} | {result} |",
        shape.name,
        shape.about,
        kmod.wall.as_secs_f64(),
        mark(slower, format!("{:.3}", ours.wall.as_secs_f64())),
        kmod.cpu.as_secs_f64(),
        ours.cpu.as_secs_f64(),
        mib(kmod.peak),
        mark(larger, format!("{:.1}", mib(ours.peak))),
    );
    Ok(!slower && !larger)
}

/// One run, whose index files are read and removed.
fn run(program: &mut Command, root: &Path, scratch: &Path, costs: &mut Vec<Cost>) -> Result<End> {
    let out = scratch.join("out");
    let mut patient = Command::new("timeout");
    patient.arg(PATIENCE).arg(program.get_program()).args(program.get_args()).env("LC_ALL", "C");
    patient.arg("-C").arg(generator::config(root)).arg("-b").arg(root).arg("-o").arg(&out).arg(VERSION);
    fs::create_dir_all(&out)?;
    patient.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(scratch.join("stderr"))?);
    let start = std::time::Instant::now();
    let end = patient.spawn()?.wait4()?;
    costs.push(Cost {
        wall: start.elapsed(),
        cpu: end.rusage.utime + end.rusage.stime,
        peak: end.rusage.maxrss,
    });
    let dir: PathBuf = out.join("lib/modules").join(VERSION);
    let files = OUTPUTS.iter().map(|name| digest(&dir.join(name))).collect::<Result<_>>()?;
    fs::remove_dir_all(&out)?;
    // The status of `timeout` for a program that it ended.
    let status = end.status.code().filter(|&code| code != 124);
    Ok(End { status, files })
}

/// `None` if the file is not there. In pieces: our own memory would show in the peak of the next child.
fn digest(file: &Path) -> Result<Option<u64>> {
    let mut file = match File::open(file) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut hasher = DefaultHasher::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(Some(hasher.finish())),
            read => hasher.write(&piece[..read]),
        }
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
