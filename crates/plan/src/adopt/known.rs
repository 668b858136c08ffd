//! Daemons whose arguments are known: those that say how it goes into the background, as whom and where its pid is are the jail's
//! matter. All others are the service's, and stay.

/// The arguments of one daemon that are of the jail.
struct Known {
    program: &'static str,
    /// With a value, which is the next word or stands behind `=`.
    valued: &'static [&'static str],
    /// Without.
    alone: &'static [&'static str],
}

const KNOWN: &[Known] = &[
    Known { program: "redis-server", valued: &["--daemonize", "--supervised", "--pidfile"], alone: &[] },
    Known { program: "memcached", valued: &["-P", "--pidfile", "-u", "--user"], alone: &["-d", "--daemon"] },
    Known {
        program: "dnsmasq",
        valued: &["-x", "-u", "--user", "--log-facility"],
        alone: &["-k", "--keep-in-foreground", "--pid-file"],
    },
    Known {
        program: "haproxy",
        // The socket of its master would be in the host's /run.
        valued: &["-p", "-S"],
        alone: &["-Ws", "-W", "-D", "-db"],
    },
    Known { program: "unbound", valued: &[], alone: &["-d", "-p"] },
];

/// The arguments that are the service's, and those that are the jail's.
pub(super) fn sort(command: &[String]) -> (Vec<String>, Vec<String>) {
    let Some((program, arguments)) = command.split_first() else { return Default::default() };
    let name = program.rsplit('/').next().unwrap_or_default();
    let known = KNOWN.iter().find(|known| known.program == name);
    let (mut own, mut jails) = (Vec::new(), Vec::new());
    let mut words = arguments.iter().peekable();
    while let Some(word) = words.next() {
        let flag = word.split_once('=').map_or(word.as_str(), |(flag, _)| flag);
        let is = |list: &[&str]| list.contains(&flag);
        if name == "nginx" && word == "-g" && words.peek().is_some_and(|value| of_background(value)) {
            jails.extend([word.clone()].into_iter().chain(words.next().cloned()));
        } else if known.is_some_and(|known| is(known.valued)) {
            jails.push(word.clone());
            if !word.contains('=') {
                jails.extend(words.next().cloned());
            }
        } else if known.is_some_and(|known| is(known.alone)) {
            jails.push(word.clone());
        } else {
            own.push(word.clone());
        }
    }
    (own, jails)
}

/// Whether these directives of nginx say nothing else.
fn of_background(directives: &str) -> bool {
    let mut each = directives.split(';').map(str::trim).filter(|directive| !directive.is_empty());
    each.all(|directive| directive.starts_with("daemon ") || directive.starts_with("master_process "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[&str]) -> Vec<String> {
        line.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_says_how_it_runs_is_told_from_what_it_does() {
        let nginx = ["/usr/sbin/nginx", "-c", "/a", "-g", "daemon on; master_process on;"];
        let sorted = (words(&["-c", "/a"]), words(&["-g", "daemon on; master_process on;"]));
        assert_eq!(sort(&words(&nginx)), sorted);
        let more = words(&["/usr/sbin/nginx", "-g", "daemon on; worker_processes 9;"]);
        assert_eq!(sort(&more).0, more[1..]);
        let redis = ["/usr/bin/redis-server", "/c", "--supervised", "systemd", "--daemonize=no", "--port", "1"];
        assert_eq!(sort(&words(&redis)).0, ["/c", "--port", "1"]);
        assert_eq!(sort(&words(&["/bin/x", "-d"])).0, ["-d"]);
    }
}
