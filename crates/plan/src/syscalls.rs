//! Which system calls a jail on Linux refuses, and what their numbers are. Only data: the engine makes a filter of it.

mod table;

pub(crate) use table::TABLE;

/// A system call and its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// As linux/unistd.h spells it.
    pub name: &'static str,
    /// On x86-64; `u32::MAX` where it is none there.
    pub x86_64: u32,
    /// On aarch64, riscv64 and all others that have no table of their own; `u32::MAX` where it is none there.
    pub generic: u32,
}

/// The first number that no system call of the table has, on any machine.
pub const END: u32 = {
    let mut end = 0;
    let mut at = 0;
    while at < TABLE.len() {
        if TABLE[at].x86_64 != u32::MAX && TABLE[at].x86_64 >= end {
            end = TABLE[at].x86_64 + 1;
        }
        at += 1;
    }
    end
};

/// Why a system call is refused, and whether a profile may give it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which.
    pub name: &'static str,
    /// A lowercase fragment: what it would do.
    pub why: &'static str,
    /// `allow-syscalls` takes it.
    pub may_be_given_back: bool,
}

const fn never(name: &'static str, why: &'static str) -> Refusal {
    Refusal { name, why, may_be_given_back: false }
}

const fn unless_asked(name: &'static str, why: &'static str) -> Refusal {
    Refusal { name, why, may_be_given_back: true }
}

const MOUNTS: &str = "it changes what is mounted where";
const MODULES: &str = "it loads code into the host's kernel";
const OLD: &str = "no program of today knows it";
const OTHERS: &str = "it reads and changes other processes";
const KEYS: &str = "the keyrings of a user are the same inside and outside";
const URING: &str = "its operations pass by every filter, and it has been the way out of many sandboxes";
const NAMESPACES: &str = "it enters or makes namespaces, in which a program has all capabilities";

/// What every jail refuses by the number alone, sorted by name. EPERM is said, but for [`UNKNOWN`].
pub const REFUSED: [Refusal; 62] = [
    never("_sysctl", OLD),
    unless_asked("add_key", KEYS),
    never("afs_syscall", OLD),
    never("bpf", MODULES),
    never("clone3", "it makes namespaces, and what it is asked for is in memory, where no filter can look"),
    never("create_module", MODULES),
    never("delete_module", MODULES),
    never("epoll_ctl_old", OLD),
    never("epoll_wait_old", OLD),
    unless_asked("fanotify_init", "it watches file systems of the host"),
    never("finit_module", MODULES),
    never("fsconfig", MOUNTS),
    never("fsmount", MOUNTS),
    never("fsopen", MOUNTS),
    never("fspick", MOUNTS),
    never("get_kernel_syms", OLD),
    never("getpmsg", OLD),
    never("init_module", MODULES),
    unless_asked("io_uring_enter", URING),
    unless_asked("io_uring_register", URING),
    unless_asked("io_uring_setup", URING),
    never("ioperm", "it reaches the host's devices"),
    never("iopl", "it reaches the host's devices"),
    unless_asked("kcmp", OTHERS),
    never("kexec_file_load", MODULES),
    never("kexec_load", MODULES),
    unless_asked("keyctl", KEYS),
    never("listns", "it lists namespaces of the host"),
    never("lookup_dcookie", OLD),
    unless_asked("modify_ldt", "programs of 64 bits have no use for it, and it had many holes"),
    never("mount", MOUNTS),
    never("mount_setattr", MOUNTS),
    never("move_mount", MOUNTS),
    never("nfsservctl", OLD),
    never("open_by_handle_at", "it opens any file of a mounted file system, inside the jail or not"),
    never("open_tree", MOUNTS),
    never("open_tree_attr", MOUNTS),
    unless_asked("openat2", "what it is asked for is in memory, where no filter can look for set-id bits"),
    unless_asked("perf_event_open", "it measures the kernel and other programs, and had many holes"),
    unless_asked("pidfd_getfd", OTHERS),
    never("pivot_root", MOUNTS),
    unless_asked("process_vm_readv", OTHERS),
    unless_asked("process_vm_writev", OTHERS),
    unless_asked("ptrace", OTHERS),
    never("putpmsg", OLD),
    never("query_module", OLD),
    never("quotactl", "it reads and changes quotas of the host"),
    never("quotactl_fd", "it reads and changes quotas of the host"),
    never("reboot", "it restarts the host"),
    unless_asked("request_key", KEYS),
    never("security", OLD),
    never("setns", NAMESPACES),
    never("swapoff", "it changes the host's swap space"),
    never("swapon", "it changes the host's swap space"),
    never("sysfs", OLD),
    never("syslog", "it reads the kernel's log, where the host's addresses are"),
    never("tuxcall", OLD),
    never("umount2", MOUNTS),
    never("uselib", OLD),
    unless_asked("userfaultfd", "it holds up the kernel at will, which attacks on it are built upon"),
    never("ustat", OLD),
    never("vserver", OLD),
];

