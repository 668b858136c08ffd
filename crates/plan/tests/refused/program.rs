//! What of program is refused.

use super::*;

#[test]
fn that_is_not_there() {
    let problems = World::linux().problems(&www("command = \"/bin/nginx -g x\""));
    assert_eq!(problems[0].class, Class::NotFound);
    assert_eq!(problems[0].what, "run /bin/nginx: no such file");
    assert_eq!(problems[0].help.as_deref(), Some("check the path, or install the program"));
}

#[test]
fn that_can_not_be_executed() {
    let mut world = World::linux();
    world
        .programs
        .insert("/etc/hosts".into(), ProgramFact::NotExecutable { why: "not an ELF file or a script".into() });
    let problems = world.problems(&www("command = \"/etc/hosts\""));
    assert_eq!(problems[0].class, Class::NotExecutable);
    assert_eq!(problems[0].what, "run /etc/hosts: not an ELF file or a script");
}

#[test]
fn that_is_empty() {
    assert_eq!(what("command = \"\""), "command is empty");
    assert_eq!(what("command = []"), "command is empty");
    assert_eq!(what("command = [\"\", \"x\"]"), "command is empty");
}

#[test]
fn by_a_relative_path() {
    let problems = World::linux().problems(&www("command = \"./true\""));
    assert!(
        problems.iter().any(|p| p.what == "run ./true: the path is relative, and to what is not said"),
        "{problems:?}"
    );
}

#[test]
fn without_one_of_its_libraries() {
    let mut world = World::linux();
    world.missing(
        "/bin/true",
        "libfoo.so.1",
        &["/opt/lib", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib"],
    );
    assert_eq!(
        world.problem(WWW),
        (
            "library libfoo.so.1 is missing, needed by /bin/true; looked for in /opt/lib, /lib/x86_64-linux-gnu, \
             /usr/lib/x86_64-linux-gnu, /lib and 1 more"
                .into(),
            "install it, or name its directory in env LD_LIBRARY_PATH".into()
        )
    );
}

#[test]
fn without_a_library_of_a_library_names_both() {
    let mut world = World::linux();
    world.missing("/bin/true", "libfoo.so.1", &[]);
    world.closure("/bin/true").missing[0].needed_by = "/lib/libbar.so".into();
    assert_eq!(world.problem(WWW).0, "library libfoo.so.1 is missing, needed by /lib/libbar.so, which /bin/true needs");
}

#[test]
fn that_asks_where_it_stands_without_proc() {
    let mut world = World::linux();
    world.closure("/bin/true").needs_proc = true;
    let (what, help) = world.problem(&www("proc = \"none\""));
    assert_eq!(what, "/bin/true takes $ORIGIN from /proc/self/exe, and proc = \"none\"");
    assert_eq!(help, "write proc = \"pid\", or take the key out");
    assert!(world.resolve(WWW).is_ok());
}

#[test]
fn comes_before_all_other_problems() {
    let problems = World::linux().problems("command = \"/bin/nginx\"\nread = [\"/none\"]\numask = \"9\"");
    assert_eq!(problems[0].class, Class::NotFound);
    assert!(problems.len() >= 4, "{problems:?}");
}

#[test]
fn that_is_a_whole_command_line_in_one_word_is_told_so() {
    let (what, help) = problem("command = [\"/bin/sh -c true\"]");
    assert_eq!(what, "run /bin/sh -c true: no such file");
    assert_eq!(help, "write each word by itself: command = [\"program\", \"argument\"]");
}
