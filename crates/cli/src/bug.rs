//! A panic is a bug of ours, and says so.

use crate::report;

/// In place of the usual message, which is written for the one who wrote the program.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("no message");
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        report::say(&format!("this is a bug in thinjail {}: {text}, at {at}", env!("CARGO_PKG_VERSION")));
        report::line("  help: please report it with this line and the command that you typed");
    }));
}
