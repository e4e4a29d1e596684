use std::fs;
use std::panic::catch_unwind;

use depmod_tests::fuzz::{TARGETS, seeds};
use depmod_tests::random::Random;
use depmod_tests::workspace;

/// Runs a body; after a panic, writes the input to a file that can become a fixture.
#[track_caller]
fn must_survive(name: &str, body: fn(&[u8]), what: &str, input: &[u8]) {
    if catch_unwind(|| body(input)).is_err() {
        let path = std::env::temp_dir().join(format!("depmod-crasher-{name}"));
        fs::write(&path, input).expect("a temporary file");
        panic!("{name}: {what} panicked; the input is {}", path.display());
    }
}

#[test]
fn known_crashers_do_not_panic() {
    for (name, body) in TARGETS {
        let folder = workspace().join("tests/fixtures/crashers").join(name);
        for file in fs::read_dir(folder).into_iter().flatten().flatten() {
            must_survive(name, *body, &file.path().display().to_string(), &fs::read(file.path()).unwrap());
        }
    }
}

#[test]
fn truncated_inputs_do_not_panic() {
    for (name, body) in TARGETS {
        for (number, seed) in seeds(name).into_iter().enumerate() {
            for len in 0..=seed.len() {
                must_survive(name, *body, &format!("seed {number} cut to {len} bytes"), &seed[..len]);
            }
        }
    }
}

#[test]
fn damaged_inputs_do_not_panic() {
    let mut random = Random::new(3);
    for (name, body) in TARGETS {
        for seed in seeds(name) {
            for round in 0..4000 {
                let mut input = seed.clone();
                for _ in 0..1 + random.below(8) {
                    damage(&mut input, &mut random);
                }
                must_survive(name, *body, &format!("damage {round}"), &input);
            }
        }
    }
}

/// One typical damage: a flipped bit, an extreme number, or a moved part.
fn damage(input: &mut Vec<u8>, random: &mut Random) {
    if input.is_empty() {
        return;
    }
    let at = random.below(input.len());
    match random.below(6) {
        0 => input[at] ^= 1 << random.below(8),
        1 => input[at] = *random.pick(&[0, 1, 0x7f, 0x80, 0xff, b'\n', b'*', b'[', b'\\']),
        2 => {
            let value: u64 = *random.pick(&[0, 1, 0xffff_ffff, u64::MAX, 1 << 31, 1 << 63, 0x1000]);
            for (byte, new) in input[at..].iter_mut().zip(value.to_le_bytes()) {
                *byte = new;
            }
        }
        3 => input.truncate(at),
        4 => {
            let end = (at + 1 + random.below(16)).min(input.len());
            let piece = input[at..end].to_vec();
            let to = random.below(input.len());
            input.splice(to..to, piece);
        }
        _ => {
            let end = (at + 1 + random.below(16)).min(input.len());
            input.drain(at..end);
        }
    }
}

#[test]
fn random_bytes_do_not_panic() {
    let mut random = Random::new(4);
    for (name, body) in TARGETS {
        for round in 0..5000 {
            let len = random.below(200);
            let input = random.bytes(len);
            must_survive(name, *body, &format!("random input {round}"), &input);
        }
    }
}
