//! nginx, redis and ngircd, asked as their clients do.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use thinjail_tests::client::{ask, connect, listens};
use thinjail_tests::process::Process;
use thinjail_tests::skip::program;
use thinjail_tests::wait;

/// A daemon.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Daemon {
    /// What the package calls its service.
    pub(crate) service: &'static str,
    /// The shipped profile; empty where there is none.
    pub(crate) profile: &'static str,
    pub(crate) port: u16,
    pub(crate) pidfile: &'static str,
    pub(crate) program: &'static str,
}

pub(crate) const NGINX: Daemon =
    Daemon { service: "nginx", profile: "nginx", port: 80, pidfile: "/run/nginx.pid", program: "/usr/sbin/nginx" };
pub(crate) const REDIS: Daemon = Daemon {
    service: "redis-server",
    profile: "redis",
    port: 6379,
    pidfile: "/run/redis-server.pid",
    // A link leads there from redis-server.
    program: "/usr/bin/redis-check-rdb",
};
pub(crate) const NGIRCD: Daemon = Daemon {
    service: "ngircd",
    profile: "",
    port: 6667,
    pidfile: "/run/ngircd/ngircd.pid",
    program: "/usr/sbin/ngircd",
};

impl Daemon {
    /// Its main process, once it serves.
    pub(crate) fn serves(&self) -> Option<Process> {
        let pid: i32 = fs::read_to_string(self.pidfile).ok()?.trim().parse().ok()?;
        listens(self.port).then(|| Process::of(pid)).flatten()
    }

    /// What a client of it is told.
    #[track_caller]
    pub(crate) fn answers(&self) {
        match self.port {
            80 => {
                let page = ask(&program("curl").unwrap(), &["-sS", "--fail", "--max-time", "30", "http://127.0.0.1/"]);
                assert!(page.contains("Welcome to nginx"), "{page}");
            }
            // Whoever comes while it ends is turned away.
            6667 => {
                let mut said = Vec::new();
                let greets = wait::poll(wait::PATIENCE, || {
                    said.push(self.greets());
                    matches!(said.last(), Some(Ok(said)) if said.contains(":Welcome to the Internet Relay Network"))
                        .then_some(())
                });
                assert!(greets.is_some(), "{:?}", said.last());
            }
            _ => {
                let cli = program("redis-cli").unwrap();
                assert_eq!(ask(&cli, &["set", "thinjail", "init"]), "OK\n");
                assert_eq!(ask(&cli, &["get", "thinjail"]), "init\n");
            }
        }
    }

    /// By the package's own file of logrotate(8), which asks the package's own script to have nginx open its logs anew; or, where
    /// that does nothing, by a command of one's own.
    #[track_caller]
    pub(crate) fn rotates(&self, own: Option<[&str; 3]>) {
        const LOG: &str = "/var/log/nginx/access.log";
        let size = |path: &str| fs::metadata(path).map(|meta| meta.len());
        wait::until_true("the request is in the log", || size(LOG).is_ok_and(|size| size > 0));
        let done = Command::new("logrotate").args(["--force", "/etc/logrotate.d/nginx"]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        let old = size(&format!("{LOG}.1")).unwrap();
        assert_eq!(size(LOG).unwrap(), 0);
        if let Some([program, words @ ..]) = own {
            let done = Command::new(program).args(words).output().unwrap();
            assert!(done.status.success(), "{done:?}");
        }
        wait::until_true("what is asked for later is in the new one", || {
            self.answers();
            size(LOG).unwrap() > 0
        });
        // A worker that was about to end may have written to the old one.
        let last = size(&format!("{LOG}.1")).unwrap();
        self.answers();
        assert_eq!((last, size(&format!("{LOG}.1")).unwrap()), (last, last), "it was {old}");
    }

    /// What it says to a guest.
    fn greets(&self) -> io::Result<String> {
        // Whoever has hung up may still be known by his name.
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let nick = format!("guest{}", ASKED.fetch_add(1, Ordering::Relaxed));
        let mut stream = connect(self.port).ok_or(io::ErrorKind::ConnectionRefused)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.write_all(format!("NICK {nick}\r\nUSER guest 0 * :guest\r\n").as_bytes())?;
        let (mut said, mut bytes) = (String::new(), [0; 4096]);
        // It looks the client up first.
        while !said.contains(" 001 ") {
            match stream.read(&mut bytes)? {
                0 => break,
                count => said += &String::from_utf8_lossy(&bytes[..count]),
            }
        }
        Ok(said)
    }

    /// Its processes, and those of ours that run it.
    pub(crate) fn processes() -> Vec<Process> {
        let ours = |process: &Process| {
            let exe = process.exe().unwrap_or_default().display().to_string();
            ["nginx", "redis", "thinjail", "supervise-daemon", "runsv", "svlogd"]
                .iter()
                .any(|name| exe.rsplit('/').next().is_some_and(|file| file == *name || file.starts_with("redis")))
                && !exe.ends_with("/runsvdir")
        };
        Process::all().into_iter().filter(ours).collect()
    }
}
