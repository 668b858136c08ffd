//! Who is measured, by which command line, and the files that those need.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::command;
use crate::error::{Context, Result};

/// A command line under a name.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) argv: Vec<OsString>,
}

impl Peer {
    pub(super) fn new(name: &'static str, argv: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        Self { name, argv: argv.into_iter().map(|word| word.as_ref().to_owned()).collect() }
    }

    pub(super) fn command(&self) -> Command {
        let mut words = self.argv.iter();
        let mut command = Command::new(words.next().map_or(OsStr::new("true"), OsString::as_os_str));
        // cargo sets it for us, and every loader would look there first.
        command.args(words).stdin(Stdio::null()).env_remove("LD_LIBRARY_PATH");
        command
    }
}

/// A peer that doesn't run here, with what it said.
pub(super) type Absent = (&'static str, String);

/// The program that jails of all kinds run.
const PROGRAM: &str = "/bin/true";

/// The files that the command lines name.
pub(super) struct Scene {
    pub(super) thinjail: PathBuf,
    /// Says when its main began.
    pub(super) ready: PathBuf,
    /// Twenty files, to be mounted one by one.
    pub(super) files: Vec<PathBuf>,
    /// `PROGRAM`, its interpreter and its libraries.
    program: Vec<PathBuf>,
    /// An OCI bundle, whose rootfs holds copies of those.
    bundle: PathBuf,
}

impl Scene {
    /// Lays everything out below `dir`.
    pub(super) fn set(dir: &Path, thinjail: &Path, project: &Path) -> Result<Self> {
        let make = |dir: &Path| fs::create_dir_all(dir).context(|| format!("make {}", dir.display()));
        let ready = dir.join("ready");
        super::compile(&project.join("benches/ready.c"), &ready)?;

        make(&dir.join("files"))?;
        let files: Vec<PathBuf> = (0..20).map(|number| dir.join(format!("files/{number:02}"))).collect();
        for file in &files {
            fs::write(file, "one of twenty\n").context(|| format!("write {}", file.display()))?;
        }

        let program = needed(&command::output(Command::new("ldd").arg(PROGRAM))?);
        let bundle = dir.join("bundle");
        let root = bundle.join("rootfs");
        for file in &program {
            let copy = root.join(file.strip_prefix("/").unwrap_or(file));
            make(copy.parent().unwrap_or(&root))?;
            fs::copy(file, &copy).context(|| format!("copy {}", file.display()))?;
        }
        for mountpoint in ["proc", "dev", "usr", "etc", "tmp", "run", "sys"] {
            make(&root.join(mountpoint))?;
        }
        let config = bundle.join("config.json");
        fs::write(&config, OCI).context(|| format!("write {}", config.display()))?;
        Ok(Self { thinjail: thinjail.to_owned(), ready, files, program, bundle })
    }

    /// bubblewrap with these files, as an admin would write it by hand.
    pub(super) fn bwrap(&self, flags: &[&str], files: &[PathBuf], program: &Path) -> Vec<OsString> {
        let mut argv: Vec<OsString> = ["bwrap", "--unshare-pid"].iter().chain(flags).map(OsString::from).collect();
        for file in files {
            argv.extend(["--ro-bind".into(), file.into(), file.into()]);
        }
        argv.extend(["--proc", "/proc", "--dev", "/dev"].map(OsString::from));
        argv.push(program.into());
        argv
    }
}

/// The program and the paths that ldd(1) names.
fn needed(ldd: &str) -> Vec<PathBuf> {
    let libraries = ldd.split_whitespace().filter(|word| word.starts_with('/'));
    std::iter::once(PROGRAM).chain(libraries).map(PathBuf::from).collect()
}

/// Those that run here, and those that don't with what they said. All but the bare program do as much as they can of what
/// thinjail does.
pub(super) fn whole(scene: &Scene) -> (Vec<Peer>, Vec<Absent>) {
    let program = Path::new(PROGRAM);
    let root = scene.bundle.join("rootfs");
    let same = ["--unshare-ipc", "--unshare-uts", "--new-session", "--die-with-parent", "--cap-drop", "ALL"];
    let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let wanted = [
        Peer::new("bare `true`", [PROGRAM]),
        Peer::new("thinjail", [scene.thinjail.as_os_str(), "run".as_ref(), PROGRAM.as_ref()]),
        Peer::new("bwrap, by hand", scene.bwrap(&[], &scene.program, program)),
        Peer::new("bwrap, as tight", scene.bwrap(&same, &scene.program, program)),
        Peer::new("chroot", ["chroot".as_ref(), root.as_os_str(), PROGRAM.as_ref()]),
        Peer::new(
            "unshare",
            words(&["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--mount-proc", PROGRAM]),
        ),
        Peer::new("firejail", words(&["firejail", "--quiet", "--noprofile", PROGRAM])),
        Peer::new("crun", {
            let mut argv = words(&["crun", "--cgroup-manager=disabled", "run", "-b"]);
            argv.extend([scene.bundle.clone().into(), "thinjail-bench".into()]);
            argv
        }),
        Peer::new("systemd-nspawn", {
            let mut argv = words(&["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--directory"]);
            argv.extend([root.into(), PROGRAM.into()]);
            argv
        }),
    ];
    present(wanted)
}

/// Those of them that run here, and those that don't with what they said.
pub(super) fn present(wanted: impl IntoIterator<Item = Peer>) -> (Vec<Peer>, Vec<Absent>) {
    let mut peers = Vec::new();
    let mut absent = Vec::new();
    for peer in wanted {
        match peer.command().output() {
            Ok(output) if output.status.success() => peers.push(peer),
            Ok(output) => absent.push((peer.name, last_line(&String::from_utf8_lossy(&output.stderr)))),
            Err(error) => absent.push((peer.name, error.to_string())),
        }
    }
    (peers, absent)
}

fn last_line(text: &str) -> String {
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it failed").trim().to_owned()
}

/// As crun is asked to do what thinjail does: the same namespaces, /proc, a /dev in memory, no new privileges.
const OCI: &str = r#"{
  "ociVersion": "1.0.2",
  "process": {
    "terminal": false, "user": { "uid": 65534, "gid": 65534 }, "args": ["/bin/true"], "env": ["PATH=/bin"], "cwd": "/",
    "noNewPrivileges": true, "capabilities": { "bounding": [], "effective": [], "permitted": [] }
  },
  "root": { "path": "rootfs", "readonly": true },
  "mounts": [
    { "destination": "/proc", "type": "proc", "source": "proc" },
    { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"] }
  ],
  "linux": { "namespaces": [{ "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" }] }
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_names_libraries_and_the_interpreter() {
        let ldd = "\tlinux-vdso.so.1 (0x0)\n\tlibc.so.6 => /lib/libc.so.6 (0x1)\n\t/lib64/ld-linux.so.2 (0x2)\n";
        assert_eq!(needed(ldd), ["/bin/true", "/lib/libc.so.6", "/lib64/ld-linux.so.2"].map(PathBuf::from));
    }
}
