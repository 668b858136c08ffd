//! The words of jail(8), systemd, bwrap and docker, and what they are here.

/// What to do about an unknown key that another tool knows.
pub(super) fn hint(written: &str) -> Option<String> {
    let (_, tool, ours) = WORDS.iter().find(|(word, ..)| *word == written).copied().or_else(|| prefix(written))?;
    Some(if is_key(ours) {
        format!("{written} is {tool}'s word; here it is `{ours}`")
    } else {
        format!("{written} is {tool}'s word; here {ours}")
    })
}

/// The same for a flag: what is a key in a profile is a flag on a command line.
#[must_use]
pub fn flag_hint(written: &str) -> Option<String> {
    let (_, tool, ours) = WORDS.iter().find(|(word, ..)| *word == written).copied().or_else(|| prefix(written))?;
    if !is_key(ours) {
        return Some(format!("{written} is {tool}'s word; here {}", ours.replace("[[mount]]", "--mount")));
    }
    let (key, value) = match ours.split_once(" = ") {
        Some((key, "true")) => (key, String::new()),
        Some((key, value)) => (key, format!(" {}", value.trim_matches(['[', ']', '"']))),
        None => match ours.split_once('.') {
            Some((table, name)) => (table, format!(" {name}=...")),
            None => (ours, String::new()),
        },
    };
    Some(format!("{written} is {tool}'s word; here it is `--{key}{value}`"))
}

/// Whether the answer is something to write, and not a sentence.
fn is_key(ours: &str) -> bool {
    let word = |text: &str| !text.contains(' ');
    word(ours) || ours.split_once(" = ").is_some_and(|(key, value)| word(key) && word(value))
}

/// Families of words with one answer.
fn prefix(written: &str) -> Option<(&'static str, &'static str, &'static str)> {
    PREFIXES.iter().find(|(start, ..)| written.starts_with(start)).copied()
}

const JAIL: &str = "jail(8)";
const SYSTEMD: &str = "systemd";
const BWRAP: &str = "bwrap";
const DOCKER: &str = "docker";

const PREFIXES: &[(&str, &str, &str)] = &[
    ("allow.", JAIL, "it goes into [freebsd.params], by the same name"),
    ("children.", JAIL, "it goes into [freebsd.params], by the same name"),
    ("exec.", JAIL, "there is no such hook in this version; the command is `command`"),
    ("ip4.", JAIL, "network is inherit or none"),
    ("ip6.", JAIL, "network is inherit or none"),
    ("sysv", JAIL, "it goes into [freebsd.params], by the same name"),
    ("vnet", JAIL, "network is inherit or none"),
    ("zfs.", JAIL, "a data set's directory goes into read or write"),
    ("CPU", SYSTEMD, "limits.pcpu"),
    ("Condition", SYSTEMD, "the init system's own unit or script says when it starts"),
    (
        "ExecReload",
        SYSTEMD,
        "reload-command; for a signal it is `reload-signal`, and for a check before it `before-reload`",
    ),
    ("ExecStop", SYSTEMD, "there is no such hook in this version; `stop-signal` ends it"),
    ("ExecStartPo", SYSTEMD, "there is no such hook in this version; the unit or script that calls thinjail does it"),
    ("ExecStartPre", SYSTEMD, "before-start"),
    ("ExecCondition", SYSTEMD, "the init system's own unit or script says when it starts"),
    ("Limit", SYSTEMD, "limits go into [limits], by rctl(8)'s words"),
    ("Protect", SYSTEMD, "nothing of the host is inside but what is named"),
    ("Memory", SYSTEMD, "limits.memoryuse"),
    ("Restrict", SYSTEMD, "it needs no key"),
    ("Standard", SYSTEMD, "log"),
    ("--unshare-", BWRAP, "every jail has namespaces of its own but for the network: network = \"none\""),
];

