//! Files of lines with fields between colons, as passwd(5) and group(5) are: read loosely, since one bad line must not
//! lock out a host.

use std::path::Path;

use memchr::arch::all::memchr::One;
use thinjail_closure::tree::{ReadAt, Resolver, Tree};
use thinjail_plan::facts::Group;

/// More than this of such a file is not read; there is a name service for hosts with that many users.
const SIZE_MAX: u64 = 32 << 20;

/// An entry of passwd(5), with the primary group by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passwd<'b> {
    pub(super) name: &'b str,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: &'b str,
    pub(super) shell: &'b str,
}

/// The way that looks at a word at a time and asks for no processor's features: that question alone, which a virtual machine's host
/// answers, takes longer than such a file.
fn position(byte: u8, bytes: &[u8]) -> Option<usize> {
    One::new(byte).find(bytes)
}

/// Which entries are asked for: each start asks for one or two of a file that may have thousands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    /// Every one.
    All,
    /// All of this name.
    Name(&'a str),
    /// All of this number.
    Number(u32),
    /// All with members.
    Members,
}

impl Asked<'_> {
    /// Whether a line may be one of those, by what is fast to see.
    fn may_be(self, line: &[u8]) -> bool {
        match self {
            Asked::All => true,
            Asked::Name(name) => line.get(name.len()) == Some(&b':') && line.get(..name.len()) == Some(name.as_bytes()),
            Asked::Number(number) => third(line) == Some(number),
            // Most have none, and their lines end with the third colon.
            Asked::Members => {
                line.strip_suffix(b":").is_none_or(|rest| rest.iter().filter(|&&byte| byte == b':').count() > 2)
            }
        }
    }
}

/// The third field, which is a number in both files.
fn third(line: &[u8]) -> Option<u32> {
    let first = position(b':', line)? + 1;
    let second = first + position(b':', line.get(first..)?)? + 1;
    let rest = line.get(second..)?;
    number(rest.get(..position(b':', rest).unwrap_or(rest.len()))?)
}

/// An entry of group(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupEntry<'b> {
    pub(super) name: &'b str,
    pub(super) gid: u32,
    members: &'b [u8],
}

impl GroupEntry<'_> {
    /// Whether it names this user.
    pub(super) fn has(&self, user: &str) -> bool {
        self.members.split(|&byte| byte == b',').any(|name| name == user.as_bytes())
    }

    /// Without its members.
    pub(super) fn group(&self) -> Group {
        Group { name: self.name.to_owned(), gid: self.gid }
    }
}

/// The bytes of a regular file, up to a bound; none if it is not there or can't be read.
pub(super) fn read(tree: &dyn Tree, path: &Path) -> Option<Vec<u8>> {
    whole(&*tree.open(path).ok()?)
}

fn whole(file: &dyn ReadAt) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.len().min(SIZE_MAX)).ok()?];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Some(bytes)
}

/// The same for a path that may have links in it.
pub(super) fn read_through(resolver: &mut Resolver<'_>, path: &str) -> Vec<u8> {
    let resolved = resolver.resolve(path.as_ref()).ok();
    resolved.and_then(|resolved| whole(&*resolver.tree().open_found(&resolved).ok()?)).unwrap_or_default()
}

/// The entries of passwd(5) that are asked for, without those that are no entry: malformed lines, comments, `+` and `-` of nis(5).
pub(super) fn passwd<'b>(bytes: &'b [u8], asked: Asked<'b>) -> impl Iterator<Item = Passwd<'b>> {
    lines(bytes).filter(move |line| asked.may_be(line)).filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let (name, _, uid, gid, _, home) =
            (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        // Old files leave the shell out.
        let shell = fields.next().unwrap_or_default();
        Some(Passwd {
            name: login(name)?,
            uid: number(uid)?,
            gid: number(gid)?,
            home: text(home)?,
            shell: text(shell)?,
        })
    })
}

/// The entries of group(5), likewise.
pub(super) fn group<'b>(bytes: &'b [u8], asked: Asked<'b>) -> impl Iterator<Item = GroupEntry<'b>> {
    lines(bytes).filter(move |line| asked.may_be(line)).filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let (name, _, gid) = (fields.next()?, fields.next()?, fields.next()?);
        Some(GroupEntry { name: login(name)?, gid: number(gid)?, members: fields.next().unwrap_or_default() })
    })
}

fn lines(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (line, rest) = match position(b'\n', bytes) {
            Some(end) => (bytes.get(..end)?, bytes.get(end + 1..)?),
            None if bytes.is_empty() => return None,
            None => (bytes, &[][..]),
        };
        bytes = rest;
        Some(line)
    })
}

fn login(bytes: &[u8]) -> Option<&str> {
    match bytes.first() {
        None | Some(b'+' | b'-' | b'#') => None,
        Some(_) => text(bytes),
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn number(bytes: &[u8]) -> Option<u32> {
    // Not what `parse` takes: it lets a `+` pass. Done for each entry of the host's files, at each start.
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    let add = |sum: u32, byte| sum.checked_mul(10)?.checked_add(digit(byte)?);
    bytes.iter().try_fold(0, add).filter(|_| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn malformed_lines_are_skipped_and_the_rest_counts() {
        let bytes = b"root:x:0:0:root:/root:/bin/sh\n# comment\n\nbroken\n+::::::\n-x:*:1:1::/:\nx:*:-1:0::/:/bin/sh\n\
            y:*:4294967296:0::/:\nplus:*:+5:0::/:\nlatin:x:7:7:M\xfcller:/home/l:/bin/sh\nold:x:8:8::/home/old\n\xff:x:9:9::/:\n\
            last:x:10:11::/home/last:/bin/sh";
        let names: Vec<_> = passwd(bytes, Asked::All).map(|entry| (entry.name, entry.uid, entry.shell)).collect();
        let expected = [("root", 0, "/bin/sh"), ("latin", 7, "/bin/sh"), ("old", 8, ""), ("last", 10, "/bin/sh")];
        assert_eq!(names, expected);
    }

    #[test]
    fn who_is_asked_for_is_found_and_few_others_are_read() {
        let bytes = b"a:x:10:a\naa:x:1:\nb:x:11:\n\nc:x:10\n10:x:12:a:\nd:x::x\n:x:10:\n+a:x:10:a";
        let found = |asked| group(bytes, asked).map(|group| group.name).collect::<Vec<_>>();
        assert_eq!(found(Asked::Name("a")), ["a"]);
        assert_eq!(found(Asked::Name("aa")), ["aa"]);
        assert_eq!(found(Asked::Name("")), [""; 0]);
        assert_eq!(found(Asked::Number(10)), ["a", "c"]);
        // One that says more than it should has members all the same.
        assert_eq!(found(Asked::Members), ["a", "c", "10"]);
        assert_eq!(found(Asked::All), ["a", "aa", "b", "c", "10"]);
    }

    #[test]
    fn groups_keep_their_members() {
        let bytes = b"adm:x:4:syslog,x\nbad\nempty:x:5:xx,yx\nshort:x:6\n+:::\n";
        let groups: Vec<_> = group(bytes, Asked::All).map(|group| (group.gid, group.has("x"))).collect();
        assert_eq!(groups, [(4, true), (5, false), (6, false)]);
    }
}
