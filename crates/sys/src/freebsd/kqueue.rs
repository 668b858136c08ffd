//! kqueue(2): waits for signals, for the end of processes, and for time.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::kqueue::{Event as Raw, EventFilter, EventFlags, ProcessEvents, kevent, kqueue};
use rustix::process::{Pid, Signal};

/// What one waits for.
#[derive(Debug)]
pub struct Queue {
    fd: OwnedFd,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A signal was sent to us; blocked or ignored ones count as well.
    Signal(i32),
    /// This process has ended.
    Exit(i32),
    /// A descriptor can be read, or its other end is closed.
    Readable(i32),
}

impl Queue {
    /// `int kqueue(void)`. A child of fork(2) does not inherit it.
    pub fn new() -> io::Result<Self> {
        Ok(Self { fd: kqueue()? })
    }

    /// To be waited upon beside other descriptors: it can be read when something has happened.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn change(&self, filter: EventFilter, flags: EventFlags) -> io::Result<()> {
        let change = [Raw::new(filter, flags | EventFlags::ADD, std::ptr::null_mut())];
        let mut none: Vec<Raw> = Vec::new();
        // SAFETY: the change names no memory and no descriptor that is closed later while the queue waits for it: a signal, a
        // process, or a descriptor that its watcher keeps.
        unsafe { kevent(&self.fd, &change, &mut none, Some(Duration::ZERO)) }?;
        Ok(())
    }

    /// `EVFILT_SIGNAL`.
    pub fn watch_signal(&self, signal: i32) -> io::Result<()> {
        let signal = Signal::from_named_raw(signal).ok_or(io::ErrorKind::InvalidInput)?;
        self.change(EventFilter::Signal { signal, times: 0 }, EventFlags::CLEAR)
    }

    /// `EVFILT_PROC` with `NOTE_EXIT`, once.
    ///
    /// # Errors
    /// ESRCH where there is no such process any more.
    pub fn watch_exit(&self, pid: Pid) -> io::Result<()> {
        self.change(EventFilter::Proc { pid, flags: ProcessEvents::EXIT }, EventFlags::ONESHOT)
    }

    /// `EVFILT_READ`. The descriptor has to stay open as long as the queue is used.
    pub fn watch_read(&self, fd: i32) -> io::Result<()> {
        self.change(EventFilter::Read(fd), EventFlags::empty())
    }

    /// `kevent(kq, NULL, 0, &event, 1, &timeout)`: the next event; none if the time is over first, or a signal comes.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Option<Event>> {
        let mut events: Vec<Raw> = Vec::with_capacity(1);
        // SAFETY: nothing is changed; one event is written to memory of its own.
        let done = unsafe { kevent(&self.fd, &[], rustix::buffer::spare_capacity(&mut events), timeout) };
        match done {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        Ok(events.first().and_then(|event| match event.filter() {
            EventFilter::Signal { signal, .. } => Some(Event::Signal(signal.as_raw())),
            EventFilter::Proc { pid, .. } => Some(Event::Exit(pid.as_raw_nonzero().get())),
            EventFilter::Read(fd) => Some(Event::Readable(fd)),
            _ => None,
        }))
    }
}
