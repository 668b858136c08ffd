//! What the child needs as bytes and descriptors, for one that was born before that was known. Both ends are this very program, so
//! what comes is what was sent; all the same nothing that could come makes the other end do more than give up.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Gid, Resource, Rlimit, Uid};
use rustix::thread::CapabilitySet;
use thinjail_plan::step::ProcView;
use thinjail_sys::linux::exec::StringList;
use thinjail_sys::linux::landlock::Ruleset;
use thinjail_sys::linux::process::CloneFlags;
use thinjail_sys::linux::seccomp::sock_filter;

use super::super::filter::Filter;
use super::super::handover::MOST;
use super::{Child, EARLY, RESOURCES};

/// Bytes, and the descriptors that go with them.
type Packed<'a> = (Vec<u8>, Vec<BorrowedFd<'a>>);

impl Child {
    /// None for a child that the one that is born is not fit for: its namespaces are others, or a descriptor of its own could
    /// be in the way of one that the program is to know by its number.
    pub(in crate::linux) fn pack(&self) -> Option<Packed<'_>> {
        let Self {
            program,
            argv,
            env,
            chdir,
            namespaces,
            hostname,
            proc,
            capabilities,
            limits,
            groups,
            uid,
            gid,
            umask,
            descriptors,
            tty,
            own_network,
            filter,
            landlock,
            cgroups,
            landlocked,
            alone,
            wait_all,
            waits,
            follows,
            tree,
            pidfile,
            output,
            ready,
            sockets,
        } = self;
        let fits = *namespaces == EARLY.and(CloneFlags::NEWPID)
            && *proc == Some(ProcView::Pid)
            && !(*landlocked || *alone || *own_network)
            // A command that comes before it would see it, and could be its match.
            && !*waits
            && ready.is_none()
            && sockets.is_empty()
            && cgroups.len() + 2 <= MOST;
        if !fits {
            return None;
        }
        let mut to = Packer(Vec::with_capacity(2048));
        to.number(0);
        for flag in [*tty, *wait_all, *follows, *tree] {
            to.number(u32::from(flag));
        }
        to.text(program);
        to.all(argv.strings(), |to, text| to.text(text));
        to.all(env.strings(), |to, text| to.text(text));
        to.text(chdir);
        to.maybe(hostname.as_ref(), |to, text| to.text(text));
        to.maybe(pidfile.as_ref(), |to, text| to.text(text));
        to.long(capabilities.bits());
        to.all(limits, |to, (resource, limit)| {
            let at = RESOURCES.iter().position(|(_, known)| known == resource);
            to.number(at.and_then(|at| u32::try_from(at).ok()).unwrap_or(u32::MAX));
            to.maybe(limit.current, Packer::long);
            to.maybe(limit.maximum, Packer::long);
        });
        to.maybe(groups.as_ref(), |to, groups| to.all(groups, |to, gid| to.number(gid.as_raw())));
        to.number(uid.as_raw());
        to.number(gid.as_raw());
        to.number(umask.bits());
        to.all(descriptors, |to, number| to.number(number.cast_unsigned()));
        to.maybe(filter.changed(), |to, filter| {
            to.all(filter, |to, one| {
                to.number(u32::from(one.code));
                to.number(u32::from(one.jt));
                to.number(u32::from(one.jf));
                to.number(one.k);
            });
        });
        let mut fds = Vec::with_capacity(cgroups.len() + 2);
        fds.extend(cgroups.iter().map(AsFd::as_fd));
        to.number(u32::try_from(cgroups.len()).unwrap_or(u32::MAX));
        for more in [landlock.as_ref().map(AsFd::as_fd), output.as_ref().map(AsFd::as_fd)] {
            to.number(u32::from(more.is_some()));
            fds.extend(more);
        }
        let mut packed = to.0;
        let length = u32::try_from(packed.len() - 4).ok()?;
        packed[..4].copy_from_slice(&length.to_ne_bytes());
        Some((packed, fds))
    }

    /// The other way, without the length.
    pub(super) fn unpack(packed: &[u8], fds: Vec<OwnedFd>) -> Result<Self, Errno> {
        let mut from = Unpacker(packed);
        let [tty, wait_all, follows, tree] = from.flags().ok_or(Errno::PROTO)?;
        let mut fds = fds.into_iter();
        // A descriptor gets lost where RLIMIT_NOFILE leaves no room for it.
        let mut fd = || fds.next().ok_or(Errno::MFILE);
        let mut child = from.child().ok_or(Errno::PROTO)?;
        let count = from.number().ok_or(Errno::PROTO)?;
        child.cgroups = (0..count).map(|_| fd()).collect::<Result<_, _>>()?;
        let [landlock, output] = from.flags().ok_or(Errno::PROTO)?;
        child.landlock = landlock.then(&mut fd).transpose()?.map(Ruleset::from);
        child.output = output.then(&mut fd).transpose()?;
        if !from.0.is_empty() {
            return Err(Errno::PROTO);
        }
        Ok(Self { tty, wait_all, follows, tree, ..child })
    }
}

