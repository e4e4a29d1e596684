use depmod_core::{MemorySource, Options, run};
use depmod_tests::compress::Format;
use depmod_tests::elf_builder::{Crc, Elf, KINDS};
use depmod_tests::random::Random;
use depmod_tests::system::{Program, System};

/// Random module files by path: all kinds and formats, invalid modules, duplicates, modules with warnings.
fn random_files(random: &mut Random) -> Vec<(String, Vec<u8>)> {
    let count = 20 + random.below(60);
    let mut files = Vec::new();
    for number in 0..count {
        let (class, order) = *random.pick(&KINDS);
        let mut elf = Elf::of(class, order).export(format!("s{number}"), Crc::InSection(number as u32));
        for _ in 0..random.below(4) {
            elf = elf.need(format!("s{}", random.below(number + 1).saturating_sub(1)));
        }
        if number == 0 {
            elf = Elf::of(class, order).export("s0", Crc::Absolute(0));
        }
        for _ in 0..random.below(4) {
            elf = elf.modinfo(format!(
                "alias=x:{}*{}",
                random.below(9),
                random.pick(&["", "-y", "[", "[a-b]"])
            ));
        }
        let mut content = elf.section("padding", vec![7; random.below(20_000)]).build();
        if random.below(10) == 0 {
            content.truncate(random.below(content.len()));
        }
        let format = *random.pick(&Format::ALL);
        let directory = *random.pick(&["kernel", "kernel/fs", "extra", "updates"]);
        files.push((format!("{directory}/m{number}.ko{}", format.suffix()), format.compress(&content)));
    }
    files
}

#[test]
fn the_number_of_threads_does_not_affect_the_output() {
    let mut random = Random::new(5);
    for _ in 0..5 {
        let files = random_files(&mut random);
        let system = files.iter().fold(System::new(), |system, (path, content)| system.file(path, content));
        let one = system.run(Program::Ours, &["-v", "-w", "--jobs", "1"]);
        for jobs in ["2", "3", "7", "64"] {
            let many = system.run(Program::Ours, &["-v", "-w", "--jobs", jobs]);
            assert_eq!(one.status, many.status);
            assert_eq!((one.stdout(), one.stderr()), (many.stdout(), many.stderr()), "{jobs} threads");
            assert!(one.written == many.written, "{jobs} threads wrote different bytes");
        }
    }
}

#[test]
fn the_core_in_memory_gives_the_output_of_the_command() {
    let mut random = Random::new(6);
    for _ in 0..5 {
        let files = random_files(&mut random);
        let mut source = MemorySource::new();
        let mut system = System::new();
        for (path, content) in files {
            source.insert(format!("/lib/modules/6.1.0/{path}").as_bytes(), content.clone());
            system = system.file(path, content);
        }
        let command = system.run(Program::Ours, &[]);
        let options = Options::new("/lib/modules/6.1.0", "6.1.0");
        let built = run(&options, &source, &mut ()).expect("no cycle");
        for (output, content) in &built {
            let name = output.file_name();
            assert!(command.output(name) == content, "{name} differs");
        }
    }
}
