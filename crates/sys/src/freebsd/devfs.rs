//! devfs(8)'s rules, by ioctl(2) on a directory of devfs(5).
//!
//! A ruleset that nobody has loaded is empty, and a devfs mounted with it shows every device there is: so it is asked
//! before, whether it holds rules; or rules of our own are put into a set that nobody uses.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

const PATTERN_LEN: usize = 200;
/// `DEVFS_MAGIC`.
const MAGIC: u32 = 0xdb0a_087a;
/// `DRC_PATHPTRN`.
const BY_PATTERN: i32 = 2;
/// `DRA_BACTS`.
const SWITCH: i32 = 1;
/// `DRB_HIDE` and `DRB_UNHIDE`.
const HIDE: i32 = 1;
const UNHIDE: i32 = 2;

/// `struct devfs_rule` of <fs/devfs/devfs.h>.
#[repr(C)]
#[derive(Clone, Copy)]
struct Raw {
    magic: u32,
    id: u32,
    conditions: i32,
    switch_flags: i32,
    pattern: [u8; PATTERN_LEN],
    actions: i32,
    switches: i32,
    uid: u32,
    gid: u32,
    mode: u16,
    include: u16,
}

/// `_IOWR('D', number, struct devfs_rule)` and its kin; <sys/ioccom.h>.
const fn ioc(direction: u64, number: u64, size: usize) -> u64 {
    direction | (((size as u64) & 0x1fff) << 16) | ((b'D' as u64) << 8) | number
}
const OUT: u64 = 0x4000_0000;
const IN: u64 = 0x8000_0000;
const RADD: u64 = ioc(IN | OUT, 0, size_of::<Raw>());
const RDEL: u64 = ioc(IN, 1, size_of::<u32>());
const RGETNEXT: u64 = ioc(IN | OUT, 4, size_of::<Raw>());
const SGETNEXT: u64 = ioc(IN | OUT, 12, size_of::<u16>());

// The kernel copies this many bytes; crates/xtask/freebsd-abi.c holds it against its header.
const _: () = assert!(size_of::<Raw>() == 236);

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `path * hide`: everything.
    HideAll,
    /// `path PATTERN hide`.
    Hide(String),
    /// `path PATTERN unhide`.
    Unhide(String),
    /// Something that thinjail never makes.
    Other,
}

impl Raw {
    fn empty(ruleset: u16, number: u16) -> Self {
        Self {
            magic: MAGIC,
            id: u32::from(ruleset) << 16 | u32::from(number),
            conditions: 0,
            switch_flags: 0,
            pattern: [0; PATTERN_LEN],
            actions: 0,
            switches: 0,
            uid: 0,
            gid: 0,
            mode: 0,
            include: 0,
        }
    }

    fn rule(&self) -> Rule {
        let pattern = super::jail::until_nul(&self.pattern);
        match (self.conditions, self.actions, self.switches) {
            (0, SWITCH, HIDE) => Rule::HideAll,
            (BY_PATTERN, SWITCH, HIDE) if pattern == "*" => Rule::HideAll,
            (BY_PATTERN, SWITCH, HIDE) => Rule::Hide(pattern),
            (BY_PATTERN, SWITCH, UNHIDE) => Rule::Unhide(pattern),
            _ => Rule::Other,
        }
    }
}

/// The rules of a set in order; none where nobody has loaded it. `devfs` is any directory of devfs(5).
///
/// # Errors
/// ENOTTY where `devfs` is not on one.
pub fn rules<Fd: AsFd>(devfs: Fd, ruleset: u16) -> io::Result<Vec<Rule>> {
    Ok(all(devfs, ruleset)?.iter().map(Raw::rule).collect())
}

fn all<Fd: AsFd>(devfs: Fd, ruleset: u16) -> io::Result<Vec<Raw>> {
    let mut rules = Vec::new();
    let mut raw = Raw::empty(ruleset, 0);
    loop {
        // SAFETY: RGETNEXT reads and writes one `Raw`, whose layout is the kernel's.
        let status = unsafe { libc::ioctl(devfs.as_fd().as_raw_fd(), RGETNEXT, &raw mut raw) };
        if status != 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::NotFound { Ok(rules) } else { Err(error) };
        }
        rules.push(raw);
        raw = Raw::empty(ruleset, (raw.id & 0xffff) as u16);
    }
}

/// Makes a set of rules of the caller's own: its first rule hides the device of a name that no device has, and so tells whose
/// the set is; then everything is hidden but what one of the patterns is about. False where the set has rules already.
///
/// # Errors
/// EINVAL for a pattern that is too long; EPERM inside a jail.
///
/// devfs(8), "rule add".
pub fn make<Fd: AsFd>(devfs: Fd, ruleset: u16, mark: &str, shown: &[String]) -> io::Result<bool> {
    // The kernel refuses a number that is taken: of two that want the same set one gets it.
    match add(&devfs, raw(ruleset, 1, mark, HIDE)?) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        other => other?,
    }
    add(&devfs, raw(ruleset, 2, "*", HIDE)?)?;
    for (pattern, number) in shown.iter().zip(3..) {
        add(&devfs, raw(ruleset, number, pattern, UNHIDE)?)?;
    }
    Ok(true)
}

fn raw(ruleset: u16, number: u16, pattern: &str, switch: i32) -> io::Result<Raw> {
    let bytes = pattern.as_bytes();
    if bytes.len() >= PATTERN_LEN || bytes.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut raw = Raw::empty(ruleset, number);
    (raw.actions, raw.switches, raw.conditions) = (SWITCH, switch, BY_PATTERN);
    raw.pattern[..bytes.len()].copy_from_slice(bytes);
    Ok(raw)
}

fn add<Fd: AsFd>(devfs: Fd, mut raw: Raw) -> io::Result<()> {
    // SAFETY: RADD reads and writes one `Raw`, whose layout is the kernel's.
    let status = unsafe { libc::ioctl(devfs.as_fd().as_raw_fd(), RADD, &raw mut raw) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Takes every rule of a set away, the first one last; the kernel forgets a set without rules that no mount uses. Nothing happens
/// to a set that is not so marked.
pub fn clear<Fd: AsFd>(devfs: Fd, ruleset: u16, mark: &str) -> io::Result<()> {
    let rules = all(&devfs, ruleset)?;
    if rules.first().is_none_or(|first| first.rule() != Rule::Hide(mark.to_owned())) {
        return Ok(());
    }
    for rule in rules.iter().rev() {
        // SAFETY: RDEL reads one number.
        let status = unsafe { libc::ioctl(devfs.as_fd().as_raw_fd(), RDEL, &raw const rule.id) };
        if status != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The sets that the kernel knows, in ascending order.
///
/// devfs(8), "rule showsets".
pub fn rulesets<Fd: AsFd>(devfs: Fd) -> io::Result<Vec<u16>> {
    let mut sets = Vec::new();
    let mut number = 0u16;
    loop {
        // SAFETY: SGETNEXT reads and writes one number of 16 bits.
        let status = unsafe { libc::ioctl(devfs.as_fd().as_raw_fd(), SGETNEXT, &raw mut number) };
        if status != 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::NotFound { Ok(sets) } else { Err(error) };
        }
        sets.push(number);
    }
}
