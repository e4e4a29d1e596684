use depmod_tests::compress::Format;
use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::system::{Program, System};

fn module(number: u64) -> Vec<u8> {
    Elf::new()
        .modinfo(format!("alias=number-{number}"))
        .export(format!("symbol_{number}"), Crc::Absolute(number))
        .need(format!("symbol_{}", number / 2 + 100))
        .section("text", vec![number as u8; 5000])
        .build()
}

fn system(format: Format) -> System {
    (0..40).fold(System::new().complete(), |system, number| {
        system.file(format!("kernel/m{number}.ko{}", format.suffix()), format.compress(&module(number)))
    })
}

#[test]
fn xz_and_zstd_modules_are_read_as_in_kmod() {
    system(Format::Xz).assert_same(&["-v"]);
    system(Format::Zst).assert_same(&["-v"]);
}

/// Debian's kmod does not support gzip. The suffixes `.xz` and `.gz` have the same length, so the outputs
/// must equal those of `.xz` modules except for the suffix.
#[test]
fn gzip_modules_give_the_index_of_xz_modules() {
    let xz = system(Format::Xz).run(Program::Oracle, &[]);
    let gz = system(Format::Gz).run(Program::Ours, &[]);
    gz.expect(0, "").expect_outputs();
    for (path, content) in &xz.written {
        let expected = replace(content, b".ko.xz", b".ko.gz");
        assert!(gz.written.get(path) == Some(&expected), "{path} differs");
    }
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for at in 0..out.len().saturating_sub(from.len() - 1) {
        if out[at..].starts_with(from) {
            out[at..at + to.len()].copy_from_slice(to);
        }
    }
    out
}

#[test]
fn formats_are_detected_by_content() {
    let plain = module(1);
    System::new()
        .complete()
        .file("kernel/a.ko", Format::Xz.compress(&plain))
        .file("kernel/b.ko.xz", Format::Zst.compress(&plain))
        .file("kernel/c.ko.zst", &plain)
        .file("kernel/d.ko.zst", Format::Xz.compress(&plain))
        .assert_same(&[]);
    let run =
        System::new().complete().file("kernel/e.ko.xz", Format::Gz.compress(&plain)).run(Program::Ours, &[]);
    run.expect(0, "");
    assert!(run.text("modules.alias").contains("alias number-1 e\n"));
}

#[test]
fn truncated_compressed_modules_are_unreadable_but_listed() {
    for format in [Format::Gz, Format::Xz, Format::Zst] {
        let whole = format.compress(&module(1));
        let mut system = System::new().complete().file("kernel/whole.ko", &whole);
        for len in 0..whole.len() {
            system = system.file(format!("kernel/cut{len:04}.ko"), &whole[..len]);
        }
        let run = system.run(Program::Ours, &[]);
        assert_eq!(run.status.code(), Some(0));
        assert_eq!(run.text("modules.dep").lines().count(), whole.len() + 1);
        assert_eq!(
            run.stderr().matches("failed to load symbols from ").count(),
            whole.len(),
            "{format:?}: every truncated file is an error"
        );
        assert_eq!(run.text("modules.alias").lines().count(), 2);
    }
}

#[test]
fn damaged_compressed_modules_do_not_crash_the_run() {
    for format in [Format::Gz, Format::Xz, Format::Zst] {
        let whole = format.compress(&module(1));
        let mut system = System::new().complete();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            system = system.file(format!("kernel/flip{at:04}.ko"), bytes);
        }
        let run = system.run(Program::Ours, &[]);
        assert_eq!(run.status.code(), Some(0), "{format:?}: {}", run.stderr());
        assert_eq!(run.text("modules.dep").lines().count(), whole.len());
    }
}

/// kmod tries to read a broken module three times, and its decoder prints a message each time.
#[test]
fn decoder_messages_equal_kmods() {
    let plain =
        Elf::new().modinfo("alias=x").section("text", (0..30_000).map(|n| (n * n) as u8).collect::<Vec<_>>());
    let plain = plain.build();
    for format in [Format::Xz, Format::Zst] {
        let whole = format.compress(&plain);
        let flipped = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            bytes
        };
        let half = whole.len() / 2;
        for (what, content) in
            [("cut", whole[..half].to_vec()), ("middle", flipped(half)), ("header", flipped(7))]
        {
            let run = System::new().complete().file("kernel/a.ko", content).assert_same(&[]);
            assert_eq!(run.stderr().lines().count(), 4, "{format:?} {what}: {}", run.stderr());
        }
    }
}

