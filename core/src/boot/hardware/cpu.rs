//! The processor's features, for the modules with faster ciphers and checksums.
//!
//! Linux gives the processor one modalias, with the number of each feature (`drivers/base/cpu.c`):
//!
//! ```text
//! cpu:type:x86,ven0000fam0006mod008E:feature:,0019,001A,…,0099,…
//! ```
//!
//! aesni_intel's alias is `cpu:type:x86,ven*fam*mod*:feature:*0099*`: bit 25 of word 4 is number 4 × 32 + 25 = 0x99. The
//! words are registers of the instruction CPUID, in an order of Linux's own (`arch/x86/include/asm/cpufeature.h`). On
//! AArch64 the numbers are bits of `AT_HWCAP` (`arch/arm64/include/uapi/asm/hwcap.h`).

use core::fmt;

/// Words of Linux's list of features, each a register of CPUID, with features that ciphers and checksums ask for.
///
/// Others lead to hypervisors and drivers for the processor's speed. No root disk needs these, and some refuse to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum X86Word {
    /// Leaf 1, EDX.
    Basic = 0,
    /// Leaf 1, ECX.
    BasicMore = 4,
    /// Leaf 7, EBX.
    Leaf7 = 9,
    /// Leaf 7, ECX.
    Leaf7More = 16,
}

impl X86Word {
    /// The features of this word that count.
    const fn wanted(self) -> u32 {
        match self {
            // SSE, SSE2
            Self::Basic => 1 << 25 | 1 << 26,
            // SSE3, PCLMULQDQ, SSSE3, FMA, SSE4.1, SSE4.2, MOVBE, AES, XSAVE, OSXSAVE, AVX
            Self::BasicMore => 1 | 1 << 1 | 1 << 9 | 1 << 12 | 0b11 << 19 | 1 << 22 | 0b1111 << 25,
            // BMI1, AVX2, BMI2, AVX512F, ADX, AVX512IFMA, SHA, AVX512BW, AVX512VL
            Self::Leaf7 => 1 << 3 | 1 << 5 | 1 << 8 | 1 << 16 | 1 << 19 | 1 << 21 | 0b111 << 29,
            // GFNI, VAES, VPCLMULQDQ
            Self::Leaf7More => 0b111 << 8,
        }
    }
}

/// The modalias of a processor; `Display` writes it.
///
/// ```
/// use depmod_core::parts::boot::hardware::{CpuFeatures, X86Word};
/// let cpu = CpuFeatures::X86 { words: &[(X86Word::BasicMore, 1 << 25)] };
/// assert_eq!(cpu.to_string(), "cpu:type:x86,ven00FFfam0000mod0000:feature:,0099");
/// ```
#[derive(Clone, Copy, Debug)]
pub enum CpuFeatures<'w> {
    /// x86, 32 or 64 bits.
    X86 {
        /// In ascending order of the words.
        words: &'w [(X86Word, u32)],
    },
    /// AArch64.
    Arm64 {
        /// `ID_AA64ISAR0_EL1`.
        instructions: u64,
    },
}

/// Vendor, family and model stay unknown: they lead to drivers for speed and temperature alone.
const X86: &str = "cpu:type:x86,ven00FFfam0000mod0000:feature:";

/// Firmware runs only where the processor has FP and ASIMD (UEFI 2.10 §2.3.6), numbers 0 and 1.
const ARM64: &str = "cpu:type:aarch64:feature:,0000,0001";

/// Fields of `ID_AA64ISAR0_EL1` (Arm Architecture Reference Manual D19.2.61): their lowest bit, their least value, and
/// the number of the feature.
const ARM64_FIELDS: [(u32, u64, u16); 11] = [
    (4, 1, 3),   // AES
    (4, 2, 4),   // PMULL
    (8, 1, 5),   // SHA1
    (12, 1, 6),  // SHA2
    (16, 1, 7),  // CRC32
    (20, 2, 8),  // ATOMICS
    (32, 1, 17), // SHA3
    (36, 1, 18), // SM3
    (40, 1, 19), // SM4
    (44, 1, 20), // ASIMDDP
    (12, 2, 21), // SHA512
];

impl fmt::Display for CpuFeatures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X86 { words } => {
                f.write_str(X86)?;
                for (word, bits) in *words {
                    let first = (*word as u16).saturating_mul(32);
                    for bit in (0..32_u16).filter(|bit| (bits & word.wanted()) >> bit & 1 == 1) {
                        write!(f, ",{:04X}", first.saturating_add(bit))?;
                    }
                }
                Ok(())
            }
            Self::Arm64 { instructions } => {
                f.write_str(ARM64)?;
                for (shift, least, number) in ARM64_FIELDS {
                    if instructions >> shift & 0xf >= least {
                        write!(f, ",{number:04X}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn features_have_linux_numbers() {
        // The floating-point unit asks for no cipher.
        let words = [(X86Word::Basic, 1 << 26 | 1), (X86Word::Leaf7, 1 << 29), (X86Word::Leaf7More, 1 << 9)];
        let cpu = CpuFeatures::X86 { words: &words };
        assert_eq!(cpu.to_string(), "cpu:type:x86,ven00FFfam0000mod0000:feature:,001A,013D,0209");
        let none = CpuFeatures::X86 { words: &[] };
        assert_eq!(none.to_string(), "cpu:type:x86,ven00FFfam0000mod0000:feature:");
    }

    #[test]
    fn features_of_arm64() {
        let cortex_a57 = CpuFeatures::Arm64 { instructions: 0x1_1120 };
        assert_eq!(cortex_a57.to_string(), "cpu:type:aarch64:feature:,0000,0001,0003,0004,0005,0006,0007");
    }
}
