//! Pid 1 of the jail: reaps, tells the supervisor how the main process ended, and ends with either of them.
//!
//! What runs beside it is hostile and may be uid 0, so it keeps nothing worth having: no capability, no descriptor but the
//! one to the supervisor, not dumpable. Signals are not its business: the supervisor sends them to the main process.

use std::ffi::CStr;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, send, sendmsg};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, pidfd_open, wait, waitid,
};
use rustix::thread::{CapabilitySet, CapabilitySets};
use thinjail_sys::linux::process::{self, CloseRange};
use thinjail_sys::linux::signal::{self, SignalSet};

use super::message::{Message, SIZE};

/// The kernel kills us when the supervisor ends; if it has ended before we could ask for that, we see it here.
pub(super) fn die_with_supervisor(life: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut fds = [PollFd::from_borrowed_fd(life, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    if fds[0].revents().contains(PollFlags::HUP) {
        process::exit(1);
    }
    Ok(())
}

/// What pid 1 is there for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Duties<'a> {
    /// The jail ends with its last process, and not with the main one.
    pub(super) wait_all: bool,
    /// Without a pid namespace: it is no pid 1 then, and what it leaves is not killed with it, but comes to it when its own
    /// parents end.
    pub(super) landlocked: bool,
    /// Once the main process has ended, the supervisor says whether another one is it.
    pub(super) follows: bool,
    /// All of them are the main process once the one that was started has ended: the last one's status is told as well.
    pub(super) tree: bool,
    /// Where the daemon writes its pid.
    pub(super) pidfile: Option<&'a CStr>,
}

/// The rest of pid 1's life.
pub(super) fn run(mut main: Pid, life: OwnedFd, duties: Duties<'_>) -> ! {
    let Duties { wait_all, landlocked, follows, tree, .. } = duties;
    if shed(&life, landlocked).is_err() {
        // Better no jail than a pid 1 that is worth attacking.
        end(1, landlocked);
    }
    // `life` is standard input now, and everything else is closed: its owner must not close it again.
    std::mem::forget(life);
    let life = rustix::stdio::stdin();
    // Nothing is reaped before the supervisor holds a pidfd of the main process: until then its pid must not be given to
    // another.
    while !hear_pinned(life, landlocked) {}
    let mut main_is_left = true;
    let mut last = 0;
    let tell = |status, left| {
        let _ = send(life, &Message::Ended { status, left }.to_bytes(), SendFlags::NOSIGNAL);
    };
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == main && main_is_left => {
                main_is_left = false;
                last = status.as_raw();
                let left = (!wait_all || follows || tree) && others();
                tell(last, left);
                if !(wait_all || tree || follows && left) {
                    // The kernel kills what is left with us.
                    end(0, landlocked);
                }
            }
            Ok(Some((_, status))) => last = status.as_raw(),
            Err(Errno::INTR) => {}
            Ok(None) => match signal::ppoll_one(life, &SignalSet::empty()) {
                Ok(false) => {}
                Ok(true) => {
                    if let Some(found) = obey(life, duties) {
                        (main, main_is_left) = (found, true);
                    }
                }
                Err(_) => end(1, landlocked),
            },
            // ECHILD: the last one has ended.
            Err(_) => {
                if tree && !main_is_left {
                    tell(last, false);
                }
                end(0, landlocked);
            }
        }
    }
}

/// Does what the supervisor says; who is the main process from now on, if that is another one.
fn obey(life: BorrowedFd<'_>, duties: Duties<'_>) -> Option<Pid> {
    let mut bytes = [0; SIZE];
    match recv(life, &mut bytes, RecvFlags::DONTWAIT) {
        // It says nothing more: it has ended.
        Ok((0, _)) => end(1, duties.landlocked),
        Ok((count, _)) => match Message::from_bytes(&bytes[..count]) {
            Some(Message::Find { pid, guess }) => {
                let found = find(pid, guess, duties);
                answer(life, found.as_ref().map(|(_, fd)| fd.as_fd()));
                found.map(|(pid, _)| pid)
            }
            Some(Message::End) => end(0, duties.landlocked),
            _ => None,
        },
        Err(Errno::AGAIN | Errno::INTR) => None,
        Err(_) => end(1, duties.landlocked),
    }
}

fn answer(life: BorrowedFd<'_>, main: Option<BorrowedFd<'_>>) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds: &[BorrowedFd<'_>] = main.as_slice();
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    let bytes = Message::Main { found: main.is_some() }.to_bytes();
    // A supervisor that is gone hears nothing, and that we see at once.
    let _ = sendmsg(life, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL);
}

