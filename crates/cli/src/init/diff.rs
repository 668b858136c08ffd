//! What changes in a file, as diff(1) -u shows it: one hunk, which is all that the files of a service need.

use std::fmt::Write as _;

use super::place::State;

/// Lines around a change.
const AROUND: usize = 3;

/// Empty where nothing changes.
pub(crate) fn diff(path: &str, before: &State, after: &State) -> String {
    if before == after {
        return String::new();
    }
    let name = |state: &State| if *state == State::Absent { "/dev/null" } else { path }.to_owned();
    let mut text = format!("--- {}\n+++ {}\n", name(before), name(after));
    let (old, new) = (lines(before), lines(after));
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let rest = old.len().min(new.len()) - same;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(old, new)| old == new).count();
    let (start, end) = (same.saturating_sub(AROUND), AROUND.min(tail));
    let range = |lines: &[String]| {
        let count = lines.len() - tail + end - start;
        format!("{},{count}", if count == 0 { start } else { start + 1 })
    };
    // Writing to a string can't fail.
    let _ = writeln!(text, "@@ -{} +{} @@", range(&old), range(&new));
    let mut put = |mark: char, lines: &[String]| {
        lines.iter().for_each(|line| {
            let _ = writeln!(text, "{mark}{line}");
        })
    };
    put(' ', &old[start..same]);
    put('-', &old[same..old.len() - tail]);
    put('+', &new[same..new.len() - tail]);
    put(' ', &old[old.len() - tail..old.len() - tail + end]);
    text
}

/// A link is one line; so is the mode of a file, where it matters.
fn lines(state: &State) -> Vec<String> {
    match state {
        State::Absent => Vec::new(),
        State::Link { to } => vec![format!("(a link to {to})")],
        State::File { text, .. } => text.lines().map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> State {
        State::File { text: text.to_owned(), mode: 0o644, owner: None }
    }

    #[test]
    fn a_new_file_is_all_of_its_lines() {
        assert_eq!(diff("/x", &State::Absent, &file("a\nb\n")), "--- /dev/null\n+++ /x\n@@ -0,0 +1,2 @@\n+a\n+b\n");
        assert_eq!(diff("/x", &file("a\n"), &State::Absent), "--- /x\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n");
        assert_eq!(diff("/x", &file("a\n"), &file("a\n")), "");
    }

    #[test]
    fn a_change_has_the_lines_around_it() {
        let (old, new) = (file("1\n2\n3\n4\n5\n6\n7\n8\n9\n"), file("1\n2\n3\n4\nx\ny\n6\n7\n8\n9\n"));
        let text = "--- /x\n+++ /x\n@@ -2,7 +2,8 @@\n 2\n 3\n 4\n-5\n+x\n+y\n 6\n 7\n 8\n";
        assert_eq!(diff("/x", &old, &new), text);
    }
}
