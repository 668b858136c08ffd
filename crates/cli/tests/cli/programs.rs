//! What is wrong with a program: found before anything is touched.

use std::fs;

use thinjail_tests::{need, skip};

use crate::run_thinjail::{said, thinjail};
use crate::scratch::Scratch;

/// The header of an ELF program for another processor.
fn elf_of_another_machine() -> Vec<u8> {
    let other: u16 = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
    elf.resize(16, 0);
    elf.extend(2_u16.to_le_bytes());
    elf.extend(other.to_le_bytes());
    elf.extend(1_u32.to_le_bytes());
    elf.resize(64, 0);
    elf[52..54].copy_from_slice(&64_u16.to_le_bytes());
    elf[54..56].copy_from_slice(&56_u16.to_le_bytes());
    elf[58..60].copy_from_slice(&64_u16.to_le_bytes());
    elf
}

#[test]
fn a_program_that_is_not_there_is_127() {
    let what = "run /nonexistent/program: /nonexistent does not exist";
    thinjail(&["run", "/nonexistent/program"]).fails(127, what, "install");
    thinjail(&["plan", "/nonexistent/program"]).fails(1, what, "install");
    let what = "run nosuchprogram: there is no such program in /";
    thinjail(&["run", "--", "nosuchprogram"]).fails(127, what, "install");
}

#[test]
fn a_file_that_is_no_program_is_126() {
    let scratch = Scratch::new();
    let text = scratch.file_with_mode("text", "just text\n", 0o755);
    thinjail(&["run", &text]).fails(
        126,
        &format!("run {text}: it is neither an ELF file nor a script"),
        "check that it is the program",
    );
    thinjail(&["run", scratch.str()]).fails(
        126,
        &format!("run {}: it is a directory", scratch.str()),
        "check that it is the program",
    );
}

#[test]
fn a_file_without_the_execute_bit_is_126() {
    let scratch = Scratch::new();
    let program = scratch.path().join("sh");
    fs::copy("/bin/sh", &program).unwrap();
    let program = scratch.file_with_mode("sh", fs::read(&program).unwrap(), 0o644);
    thinjail(&["run", &program]).fails(
        126,
        &format!("run {program}: it has no execute permission"),
        "check that it is the program",
    );
}

#[test]
fn a_program_that_the_caller_may_not_read_is_126() {
    need!(skip::root());
    let scratch = Scratch::new();
    let program = scratch.file_with_mode("sh", fs::read("/bin/sh").unwrap(), 0o711);
    // Root may read everything, so another user asks; that one has to get at thinjail, too.
    let said = said(scratch.thinjail_of_another_user().args(["run", &program]));
    said.fails(126, &format!("run {program}: it can't be read: Permission denied"), "check that it is the program");
}

#[test]
fn a_program_of_another_machine_is_126() {
    let scratch = Scratch::new();
    let program = scratch.file_with_mode("other", elf_of_another_machine(), 0o755);
    thinjail(&["run", &program]).fails(126, "which this system does not run", "check that it is the program");
}

#[test]
fn a_script_whose_interpreter_is_missing_is_refused() {
    let scratch = Scratch::new();
    let script = scratch.file_with_mode("script", "#!/nonexistent/interpreter -x\n", 0o755);
    let said = thinjail(&["run", &script]);
    assert!(matches!(said.code, 125..=127), "{said:?}");
    said.fails(said.code, "/nonexistent/interpreter", "install");
}

#[test]
fn check_lists_every_problem_and_run_the_first() {
    let words = ["--user", "nosuchuser", "--read", "/nonexistent/x", "/nonexistent/program"];
    let said = thinjail(&[&["run"][..], &words].concat());
    said.fails(said.code, "/nonexistent/program", "install");
    assert!(said.err.contains(&format!("and 2 more; `thinjail check {}` lists all", words.join(" "))), "{said:?}");
    let said = thinjail(&[&["check"][..], &words].concat());
    assert_eq!((said.code, said.err.as_str()), (1, ""), "{said:?}");
    for problem in ["nosuchuser", "/nonexistent/x", "/nonexistent/program"] {
        assert!(said.out.contains(problem), "{problem} is missing: {said:?}");
    }
    assert_eq!(said.out.lines().filter(|line| !line.starts_with(' ')).count(), 3, "{said:?}");
}