const WORDS: &[(&str, &str, &str)] = &[
    // jail(8)
    ("devfs_ruleset", JAIL, "devices"),
    ("enforce_statfs", JAIL, "it goes into [freebsd.params], by the same name"),
    ("ReloadSignal", SYSTEMD, "reload-signal"),
    ("exec.clean", JAIL, "the environment is always clean; `env` adds to it"),
    ("exec.consolelog", JAIL, "log"),
    ("exec.jail_user", JAIL, "user"),
    ("exec.start", JAIL, "command"),
    ("exec.stop", JAIL, "stop-signal"),
    ("exec.system_jail_user", JAIL, "`user` is always looked up on the host"),
    ("exec.system_user", JAIL, "user"),
    ("exec.timeout", JAIL, "stop-timeout"),
    ("host.hostname", JAIL, "hostname"),
    ("ip4", JAIL, "network"),
    ("ip6", JAIL, "network"),
    ("mount.devfs", JAIL, "every jail has a /dev; `devices` adds to it"),
    ("mount.fdescfs", JAIL, "/dev/fd is always there"),
    ("mount.fstab", JAIL, "read, write and [[mount]] say what is mounted"),
    ("mount.procfs", JAIL, "proc"),
    ("name", JAIL, "a jail has the name of its profile"),
    ("path", JAIL, "the jail's root is made in memory, and needs no path"),
    ("persist", JAIL, "a jail ends with its daemon"),
    ("securelevel", JAIL, "it goes into [freebsd.params], by the same name"),
    ("stop.timeout", JAIL, "stop-timeout"),
    // systemd.exec(5), systemd.service(5), systemd.kill(5), systemd.resource-control(5)
    ("AmbientCapabilities", SYSTEMD, "capabilities"),
    ("BindPaths", SYSTEMD, "write"),
    ("BindReadOnlyPaths", SYSTEMD, "read"),
    ("CacheDirectory", SYSTEMD, "cache-dir"),
    ("CapabilityBoundingSet", SYSTEMD, "capabilities"),
    ("ConfigurationDirectory", SYSTEMD, "read"),
    ("DeviceAllow", SYSTEMD, "devices"),
    ("DynamicUser", SYSTEMD, "a number in `user` needs no entry on the host"),
    ("Environment", SYSTEMD, "env"),
    ("After", SYSTEMD, "the init system's own unit or script says when it starts"),
    ("Description", SYSTEMD, "a comment after # describes it"),
    ("EnvironmentFile", SYSTEMD, "env-file"),
    ("ExecStart", SYSTEMD, "command"),
    ("Group", SYSTEMD, "group"),
    ("InaccessiblePaths", SYSTEMD, "nothing of the host is inside but what is named"),
    ("KillMode", SYSTEMD, "wait"),
    ("KillSignal", SYSTEMD, "stop-signal"),
    ("LimitCORE", SYSTEMD, "limits.coredumpsize"),
    ("LimitCPU", SYSTEMD, "limits.cputime"),
    ("LimitDATA", SYSTEMD, "limits.datasize"),
    ("LimitFSIZE", SYSTEMD, "limits.filesize"),
    ("LimitMEMLOCK", SYSTEMD, "limits.memorylocked"),
    ("LimitNOFILE", SYSTEMD, "limits.openfiles"),
    ("LimitNPROC", SYSTEMD, "limits.maxproc"),
    ("LimitSTACK", SYSTEMD, "limits.stacksize"),
    ("LimitAS", SYSTEMD, "limits.vmemoryuse"),
    ("ListenDatagram", SYSTEMD, "listen"),
    ("ListenStream", SYSTEMD, "listen"),
    ("LoadCredential", SYSTEMD, "secrets"),
    ("LogsDirectory", SYSTEMD, "log-dir"),
    ("NoNewPrivileges", SYSTEMD, "it always holds"),
    ("PIDFile", SYSTEMD, "pidfile"),
    ("PrivateDevices", SYSTEMD, "every jail has a /dev of its own; `devices` adds to it"),
    ("PrivateNetwork", SYSTEMD, "network = \"none\""),
    ("PrivateTmp", SYSTEMD, "tmp = true"),
    ("PrivatePIDs", SYSTEMD, "it always holds"),
    ("PrivateIPC", SYSTEMD, "it always holds"),
    ("ProtectHostname", SYSTEMD, "it always holds"),
    ("ProtectProc", SYSTEMD, "proc"),
    ("ProcSubset", SYSTEMD, "proc"),
    ("ReadOnlyPaths", SYSTEMD, "read"),
    ("ReadWritePaths", SYSTEMD, "write"),
    ("Restart", SYSTEMD, "restart"),
    ("RestartSec", SYSTEMD, "restart-delay"),
    ("RestartMaxDelaySec", SYSTEMD, "restart-delay-max"),
    ("RootDirectory", SYSTEMD, "the jail's root is made in memory, and needs no path"),
    ("RuntimeDirectory", SYSTEMD, "run-dir"),
    ("Service", SYSTEMD, "the keys stand without such a heading, as key = \"value\""),
    ("StartLimitBurst", SYSTEMD, "restart-limit"),
    ("StartLimitIntervalSec", SYSTEMD, "restart-interval"),
    ("StateDirectory", SYSTEMD, "state-dir"),
    ("SuccessExitStatus", SYSTEMD, "success-exit"),
    ("SupplementaryGroups", SYSTEMD, "groups"),
    ("SystemCallFilter", SYSTEMD, "every jail has a filter; `deny-syscalls` refuses more, `allow-syscalls` gives back"),
    ("TasksMax", SYSTEMD, "limits.maxproc"),
    ("TemporaryFileSystem", SYSTEMD, "tmp"),
    ("TimeoutStopSec", SYSTEMD, "stop-timeout"),
    ("TimeoutStartSec", SYSTEMD, "start-timeout"),
    ("Type", SYSTEMD, "type"),
    ("UMask", SYSTEMD, "umask"),
    ("Unit", SYSTEMD, "the keys stand without such a heading, as key = \"value\""),
    ("User", SYSTEMD, "user"),
    ("WorkingDirectory", SYSTEMD, "chdir"),
    // bwrap(1)
    ("--bind", BWRAP, "write"),
    ("--bind-try", BWRAP, "a [[mount]] with write = true and optional = true"),
    ("--cap-drop", BWRAP, "all capabilities are dropped but those in `capabilities`"),
    ("--chdir", BWRAP, "chdir"),
    ("--clearenv", BWRAP, "the environment is always clean; `env` adds to it"),
    ("--dev", BWRAP, "every jail has a /dev of its own; `devices` adds to it"),
    ("--dev-bind", BWRAP, "devices"),
    ("--die-with-parent", BWRAP, "it always holds"),
    ("--dir", BWRAP, "directories on the way to what is named are made unasked"),
    ("--gid", BWRAP, "group"),
    ("--new-session", BWRAP, "it always holds, but with `tty = true`"),
    ("--proc", BWRAP, "proc"),
    ("--ro-bind", BWRAP, "read"),
    ("--ro-bind-try", BWRAP, "a [[mount]] with optional = true"),
    ("--setenv", BWRAP, "env"),
    ("--share-net", BWRAP, "network = \"inherit\""),
    ("--symlink", BWRAP, "links on the way to what is named are made unasked"),
    ("--tmpfs", BWRAP, "tmp"),
    ("--uid", BWRAP, "user"),
    ("--unshare-net", BWRAP, "network = \"none\""),
    // docker-run(1), compose files
    ("-d", DOCKER, "it runs in the foreground; an init system, or `&`, puts it into the background"),
    ("-e", DOCKER, "env"),
    ("-m", DOCKER, "limits.memoryuse"),
    ("-p", DOCKER, "the daemon's ports are the host's, unless network = \"none\""),
    ("-t", DOCKER, "tty"),
    ("-u", DOCKER, "user"),
    ("-v", DOCKER, "a [[mount]] with source and target, or read and write"),
    ("-w", DOCKER, "chdir"),
    ("--cap-add", DOCKER, "capabilities"),
    ("--detach", DOCKER, "it runs in the foreground; an init system, or `&`, puts it into the background"),
    ("--device", DOCKER, "devices"),
    ("--entrypoint", DOCKER, "command"),
    ("--env", DOCKER, "env"),
    ("--group-add", DOCKER, "groups"),
    ("--memory", DOCKER, "limits.memoryuse"),
    ("--name", DOCKER, "a jail has the name of its profile"),
    ("--network", DOCKER, "network"),
    ("--pids-limit", DOCKER, "limits.maxproc"),
    ("--publish", DOCKER, "the daemon's ports are the host's, unless network = \"none\""),
    ("--privileged", DOCKER, "there is no such thing; `capabilities` names what is kept"),
    ("--read-only", DOCKER, "it always holds, but for what is in `write`"),
    ("--restart", DOCKER, "restart"),
    ("--rm", DOCKER, "nothing of a jail is ever left"),
    ("--secret", DOCKER, "secrets"),
    ("--shm-size", DOCKER, "devices = [\"shm\"]"),
    ("--stop-signal", DOCKER, "stop-signal"),
    ("--stop-timeout", DOCKER, "stop-timeout"),
    ("--ulimit", DOCKER, "limits"),
    ("--user", DOCKER, "user"),
    ("--volume", DOCKER, "a [[mount]] with source and target, or read and write"),
    ("--workdir", DOCKER, "chdir"),
    ("cap_add", DOCKER, "capabilities"),
    ("cap_drop", DOCKER, "all capabilities are dropped but those in `capabilities`"),
    ("container_name", DOCKER, "a jail has the name of its profile"),
    ("entrypoint", DOCKER, "command"),
    ("env_file", DOCKER, "env-file"),
    ("environment", DOCKER, "env"),
    ("group_add", DOCKER, "groups"),
    ("image", DOCKER, "there are no images: the host's own files are inside"),
    ("mem_limit", DOCKER, "limits.memoryuse"),
    ("memory", DOCKER, "limits.memoryuse"),
    ("network_mode", DOCKER, "network"),
    ("pid", DOCKER, "every jail has pids of its own; `supervisor = false` is the one way to share the host's"),
    ("pids", DOCKER, "limits.maxproc"),
    ("pids_limit", DOCKER, "limits.maxproc"),
    ("ports", DOCKER, "the daemon's ports are the host's, unless network = \"none\""),
    ("privileged", DOCKER, "there is no such thing; `capabilities` names what is kept"),
    ("read_only", DOCKER, "it always holds, but for what is in `write`"),
    ("shm_size", DOCKER, "devices = [\"shm\"]"),
    ("stop_grace_period", DOCKER, "stop-timeout"),
    ("stop_signal", DOCKER, "stop-signal"),
    ("tmpfs", DOCKER, "tmp"),
    ("ulimits", DOCKER, "limits"),
    ("volumes", DOCKER, "a [[mount]] with source and target, or read and write"),
    ("working_dir", DOCKER, "chdir"),
];

