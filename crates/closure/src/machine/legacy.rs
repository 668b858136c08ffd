//! What glibc takes the processor for, beside its level: `$PLATFORM`, and the directories that it searched before 2.37.

use super::{Cpu, Machine};

/// The names, as glibc's `dl-procinfo` has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Legacy {
    /// What it says instead of `AT_PLATFORM`: `haswell`.
    pub platform: Option<&'static str>,
    /// Names of capabilities, in the order of their bits in ld.so.cache.
    pub capabilities: Vec<Capability>,
}

/// A name of a directory, and what stands for it in ld.so.cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The name.
    pub name: &'static str,
    /// The bits.
    pub bits: u64,
}

/// Directories for all that has thread-local storage, which is everything.
pub(crate) const TLS: Capability = Capability { name: "tls", bits: 1 << 63 };

/// Those platforms that ld.so.cache knows, which are x86's.
const PLATFORMS: [Capability; 4] = [
    Capability { name: "i586", bits: 1 << 48 },
    Capability { name: "i686", bits: 1 << 49 },
    Capability { name: "haswell", bits: 1 << 50 },
    Capability { name: "xeon_phi", bits: 1 << 51 },
];

const SSE2: Capability = Capability { name: "sse2", bits: 1 };
const X86_64: Capability = Capability { name: "x86_64", bits: 1 << 1 };
const AVX512_1: Capability = Capability { name: "avx512_1", bits: 1 << 2 };

impl Legacy {
    /// An x86-64 that is not one of Intel's newer ones.
    pub(super) fn x86_64() -> Self {
        Self { platform: None, capabilities: vec![X86_64] }
    }

    fn i386() -> Self {
        Self { platform: Some("i686"), capabilities: vec![SSE2] }
    }
}

impl Cpu {
    /// What `$PLATFORM` stands for in programs for `machine`.
    pub(crate) fn platform_for(&self, machine: Machine) -> Option<String> {
        let known = self.legacy_for(machine).platform.map(str::to_owned);
        known.or_else(|| self.platform.clone().filter(|_| self.machine == Some(machine)))
    }

    /// The names of the directories of an older glibc: capabilities, the platform, and `tls` for all.
    pub(crate) fn legacy_names(&self, machine: Machine) -> Vec<Capability> {
        let mut names = self.legacy_for(machine).capabilities;
        if let Some(platform) = self.platform_for(machine) {
            let known = PLATFORMS.into_iter().find(|known| known.name == platform);
            // One that the cache does not know is a directory all the same.
            let own = || (platform == "x86_64").then_some(Capability { name: "x86_64", bits: 0 });
            let arm = || (platform == "aarch64").then_some(Capability { name: "aarch64", bits: 0 });
            names.extend(known.or_else(own).or_else(arm));
        }
        names.push(TLS);
        names
    }

    fn legacy_for(&self, machine: Machine) -> Legacy {
        match self.machine {
            Some(Machine::X86_64 | Machine::I386) if machine == Machine::I386 => Legacy::i386(),
            Some(own) if own == machine => self.legacy().clone(),
            _ => Legacy::default(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) fn running() -> Legacy {
    use std::arch::is_x86_feature_detected as has;
    let mut legacy = Legacy::x86_64();
    // All this is for Intel's processors alone. The others that have AVX2 have SSE4a too, which Intel's never had.
    if has!("sse4a") {
        return legacy;
    }
    if has!("avx512cd") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
        legacy.capabilities.push(AVX512_1);
    }
    let haswell = has!("avx2") && has!("fma") && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("movbe");
    legacy.platform = (haswell && has!("popcnt")).then_some("haswell");
    legacy
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn running() -> Legacy {
    Legacy::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(cpu: &Cpu, machine: Machine) -> Vec<&'static str> {
        cpu.legacy_names(machine).into_iter().map(|capability| capability.name).collect()
    }

    #[test]
    fn names_are_in_the_order_of_their_bits() {
        assert_eq!(names(&Cpu::x86_64(3), Machine::X86_64), ["x86_64", "x86_64", "tls"]);
        assert_eq!(names(&Cpu::x86_64(3), Machine::I386), ["sse2", "i686", "tls"]);
        assert_eq!(names(&Cpu::aarch64(), Machine::AARCH64), ["aarch64", "tls"]);
        assert_eq!(names(&Cpu::default(), Machine::X86_64), ["tls"], "nothing is known of another host's processor");
    }

    #[test]
    fn programs_of_32_bits_have_a_platform_of_their_own() {
        assert_eq!(Cpu::x86_64(1).platform_for(Machine::I386).as_deref(), Some("i686"));
        assert_eq!(Cpu::x86_64(1).platform_for(Machine::AARCH64), None);
    }
}
