//! path_resolution(7), rule by rule.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use thinjail_closure::tree::{DirTree, Kind, MemTree, ResolveError, Resolved, Resolver, Tree, resolve};
use thinjail_tests::temp::TempDir;

fn follow(tree: &MemTree, path: &str) -> Result<Resolved, ResolveError> {
    resolve(tree, 1000, Path::new(path))
}

fn real(tree: &MemTree, path: &str) -> String {
    follow(tree, path).unwrap().real.to_str().unwrap().into()
}

fn tree() -> MemTree {
    let mut tree = MemTree::new();
    tree.file("/usr/lib/x/libc.so.6", b"c").file("/etc/passwd", b"p").link("/lib", "usr/lib").link("/usr/lib64", "lib");
    tree
}

#[test]
fn a_path_without_links_is_itself() {
    assert_eq!(real(&tree(), "/usr/lib/x/libc.so.6"), "/usr/lib/x/libc.so.6");
    assert_eq!(real(&tree(), "/"), "/");
    assert_eq!(real(&tree(), "//usr/./lib//"), "/usr/lib");
}

#[test]
fn links_are_recorded_in_order() {
    let mut tree = tree();
    tree.link("/usr/lib/x/libc.so", "/lib/x/libc.so.6");
    let found = follow(&tree, "/usr/lib64/x/libc.so").unwrap();
    assert_eq!(found.real, Path::new("/usr/lib/x/libc.so.6"));
    let links: Vec<_> = found.links.iter().map(|link| (link.at.to_str().unwrap(), link.to.to_str().unwrap())).collect();
    let expected = [("/usr/lib64", "lib"), ("/usr/lib/x/libc.so", "/lib/x/libc.so.6"), ("/lib", "usr/lib")];
    assert_eq!(links, expected);
}

#[test]
fn dot_dot_goes_up_from_where_the_link_led() {
    let mut tree = tree();
    tree.link("/deep", "usr/lib/x").link("/odd", "deep/../x/libc.so.6");
    assert_eq!(real(&tree, "/deep/.."), "/usr/lib");
    assert_eq!(real(&tree, "/deep/../../lib/x"), "/usr/lib/x");
    assert_eq!(real(&tree, "/odd"), "/usr/lib/x/libc.so.6");
}

#[test]
fn dot_dot_of_the_root_is_the_root() {
    let mut tree = tree();
    tree.link("/usr/out", "../../../../etc/passwd").link("/abs", "/../etc");
    assert_eq!(real(&tree, "/../etc/passwd"), "/etc/passwd");
    assert_eq!(real(&tree, "/usr/out"), "/etc/passwd");
    assert_eq!(real(&tree, "/abs"), "/etc");
}

#[test]
fn forty_links_are_followed_and_not_one_more() {
    let mut tree = MemTree::new();
    tree.file("/0", b"");
    for n in 1..=41 {
        tree.link(format!("/{n}"), format!("{}", n - 1));
    }
    assert_eq!(follow(&tree, "/40").unwrap().links.len(), 40);
    assert!(matches!(follow(&tree, "/41"), Err(ResolveError::TooManyLinks { .. })));
    tree.link("/loop", "loop");
    assert!(matches!(follow(&tree, "/loop"), Err(ResolveError::TooManyLinks { .. })));
    tree.link("/grow", "grow/grow");
    assert!(matches!(follow(&tree, "/grow"), Err(ResolveError::TooManyLinks { .. })));
}

#[test]
fn missing_tells_the_first_name_and_the_last_directory() {
    let mut tree = tree();
    tree.link("/dangling", "/usr/nothing/at/all");
    for path in ["/dangling", "/dangling/more", "/usr/nothing/at"] {
        let Err(ResolveError::Missing { at, parent }) = follow(&tree, path) else { panic!("{path} is there") };
        assert_eq!(at, Path::new("/usr/nothing"));
        assert_eq!(parent.real, Path::new("/usr"));
        assert_eq!(parent.links.len(), usize::from(path.starts_with("/d")));
    }
}

#[test]
fn nothing_is_below_a_file() {
    let tree = tree();
    for path in ["/etc/passwd/x", "/etc/passwd/", "/etc/passwd/.", "/etc/passwd/..", "/lib/x/libc.so.6/y/z"] {
        assert!(matches!(follow(&tree, path), Err(ResolveError::NotADirectory { .. })), "{path}");
    }
}

#[test]
fn what_is_not_absolute_is_refused() {
    for path in ["", "etc", "./etc", "/etc\0/passwd"] {
        assert!(matches!(follow(&tree(), path), Err(ResolveError::Io { .. })), "{path:?}");
    }
}

fn loose(change: impl FnOnce(&mut MemTree)) -> bool {
    let mut tree = MemTree::new();
    tree.file("/real", b"").link("/srv/app/link", "/real");
    change(&mut tree);
    follow(&tree, "/srv/app/link").unwrap().links.iter().any(|link| link.loose)
}

#[test]
fn a_link_is_loose_when_another_user_could_replace_it() {
    assert!(!loose(|_| ()));
    assert!(!loose(|tree| _ = tree.set("/srv/app", |meta| meta.uid = 1000)), "the caller's own");
    assert!(loose(|tree| _ = tree.set("/srv/app", |meta| meta.uid = 7)), "another user's directory");
    assert!(loose(|tree| _ = tree.set("/srv/app", |meta| meta.mode = 0o777)), "writable by all");
    assert!(loose(|tree| _ = tree.set("/srv/app", |meta| meta.mode = 0o775)), "writable by a group");
    assert!(loose(|tree| _ = tree.set("/srv", |meta| meta.uid = 7)), "a directory above");
    assert!(!loose(|tree| _ = tree.set("/real", |meta| meta.uid = 7)), "the target does not matter");
}

