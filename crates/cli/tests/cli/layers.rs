//! Profiles upon profiles: what is used, drop-ins, instances, and where each value comes from.

use std::fs;

use serde_json::Value;

use crate::run_thinjail::{Said, thinjail};
use crate::scratch::Scratch;

/// The admin's directory, and the shipped one.
struct Dirs(Scratch, Scratch);

impl Dirs {
    fn new() -> Self {
        Self(Scratch::new(), Scratch::new())
    }

    fn ask(&self, words: &[&str]) -> Said {
        let directories = ["--profile-dir", self.0.str(), "--profile-dir", self.1.str()];
        thinjail(&[words, &directories].concat())
    }

    #[track_caller]
    fn exec(&self, name: &str) -> Value {
        let plan: Value = serde_json::from_str(self.ask(&["plan", name, "--json"]).works()).unwrap();
        plan["exec"].clone()
    }
}

fn drop_in(scratch: &Scratch, dir: &str, name: &str, text: &str) {
    fs::create_dir_all(scratch.path().join(dir)).unwrap();
    std::os::unix::fs::PermissionsExt::set_mode(
        &mut fs::metadata(scratch.path().join(dir)).unwrap().permissions(),
        0o755,
    );
    scratch.file(&format!("{dir}/{name}"), text);
}