/// A process by its pid inside, if it is a child of ours that runs: the end of no other would be told to us.
fn find(pid: i32, guess: bool, duties: Duties<'_>) -> Option<(Pid, OwnedFd)> {
    let pid = match (pid, duties.pidfile.map(read_pid)) {
        // Many a daemon writes it with a umask of its own, and we may do no more than anybody: whoever is left alone is it.
        (0, None | Some(Err(Errno::ACCESS))) if guess => only_child(duties.landlocked),
        (0, read) => Pid::from_raw(read?.ok()??),
        (pid, _) => Pid::from_raw(pid),
    };
    let pid = pid.filter(|pid| *pid != own())?;
    let fd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    runs_below_us(WaitId::PidFd(fd.as_fd())).then_some((pid, fd))
}

/// What a file that the daemon has written says. It may be anything; nothing of it is told to anybody.
fn read_pid(path: &CStr) -> Result<Option<i32>, Errno> {
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, how, Mode::empty())?;
    let plain = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode).is_file();
    let mut bytes = [0; 32];
    let count = if plain { rustix::io::read(&file, &mut bytes)? } else { 0 };
    let first = std::str::from_utf8(&bytes[..count]).ok().and_then(|text| text.split_ascii_whitespace().next());
    Ok(first.and_then(|word| word.parse().ok()).filter(|pid| *pid > 1))
}

/// Pids of a namespace that are looked at: a daemon that has just started has one of the first.
const FEW: i32 = 4096;

/// Our child, if we have only one that runs. /proc would not show us those of other users: hidepid in proc(5).
fn only_child(landlocked: bool) -> Option<Pid> {
    let mut found = if landlocked { children(own()) } else { (2..FEW).filter_map(Pid::from_raw).collect() };
    found.retain(|pid| runs_below_us(WaitId::Pid(*pid)));
    match found[..] {
        [child] => Some(child),
        _ => None,
    }
}

fn runs_below_us(child: WaitId<'_>) -> bool {
    matches!(waitid(child, WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT), Ok(None))
}

/// The end of the jail.
fn end(status: i32, landlocked: bool) -> ! {
    if landlocked {
        end_children();
    }
    process::exit(status)
}

/// Kills all that is below us, also what is only about to come to us.
fn end_children() {
    loop {
        for child in children(own()) {
            let _ = rustix::process::kill_process(child, Signal::KILL);
        }
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => std::thread::sleep(std::time::Duration::from_millis(1)),
            Err(_) => return,
        }
    }
}

fn own() -> Pid {
    rustix::process::getpid()
}

/// Every process and its parent; proc_pid_stat(5).
fn processes() -> Vec<(Pid, i32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter_map(|name| {
            let pid = Pid::from_raw(name.parse().ok()?)?;
            let stat = std::fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
            // The name in parentheses may hold anything.
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect()
}

/// Those that a process is the parent of.
fn children(of: Pid) -> Vec<Pid> {
    let ours = |(pid, parent)| (parent == of.as_raw_nonzero().get()).then_some(pid);
    processes().into_iter().filter_map(ours).collect()
}

/// All that are below a process.
pub(crate) fn below(top: Pid) -> Vec<Pid> {
    let all = processes();
    let mut found = vec![top];
    let mut at = 0;
    while let Some(parent) = found.get(at).map(|pid| pid.as_raw_nonzero().get()) {
        found.extend(all.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found.remove(0);
    found
}

/// Whether processes are left beside us. Those that have ended meanwhile are reaped, but not without end, since a hostile
/// program can make new ones as fast.
fn others() -> bool {
    for _ in 0..64 {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
    true
}

/// Gives up all that is worth having.
fn shed(life: &OwnedFd, landlocked: bool) -> Result<(), Errno> {
    let blocked = SignalSet::of(&[signal::SIGCHLD]);
    signal::set_mask(&blocked).map_err(|_| Errno::INVAL)?;
    signal::interrupts_only(signal::SIGCHLD).map_err(|_| Errno::INVAL)?;
    rustix::stdio::dup2_stdin(life)?;
    process::close_range(1, CloseRange::Now).map_err(|_| Errno::INVAL)?;
    // The main process changed its user in our memory, and fs.suid_dumpable may have made that memory dumpable again.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::thread::set_no_new_privs(true)?;
    rustix::thread::clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    // Without a pid namespace it has to end processes of another user.
    let kept = match landlocked {
        true => rustix::thread::capabilities(None)?.permitted & CapabilitySet::KILL,
        false => none,
    };
    rustix::thread::set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: none })?;
    if landlocked {
        // What is typed into the caller's terminal is not meant for us. It is ours to end the others if the supervisor dies.
        rustix::process::setsid()?;
        return Ok(());
    }
    // A change of credentials clears it.
    die_with_supervisor(rustix::stdio::stdin())
}

/// Waits for the supervisor's word; its end is ours.
fn hear_pinned(life: BorrowedFd<'_>, landlocked: bool) -> bool {
    let mut bytes = [0; SIZE];
    match recv(life, &mut bytes, RecvFlags::empty()) {
        Ok((0, _)) => end(1, landlocked),
        Ok((count, _)) => Message::from_bytes(&bytes[..count]) == Some(Message::Pinned),
        Err(Errno::INTR) => false,
        Err(_) => end(1, landlocked),
    }
}
