//! The functions of glibc that ask for more than was loaded, found among the symbols that an object wants from others.
//!
//! Every start looks at all libraries of a program, so this is made to cost little: the symbols wanted stand before those
//! that are offered, and names are read in parts that stay in the processor's cache.

use std::io;

use object::elf::{Sym32, Sym64};
use object::endian::Endianness;
use object::read::elf::Sym;

use super::{ANYTHING, NAMES, PROGRAMS, SERVICES, Sign, Signs, TIME, UNWINDING, USERS};
use crate::tree::ReadAt;

/// Each function, in order, without the underscores that some of its names begin with, and what it asks for.
const FUNCTIONS: &[(&str, u8)] = &[
    ("backtrace", UNWINDING),
    ("callrpc", NAMES | SERVICES),
    ("clnt_create", NAMES | SERVICES),
    ("ctime", TIME),
    ("ctime64", TIME),
    ("ctime64_r", TIME),
    ("ctime_r", TIME),
    ("cuserid", USERS),
    ("dlmopen", ANYTHING),
    ("dlopen", ANYTHING),
    // It calls what the file does not name.
    ("dlsym", ANYTHING),
    ("dlvsym", ANYTHING),
    ("execl", PROGRAMS),
    ("execle", PROGRAMS),
    ("execlp", PROGRAMS),
    ("execv", PROGRAMS),
    ("execve", PROGRAMS),
    ("execveat", PROGRAMS),
    ("execvp", PROGRAMS),
    ("execvpe", PROGRAMS),
    ("fexecve", PROGRAMS),
    // Before glibc 2.33 it looks for the group `tty`, as the two other ones do.
    ("forkpty", USERS),
    ("getaddrinfo", NAMES | SERVICES),
    ("getaddrinfo_a", NAMES | SERVICES),
    ("getdate", TIME),
    ("getdate_r", TIME),
    ("getgrent", USERS),
    ("getgrent_r", USERS),
    ("getgrgid", USERS),
    ("getgrgid_r", USERS),
    ("getgrnam", USERS),
    ("getgrnam_r", USERS),
    ("getgrouplist", USERS),
    ("gethostbyaddr", NAMES),
    ("gethostbyaddr_r", NAMES),
    ("gethostbyname", NAMES),
    ("gethostbyname2", NAMES),
    ("gethostbyname2_r", NAMES),
    ("gethostbyname_r", NAMES),
    ("gethostent", NAMES),
    ("gethostent_r", NAMES),
    ("gethostid", NAMES),
    ("getlogin", USERS),
    ("getlogin_r", USERS),
    ("getlogin_r_chk", USERS),
    ("getnameinfo", NAMES | SERVICES),
    ("getnetbyaddr", NAMES),
    ("getnetbyaddr_r", NAMES),
    ("getnetbyname", NAMES),
    ("getnetbyname_r", NAMES),
    ("getnetent", NAMES),
    ("getnetent_r", NAMES),
    ("getprotobyname", SERVICES),
    ("getprotobyname_r", SERVICES),
    ("getprotobynumber", SERVICES),
    ("getprotobynumber_r", SERVICES),
    ("getprotoent", SERVICES),
    ("getprotoent_r", SERVICES),
    ("getpw", USERS),
    ("getpwent", USERS),
    ("getpwent_r", USERS),
    ("getpwnam", USERS),
    ("getpwnam_r", USERS),
    ("getpwuid", USERS),
    ("getpwuid_r", USERS),
    ("getrpcport", NAMES),
    ("getservbyname", SERVICES),
    ("getservbyname_r", SERVICES),
    ("getservbyport", SERVICES),
    ("getservbyport_r", SERVICES),
    ("getservent", SERVICES),
    ("getservent_r", SERVICES),
    ("getsgent", USERS),
    ("getsgent_r", USERS),
    ("getsgnam", USERS),
    ("getsgnam_r", USERS),
    ("getspent", USERS),
    ("getspent_r", USERS),
    ("getspnam", USERS),
    ("getspnam_r", USERS),
    // `~user`.
    ("glob", USERS),
    ("glob64", USERS),
    ("glob64_time64", USERS),
    // A zone of the `right` kind has leap seconds, which count for UTC too.
    ("gmtime", TIME),
    ("gmtime64", TIME),
    ("gmtime64_r", TIME),
    ("gmtime_r", TIME),
    ("grantpt", USERS),
    ("initgroups", USERS),
    ("innetgr", NAMES),
    ("iruserok", NAMES | USERS),
    ("iruserok_af", NAMES | USERS),
    ("libc_dlopen_mode", ANYTHING),
    ("localtime", TIME),
    ("localtime64", TIME),
    ("localtime64_r", TIME),
    ("localtime_r", TIME),
    ("mktime", TIME),
    ("mktime64", TIME),
    ("openpty", USERS),
    ("pidfd_spawn", PROGRAMS),
    ("pidfd_spawnp", PROGRAMS),
    ("popen", PROGRAMS),
    ("posix_spawn", PROGRAMS),
    ("posix_spawnp", PROGRAMS),
    ("pthread_cancel", UNWINDING),
    ("pthread_exit", UNWINDING),
    ("rcmd", NAMES | SERVICES | USERS),
    ("rcmd_af", NAMES | SERVICES | USERS),
    ("res_init", NAMES),
    ("res_mkquery", NAMES),
    ("res_ninit", NAMES),
    ("res_nmkquery", NAMES),
    ("res_nquery", NAMES),
    ("res_nquerydomain", NAMES),
    ("res_nsearch", NAMES),
    ("res_nsend", NAMES),
    ("res_nsendsigned", NAMES),
    ("res_query", NAMES),
    ("res_querydomain", NAMES),
    ("res_search", NAMES),
    ("res_send", NAMES),
    ("res_state", NAMES),
    ("rexec", NAMES | SERVICES | USERS),
    ("rexec_af", NAMES | SERVICES | USERS),
    ("ruserok", NAMES | USERS),
    ("ruserok_af", NAMES | USERS),
    ("setgrent", USERS),
    ("sethostent", NAMES),
    ("setnetent", NAMES),
    ("setnetgrent", NAMES),
    ("setprotoent", SERVICES),
    ("setpwent", USERS),
    ("setservent", SERVICES),
    ("setsgent", USERS),
    ("setspent", USERS),
    ("strftime", TIME),
    ("strftime_l", TIME),
    ("strptime", TIME),
    ("strptime_l", TIME),
    ("syscall", PROGRAMS),
    ("syslog", TIME),
    ("syslog_chk", TIME),
    ("system", PROGRAMS),
    ("thrd_exit", UNWINDING),
    ("timegm", TIME),
    ("timegm64", TIME),
    ("timelocal", TIME),
    ("timelocal64", TIME),
    ("tzset", TIME),
    ("vsyslog", TIME),
    ("vsyslog_chk", TIME),
    ("wcsftime", TIME),
    ("wcsftime_l", TIME),
    ("wordexp", USERS | PROGRAMS),
];