#[test]
fn concatenated_xz_streams_are_one_module() {
    let plain = module(1);
    let (head, tail) = plain.split_at(plain.len() / 2);
    let streams = [Format::Xz.compress(head), Format::Xz.compress(tail)].concat();
    let run = System::new().complete().file("kernel/a.ko.xz", streams).assert_same(&[]);
    assert!(run.text("modules.alias").contains("number-1"));
}

#[test]
fn concatenated_gzip_members_are_one_module() {
    let plain = module(1);
    let (head, tail) = plain.split_at(plain.len() / 2);
    let members = [&*Format::Gz.compress(head), &Format::Gz.compress(tail)].concat();
    let run = System::new()
        .complete()
        .file("kernel/a.ko.gz", &members)
        .file("kernel/b.ko.gz", [&*members, b"garbage"].concat())
        .run(Program::Ours, &[]);
    run.expect(0, "");
    assert!(
        run.text("modules.alias").contains("number-1 a\n")
            && run.text("modules.alias").contains("number-1 b\n")
    );
}

#[test]
fn decompression_bombs_are_errors_with_file_and_limit() {
    // Two gibibytes of zeros are no module, which their begin tells. The limit is four.
    for (suffix, command, is_module) in [
        ("xz", "head -c 2147483648 /dev/zero | xz -0 -T2 --check=crc32", false),
        ("zst", "head -c 2147483648 /dev/zero | zstd -q", false),
        ("gz", "head -c 2147483648 /dev/zero | gzip -1n", false),
        ("zst", "(printf '\\177ELF'; head -c 4294967296 /dev/zero) | zstd -q", true),
    ] {
        let bomb = std::process::Command::new("sh").args(["-c", command]).output().unwrap().stdout;
        assert!(bomb.len() > 1000, "`{command}` gave nothing");
        let run = System::new()
            .complete()
            .file(format!("kernel/bomb.ko.{suffix}"), bomb)
            .file("kernel/good.ko", module(1))
            .run(Program::Ours, &["--jobs", "1"]);
        let said = run.stderr();
        if !is_module {
            assert_eq!(run.status.code(), Some(0), "{said}");
            assert!(said.ends_with(&format!("bomb.ko.{suffix}: Exec format error\n")), "{said}");
            continue;
        }
        assert_eq!(run.status.code(), Some(1), "{said}");
        let lines: Vec<&str> = said.lines().filter(|line| line.contains("FATAL")).collect();
        let [line] = lines[..] else { panic!("{suffix}: {said}") };
        assert!(line.contains(&format!("bomb.ko.{suffix}: more than ")), "{line}");
        assert!(line.ends_with("index files left as they were"), "{line}");
    }
}

/// Larger than a decoder's memory: these are decoded in pieces.
#[test]
fn large_modules_are_decoded_in_pieces() {
    let mut random = depmod_tests::random::Random::new(1);
    let noise: Vec<u8> = (0..400_000).map(|_| random.below(256) as u8).collect();
    let large = |size: usize, noise: &[u8]| {
        Elf::new()
            .section(".debug_info", [noise, &vec![0; size]].concat())
            .modinfo("alias=large")
            .export("large_symbol", Crc::Absolute(7))
            .need("symbol_100")
            .version("symbol_100", 9)
            .build()
    };
    let user = Elf::new().need("large_symbol").build();
    // A small file of many bytes, and a file that is not small.
    for bytes in [large(6 << 20, b""), large(60 << 20, &noise)] {
        let system = |format: Format| {
            let system = System::new().complete().file("kernel/user.ko", &user);
            let name = |name: &str| format!("kernel/{name}.ko{}", format.suffix());
            system
                .file(name("large"), format.compress(&bytes))
                .file(name("m100"), format.compress(&module(100)))
        };
        for format in [Format::Xz, Format::Zst] {
            system(format).assert_same(&["-v"]);
        }
        let run = system(Format::Gz).run(Program::Ours, &[]);
        run.expect(0, "");
        assert!(run.text("modules.dep").contains("kernel/user.ko: kernel/large.ko.gz kernel/m100.ko.gz\n"));
    }
}
