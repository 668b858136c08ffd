//! How many tests passed, failed and were skipped.

use std::fmt;
use std::ops::AddAssign;

/// The sum that stands at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Totals {
    /// A line that we printed ourselves.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let [passed, failed, skipped] = fields(line, ", ", ["passed", "failed", "skipped"])?;
        Some(Self { passed, failed, skipped })
    }

    /// The line at the end of each test program: `test result: ok. 5 passed; 0 failed; 0 ignored; ...`.
    pub(crate) fn parse_libtest(line: &str) -> Option<Self> {
        let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
        let counts = counts.splitn(4, "; ").take(3).collect::<Vec<_>>().join("; ");
        let [passed, failed, skipped] = fields(&counts, "; ", ["passed", "failed", "ignored"])?;
        Some(Self { passed, failed, skipped })
    }

    /// A test that skips returns early, which its test program counts as passed.
    pub(crate) fn skip(&mut self, count: u64) {
        self.passed = self.passed.saturating_sub(count);
        self.skipped += count;
    }
}

fn fields(text: &str, between: &str, names: [&str; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut counts = [0; 3];
    for (count, name) in counts.iter_mut().zip(names) {
        *count = parts.next()?.strip_suffix(name)?.strip_suffix(' ')?.parse().ok()?;
    }
    parts.next().is_none().then_some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_program_counted_is_read() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        assert_eq!(Totals::parse_libtest(line), Some(Totals { passed: 5, failed: 2, skipped: 1 }));
        assert_eq!(Totals::parse_libtest("test totals::tests::x ... ok"), None);
    }

    #[test]
    fn the_closing_line_reads_as_it_was_written() {
        let totals = Totals { passed: 12, failed: 0, skipped: 3 };
        assert_eq!(totals.to_string(), "12 passed, 0 failed, 3 skipped");
        assert_eq!(Totals::parse(&totals.to_string()), Some(totals));
        assert_eq!(Totals::parse("12 passed, 0 failed, 3 skipped, 1 lost"), None);
    }

    #[test]
    fn a_skipped_test_is_not_a_passed_one() {
        let mut totals = Totals { passed: 5, failed: 1, skipped: 0 };
        totals.skip(2);
        assert_eq!(totals, Totals { passed: 3, failed: 1, skipped: 2 });
    }
}
