//! `[linux]` and `[freebsd]`: scalars replace, lists append, tables are merged by key.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Spec, Words};
use crate::facts::SystemKind;

impl Spec {
    /// What holds on one system: its table laid over the rest, and no tables left. Further programs are named as they are
    /// looked for. Where nothing of it changes, it is the same one: a copy of all keys would be a part of each start.
    #[must_use]
    pub fn for_system(&self, kind: SystemKind) -> Cow<'_, Spec> {
        if self.linux.is_none() && self.freebsd.is_none() && !self.programs.iter().any(|program| program == "sh") {
            return Cow::Borrowed(self);
        }
        let mut spec = self.clone();
        let (linux, freebsd) = (spec.linux.take(), spec.freebsd.take());
        let table = match kind {
            SystemKind::Linux => linux,
            SystemKind::FreeBsd => freebsd,
        };
        if let Some(table) = table {
            spec.overlay(*table);
        }
        // What system(3), popen(3) and every `#!/bin/sh` run is this path. Found by PATH, the shell would be at
        // /usr/bin/sh only where /bin is a link to it.
        for program in spec.programs.iter_mut().filter(|program| *program == "sh") {
            *program = "/bin/sh".into();
        }
        Cow::Owned(spec)
    }

    /// The programs beside the main one, each once: those that are named, and those of further commands.
    pub(crate) fn further_programs(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for program in self.programs.iter().cloned().chain(self.commanded()) {
            if !all.contains(&program) {
                all.push(program);
            }
        }
        all
    }

    /// Lays `over` on top. Every field is named, so that a new key can't be forgotten here.
    pub fn overlay(&mut self, over: Spec) {
        let Spec {
            r#use,
            command,
            user,
            group,
            groups,
            users,
            programs,
            runtime,
            capabilities,
            allow_syscalls,
            deny_syscalls,
            read,
            write,
            secrets,
            mount,
            run_dir,
            state_dir,
            log_dir,
            cache_dir,
            tmp,
            devices,
            proc,
            etc,
            env,
            env_file,
            links,
            listen,
            umask,
            chdir,
            hostname,
            network,
            isolation,
            abstract_sockets,
            tcp_bind,
            tcp_connect,
            pidfile,
            limits,
            descriptors,
            before_start,
            before_reload,
            reload_signal,
            reload_command,
            reload_on_change,
            tty,
            stop_signal,
            stop_timeout,
            wait,
            success_exit,
            supervisor,
            r#type,
            start_timeout,
            daemon_pidfile,
            ready_descriptor,
            log,
            log_size,
            restart,
            restart_delay,
            restart_delay_max,
            restart_limit,
            restart_interval,
            linux,
            freebsd,
            params,
        } = over;
        replace(&mut self.r#use, r#use);
        // A command is one thing: half of another command's arguments at its end would be none.
        if !command.is_empty() {
            self.command = command;
        }
        replace(&mut self.user, user);
        replace(&mut self.group, group);
        append_optional(&mut self.groups, groups);
        self.users.extend(users);
        self.programs.extend(programs);
        append_words(&mut self.capabilities, capabilities);
        self.allow_syscalls.extend(allow_syscalls);
        self.deny_syscalls.extend(deny_syscalls);
        self.read.extend(read);
        self.write.extend(write);
        self.secrets.extend(secrets);
        self.mount.extend(mount);
        replace(&mut self.run_dir, run_dir);
        replace(&mut self.state_dir, state_dir);
        replace(&mut self.log_dir, log_dir);
        replace(&mut self.cache_dir, cache_dir);
        replace(&mut self.tmp, tmp);
        self.devices.extend(devices);
        replace(&mut self.proc, proc);
        append_optional(&mut self.etc, etc);
        merge(&mut self.env, env);
        self.env_file.extend(env_file);
        replace(&mut self.links, links);
        self.listen.extend(listen);
        replace(&mut self.umask, umask);
        replace(&mut self.chdir, chdir);
        replace(&mut self.hostname, hostname);
        replace(&mut self.network, network);
        replace(&mut self.isolation, isolation);
        replace(&mut self.abstract_sockets, abstract_sockets);
        append_optional(&mut self.tcp_bind, tcp_bind);
        append_optional(&mut self.tcp_connect, tcp_connect);
        replace(&mut self.pidfile, pidfile);
        replace(&mut self.runtime, runtime);
        merge(&mut self.limits, limits);
        self.descriptors.extend(descriptors);
        self.before_start.extend(before_start);
        self.before_reload.extend(before_reload);
        replace(&mut self.reload_signal, reload_signal);
        if !reload_command.is_empty() {
            self.reload_command = reload_command;
        }
        replace(&mut self.reload_on_change, reload_on_change);
        self.tty |= tty;
        replace(&mut self.stop_signal, stop_signal);
        replace(&mut self.stop_timeout, stop_timeout);
        replace(&mut self.wait, wait);
        self.success_exit.extend(success_exit);
        replace(&mut self.supervisor, supervisor);
        replace(&mut self.r#type, r#type);
        replace(&mut self.start_timeout, start_timeout);
        replace(&mut self.daemon_pidfile, daemon_pidfile);
        replace(&mut self.ready_descriptor, ready_descriptor);
        replace(&mut self.log, log);
        replace(&mut self.log_size, log_size);
        replace(&mut self.restart, restart);
        replace(&mut self.restart_delay, restart_delay);
        replace(&mut self.restart_delay_max, restart_delay_max);
        replace(&mut self.restart_limit, restart_limit);
        replace(&mut self.restart_interval, restart_interval);
        replace(&mut self.linux, linux);
        replace(&mut self.freebsd, freebsd);
        merge(&mut self.params, params);
    }
}

fn replace<T>(below: &mut Option<T>, over: Option<T>) {
    if over.is_some() {
        *below = over;
    }
}

fn append_optional<T>(below: &mut Option<Vec<T>>, over: Option<Vec<T>>) {
    if let Some(over) = over {
        below.get_or_insert_default().extend(over);
    }
}

fn merge<V>(below: &mut BTreeMap<String, V>, over: BTreeMap<String, V>) {
    below.extend(over);
}

/// Two lists become one. A line that can't be split stays alone, so that `resolve` can say what is wrong with it.
fn append_words(below: &mut Words, over: Words) {
    if over.is_empty() {
        return;
    }
    match (below.list(), over.list()) {
        (Ok(mut list), Ok(more)) => {
            list.extend(more);
            *below = Words::List(list);
        }
        (Ok(_), Err(_)) => *below = over,
        (Err(_), _) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn scalars_replace_and_lists_append() {
        let spec = Spec {
            command: Words::List(list(&["/usr/sbin/nginx", "-g", "x"])),
            user: Some("www-data".into()),
            read: list(&["/a"]),
            env: BTreeMap::from([("A".into(), "1".into()), ("B".into(), "2".into())]),
            capabilities: Words::Line("chown".into()),
            linux: Some(Box::new(Spec { user: Some("nobody".into()), ..Spec::default() })),
            freebsd: Some(Box::new(Spec {
                command: Words::Line("/usr/local/sbin/nginx".into()),
                user: Some("www".into()),
                read: list(&["/b"]),
                env: BTreeMap::from([("B".into(), "3".into())]),
                capabilities: Words::List(list(&["setuid"])),
                ..Spec::default()
            })),
            ..Spec::default()
        };
        let freebsd = spec.for_system(SystemKind::FreeBsd);
        assert_eq!(freebsd.command.list(), Ok(list(&["/usr/local/sbin/nginx"])));
        assert_eq!(freebsd.user.as_deref(), Some("www"));
        assert_eq!(freebsd.read, ["/a", "/b"]);
        assert_eq!(freebsd.env["A"], "1");
        assert_eq!(freebsd.env["B"], "3");
        assert_eq!(freebsd.capabilities.list(), Ok(list(&["chown", "setuid"])));
        assert!(freebsd.linux.is_none() && freebsd.freebsd.is_none());
        let linux = spec.for_system(SystemKind::Linux);
        assert_eq!(linux.command, spec.command);
        assert_eq!(linux.user.as_deref(), Some("nobody"));
        assert_eq!(linux.read, ["/a"]);
    }
}
