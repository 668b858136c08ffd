//! What of identity is refused.

use super::*;

#[test]
fn root_must_be_written() {
    let (what, help) = World::linux().problem("");
    assert_eq!(what, "no user is written, and thinjail runs nothing as uid 0 unasked");
    assert_eq!(help, "write user = \"www-data\", or user = \"root\" to run as uid 0");
}

#[test]
fn root_has_one_spelling() {
    let mut world = World::linux();
    world.user("toor", 0, 0, "/root", "/bin/sh");
    for (written, shown) in [("0", "user = \"0\""), ("00", "user = \"00\""), ("toor", "user = \"toor\"")] {
        let (what, help) = world.problem(&format!("user = \"{written}\""));
        assert_eq!(what, format!("{shown} is uid 0 by another name"));
        assert_eq!(help, "write user = \"root\" if it is to run as uid 0");
    }
}

#[test]
fn a_name_needs_an_entry_and_a_number_needs_none() {
    let (what, help) = World::linux().problem("user = \"nginx\"");
    assert_eq!(what, "user: there is no user \"nginx\" on this host");
    assert_eq!(help, "write the name of a user of the host, or a number, which needs no entry");
    assert_eq!(World::linux().plan("user = \"4711\"").exec.ids.uid, 4711);
    assert_eq!(super::what("group = \"nginx\""), "group: there is no group \"nginx\" on this host");
    assert_eq!(super::what("groups = [\"nginx\"]"), "groups: there is no group \"nginx\" on this host");
    assert_eq!(super::what("users = [\"nginx\"]"), "users: there is no user \"nginx\" on this host");
}

#[test]
fn minus_one_is_no_id() {
    assert_eq!(World::linux().problem("user = \"4294967295\"").0, "user: there is no user \"4294967295\" on this host");
}

#[test]
fn a_name_that_breaks_passwd_is_not_written_there() {
    let mut world = World::linux();
    world.users[1].home = "/var/www:0\n".into();
    assert_eq!(world.problem(WWW).0, "\"/var/www:0\\n\" can't be written into passwd(5) or group(5)");
}
