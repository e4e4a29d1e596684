//! The processor's features.

use core::fmt::Write;

use depmod_core::parts::boot::hardware::CpuFeatures;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use depmod_core::parts::boot::hardware::X86Word;

/// The processor's modalias; `None` on an architecture without one.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub fn write_modalias(out: &mut impl Write) -> Option<()> {
    #[cfg(target_arch = "x86")]
    use core::arch::x86::{__cpuid_count, CpuidResult};
    #[cfg(target_arch = "x86_64")]
    use core::arch::x86_64::{__cpuid_count, CpuidResult};
    #[allow(unused_unsafe, reason = "newer compilers know that it is safe")]
    // SAFETY: every processor with UEFI has the instruction.
    let leaf = |leaf: u32| -> CpuidResult { unsafe { __cpuid_count(leaf, 0) } };
    let first = leaf(0);
    // Beyond the highest leaf, processors answer with another one.
    let or_none = |number: u32| {
        if number <= first.eax { leaf(number) } else { CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 } }
    };
    let (one, seven) = (or_none(1), or_none(7));
    let words = [
        (X86Word::Basic, one.edx),
        (X86Word::BasicMore, one.ecx),
        (X86Word::Leaf7, seven.ebx),
        (X86Word::Leaf7More, seven.ecx),
    ];
    write!(out, "{}", CpuFeatures::X86 { words: &words }).ok()
}

/// As above.
#[cfg(target_arch = "aarch64")]
pub fn write_modalias(out: &mut impl Write) -> Option<()> {
    let instructions: u64;
    // SAFETY: reads a register that is readable where firmware runs.
    unsafe { core::arch::asm!("mrs {}, id_aa64isar0_el1", out(reg) instructions, options(nomem, nostack)) };
    write!(out, "{}", CpuFeatures::Arm64 { instructions }).ok()
}

/// As above.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
pub fn write_modalias(_: &mut impl Write) -> Option<()> {
    None
}