#[test]
fn the_sticky_bit_protects_what_root_or_the_caller_owns() {
    let sticky = |uid| {
        loose(move |tree| {
            tree.set("/srv/app", |meta| meta.mode = 0o1777).set("/srv/app/link", |meta| meta.uid = uid);
        })
    };
    assert!(!sticky(0));
    assert!(!sticky(1000));
    assert!(sticky(7));
}

#[test]
fn a_resolver_that_remembers_says_the_same() {
    let mut tree = tree();
    tree.link("/a", "/usr/lib/x").link("/b", "a/libc.so.6");
    let mut resolver = Resolver::new(&tree, 0);
    for path in
        ["/a/libc.so.6", "/b", "/a/libc.so.6", "/a/../x", "/a/../x/libc.so.6", "/", "/lib/x", "/lib/x/libc.so.6"]
    {
        assert_eq!(resolver.resolve(Path::new(path)).unwrap(), resolve(&tree, 0, Path::new(path)).unwrap(), "{path}");
    }
    for _ in 0..2 {
        assert!(resolver.is_directory(Path::new("/a")));
        assert!(!resolver.is_directory(Path::new("/a/none")));
        assert!(!resolver.is_directory(Path::new("/b")));
    }
}

#[test]
fn no_path_leads_out_of_a_root() {
    let scratch = TempDir::new();
    let root = scratch.path().join("root");
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::write(root.join("etc/passwd"), "inside").unwrap();
    std::fs::write(scratch.path().join("secret"), "outside").unwrap();
    for (name, to) in [("up", "../secret"), ("abs", "/etc/passwd"), ("far", "../../../etc/passwd")] {
        std::os::unix::fs::symlink(to, root.join(name)).unwrap();
    }
    let tree = DirTree::open_root(&root).unwrap();
    let mut resolver = Resolver::new(&tree, 0);
    assert!(matches!(resolver.resolve(Path::new("/up")), Err(ResolveError::Missing { .. })));
    for path in ["/abs", "/far", "/../etc/passwd"] {
        let found = resolver.resolve(Path::new(path)).unwrap();
        assert_eq!(found.real, Path::new("/etc/passwd"), "{path}");
        let mut text = [0; 6];
        tree.open(&found.real).unwrap().read_exact_at(&mut text, 0).unwrap();
        assert_eq!(&text, b"inside");
    }
    assert!(tree.lstat(Path::new("/../secret")).is_err(), "even when not followed by us");
    assert!(tree.open(Path::new("/up")).is_err(), "a link is not opened");
    assert_eq!(tree.list(Path::new("/")).unwrap(), ["abs", "etc", "far", "up"]);
}

#[test]
fn only_regular_files_are_opened() {
    let scratch = TempDir::new();
    let fifo = scratch.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let socket = std::os::unix::net::UnixListener::bind(scratch.path().join("socket")).unwrap();
    let tree = DirTree::open_root(scratch.path()).unwrap();
    for name in ["/fifo", "/socket", "/"] {
        let kind = tree.open(Path::new(name)).err().map(|error| error.kind());
        assert_eq!(kind, Some(std::io::ErrorKind::InvalidInput), "{name}");
    }
    assert_eq!(tree.lstat(Path::new("/fifo")).unwrap().kind, Kind::Fifo);
    let device = DirTree::host().unwrap().open(Path::new("/dev/null")).err().map(|error| error.kind());
    assert_eq!(device, Some(std::io::ErrorKind::InvalidInput));
    drop(socket);
}

#[test]
fn without_links_the_end_is_the_same_and_no_link_is_told() {
    let mut tree = MemTree::new();
    tree.file("/usr/lib/liba.so.1.2", b"").link("/usr/lib/liba.so.1", "liba.so.1.2").link("/lib", "usr/lib");
    tree.link("/usr/lib/libb.so.1", "/usr/lib/liba.so.1").link("/usr/lib/libc.so.1", "../lib/liba.so.1");
    tree.link("/usr/lib/libd.so.1", "libd.so.1").link("/usr/lib/libe.so.1", "none").directory("/usr/lib/libf.so.d");
    tree.link("/usr/lib/libg.so.1", "..").link("/usr/lib/libh.so.1", "liba.so.1");
    let names = ["liba.so.1", "liba.so.1.2", "libb.so.1", "libc.so.1", "libf.so.d", "libg.so.1", "libh.so.1", "."];
    let failing = ["libd.so.1", "libe.so.1", "libnone.so.1", "none"];
    let (mut told, mut untold) = (Resolver::new(&tree, 0), Resolver::without_links(&tree));
    for directory in ["/lib", "/usr/lib", "/usr/../lib"] {
        for name in names {
            let path = Path::new(directory).join(name);
            let (told, untold) = (told.resolve(&path).unwrap(), untold.resolve(&path).unwrap());
            assert_eq!((&told.real, &told.meta), (&untold.real, &untold.meta), "{path:?}");
            assert_eq!(untold.links, [], "{path:?}");
        }
        for name in failing {
            let path = Path::new(directory).join(name);
            let (told, untold) = (told.resolve(&path).unwrap_err(), untold.resolve(&path).unwrap_err());
            assert_eq!(told.to_string(), untold.to_string(), "{path:?}");
        }
    }
}

#[test]
fn no_path_with_a_nul_reaches_the_tree() {
    let tree = MemTree::new();
    let mut resolver = Resolver::new(&tree, 0);
    assert!(!resolver.is_directory(Path::new("/\0")));
    assert!(resolver.resolve(Path::new("/\0/x")).unwrap_err().to_string().contains("look up /\0/x"));
}
