//! Pid 1 of the jail: reaps, tells the supervisor how the main process ended, and ends with either of them.
//!
//! What runs beside it is hostile and may be uid 0, so it keeps nothing worth having: no capability, no descriptor but the
//! one to the supervisor, not dumpable. Signals are not its business: the supervisor sends them to the main process.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions, wait};
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

/// The rest of pid 1's life. `landlocked` is without a pid namespace: it is no pid 1 then, and what it leaves is not killed with
/// it, but comes to it when its own parents end.
pub(super) fn run(main: Pid, life: OwnedFd, wait_all: bool, landlocked: bool) -> ! {
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
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == main && main_is_left => {
                main_is_left = false;
                let ended = Message::Ended { status: status.as_raw(), left: !wait_all && others() };
                let _ = send(life, &ended.to_bytes(), SendFlags::NOSIGNAL);
                if !wait_all {
                    // The kernel kills what is left with us.
                    end(0, landlocked);
                }
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => match signal::ppoll_one(life, &SignalSet::empty()) {
                Ok(false) => {}
                // The supervisor says nothing more: it has ended.
                Ok(true) | Err(_) => end(1, landlocked),
            },
            // ECHILD: with `wait = "all"`, the last one has ended.
            Err(_) => end(0, landlocked),
        }
    }
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