/// What is read at once.
const PART: usize = 16 << 10;

/// Longer than any of the names.
const LONGEST: usize = 32;

/// More is read of no table; the largest seen in the wild have some megabytes.
const MAX: u64 = 64 << 20;

/// From this size of the names on it pays to sort what is looked for.
const SORTED_FROM: u64 = 16 * PART as u64;

/// Which beginnings of names may be one of ours: a bit for each hash.
const BEGINNINGS: [u64; 16] = {
    let mut beginnings = [0; 16];
    let mut at = 0;
    while at < FUNCTIONS.len() {
        let name = FUNCTIONS[at].0.as_bytes();
        assert!(name.len() < LONGEST, "names are read in parts that overlap by that much");
        let hash = hash([name[0], name[1], name[2], name[3]]);
        beginnings[hash / 64] |= 1 << (hash % 64);
        at += 1;
    }
    beginnings
};

const fn hash(beginning: [u8; 4]) -> usize {
    // Knuth's multiplier; the highest of 10 bits are the best mixed.
    (u32::from_le_bytes(beginning).wrapping_mul(0x9e37_79b1) >> 22) as usize
}

/// Where an object's symbols and their names are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbols {
    pub(crate) wide: bool,
    pub(crate) endian: Endianness,
    /// Offset and size of the symbols, as far as they may be wanted from others; none where they can't be found.
    pub(crate) table: Option<(u64, u64)>,
    /// The same of the names.
    pub(crate) names: (u64, u64),
}

