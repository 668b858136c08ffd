//! seccomp(2): one filter, which keeps user namespaces from those who run under it.

use std::io;

use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter};

/// The numbers that a way into the kernel gives to the calls which make namespaces.
struct Calls {
    /// `AUDIT_ARCH_*` of linux/audit.h.
    arch: u32,
    clone: u32,
    unshare: u32,
}

/// The same on every machine.
const CLONE3: u32 = 435;

/// All ways in that a processor has: programs of 32 bits, and int 0x80 from 64, have numbers of their own. That of x32 is told
/// from x86-64 by a bit in the number.
#[cfg(target_arch = "x86_64")]
const MACHINES: [Calls; 2] =
    [Calls { arch: 0xc000_003e, clone: 56, unshare: 272 }, Calls { arch: 0x4000_0003, clone: 120, unshare: 310 }];
#[cfg(target_arch = "aarch64")]
const MACHINES: [Calls; 2] =
    [Calls { arch: 0xc000_00b7, clone: 220, unshare: 97 }, Calls { arch: 0x4000_0028, clone: 120, unshare: 337 }];
#[cfg(target_arch = "riscv64")]
const MACHINES: [Calls; 2] =
    [Calls { arch: 0xc000_00f3, clone: 220, unshare: 97 }, Calls { arch: 0x4000_00f3, clone: 220, unshare: 97 }];

/// `__X32_SYSCALL_BIT`; no number elsewhere has it.
const X32: u32 = 0x4000_0000;

/// Offsets in `struct seccomp_data`, and that of the half of the first argument that has the flags.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const FLAGS: u32 = 16;

const ALLOW: sock_filter = statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW);
/// A program that is told so goes on to clone(2), whose flags a filter can see. Those of clone3(2) are in memory.
const UNKNOWN: sock_filter = refuse(libc::ENOSYS);
const FORBIDDEN: sock_filter = refuse(libc::EPERM);

/// Instructions for one machine.
const BLOCK: usize = 12;
const LENGTH: usize = 2 + BLOCK * MACHINES.len();

const FILTER: [sock_filter; LENGTH] = {
    // Who comes in by a way that is not known here does nothing.
    let mut filter = [UNKNOWN; LENGTH];
    filter[0] = load(ARCH);
    let mut machine = 0;
    while machine < MACHINES.len() {
        let block = block(&MACHINES[machine]);
        let mut at = 0;
        while at < BLOCK {
            filter[1 + BLOCK * machine + at] = block[at];
            at += 1;
        }
        machine += 1;
    }
    filter
};

const fn block(calls: &Calls) -> [sock_filter; BLOCK] {
    [
        // Not this machine: to the next block.
        jump(BPF_JEQ, calls.arch, 0, 11),
        load(NUMBER),
        statement(BPF_ALU | BPF_AND | BPF_K, !X32),
        jump(BPF_JEQ, CLONE3, 6, 0),
        jump(BPF_JEQ, calls.clone, 2, 0),
        jump(BPF_JEQ, calls.unshare, 1, 0),
        ALLOW,
        load(FLAGS),
        #[allow(clippy::cast_sign_loss, reason = "a positive bit mask")]
        jump(BPF_JSET, libc::CLONE_NEWUSER as u32, 0, 2),
        FORBIDDEN,
        UNKNOWN,
        ALLOW,
    ]
}

#[allow(clippy::cast_possible_truncation, reason = "codes fit 16 bits")]
const fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

const fn load(offset: u32) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, offset)
}

#[allow(clippy::cast_possible_truncation, reason = "codes fit 16 bits")]
const fn jump(test: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | test | BPF_K) as u16, jt, jf, k }
}

#[allow(clippy::cast_sign_loss, reason = "errno is positive")]
const fn refuse(errno: i32) -> sock_filter {
    statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ERRNO | errno as u32)
}

/// `prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter)`: from now on this process and all that descend from it get EPERM from
/// clone(2) and unshare(2) with CLONE_NEWUSER, and ENOSYS from clone3(2). no_new_privs must be set.
///
/// # Errors
/// EACCES without no_new_privs; EINVAL where the kernel has no filters.
///
/// seccomp(2), user_namespaces(7).
pub fn deny_user_namespaces() -> io::Result<()> {
    let mut filter = FILTER;
    #[allow(clippy::cast_possible_truncation, reason = "it has two dozen instructions")]
    let program = libc::sock_fprog { len: LENGTH as u16, filter: filter.as_mut_ptr() };
    // SAFETY: `program` and the instructions that it points to live through the call, and the kernel only reads them.
    let status = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
