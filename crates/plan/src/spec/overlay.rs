//! One spec over another: a `[linux]` table over its profile, flags over a profile. Scalars replace, lists append.

use super::{Spec, Words};

impl Spec {
    /// This spec with `over` on top of it. What `over` does not say stays as it is.
    #[must_use]
    pub fn overlaid(self, over: Self) -> Self {
        // Named one by one, so that a new key can't be forgotten here.
        let Self {
            command,
            user,
            group,
            groups,
            users,
            programs,
            capabilities,
            read,
            write,
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
            umask,
            chdir,
            hostname,
            network,
            pidfile,
            limits,
            descriptors,
            tty,
            stop_signal,
            stop_timeout,
            wait,
            linux,
            freebsd,
            params,
        } = over;
        Self {
            // A list by its type, but one thing by its meaning: half of two commands is no command.
            command: if command.is_empty() { self.command } else { command },
            user: user.or(self.user),
            group: group.or(self.group),
            groups: both(self.groups, groups, joined),
            users: joined(self.users, users),
            programs: joined(self.programs, programs),
            capabilities: self.capabilities.joined(capabilities),
            read: joined(self.read, read),
            write: joined(self.write, write),
            mount: joined(self.mount, mount),
            run_dir: run_dir.or(self.run_dir),
            state_dir: state_dir.or(self.state_dir),
            log_dir: log_dir.or(self.log_dir),
            cache_dir: cache_dir.or(self.cache_dir),
            tmp: tmp.or(self.tmp),
            devices: joined(self.devices, devices),
            proc: proc.or(self.proc),
            etc: both(self.etc, etc, joined),
            env: joined(self.env, env),
            umask: umask.or(self.umask),
            chdir: chdir.or(self.chdir),
            hostname: hostname.or(self.hostname),
            network: network.or(self.network),
            pidfile: pidfile.or(self.pidfile),
            limits: joined(self.limits, limits),
            descriptors: joined(self.descriptors, descriptors),
            tty: self.tty || tty,
            stop_signal: stop_signal.or(self.stop_signal),
            stop_timeout: stop_timeout.or(self.stop_timeout),
            wait: wait.or(self.wait),
            linux: both(self.linux, linux, |under, over| Box::new(under.overlaid(*over))),
            freebsd: both(self.freebsd, freebsd, |under, over| Box::new(under.overlaid(*over))),
            params: joined(self.params, params),
        }
    }
}

impl Words {
    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Line(line) => line.is_empty(),
            Self::List(list) => list.is_empty(),
        }
    }

    /// These names and then those. Names hold no quotes, so a line is split on spaces alone.
    fn joined(self, more: Self) -> Self {
        if more.is_empty() {
            return self;
        }
        if self.is_empty() {
            return more;
        }
        let names = |words| match words {
            Self::Line(line) => line.split_whitespace().map(str::to_owned).collect(),
            Self::List(list) => list,
        };
        Self::List(joined(names(self), names(more)))
    }
}

/// A list followed by another; of a table, the later value of each key.
fn joined<T: Extend<I>, I>(mut list: T, more: impl IntoIterator<Item = I>) -> T {
    list.extend(more);
    list
}

/// What is said on either side, or `join` of both.
fn both<T>(under: Option<T>, over: Option<T>, join: impl FnOnce(T, T) -> T) -> Option<T> {
    match (under, over) {
        (Some(under), Some(over)) => Some(join(under, over)),
        (under, over) => over.or(under),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_replace_and_lists_append() {
        let under = Spec {
            command: Words::Line("a b".into()),
            user: Some("www".into()),
            umask: Some("022".into()),
            read: vec!["/a".into()],
            capabilities: Words::Line("drop-user".into()),
            groups: Some(vec!["x".into()]),
            env: [("A".into(), "1".into()), ("B".into(), "1".into())].into(),
            ..Spec::default()
        };
        let over = Spec {
            user: Some("root".into()),
            read: vec!["/b".into()],
            capabilities: Words::List(vec!["net_admin".into()]),
            groups: Some(vec!["y".into()]),
            env: [("B".into(), "2".into())].into(),
            tty: true,
            ..Spec::default()
        };
        let both = under.overlaid(over);
        assert_eq!(both.command, Words::Line("a b".into()));
        assert_eq!(both.user.as_deref(), Some("root"));
        assert_eq!(both.umask.as_deref(), Some("022"));
        assert_eq!(both.read, ["/a", "/b"]);
        assert_eq!(both.capabilities, Words::List(vec!["drop-user".into(), "net_admin".into()]));
        assert_eq!(both.groups, Some(vec!["x".into(), "y".into()]));
        assert_eq!(both.env.into_iter().collect::<Vec<_>>(), [("A".into(), "1".into()), ("B".into(), "2".into())]);
        assert!(both.tty);
    }

    #[test]
    fn an_empty_spec_on_top_changes_nothing() {
        let spec = Spec { command: Words::Line("a".into()), wait: Some("all".into()), ..Spec::default() };
        assert_eq!(spec.clone().overlaid(Spec::default()), spec);
        assert_eq!(Spec::default().overlaid(spec.clone()), spec);
    }
}
