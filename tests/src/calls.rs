//! System calls by name, for programs that make them by number.

use std::collections::BTreeMap;
use std::process::Command;

/// The numbers that the kernel's header gives them on this machine.
///
/// # Panics
///
/// If there is no C preprocessor; ask `skip::program("cc")` before.
#[must_use]
pub fn numbers() -> BTreeMap<String, u64> {
    let list = "echo '#include <sys/syscall.h>' | cc -E -dM -";
    let header = Command::new("sh").args(["-c", list]).output().expect("run the C preprocessor");
    let numbers: BTreeMap<String, u64> = String::from_utf8_lossy(&header.stdout)
        .lines()
        .filter_map(|line| {
            let (name, number) = line.strip_prefix("#define __NR_")?.split_once(' ')?;
            Some((name.to_owned(), number.parse().ok()?))
        })
        .collect();
    assert!(numbers.contains_key("execve"), "the header names no system calls");
    numbers
}

/// The same as a hash for Perl: `our %N = (...);`.
#[must_use]
pub fn perl() -> String {
    let pairs: String = numbers().iter().map(|(name, number)| format!("{name}=>{number},")).collect();
    format!("our %N = ({pairs});\n")
}
