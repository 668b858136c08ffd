//! Debian's packages that the tests and CI need, each with its reason.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::command;
use crate::error::{Context, Error, Result};

/// One package.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    /// Where this program is there, whoever it came from, the package is not asked for.
    program: Option<&'static str>,
}

const fn package(name: &'static str, why: &'static str) -> Package {
    Package { name, why, program: None }
}

/// All of them. A new one goes here with its reason, and nowhere else.
const PACKAGES: &[Package] = &[
    package("apache2-bin", "many modules, for which the closure is compared with the loader"),
    package("bind9-dnsutils", "dig, the client of unbound and dnsmasq"),
    package("busybox-static", "a static program for the jail; and the probe that walks the tree from inside"),
    package("curl", "the client of nginx"),
    package("debootstrap", "makes the virtual machine's system, and those of other processors to look at"),
    package("dns-root-data", "the trust anchor that unbound starts with"),
    package("dnsmasq", "a daemon whose shipped profile is tested"),
    package("e2fsprogs", "makes its disk"),
    package("fish", "a shell whose completions are tested"),
    package("g++", "compiles libFuzzer, which is C++"),
    package("gcc", "small C programs that the tests run in a jail, and the linker"),
    package("gdb", "a program of 60 libraries, for which the closure is compared with the loader"),
    package("git", "many programs, likewise"),
    package("gunicorn", "a server of Python programs, tested behind nginx"),
    package("haproxy", "a daemon whose shipped profile is tested"),
    package("libc6-dev", "headers for them"),
    package("libc6-i386", "a loader for programs of 32 bits, which the closure is compared with"),
    package("libmemcached-tools", "the client of memcached"),
    package("libnginx-mod-http-echo", "a module of nginx, whose directory the shipped profile brings"),
    package("mandoc", "lints the man pages"),
    package("memcached", "a daemon whose shipped profile is tested"),
    package("musl", "its loader, which the closure is compared with"),
    package("nginx", "a daemon whose shipped profile is tested"),
    package("nodejs", "a runtime that is tested"),
    // With Node.js from its makers it comes along, and Debian's would not fit.
    Package { program: Some("npm"), ..package("npm", "fetches files for FreeBSD and other processors to look at") },
    package("openjdk-17-jdk-headless", "a runtime that is tested, and the compiler of its test"),
    package("openssh-client", "the client of sshd"),
    package("openssh-server", "a daemon whose shipped profile is tested"),
    package("openssl", "the TLS server that a test in Java asks"),
    package("perl", "a runtime that is tested"),
    package("php8.2-fpm", "a daemon whose shipped profile is tested, and a runtime"),
    package("postgresql-15", "a daemon whose shipped profile is tested, and its clients"),
    package("python3-jsonschema", "the validator that the schema of profiles is tried with"),
    package("python3-venv", "where the linker for FreeBSD is installed, and what fetches modules of others"),
    package("qemu-system-x86", "runs it"),
    package("qemu-user-static", "runs the loader of ARM, which the closure is compared with"),
    package("qemu-utils", "makes the disk that it writes to"),
    package("redis-server", "a daemon whose shipped profile is tested"),
    package("redis-tools", "the client of redis"),
    package("ruby", "a runtime that is tested"),
    package("runit", "an init that supervises, which is to see the daemon itself"),
    package("samba-libs", "many libraries with paths of their own, for which the closure is compared with the loader"),
    package("shellcheck", "lints the shell scripts that we ship and write"),
    package("strace", "shows which files a program opened, which the closure must hold"),
    package("systemd", "systemd-analyze, which verifies the units that we write"),
    package("unbound", "a daemon whose shipped profile is tested"),
    package("zsh", "a shell whose completions are tested"),
];

/// What only `cargo xtask bench` runs.
const PEERS: &[Package] = &[
    package("bubblewrap", "a peer"),
    package("crun", "a peer"),
    package("firejail", "a peer"),
    package("gcc", "compiles the program that tells when its main began"),
    package("gdb", "a program of 60 libraries, that peers list"),
    package("libc6-dev", "a static libc for it"),
    package("libtree", "a peer of ldd"),
    package("pax-utils", "a peer of ldd: lddtree"),
    package("python3-pyelftools", "reads ELF for lddtree"),
    package("systemd-container", "a peer: systemd-nspawn"),
];

pub(crate) fn all() -> Vec<Package> {
    PACKAGES.to_vec()
}