#[test]
fn drop_ins_go_over_the_profile_by_name_and_the_admins_over_shipped_ones() {
    let dirs = Dirs::new();
    dirs.1.profile("x", "umask = \"001\"\nenv = { A = \"profile\", B = \"profile\", C = \"profile\" }");
    drop_in(&dirs.1, "x.d", "20.toml", "env = { A = \"shipped 20\", B = \"shipped 20\" }");
    drop_in(&dirs.0, "x.d", "20.toml", "env = { B = \"admin 20\" }");
    drop_in(&dirs.0, "x.d", "10.toml", "umask = \"010\"\nenv = { B = \"admin 10\" }");
    drop_in(&dirs.0, "x.d", ".hidden.toml", "no toml");
    drop_in(&dirs.0, "x.d", "README", "no toml");
    let exec = dirs.exec("x");
    let env = exec["env"].to_string();
    assert!(env.contains(r#"["A","profile"],["B","admin 20"],["C","profile"]"#), "{env}");
    assert_eq!(exec["umask"], 0o010);
}

#[test]
fn a_profile_is_laid_upon_the_one_that_it_uses_and_that_ones_drop_ins() {
    let dirs = Dirs::new();
    dirs.1.profile("base", "umask = \"001\"\nread = [\"/usr/share\"]\n[linux]\nchdir = \"/usr/share\"");
    drop_in(&dirs.0, "base.d", "a.toml", "umask = \"002\"");
    dirs.0.file("x.toml", "use = \"base\"\nread = [\"/usr/lib\"]\nchdir = \"/usr/lib\"");
    let exec = dirs.exec("x");
    assert_eq!((exec["umask"].as_u64(), exec["chdir"].as_str()), (Some(2), Some("/usr/lib")));
    let explained = dirs.ask(&["explain", "x", "/usr/share"]);
    assert!(explained.works().contains("read = \"/usr/share\""), "{explained:?}");
}

#[test]
fn a_profile_of_the_same_name_may_use_the_shipped_one() {
    let dirs = Dirs::new();
    dirs.1.profile("x", "umask = \"001\"\nchdir = \"/usr\"\nread = [\"/usr/share\", \"/usr/lib\"]");
    dirs.0.file("x.toml", "use = \"x\"\nchdir = \"/usr/lib\"");
    let exec = dirs.exec("x");
    assert_eq!((exec["umask"].as_u64(), exec["chdir"].as_str()), (Some(1), Some("/usr/lib")));
}

#[test]
fn what_can_not_be_used_is_said() {
    let dirs = Dirs::new();
    dirs.0.profile("one", "use = \"two\"");
    dirs.0.profile("two", "use = \"one\"");
    dirs.ask(&["run", "one"]).fails(125, "use = \"two\": it goes round in circles", "take one `use` out");
    dirs.0.profile("x", "use = \"ngnix\"");
    dirs.0.profile("nginx", "");
    dirs.ask(&["run", "x"]).fails(125, "use = \"ngnix\": there is no profile \"ngnix\"", "did you mean \"nginx\"?");
    dirs.0.profile("y", "use = \"../x\"");
    dirs.ask(&["run", "y"]).fails(125, "can't be the name of a profile", "a name has letters");
    // Never itself, nor what only its instances are built upon.
    dirs.0.profile("redisx", "use = \"redis\"");
    dirs.0.profile("redis@", "");
    dirs.ask(&["run", "redisx"]).fails(
        125,
        "there is no profile \"redis\"",
        "write one of nginx, one, two, x, y; or take",
    );
    dirs.ask(&["run", "redis"]).fails(125, "there is no profile \"redis\"", "which instance, as in `redis@1`");
    dirs.0.profile("z", "");
    drop_in(&dirs.0, "z.d", "a.toml", "use = \"x\"");
    dirs.ask(&["run", "z"]).fails(125, "a drop-in is laid upon its profile", "into the profile itself");
    dirs.ask(&["run", "ngin"]).fails(125, "there is no profile \"ngin\"", "did you mean \"nginx\"?");
}

#[test]
fn an_instance_has_its_name_in_every_value() {
    let dirs = Dirs::new();
    dirs.1.profile("x@", "env = { PORT = \"%i\", SHARE = \"100%%\" }");
    drop_in(&dirs.0, "x@.d", "a.toml", "env = { ALL = \"%i\" }");
    drop_in(&dirs.0, "x@6380.d", "a.toml", "env = { ONE = \"only %i\" }");
    let exec = dirs.exec("x@6380");
    let env = exec["env"].to_string();
    assert!(env.contains(r#"["ALL","6380"]"#) && env.contains(r#"["ONE","only 6380"],["PATH""#), "{env}");
    assert!(env.contains(r#"["PORT","6380"],["SHARE","100%"]"#), "{env}");
    assert!(!dirs.exec("x@1").to_string().contains("ONE"));
    dirs.ask(&["run", "x@"]).fails(125, "\"x@\" is the profile of all instances", "as in `x@1`");
    dirs.ask(&["run", "y@1"]).fails(125, "there is no profile \"y@1\"", "y@1.toml");
    // A file of one instance's own comes first.
    dirs.0.profile("x@7", "umask = \"007\"");
    assert_eq!(dirs.exec("x@7")["umask"], 7);
}

#[test]
fn origin_names_file_and_line_of_every_value() {
    let dirs = Dirs::new();
    dirs.1.profile("base", "umask = \"001\"\nread = [\n  \"/usr/share\",\n]");
    dirs.0.file("x.toml", "use = \"base\"\n[linux]\nread = [\"/usr/lib\"]\n[freebsd]\nread = [\"/usr/libexec\"]");
    drop_in(&dirs.0, "x.d", "a.toml", "umask = \"002\"");
    let said = dirs.ask(&["plan", "x", "--origin", "--chdir=/usr/lib"]);
    let squeezed: Vec<String> =
        said.works().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let (admin, shipped) = (dirs.0.str(), dirs.1.str());
    let system = if cfg!(target_os = "freebsd") {
        format!("read \"/usr/libexec\" {admin}/x.toml:5")
    } else {
        format!("read \"/usr/lib\" {admin}/x.toml:3")
    };
    assert_eq!(
        squeezed,
        [
            "chdir \"/usr/lib\" flag --chdir".into(),
            format!("command \"/bin/sh -c true\" {shipped}/base.toml:1"),
            format!("read \"/usr/share\" {shipped}/base.toml:5"),
            system,
            format!("umask \"002\" {admin}/x.d/a.toml:1"),
            format!("user \"nobody\" {shipped}/base.toml:2"),
        ]
    );
    let json: Value = serde_json::from_str(dirs.ask(&["plan", "x", "--origin", "--json"]).works()).unwrap();
    assert_eq!(json[1]["origin"], format!("{shipped}/base.toml:5"));
}
