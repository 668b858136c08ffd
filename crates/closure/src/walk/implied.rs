//! What glibc loads by itself when some of its functions are called.

use std::path::Path;

use super::{Ask, INTERPRETER, Walk};
use crate::closure::How;
use crate::hints::nsswitch;
use crate::uses::Uses;

const LIBC: &str = "libc.so.6";
const LIBGCC: &str = "libgcc_s.so.1";

/// From glibc 2.34 on libc has `files` and `dns` in it.
const BUILT_IN_SINCE: u32 = 34;

fn module(service: &str) -> String {
    format!("libnss_{service}.so.2")
}

impl Walk<'_, '_> {
    /// What the functions that its files name bring with them: libgcc_s, which libc loads when a thread is cancelled or a
    /// stack is printed, and the usual files. None where libc is not the one that is known here.
    pub(super) fn implied(&mut self, mut done: usize) -> Option<Uses> {
        let libc = *self.by_name.get(LIBC)?;
        let mut uses = Uses::default();
        let mut unwinding = self.by_name.contains_key(LIBGCC);
        let mut at = 0;
        while let Some(loaded) = self.loaded.get(at) {
            // libc defines what is looked for, and the interpreter calls none of it.
            if at != libc && at != INTERPRETER {
                let signs = loaded.object.functions(|| self.finder.open(self.resolved(at)));
                uses.learn(self.path(at), signs);
                if !unwinding && signs.unwinding() {
                    unwinding = true;
                    let ask = Ask { by: libc, how: Some(How::Implied), optional: true };
                    if let Some(found) = self.ask(LIBGCC, ask) {
                        self.enqueue(found);
                        done = self.run_queue(done);
                    }
                }
            }
            at += 1;
            if unwinding && uses.anything.is_some() {
                return Some(uses);
            }
        }
        for (at, loaded) in self.loaded.iter().enumerate() {
            if at != libc && at != INTERPRETER && uses.anything.is_none() {
                uses.learn(self.path(at), loaded.object.paths(|| self.finder.open(self.resolved(at))));
            }
        }
        Some(uses)
    }

    /// The modules of libc that look up names of users and hosts: those of an older glibc, and those that nsswitch.conf
    /// names if that counts.
    pub(super) fn name_services(&mut self, uses: &Uses) {
        let Some(libc) = self.by_name.get(LIBC).copied() else { return };
        let names = uses.names.is_some() || uses.anything.is_some();
        let services = uses.services.is_some() || uses.anything.is_some();
        let users = uses.users.is_some() || uses.anything.is_some();
        let mut modules = Vec::new();
        if self.minor(libc).is_some() {
            modules.extend((names || services || users).then(|| module("files")));
            modules.extend(names.then(|| module("dns")));
        }
        let file = self.request.name_services.then(|| Path::new(nsswitch::PATH));
        let file = file.and_then(|path| self.finder.small_file(path, nsswitch::MAX)).unwrap_or_default();
        for (database, named) in nsswitch::databases(&file) {
            let asked = match database {
                "hosts" | "networks" => names,
                "services" | "protocols" | "rpc" | "ethers" => services,
                "passwd" | "group" | "shadow" | "gshadow" | "initgroups" | "netgroup" => users,
                _ => false,
            };
            // What is built in, and what an older glibc has as modules, is known already.
            let named = named.into_iter().filter(|name| asked && !matches!(*name, "files" | "dns"));
            modules.extend(named.map(module));
        }
        let done = self.queue.len();
        for name in modules {
            let ask = Ask { by: libc, how: Some(How::Implied), optional: true };
            if let Some(found) = self.ask(&name, ask) {
                self.enqueue(found);
            }
        }
        self.run_queue(done);
    }

    /// The version of a libc that is older than that. They were called libc-2.31.so, and libc.so.6 was a link to it.
    fn minor(&self, libc: usize) -> Option<u32> {
        let name = self.resolved(libc).real.file_name()?.to_str()?;
        let minor = name.strip_prefix("libc-2.")?.strip_suffix(".so")?.parse().ok()?;
        (minor < BUILT_IN_SINCE).then_some(minor)
    }
}