/// Writes.
struct Packer(Vec<u8>);

impl Packer {
    fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_ne_bytes());
    }

    fn long(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_ne_bytes());
    }

    fn text(&mut self, text: &CStr) {
        self.0.extend_from_slice(text.to_bytes_with_nul());
    }

    fn all<T>(&mut self, all: &[T], one: impl Fn(&mut Self, &T)) {
        self.number(u32::try_from(all.len()).unwrap_or(u32::MAX));
        all.iter().for_each(|item| one(self, item));
    }

    fn maybe<T>(&mut self, maybe: Option<T>, one: impl Fn(&mut Self, T)) {
        self.number(u32::from(maybe.is_some()));
        if let Some(item) = maybe {
            one(self, item);
        }
    }
}

/// Reads; none where that is not there.
struct Unpacker<'a>(&'a [u8]);

impl Unpacker<'_> {
    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_ne_bytes(*number))
    }

    fn long(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*number))
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.number()? != 0)
    }

    fn flags<const N: usize>(&mut self) -> Option<[bool; N]> {
        let mut flags = [false; N];
        for flag in &mut flags {
            *flag = self.flag()?;
        }
        Some(flags)
    }

    fn text(&mut self) -> Option<CString> {
        let text = CStr::from_bytes_until_nul(self.0).ok()?;
        self.0 = &self.0[text.count_bytes() + 1..];
        Some(text.to_owned())
    }

    fn all<T>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        // Nothing is kept free for a number that nothing comes for.
        (0..self.number()?).map(|_| one(self)).collect()
    }

    fn maybe<T>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { one(self).map(Some) } else { Some(None) }
    }

    /// All between the flags and the descriptors.
    fn child(&mut self) -> Option<Child> {
        Some(Child {
            program: self.text()?,
            argv: StringList::new(self.all(Self::text)?),
            env: StringList::new(self.all(Self::text)?),
            chdir: self.text()?,
            hostname: self.maybe(Self::text)?,
            pidfile: self.maybe(Self::text)?,
            capabilities: CapabilitySet::from_bits_retain(self.long()?),
            limits: self.all(Self::limit)?,
            groups: self.maybe(|from| from.all(|from| from.number().map(Gid::from_raw)))?,
            uid: Uid::from_raw(self.number()?),
            gid: Gid::from_raw(self.number()?),
            umask: Mode::from_bits_retain(self.number()?),
            descriptors: self.all(|from| from.number().map(u32::cast_signed))?,
            filter: Filter::from_changed(self.maybe(|from| from.all(Self::instruction))?),
            namespaces: EARLY.and(CloneFlags::NEWPID),
            proc: Some(ProcView::Pid),
            tty: false,
            own_network: false,
            landlock: None,
            cgroups: Vec::new(),
            landlocked: false,
            alone: false,
            wait_all: false,
            waits: false,
            follows: false,
            tree: false,
            output: None,
            ready: None,
            sockets: Vec::new(),
        })
    }

    fn limit(&mut self) -> Option<(Resource, Rlimit)> {
        let (_, resource) = RESOURCES.get(usize::try_from(self.number()?).ok()?)?;
        let (current, maximum) = (self.maybe(Self::long)?, self.maybe(Self::long)?);
        Some((*resource, Rlimit { current, maximum }))
    }

    fn instruction(&mut self) -> Option<sock_filter> {
        let code = u16::try_from(self.number()?).ok()?;
        let jt = u8::try_from(self.number()?).ok()?;
        let jf = u8::try_from(self.number()?).ok()?;
        Some(sock_filter { code, jt, jf, k: self.number()? })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::File;

    fn text(text: &str) -> CString {
        CString::new(text).unwrap()
    }

    fn fd() -> OwnedFd {
        File::open("/dev/null").unwrap().into()
    }

    fn plain() -> Child {
        Child {
            program: text("/bin/true"),
            argv: StringList::new(vec![text("/bin/true")]),
            env: StringList::new(Vec::new()),
            chdir: text("/"),
            namespaces: EARLY.and(CloneFlags::NEWPID),
            hostname: None,
            proc: Some(ProcView::Pid),
            capabilities: CapabilitySet::empty(),
            limits: Vec::new(),
            groups: Some(Vec::new()),
            uid: Uid::from_raw(65534),
            gid: Gid::from_raw(65533),
            umask: Mode::from_bits_retain(0o22),
            descriptors: Vec::new(),
            tty: false,
            own_network: false,
            filter: Filter::Default,
            landlock: None,
            cgroups: Vec::new(),
            landlocked: false,
            alone: false,
            wait_all: false,
            waits: false,
            follows: false,
            tree: false,
            pidfile: None,
            output: None,
            ready: None,
            sockets: Vec::new(),
        }
    }

    /// Something other than nothing everywhere.
    fn full() -> Child {
        Child {
            argv: StringList::new(vec![text("name"), text(""), text(&"long ".repeat(2000))]),
            env: StringList::new(vec![text("A=1"), text("B=\u{e9}\n")]),
            chdir: text("/srv"),
            hostname: Some(text("jail")),
            capabilities: CapabilitySet::NET_BIND_SERVICE | CapabilitySet::CHECKPOINT_RESTORE,
            limits: RESOURCES
                .iter()
                .map(|(_, resource)| (*resource, Rlimit { current: Some(u64::MAX), maximum: None }))
                .collect(),
            groups: Some(vec![Gid::from_raw(0), Gid::from_raw(u32::MAX - 1)]),
            descriptors: vec![3, 70_000],
            tty: true,
            filter: Filter::Own(vec![sock_filter { code: 0x15, jt: 255, jf: 1, k: u32::MAX }]),
            landlock: Some(Ruleset::from(fd())),
            cgroups: vec![fd(), fd()],
            wait_all: true,
            follows: true,
            tree: true,
            pidfile: Some(text("/run/a.pid")),
            output: Some(fd()),
            ..plain()
        }
    }

    /// As it shows, but for the numbers of descriptors and addresses, which are others on the other side.
    fn shown(child: &Child) -> String {
        let text = format!("{child:?}");
        let mut words = text.split_inclusive([' ', ',', ']', ')']).map(str::to_owned).collect::<Vec<_>>();
        words.iter_mut().filter(|word| word.starts_with("0x") || word.contains("[0x")).for_each(String::clear);
        let mut after = false;
        for word in &mut words {
            if after {
                word.clear();
            }
            after = word.trim_end() == "fd:";
        }
        words.concat()
    }

    fn over(child: &Child) -> Result<Child, Errno> {
        let (packed, fds) = child.pack().unwrap();
        let fds = fds.iter().map(|fd| fd.try_clone_to_owned().unwrap()).collect();
        Child::unpack(&packed[4..], fds)
    }

    #[test]
    fn a_child_comes_out_as_it_went_in() {
        let unprivileged = Child { groups: None, ..plain() };
        for child in [plain(), full(), unprivileged] {
            assert_eq!(shown(&over(&child).unwrap()), shown(&child));
        }
        assert_ne!(shown(&plain()), shown(&full()));
    }

    #[test]
    fn what_is_cut_off_or_has_more_is_no_child() {
        let child = full();
        let (packed, fds) = child.pack().unwrap();
        let fds = |count: usize| fds[..count].iter().map(|fd| fd.try_clone_to_owned().unwrap()).collect::<Vec<_>>();
        for end in 4..packed.len() {
            assert_eq!(Child::unpack(&packed[4..end], fds(4)).unwrap_err(), Errno::PROTO, "{end}");
        }
        let mut more = packed[4..].to_vec();
        more.push(0);
        assert_eq!(Child::unpack(&more, fds(4)).unwrap_err(), Errno::PROTO);
        assert_eq!(Child::unpack(&packed[4..], fds(3)).unwrap_err(), Errno::MFILE);
        assert!(Child::unpack(&packed[4..], fds(4)).is_ok());
    }

    #[test]
    fn what_the_one_that_is_born_has_otherwise_is_not_packed() {
        let others = [
            Child { namespaces: EARLY, ..plain() },
            Child { namespaces: EARLY.and(CloneFlags::NEWPID).without(CloneFlags::NEWIPC), ..plain() },
            Child { namespaces: EARLY.and(CloneFlags::NEWPID).and(CloneFlags::NEWNET), own_network: true, ..plain() },
            Child { proc: None, ..plain() },
            Child { proc: Some(ProcView::Full), ..plain() },
            Child { landlocked: true, ..plain() },
            Child { alone: true, ..plain() },
            Child { waits: true, ..plain() },
            Child { ready: Some((fd(), 3)), ..plain() },
            Child { sockets: vec![fd()], ..plain() },
            Child { cgroups: (1..MOST).map(|_| fd()).collect(), ..plain() },
        ];
        for child in others {
            assert!(child.pack().is_none(), "{child:?}");
        }
    }
}