/// What is refused for some of what it can be asked for, sorted by name; and so are set-id bits, see [`SET_ID`].
pub const PARTLY: [Refusal; 6] = [
    never("clone", NAMESPACES),
    never("ioctl", "by TIOCSTI and TIOCLINUX it types into terminals"),
    unless_asked("personality", "it switches off the random layout of memory"),
    never("socket", "most families of sockets are for nobody's daemon, and had many holes"),
    never("socketpair", "most families of sockets are for nobody's daemon, and had many holes"),
    never("unshare", NAMESPACES),
];

/// Programs that are told ENOSYS go on without these.
pub const UNKNOWN: [&str; 2] = ["clone3", "openat2"];

/// What `allow-syscalls` takes beside names: the set-id bits of chmod(2), open(2) and mknod(2).
pub const SET_ID: &str = "set-id";

/// The families of socket(2) that every program may use: unix, inet, inet6, netlink, packet.
pub const FAMILIES: [u32; 5] = [1, 2, 10, 16, 17];

/// The others by name, as `allow-syscalls` takes them; address_families(7).
pub const MORE_FAMILIES: [(&str, u32); 13] = [
    ("af_alg", 38),
    ("af_bluetooth", 31),
    ("af_can", 29),
    ("af_kcm", 41),
    ("af_key", 15),
    ("af_llc", 26),
    ("af_nfc", 39),
    ("af_qipcrtr", 42),
    ("af_rds", 21),
    ("af_smc", 43),
    ("af_tipc", 30),
    ("af_vsock", 40),
    ("af_xdp", 44),
];

/// The one of this name.
#[must_use]
pub const fn call(name: &str) -> Option<&'static Call> {
    // A binary search by hand: the default filter is made by the compiler.
    let (mut low, mut high) = (0, TABLE.len());
    while low < high {
        let middle = (low + high) / 2;
        match compare(name.as_bytes(), TABLE[middle].name.as_bytes()) {
            0 => return Some(&TABLE[middle]),
            1 => low = middle + 1,
            _ => high = middle,
        }
    }
    None
}

/// 0 if they are the same, 1 if the first one comes later, -1 if it comes sooner.
const fn compare(one: &[u8], two: &[u8]) -> i8 {
    let mut at = 0;
    while at < one.len() && at < two.len() {
        if one[at] != two[at] {
            return if one[at] > two[at] { 1 } else { -1 };
        }
        at += 1;
    }
    if one.len() == two.len() {
        0
    } else if one.len() > two.len() {
        1
    } else {
        -1
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_name_is_found_in_it() {
        assert!(TABLE.is_sorted_by(|one, two| one.name < two.name));
        for known in &TABLE {
            assert_eq!(call(known.name), Some(known));
        }
        for name in ["", "a", "openat3", "zzz", "read_"] {
            assert_eq!(call(name), None, "{name}");
        }
    }

    #[test]
    fn no_two_calls_of_a_machine_have_one_number() {
        for number in [|call: &Call| call.x86_64, |call: &Call| call.generic] {
            let mut numbers: Vec<u32> = TABLE.iter().map(number).filter(|number| *number != u32::MAX).collect();
            let count = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), count);
            assert!(numbers.last().is_some_and(|last| *last < END));
        }
    }

    #[test]
    fn what_is_refused_is_in_the_table_and_there_once() {
        assert!(REFUSED.is_sorted_by(|one, two| one.name < two.name));
        for name in REFUSED.iter().chain(&PARTLY).map(|refusal| refusal.name).chain(UNKNOWN) {
            assert!(call(name).is_some(), "{name}");
        }
    }

    #[test]
    fn from_424_on_every_machine_has_the_same_numbers() {
        for known in TABLE.iter().filter(|call| call.generic != u32::MAX && call.generic >= 424) {
            assert_eq!(known.x86_64, known.generic, "{}", known.name);
        }
    }
}