/// Those that are not installed. On a system without dpkg that can't be told, and none is reported.
pub(crate) fn missing() -> Vec<Package> {
    missing_of(PACKAGES)
}

/// The same for the bench.
pub(crate) fn missing_peers() -> Vec<Package> {
    missing_of(PEERS)
}

fn missing_of(packages: &[Package]) -> Vec<Package> {
    let query = Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status} ${Package}\n"])
        .args(packages.iter().map(|package| package.name))
        .stdin(Stdio::null())
        .output();
    match query {
        Ok(query) => absent(packages, &String::from_utf8_lossy(&query.stdout)),
        Err(_) => Vec::new(),
    }
}

fn absent(packages: &[Package], listing: &str) -> Vec<Package> {
    let installed: Vec<&str> = listing.lines().filter_map(|line| line.strip_prefix("installed ")).collect();
    let there = |package: &Package| installed.contains(&package.name) || package.program.is_some_and(is_in_path);
    packages.iter().filter(|package| !there(package)).copied().collect()
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// The one command that installs these.
pub(crate) fn install_line(packages: &[Package]) -> String {
    let names: Vec<&str> = packages.iter().map(|package| package.name).collect();
    format!("sudo apt-get install --no-install-recommends {}", names.join(" "))
}

/// The mirror that this machine's apt already uses.
pub(crate) fn mirror() -> Result<String> {
    let mut query = Command::new("apt-get");
    query.args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
    let mirrors = command::output(&mut query)?;
    let mirror = mirrors.lines().find(|line| line.ends_with("/debian/"));
    mirror.map(str::to_owned).ok_or_else(|| Error::new("find apt's mirror"))
}

/// Whether we are the one who may install, on a system that has what it takes.
pub(crate) fn can_install() -> bool {
    let uid = Command::new("id").arg("-u").output().map(|id| id.stdout).unwrap_or_default();
    uid == b"0\n" && Path::new("/usr/bin/apt-get").exists()
}

/// Installs these, and starts none of the daemons among them.
pub(crate) fn install(packages: &[Package]) -> Result<()> {
    let _policy = Policy::deny_starts()?;
    // An index of somebody else's that can't be fetched is no reason to give up: the install says what it lacks.
    if !command::succeeds(apt().arg("update"))? {
        println!("(apt-get update had errors; going on with the indexes that are there)");
    }
    command::run(
        apt().args(["-y", "--no-install-recommends", "install"]).args(packages.iter().map(|package| package.name)),
    )
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt.args(["-q", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]);
    // A configuration file that is already there stays as its owner left it, without a question.
    apt.args(["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]);
    apt
}

/// The file that tells packages not to start their daemons; ours only while we install.
struct Policy {
    ours: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";
const POLICY_TEXT: &str =
    "#!/bin/sh\n# Put here by `cargo xtask` while it installs packages; may be removed.\nexit 101\n";

impl Policy {
    fn deny_starts() -> Result<Self> {
        let ours = match fs::read_to_string(POLICY) {
            // Left by a chore that was killed.
            Ok(text) if text == POLICY_TEXT => true,
            Ok(_) => false,
            Err(_) => {
                fs::write(POLICY, POLICY_TEXT).context(|| format!("write {POLICY}"))?;
                command::run(Command::new("chmod").args(["755", POLICY]))?;
                true
            }
        };
        Ok(Self { ours })
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("xtask: remove {POLICY}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_was_removed_and_not_purged_is_absent() {
        let listing: String = PACKAGES
            .iter()
            .map(|package| match package.name {
                "nginx" => "config-files nginx\n".to_owned(),
                "curl" => String::new(),
                name => format!("installed {name}\n"),
            })
            .collect();
        let names: Vec<&str> = absent(PACKAGES, &listing).iter().map(|package| package.name).collect();
        assert_eq!(names, ["curl", "nginx"]);
    }

    #[test]
    fn a_package_whose_program_came_from_elsewhere_is_not_absent() {
        let of = |program| Package { program: Some(program), ..package("x", "y") };
        assert_eq!(absent(&[of("sh")], "").len(), 0);
        assert_eq!(absent(&[of("no-such-program")], "").len(), 1);
        assert_eq!(absent(&[of("no-such-program")], "installed x\n").len(), 0);
    }

    #[test]
    fn every_package_has_a_reason_and_stands_in_order() {
        assert!(PACKAGES.iter().all(|package| !package.why.is_empty()));
        assert!(PACKAGES.is_sorted_by_key(|package| package.name));
    }
}
