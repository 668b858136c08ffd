//! What of pidfile is refused.

use super::*;

#[test]
fn in_a_write_mount_would_reach_the_host() {
    let (what, help) = problem("pidfile = \"/run/nginx.pid\"\nwrite = [\"/run\"]");
    assert_eq!(
        what,
        "pidfile = \"/run/nginx.pid\": what the jail writes there reaches the host through /run (write = \"/run\"), and its \
         pid means another process there"
    );
    assert_eq!(help, "write a pidfile outside of /run; the daemon's own may be anywhere");
    assert!(
        super::what("pidfile = \"/run/nginx/a.pid\"\nrun-dir = \"nginx\"")
            .contains("reaches the host through /run/nginx")
    );
}

#[test]
fn in_a_write_mount_by_another_name_would_reach_the_host() {
    assert!(what("pidfile = \"/var/run/a.pid\"\nwrite = [\"/run\"]").contains("reaches the host through /run"));
    let elsewhere = "pidfile = \"/run/a.pid\"\n[[mount]]\nsource = \"/run\"\ntarget = \"/x\"\nwrite = true";
    assert!(what(elsewhere).contains("reaches the host through /x"));
}

#[test]
fn needs_its_directory() {
    let (what, help) = problem("pidfile = \"/run/nginx/a.pid\"");
    assert_eq!(what, "pidfile = \"/run/nginx/a.pid\": /run/nginx does not exist");
    assert_eq!(help, "make /run/nginx, or write another path");
}

#[test]
fn has_no_place_in_what_is_ours() {
    for path in ["/a.pid", "/dev/a.pid", "/etc/a.pid", "/"] {
        assert!(World::linux().resolve(&www(&format!("pidfile = \"{path}\""))).is_err(), "{path}");
    }
    let (what, _) = problem("pidfile = \"/usr/lib/x86_64-linux-gnu/a.pid\"");
    assert!(what.contains("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 is there"), "{what}");
}