#[cfg(test)]
mod tests {
    use super::super::keys::KEYS;
    use super::*;

    #[test]
    fn what_the_table_answers_is_a_key() {
        for (word, _, ours) in WORDS.iter().chain(PREFIXES).filter(|(_, _, ours)| is_key(ours)) {
            let key = ours.split([' ', '.']).next().unwrap_or_default();
            assert!(KEYS.iter().any(|(known, _)| *known == key), "{word} -> {ours}");
        }
    }

    #[test]
    fn pids_are_counted_by_maxproc_and_need_no_key() {
        assert_eq!(hint("pids"), Some("pids is docker's word; here it is `limits.maxproc`".into()));
        assert!(hint("pid").is_some_and(|said| said.contains("every jail has pids of its own")));
        assert_eq!(flag_hint("--pids"), None);
    }

    #[test]
    fn a_flag_is_answered_by_a_flag() {
        let hint = |word| flag_hint(word).unwrap_or_default();
        assert_eq!(hint("--ro-bind"), "--ro-bind is bwrap's word; here it is `--read`");
        assert_eq!(hint("--unshare-net"), "--unshare-net is bwrap's word; here it is `--network none`");
        assert_eq!(hint("--shm-size"), "--shm-size is docker's word; here it is `--devices shm`");
        assert_eq!(hint("--pids-limit"), "--pids-limit is docker's word; here it is `--limits maxproc=...`");
        assert_eq!(hint("-v"), "-v is docker's word; here a --mount with source and target, or read and write");
        assert_eq!(flag_hint("--frobnicate"), None);
    }

    #[test]
    fn no_word_of_ours_is_called_another_tools() {
        for (key, _) in KEYS {
            assert_eq!(hint(key), None);
        }
    }
}
