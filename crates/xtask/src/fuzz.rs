//! `cargo xtask fuzz`: libFuzzer over the parsers of hostile files and the walk, from the corpus that is kept in fuzz/corpus.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::command;
use crate::error::{Context, Error, Result};
use crate::workspace::Workspace;

/// Each has a file in fuzz/fuzz_targets and a directory in fuzz/corpus.
pub(crate) const TARGETS: &[&str] = &[
    "elf",
    "ld_elf_hints",
    "ld_so_cache",
    "ld_so_conf",
    "libmap",
    "musl_path",
    "notes",
    "nsswitch",
    "script",
    "tokens",
    "walk",
];

/// In CI.
pub(crate) const SHORT: Duration = Duration::from_secs(15);

/// As many as a small machine has processors.
const AT_ONCE: usize = 2;

/// What cargo-fuzz asks of the compiler: counters at every edge and comparison. The pass is in every rustc.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];

/// `fuzz [--for TIME] [TARGET...]`.
pub(crate) fn fuzz(workspace: &Workspace, words: &[&str]) -> Result<bool> {
    let (time, targets) = match words {
        ["--for", time, targets @ ..] => (duration(time)?, targets),
        targets => (SHORT, targets),
    };
    if let Some(unknown) = targets.iter().find(|target| !TARGETS.contains(target)) {
        return Err(Error::new(format!("no fuzz target {unknown}: there are {}", TARGETS.join(", "))));
    }
    run(workspace, time, if targets.is_empty() { TARGETS } else { targets })
}

/// Runs each target so long, and ends with a table. Whether none found anything.
pub(crate) fn run(workspace: &Workspace, time: Duration, targets: &[&str]) -> Result<bool> {
    let dir = workspace.dir("fuzz")?;
    let programs = build(workspace, &dir)?;
    let mut rows = Vec::new();
    for pair in targets.chunks(AT_ONCE) {
        let runs: Vec<Run> =
            pair.iter().map(|target| Run::start(workspace, &dir, &programs, target, time)).collect::<Result<_>>()?;
        for run in runs {
            rows.push(run.end()?);
        }
    }
    println!("\ntarget        executions");
    for row in &rows {
        println!("{:13} {:>10}  {}", row.target, row.executions, if row.passed { "ok" } else { "FAILED" });
    }
    println!("{:13} {:>10}", "all", rows.iter().map(|row| row.executions).sum::<u64>());
    Ok(rows.iter().all(|row| row.passed && row.executions > 0))
}

/// 15s, 10m or 2h.
fn duration(text: &str) -> Result<Duration> {
    let unit = [("s", 1), ("m", 60), ("h", 3600)];
    let found = unit.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?.parse::<u64>().ok()?, seconds)));
    let (count, seconds) = found.ok_or_else(|| Error::new(format!("take {text} for a time: write 15s, 10m or 2h")))?;
    Ok(Duration::from_secs(count * seconds))
}

/// Gives the directory of the programs.
fn build(workspace: &Workspace, dir: &Path) -> Result<PathBuf> {
    let mut cargo = workspace.cargo(&["build", "--release", "--locked", "--bins", "--target", "host-tuple"]);
    cargo.current_dir(workspace.root().join("fuzz")).arg("--target-dir").arg(dir).env("RUSTFLAGS", FLAGS.join(" "));
    command::run(&mut cargo)?;
    // Below a directory that has the name of the system.
    let entries = fs::read_dir(dir).context(|| format!("list {}", dir.display()))?;
    let mut found = entries.flatten().map(|entry| entry.path().join("release"));
    found.find(|path| path.join("walk").exists()).ok_or_else(|| Error::new("find the fuzz targets that cargo built"))
}

/// A target that runs.
struct Run {
    target: String,
    child: Child,
    log: PathBuf,
}

/// How it ended.
struct Row {
    target: String,
    executions: u64,
    passed: bool,
}

impl Run {
    fn start(workspace: &Workspace, dir: &Path, programs: &Path, target: &str, time: Duration) -> Result<Self> {
        // New inputs go into the first directory; the kept ones are only read.
        let found = dir.join("corpus").join(target);
        fs::create_dir_all(&found).context(|| format!("make {}", found.display()))?;
        let log = dir.join(format!("{target}.log"));
        let out = fs::File::create(&log).context(|| format!("write {}", log.display()))?;
        let mut program = Command::new(programs.join(target));
        program.arg(&found).arg(workspace.root().join("fuzz/corpus").join(target));
        program.arg(format!("-max_total_time={}", time.as_secs()));
        program.arg(format!("-artifact_prefix={}/found-{target}-", dir.display()));
        // An input that takes seconds is as bad as one that crashes; memory has a bound of its own in each target.
        program.args(["-timeout=5", "-rss_limit_mb=1024", "-max_len=4096", "-print_final_stats=1"]);
        let child = program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(out).spawn();
        Ok(Self { target: target.into(), child: child.context(|| format!("run {target}"))?, log })
    }

    fn end(mut self) -> Result<Row> {
        let status = self.child.wait().context(|| format!("wait for {}", self.target))?;
        let text = fs::read(&self.log).context(|| format!("read {}", self.log.display()))?;
        let text = String::from_utf8_lossy(&text);
        if !status.success() {
            let from = text.find("panicked").or(text.find("ERROR")).unwrap_or(0);
            println!("{}: {}", self.target, text.get(from..).unwrap_or_default());
        }
        Ok(Row { executions: executions(&text), target: self.target, passed: status.success() })
    }
}

/// What libFuzzer counted.
fn executions(log: &str) -> u64 {
    let counts = log.lines().filter_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    counts.filter_map(|count| count.trim().parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        let seconds = |text| duration(text).ok().map(|time| time.as_secs());
        assert_eq!((seconds("15s"), seconds("10m"), seconds("2h")), (Some(15), Some(600), Some(7200)));
        assert_eq!((seconds("10"), seconds("m"), seconds("-1s")), (None, None, None));
    }

    #[test]
    fn executions_are_counted_where_libfuzzer_tells_them() {
        assert_eq!(executions("x\nstat::number_of_executed_units: 12\nstat::new_units_added: 3\n"), 12);
        assert_eq!(executions("panicked"), 0);
    }

    #[test]
    fn every_target_has_a_file_and_a_corpus() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
        let names = |dir: &str| {
            let entries = fs::read_dir(fuzz.join(dir)).into_iter().flatten().flatten();
            let mut names: Vec<String> =
                entries.filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned())).collect();
            names.sort();
            names
        };
        assert_eq!(names("fuzz_targets"), TARGETS);
        assert_eq!(names("corpus"), TARGETS);
    }
}
