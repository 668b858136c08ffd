//! Variables of a file that only root reads.

use thinjail_tests::host::alone;
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::{TempDir, chmod};
use thinjail_tests::{need, skip};

use crate::SHELL;

#[test]
fn variables_of_an_env_file_are_the_programs_and_nobody_elses() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    let file = temp.file("secret.env", "# of the service\nPASSWORD='two words'\nOVER=file\n");
    chmod(&file, 0o600);
    let flag = format!("--env-file={}", file.display());
    let flags = ["--user", "65534", "--env", "OVER=flag", &flag];
    let script = format!("echo \"$PASSWORD, $OVER\"; [ -e '{}' ] || echo gone", file.display());
    let words = ["--", SHELL, "-c", &script];
    let jail = thinjail(["run"]).args(flags).args(words).run();
    assert_eq!(jail.expect_code(0).stdout, "two words, flag\ngone\n");
    let plan = thinjail(["plan"]).args(flags).args(words).run();
    let said = &plan.expect_code(0).stdout;
    assert!(said.contains("PASSWORD") && !said.contains("two words"), "{said}");

    // Whoever may write it would be the daemon's master.
    chmod(&file, 0o666);
    let refused = thinjail(["run"]).args(flags).args(words).run();
    refused.expect_stderr(&["env-file", "may write"]);
    assert_ne!(refused.code(), Some(0));
}
