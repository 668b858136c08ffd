//! What of a service is refused.

use super::*;

#[test]
fn of_when_it_is_started_again() {
    assert_eq!(problem("restart = \"sometimes\"").1, "write one of no, on-failure, always");
    assert_eq!(problem("restart = \"on_failure\"").1, "did you mean \"on-failure\"?");
    for key in ["restart-delay", "restart-delay-max", "restart-interval"] {
        let (what, help) = problem(&format!("restart = \"always\"\n{key} = \"soon\""));
        assert_eq!(what, format!("{key} = \"soon\" is no time"));
        assert!(help.contains("\"10s\""), "{help}");
    }
    let longer = "restart = \"always\"\nrestart-delay = \"2m\"\nrestart-delay-max = \"1m\"";
    assert_eq!(what(longer), "restart-delay is longer than restart-delay-max");
    assert_eq!(what("restart-limit = 3"), "restart-limit is written, and nothing is ever restarted");
}

#[test]
fn of_when_it_is_ready() {
    assert_eq!(problem("type = \"oneshot\"").1, "write one of simple, forking, notify");
    assert_eq!(problem("type = \"forkin\"").1, "did you mean \"forking\"?");
    assert_eq!(what("type = \"notify\"\nstart-timeout = \"soon\""), "start-timeout = \"soon\" is no time");
    let idle = "start-timeout is written, and a daemon of type = \"simple\" is ready as soon as it runs";
    assert_eq!(what("start-timeout = \"10s\""), idle);
    assert_eq!(what("type = \"notify\"\nready-descriptor = 2"), "ready-descriptor: 2 is the caller's");
    assert_eq!(
        what("descriptors = [7]\ntype = \"notify\"\nready-descriptor = 7"),
        "ready-descriptor: 7 is the caller's"
    );
    let other = "ready-descriptor = 5";
    assert_eq!(what(other), "ready-descriptor is written, and type is not \"notify\"");
    let landlock = "isolation = \"landlock\"\ntype = \"notify\"";
    assert!(problem(landlock).0.contains("needs a socket inside"), "{:?}", problem(landlock));
    assert!(problem("daemon-pidfile = \"x.pid\"").0.starts_with("daemon-pidfile: "));
    let nowhere = "type = \"forking\"\ndaemon-pidfile = \"/run/x/y.pid\"";
    assert_eq!(what(nowhere), "daemon-pidfile: there will be no directory /run/x inside");
}

#[test]
fn of_where_its_output_goes() {
    assert_eq!(problem("log = \"stdout\"").1, "write \"inherit\", \"syslog\", or a file from the root on");
    for log in ["syslog:deamon", "syslog:daemon.loud", "syslog:daemon."] {
        assert!(what(&format!("log = {log:?}")).contains("syslog(3) has no such facility or priority"), "{log}");
    }
    let alone = |key: &str| what(&format!("supervisor = false\n{key}"));
    assert_eq!(alone("log = \"syslog\""), "supervisor = false: log needs one who writes it");
    assert_eq!(alone("type = \"notify\""), "supervisor = false: type needs one who hears that it is ready");
    assert_eq!(what("log-size = \"1K\""), "log-size = \"1K\" is no size of 64K or more");
    assert_eq!(what("log = \"syslog\"\nlog-size = \"1M\""), "log-size is written, and log is no file");
}

#[test]
fn of_reload_on_change() {
    let none = "etc = []\nreload-on-change = true";
    assert_eq!(what(none), "reload-on-change: no file of the host is inside by itself");
    let key = "reload-on-change = true\nread = [\"/etc/hosts\"]";
    let landlock = "isolation = \"landlock\": reload-on-change needs mounts of the jail's own";
    assert!(problem(&format!("isolation = \"landlock\"\n{key}")).0.contains(landlock));
    let alone = "supervisor = false: reload-on-change needs one who watches the files";
    assert_eq!(what(&format!("supervisor = false\n{key}")), alone);
}
