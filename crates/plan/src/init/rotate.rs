//! The rotation of what a service writes into its directories of log files: logrotate(8), newsyslog.conf(5).

use super::fill::fill;
use super::{Placed, Service};

const LOGROTATE: &str = r"%%ORIGIN%%
%%NAMES%% {
	weekly
	rotate 8
	missingok
	notifempty
	compress
	delaycompress
	copytruncate
}
";

/// A snippet for logrotate(8): the files of the service's directories, and further ones that its init system writes. They are
/// copied and cut off, since not every program can be told to open its files again.
pub(super) fn logrotate(service: &Service, files: &[&str]) -> Option<Placed> {
    let globs = service.logs.iter().map(|dir| format!("{dir}/*.log"));
    let names: Vec<String> =
        globs.chain(files.iter().map(|file| (*file).to_owned())).map(|name| quoted(&name)).collect();
    if names.is_empty() {
        return None;
    }
    let text = fill(LOGROTATE, &[("ORIGIN", &service.origin()), ("NAMES", &names.join("\n"))]);
    Placed::file(&format!("/etc/logrotate.d/thinjail-{}", service.name), 0o644, text)
}

/// One for newsyslog(8). Its signal goes to the supervisor, which hands it on.
pub(super) fn newsyslog(service: &Service, pidfile: &str) -> Option<Placed> {
    // A name with a blank in it can't be written there.
    let odd = |name: &str| name.contains(|c: char| c.is_whitespace() || c == '#');
    if service.logs.is_empty() || odd(pidfile) {
        return None;
    }
    let lines: Vec<String> = service
        .logs
        .iter()
        .map(|dir| format!("{dir}/*.log"))
        .filter(|name| !odd(name))
        .map(|name| format!("{name}\t640\t7\t*\t@T00\tGJ\t{pidfile}\n"))
        .collect();
    let text = service.origin() + "\n# logfilename\tmode\tcount\tsize\twhen\tflags\tpid_file\n" + &lines.concat();
    Placed::file(&format!("/usr/local/etc/newsyslog.conf.d/thinjail_{}.conf", service.name), 0o644, text)
}

/// logrotate(8) knows no quotes within quotes.
fn quoted(name: &str) -> String {
    let odd = |c: char| c.is_whitespace() || "{}#\"\\'".contains(c);
    let kept = |c: char| if c.is_control() || "\"\\".contains(c) { '?' } else { c };
    if name.contains(odd) { format!("\"{}\"", name.chars().map(kept).collect::<String>()) } else { name.to_owned() }
}
