//! A file of the host that is replaced by rename(2) while a jail has it.

use std::fs;

use thinjail_tests::host::alone;
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip, wait};

#[test]
fn a_file_that_was_replaced_on_the_host_is_the_new_one_inside_after_a_refresh() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    let (write, conf) = (temp.dir("data").display().to_string(), temp.file("conf", "first\n"));
    let script = format!(
        "while :; do cat {0} >{write}/new; mv {write}/new {write}/seen; echo x >{0}; sleep 0.05; done 2>/dev/null",
        conf.display()
    );
    let profile = format!(
        "command = [\"/bin/sh\", \"-c\", \"{script}\"]\nuser = \"root\"\nprograms = [\"cat\", \"mv\", \"sleep\"]\n\
         write = [\"{write}\"]\nread = [\"{}\"]\n",
        conf.display()
    );
    let name = "scenario-refresh";
    let profiles = temp.profile(name, &profile);
    let ask = |verb: &str| thinjail([verb, name]).profiles(&profiles).run();
    let seen = |text: &str| fs::read_to_string(format!("{write}/seen")).is_ok_and(|seen| seen == text);
    ask("start").expect_code(0);
    wait::until_true("it has read the first one", || seen("first\n"));
    let next = temp.file("next", "second\n");
    fs::rename(next, &conf).unwrap();
    ask("refresh").expect_code(0);
    wait::until_true("it reads the second one", || seen("second\n"));
    assert_eq!(ask("refresh").expect_code(0).stdout, "");
    assert!(!ask("status").expect_code(0).stdout.contains("stale: "));
    ask("stop").expect_code(0);
    assert_eq!(fs::read_to_string(&conf).unwrap(), "second\n", "the jail has not written to it");
    ask("refresh").expect_code(7);
}
