//! Which processor a file is for, and what the one at hand can do.

use std::cell::OnceCell;
use std::fmt;

use object::elf;

mod legacy;

pub use legacy::{Capability, Legacy};

/// The processor a file is made for: three fields of the ELF header. The loader takes no library of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    /// `e_machine`.
    pub number: u16,
    /// `ELFCLASS64`, not `ELFCLASS32`.
    pub wide: bool,
    /// `ELFDATA2MSB`, not `ELFDATA2LSB`.
    pub big_endian: bool,
}

impl Machine {
    /// x86-64 with 64-bit pointers.
    pub const X86_64: Self = Self { number: elf::EM_X86_64.0, wide: true, big_endian: false };
    /// i386 and its successors.
    pub const I386: Self = Self { number: elf::EM_386.0, wide: false, big_endian: false };
    /// 64-bit ARM.
    pub const AARCH64: Self = Self { number: elf::EM_AARCH64.0, wide: true, big_endian: false };
    /// 64-bit RISC-V.
    pub const RISCV64: Self = Self { number: elf::EM_RISCV.0, wide: true, big_endian: false };

    /// What a kernel for `arch`, a word as in [`std::env::consts::ARCH`], runs; nothing for one that is not known.
    #[must_use]
    pub fn run_by(arch: &str) -> &'static [Self] {
        match arch {
            "x86_64" => &[Self::X86_64, Self::I386],
            "x86" => &[Self::I386],
            "aarch64" => &[Self::AARCH64],
            "riscv64" => &[Self::RISCV64],
            _ => &[],
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::X86_64 => f.write_str("x86-64"),
            Self::I386 => f.write_str("i386"),
            Self::AARCH64 => f.write_str("aarch64"),
            Self::RISCV64 => f.write_str("riscv64"),
            Self { number, wide, big_endian } => {
                let bits = if wide { 64 } else { 32 };
                let order = if big_endian { "big" } else { "little" };
                write!(f, "ELF machine {number} ({bits} bits, {order}-endian)")
            }
        }
    }
}

/// What glibc asks of the processor when it looks for libraries.
#[derive(Clone, Debug)]
pub struct Cpu {
    /// The processor this is about; programs of another one get no `hwcaps`.
    pub machine: Option<Machine>,
    /// `AT_PLATFORM`, for `$PLATFORM`; getauxval(3).
    pub platform: Option<String>,
    /// Empty until it is asked for, where it is about the running one.
    hwcaps: OnceCell<Vec<String>>,
    /// Likewise.
    legacy: OnceCell<Legacy>,
}

impl Default for Cpu {
    /// One of which nothing is known.
    fn default() -> Self {
        Self { machine: None, platform: None, hwcaps: Vec::new().into(), legacy: Legacy::default().into() }
    }
}

impl Cpu {
    /// An x86-64 of a level of the psABI, 1 to 4.
    #[must_use]
    pub fn x86_64(level: u8) -> Self {
        Self {
            machine: Some(Machine::X86_64),
            platform: Some("x86_64".into()),
            hwcaps: x86_64_hwcaps(level).into(),
            legacy: Legacy::x86_64().into(),
        }
    }

    /// A 64-bit ARM, for which glibc knows no levels.
    #[must_use]
    pub fn aarch64() -> Self {
        Self { machine: Some(Machine::AARCH64), platform: Some("aarch64".into()), ..Self::default() }
    }

    /// The one this runs on. Nothing else here looks at the running system.
    #[must_use]
    pub fn running() -> Self {
        running()
    }

    /// The names below `glibc-hwcaps` whose libraries it can run, the best first. Few programs have such libraries, and in a
    /// virtual machine each question to the processor takes microseconds, so the running one is asked here and not before.
    #[must_use]
    pub fn hwcaps(&self) -> &[String] {
        self.hwcaps.get_or_init(running_hwcaps)
    }

    /// What an older glibc looks at; asked for as seldom.
    #[must_use]
    pub fn legacy(&self) -> &Legacy {
        self.legacy.get_or_init(legacy::running)
    }
}

fn x86_64_hwcaps(level: u8) -> Vec<String> {
    (2..=level.min(4)).rev().map(|level| format!("x86-64-v{level}")).collect()
}

#[cfg(target_arch = "x86_64")]
fn running() -> Cpu {
    Cpu { hwcaps: OnceCell::new(), legacy: OnceCell::new(), ..Cpu::x86_64(1) }
}

#[cfg(target_arch = "x86_64")]
fn running_hwcaps() -> Vec<String> {
    use std::arch::is_x86_feature_detected as has;
    // The lists of the x86-64 psABI; a level needs those below it.
    let v2 = has!("cmpxchg16b") && has!("popcnt") && has!("sse3") && has!("sse4.1") && has!("sse4.2") && has!("ssse3");
    let v3 = v2
        && has!("avx")
        && has!("avx2")
        && has!("bmi1")
        && has!("bmi2")
        && has!("f16c")
        && has!("fma")
        && has!("lzcnt")
        && has!("movbe");
    let v4 = v3 && has!("avx512f") && has!("avx512bw") && has!("avx512cd") && has!("avx512dq") && has!("avx512vl");
    x86_64_hwcaps(1 + u8::from(v2) + u8::from(v3) + u8::from(v4))
}

#[cfg(target_arch = "aarch64")]
fn running() -> Cpu {
    Cpu::aarch64()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn running() -> Cpu {
    Cpu::default()
}

#[cfg(not(target_arch = "x86_64"))]
fn running_hwcaps() -> Vec<String> {
    Vec::new()
}