/// What the functions that `file` wants from others ask for.
pub(crate) fn functions(file: &dyn ReadAt, symbols: &Symbols) -> io::Result<Signs> {
    // Most libraries have little of both, and every fresh page of memory has its price.
    let largest = symbols.names.1.max(symbols.table.map_or(0, |(_, size)| size));
    let mut buffer = vec![0; usize::try_from(largest).unwrap_or(PART).min(PART)];
    let wanted = match symbols.wide {
        true => wanted::<Sym64<Endianness>>(file, symbols, &mut buffer)?,
        false => wanted::<Sym32<Endianness>>(file, symbols, &mut buffer)?,
    };
    let mut wanted = wanted;
    let mut signs = Signs::default();
    let (offset, size) = symbols.names;
    // For each part of the names all that are wanted are looked at, unless that is too often.
    let many = size > SORTED_FROM;
    if many {
        wanted.sort_unstable();
        wanted.dedup();
    }
    let mut start = 0;
    // A name that does not fit any more is met in the next part, which begins that much earlier.
    while let Some(end) = Some(size.min(start + PART as u64)).filter(|&end| start < end && !signs.complete()) {
        let last = if end < size { end - LONGEST as u64 } else { end };
        let mut part: &[u8] = &[];
        let near = if many { between(&wanted, start, last) } else { &wanted };
        for name in near.iter().map(|&name| u64::from(name)).filter(|name| (start..last).contains(name)) {
            if part.is_empty() {
                let fresh = buffer.get_mut(..(end - start) as usize).unwrap_or_default();
                file.read_exact_at(fresh, offset + start)?;
                part = fresh;
            }
            if let Some((name, groups)) = part.get((name - start) as usize..).and_then(known) {
                signs.add(groups, Sign { verb: "calls", object: name });
            }
        }
        start = last;
    }
    Ok(signs)
}

/// Those of `sorted` that are from `start` to `end`.
fn between(sorted: &[u32], start: u64, end: u64) -> &[u32] {
    let before = |limit: u64| sorted.partition_point(|&name| u64::from(name) < limit);
    sorted.get(before(start)..before(end)).unwrap_or_default()
}

/// The places of the names of all symbols that are wanted from others.
fn wanted<S: Sym<Endian = Endianness>>(
    file: &dyn ReadAt,
    symbols: &Symbols,
    buffer: &mut [u8],
) -> io::Result<Vec<u32>> {
    let (offset, size) = symbols.table.ok_or(io::ErrorKind::InvalidData)?;
    if size > MAX || symbols.names.1 > MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut wanted = Vec::with_capacity((size as usize / size_of::<S>()).min(PART));
    let part = (PART - PART % size_of::<S>()) as u64;
    let mut done = 0;
    while done < size {
        let fresh = buffer.get_mut(..(size - done).min(part) as usize).unwrap_or_default();
        file.read_exact_at(fresh, offset + done)?;
        let entries = object::pod::slice_from_bytes::<S>(fresh, fresh.len() / size_of::<S>());
        let (entries, _) = entries.map_err(|()| io::ErrorKind::InvalidData)?;
        let undefined = entries.iter().filter(|symbol| symbol.is_undefined(symbols.endian));
        wanted.extend(undefined.map(|symbol| symbol.st_name(symbols.endian)));
        done += part;
    }
    Ok(wanted)
}

