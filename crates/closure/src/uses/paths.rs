//! The paths of the usual files, found in the data of an object: some libraries read these files themselves, and call no
//! function of glibc for it.

use std::io;

use memchr::arch::all::memchr::One;

use super::{ANYTHING, NAMES, SERVICES, Sign, Signs, TIME, USERS};
use crate::tree::ReadAt;

/// What follows on `etc/`; more may follow on these.
const FILES: [(&str, &str, u8); 9] = [
    ("hosts", "/etc/hosts", NAMES),
    ("host.conf", "/etc/host.conf", NAMES),
    ("resolv.conf", "/etc/resolv.conf", NAMES),
    ("nsswitch.conf", "/etc/nsswitch.conf", NAMES | SERVICES | USERS),
    ("services", "/etc/services", SERVICES),
    ("passwd", "/etc/passwd", USERS),
    ("group", "/etc/group", USERS),
    ("localtime", "/etc/localtime", TIME),
    ("timezone", "/etc/timezone", TIME),
];

/// The directory alone: what is put behind it is not known.
const BARE: [&[u8]; 3] = [b"/etc\0", b"/etc/\0", b"/etc/%"];

/// Larger data is not searched. A program of Go, which calls the kernel without asking glibc, has more.
const MAX: u64 = 256 << 10;

/// What is read at once.
const PART: usize = 16 << 10;

/// Longer than what is looked for.
const LONGEST: usize = 32;

/// Looks through parts of a file, each an offset and a size.
pub(crate) fn paths(file: &dyn ReadAt, parts: &[(u64, u64)]) -> io::Result<Signs> {
    let mut signs = Signs::default();
    let sum = parts.iter().fold(0, |sum: u64, (_, size)| sum.saturating_add(*size));
    if sum > MAX {
        signs.add(ANYTHING, Sign { verb: "is", object: "too large to be searched" });
        return Ok(signs);
    }
    let largest = parts.iter().map(|(_, size)| *size as usize).max().unwrap_or(0);
    let mut buffer = vec![0; largest.min(PART) + LONGEST];
    for &(offset, size) in parts {
        let (mut done, mut kept) = (0, 0);
        while done < size {
            let fresh = ((size - done) as usize).min(buffer.len() - kept);
            let Some(part) = buffer.get_mut(kept..kept + fresh) else { break };
            file.read_exact_at(part, offset + done)?;
            done += fresh as u64;
            let seen = buffer.get(..kept + fresh).unwrap_or_default();
            for at in One::new(b'/').iter(seen) {
                look(seen, at, &mut signs);
            }
            // What stands across two parts is met again in the second.
            kept = LONGEST.min(seen.len());
            let from = seen.len() - kept;
            buffer.copy_within(from.., 0);
        }
    }
    Ok(signs)
}

/// At a slash.
fn look(seen: &[u8], at: usize, signs: &mut Signs) {
    let Some((before, rest)) = seen.split_at_checked(at) else { return };
    let names = |object| Sign { verb: "names", object };
    if BARE.iter().any(|bare| rest.starts_with(bare)) {
        signs.add(ANYTHING, names("/etc"));
    }
    if rest.starts_with(b"/zoneinfo") {
        signs.add(TIME, names("zoneinfo"));
    }
    if before.ends_with(b"etc") {
        let rest = rest.get(1..).unwrap_or_default();
        for (_, path, groups) in FILES.iter().filter(|(name, ..)| rest.starts_with(name.as_bytes())) {
            signs.add(*groups, names(path));
        }
    }
}
