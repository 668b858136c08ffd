//! Words as each kind of text takes them for one word, whatever is in them. What needs no quotes gets none.

fn plain(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@".contains(c);
    !word.is_empty() && word.chars().all(plain)
}

/// For sh(1): one word of a command.
pub(crate) fn sh(word: &str) -> String {
    if plain(word) { word.to_owned() } else { always_sh(word) }
}

/// The same with quotes around it in any case, as values are written.
pub(crate) fn always_sh(word: &str) -> String {
    let words = !word.is_empty() && word.split(' ').all(|word| word.is_empty() || plain(word));
    if words { format!("\"{word}\"") } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// For a value of sh(1) whose words are split once more by `eval`.
pub(crate) fn twice_sh(words: &[&str]) -> String {
    always_sh(&words.iter().map(|word| sh(word)).collect::<Vec<_>>().join(" "))
}

/// For a command of a unit; systemd.service(5): `%` and `$` are its own, and quotes take C's escapes.
pub(crate) fn unit(word: &str) -> String {
    if plain(word) {
        return word.to_owned();
    }
    let mut text = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '%' | '$' => text.extend([c, c]),
            c if c.is_control() => text.extend(c.to_string().bytes().map(|byte| format!("\\x{byte:02x}"))),
            c => text.push(c),
        }
    }
    text + "\""
}

/// For a line of prose, such as a comment or a description: on one line, and without what a unit or a shell could take for its
/// own.
pub(crate) fn prose(text: &str) -> String {
    let harmless = |c: char| c.is_alphanumeric() || " /._-+:,@()=".contains(c);
    text.chars().map(|c| if harmless(c) { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_quotes_gets_none() {
        assert_eq!(sh("/usr/bin/thinjail"), "/usr/bin/thinjail");
        assert_eq!(unit("/usr/bin/thinjail"), "/usr/bin/thinjail");
        assert_eq!(always_sh("/usr/bin/thinjail"), "\"/usr/bin/thinjail\"");
    }

    #[test]
    fn what_a_shell_or_a_unit_would_take_for_its_own_is_one_word() {
        let odd = "a b'c\"d$e%f`g\\h;i\n";
        assert_eq!(sh(odd), "'a b'\\''c\"d$e%f`g\\h;i\n'");
        assert_eq!(unit(odd), "\"a b'c\\\"d$$e%%f`g\\\\h;i\\x0a\"");
        assert_eq!(twice_sh(&["run", "a b"]), "'run \"a b\"'");
        assert_eq!(prose("a\nb$(c)`d`"), "a?b?(c)?d?");
    }
}
