//! The plug-in directories of known programs.

use super::*;
use crate::elf_file::{GLIBC, library, program, static_program};

fn known(world: &World) -> Vec<(String, String)> {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    world.find().plugins.iter().map(|plugins| (text(&plugins.by), text(&plugins.directory))).collect()
}

fn of(path: &str, directories: &[&str]) -> Vec<String> {
    let mut world = World::new(GLIBC, program(GLIBC)).file(path, program(GLIBC));
    for directory in directories {
        world.tree.directory(directory);
    }
    world.request.program = path.into();
    known(&world).into_iter().map(|(_, directory)| directory).collect()
}

#[test]
fn those_that_are_there_are_told() {
    assert_eq!(
        of("/usr/sbin/nginx", &["/usr/lib/nginx/modules", "/usr/lib/apache2/modules"]),
        ["/usr/lib/nginx/modules"]
    );
    assert_eq!(of("/usr/sbin/nginx", &[]), [""; 0]);
    assert_eq!(
        of("/usr/lib/postgresql/15/bin/postgres", &["/usr/lib/postgresql/15/lib"]),
        ["/usr/lib/postgresql/15/lib"]
    );
    let php = ["/usr/lib/php/20220829", "/usr/lib/php/8.2"];
    assert_eq!(of("/usr/sbin/php-fpm8.2", &php), php);
    assert_eq!(
        of("/usr/sbin/named", &["/usr/lib/x86_64-linux-gnu/bind", "/usr/lib/other"]),
        ["/usr/lib/x86_64-linux-gnu/bind"]
    );
    assert_eq!(of("/opt/other", &["/usr/lib/nginx/modules"]), [""; 0]);
}

#[test]
fn those_of_a_library_are_beside_it_where_it_really_is() {
    let mut world = World::new(GLIBC, program(GLIBC).needs("libcrypto.so.3").rpath("/opt/lib"))
        .libraries(&["/real/lib/libcrypto.so.3"]);
    world.tree.link("/opt/lib", "/real/lib").directory("/real/lib/ossl-modules").directory("/opt/engines-3");
    let by = "/opt/lib/libcrypto.so.3".to_owned();
    assert_eq!(known(&world), [(by, "/real/lib/ossl-modules".to_owned())]);
    world.request.implied = false;
    assert_eq!(known(&world), []);
}

#[test]
fn what_is_followed_is_what_is_asked_for() {
    let mut world = World::new(GLIBC, program(GLIBC))
        .file("/usr/sbin/nginx", program(GLIBC))
        .file("/usr/lib/nginx/modules/ngx.so", library().needs("libextra.so"))
        .libraries(&["/lib64/libextra.so"]);
    world.request.program = "/usr/sbin/nginx".into();
    let closure = world.find();
    assert_eq!((paths(&closure).len(), closure.loads.len()), (0, 0));
    world.request.loads.extend(closure.plugins.into_iter().map(|plugins| plugins.directory));
    assert_eq!(world.found(), ["/usr/lib/nginx/modules/ngx.so", "/lib64/libextra.so"]);
    assert_eq!(world.find().loads, world.request.loads);
}

#[test]
fn a_static_program_may_have_some_too() {
    let mut world = World::new(GLIBC, static_program()).file("/usr/sbin/nginx", static_program());
    world.tree.directory("/usr/local/libexec/nginx");
    world.request.program = "/usr/sbin/nginx".into();
    assert_eq!(known(&world).len(), 1);
}
