//! nginx and redis, asked by their own clients.

use std::fs;

use thinjail_tests::client::{ask, listens};
use thinjail_tests::process::Process;
use thinjail_tests::skip::program;

/// A daemon whose profile is shipped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Daemon {
    pub(crate) profile: &'static str,
    pub(crate) port: u16,
    pub(crate) pidfile: &'static str,
    pub(crate) program: &'static str,
}

pub(crate) const NGINX: Daemon =
    Daemon { profile: "nginx", port: 80, pidfile: "/run/nginx.pid", program: "/usr/sbin/nginx" };
pub(crate) const REDIS: Daemon = Daemon {
    profile: "redis",
    port: 6379,
    pidfile: "/run/redis-server.pid",
    // A link leads there from redis-server.
    program: "/usr/bin/redis-check-rdb",
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
            _ => {
                let cli = program("redis-cli").unwrap();
                assert_eq!(ask(&cli, &["set", "thinjail", "init"]), "OK\n");
                assert_eq!(ask(&cli, &["get", "thinjail"]), "init\n");
            }
        }
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