/// The function whose name stands here.
fn known(bytes: &[u8]) -> Option<(&'static str, u8)> {
    let name = bytes.get(bytes.iter().position(|&byte| byte != b'_')?..)?;
    let hash = hash(*name.first_chunk()?);
    if BEGINNINGS.get(hash / 64)? >> (hash % 64) & 1 == 0 {
        return None;
    }
    let name = name.split(|&byte| byte == 0).next()?;
    let at = FUNCTIONS.binary_search_by(|(known, _)| known.as_bytes().cmp(name)).ok()?;
    FUNCTIONS.get(at).copied()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{GROUPS, Uses};
    use super::*;

    struct Bytes(Vec<u8>);

    impl ReadAt for Bytes {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
            let start = offset as usize;
            buf.copy_from_slice(self.0.get(start..start + buf.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        }
    }

    /// An object that wants these and offers those, with so many bytes before the first name.
    fn object(before: usize, wants: &[&str], offers: &[&str]) -> Signs {
        let mut names = vec![b'x'; before];
        names.push(0);
        let mut table = vec![0; 24];
        for (name, section) in wants.iter().map(|name| (name, 0)).chain(offers.iter().map(|name| (name, 7))) {
            table.extend((names.len() as u32).to_le_bytes());
            table.extend([0x12, 0, section, 0]);
            table.extend([0; 16]);
            names.extend(name.bytes());
            names.push(0);
        }
        let (at, size) = (table.len() as u64, names.len() as u64);
        let symbols = Symbols { wide: true, endian: Endianness::Little, table: Some((0, at)), names: (at, size) };
        table.extend(names);
        functions(&Bytes(table), &symbols).unwrap()
    }

    #[test]
    fn the_table_is_in_order_and_has_no_underscores_in_front() {
        assert!(FUNCTIONS.is_sorted_by(|(one, _), (next, _)| one < next));
        assert!(FUNCTIONS.iter().all(|(name, groups)| !name.starts_with('_') && *groups != 0));
    }

    #[test]
    fn every_function_is_found_wherever_it_stands_and_with_underscores_before_it() {
        for (name, groups) in FUNCTIONS {
            for before in [0, 1, PART - 40, PART - LONGEST, PART - 20, PART - 1, PART, 3 * PART - 7, 20 * PART - 3] {
                for wanted in [name.to_string(), format!("__{name}")] {
                    let signs = object(before, &["printf", &wanted, "puts"], &[]);
                    for group in 0..GROUPS {
                        let expected = groups >> group & 1 != 0;
                        assert_eq!(signs.0[group].is_some(), expected, "{name} behind {before} bytes: {signs:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_function_among_many_is_found() {
        let mut wants = vec!["printf"; 5000];
        wants.push("dlopen");
        assert_ne!(object(0, &wants, &[]), Signs::default());
    }

    #[test]
    fn what_is_offered_or_has_another_name_does_not_count() {
        let others = ["gethostname", "dlopener", "localtime_", "exec", "getgroups", "xgetpwnam", "", "_"];
        assert_eq!(object(0, &others, &["dlopen", "getaddrinfo"]), Signs::default());
    }

    #[test]
    fn it_is_said_who_calls_what() {
        let mut uses = Uses::default();
        uses.learn("/lib/a".as_ref(), &object(0, &["printf", "localtime"], &[]));
        uses.learn("/lib/b".as_ref(), &object(0, &["mktime", "__syslog_chk", "getpwnam"], &[]));
        assert_eq!(uses.time.unwrap().to_string(), "/lib/a calls localtime");
        assert_eq!(uses.users.unwrap().to_string(), "/lib/b calls getpwnam");
        assert_eq!(uses.anything, None);
    }
}
