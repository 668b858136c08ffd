//! What of a service is refused.

use super::*;

#[test]
fn of_when_it_is_started_again() {
    assert_eq!(problem("restart = \"sometimes\"").1, "write one of no, on-failure, always");
    assert_eq!(problem("restart = \"on_failure\"").1, "did you mean \"on-failure\"?");
    for key in ["restart-delay", "restart-delay-max", "restart-interval"] {
        let (what, help) = problem(&format!("restart = \"always\"\n{key} = \"soon\""));
        assert_eq!(what, format!("{key} = \"soon\" is no time"));
        assert!(help.contains("\"10s\""), "{help}");
    }
    let longer = "restart = \"always\"\nrestart-delay = \"2m\"\nrestart-delay-max = \"1m\"";
    assert_eq!(what(longer), "restart-delay is longer than restart-delay-max");
    let alone = "supervisor = false\nrestart = \"always\"";
    assert_eq!(what(alone), "supervisor = false: restart = \"always\" needs one who starts it again");
    assert_eq!(what("restart-limit = 3"), "restart-limit is written, and nothing is ever restarted");
}
