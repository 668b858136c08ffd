//! On what it was measured.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::dist;
use crate::error::Result;
use crate::workspace::Workspace;

/// Names and values, as they stand on the page.
pub(super) fn about(workspace: &Workspace, thinjail: &Path) -> Result<Vec<(&'static str, String)>> {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let (count, model) = cpu(&cpus);
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut git = Command::new("git");
    git.current_dir(workspace.root()).args(["log", "-1", "--format=%h of %cs"]);
    Ok(vec![
        ("commit", said(&mut git)),
        ("thinjail", dist::about(thinjail)),
        ("system", value(&system, "PRETTY_NAME=").trim_matches('"').to_owned()),
        ("kernel", said(Command::new("uname").arg("-sr"))),
        ("processor", format!("{count} x {model}")),
        ("load at the end", load.split_whitespace().next().unwrap_or("unknown").to_owned()),
        ("rustc", said(Command::new("rustc").arg("--version"))),
        ("bwrap", said(Command::new("bwrap").arg("--version"))),
        ("firejail", said(Command::new("firejail").arg("--version"))),
        ("crun", said(Command::new("crun").arg("--version"))),
    ])
}

/// The first line that a command prints.
fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&output);
    text.lines().next().filter(|line| !line.is_empty()).unwrap_or("not here").to_owned()
}

fn value<'a>(text: &'a str, key: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("unknown")
}

fn cpu(info: &str) -> (usize, String) {
    let models: Vec<&str> = info.lines().filter(|line| line.starts_with("model name")).collect();
    let model = models.first().and_then(|line| line.split_once(": ")).map_or("unknown", |(_, model)| model);
    (models.len(), model.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_and_named() {
        let info = "processor\t: 0\nmodel name\t: Fast\nprocessor\t: 1\nmodel name\t: Fast\n";
        assert_eq!(cpu(info), (2, "Fast".into()));
        assert_eq!(value("NAME=x\nPRETTY_NAME=\"y\"\n", "PRETTY_NAME="), "\"y\"");
    }
}
