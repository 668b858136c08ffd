//! A command written as one string: split on spaces and quotes. Never a shell: no variable, no `;`, no `*` means anything.

use super::Words;

/// Why a line is no list of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// A quote without its second half.
    #[error("the {0} quote is never closed")]
    Unclosed(char),
    /// `\` as the last character.
    #[error("there is nothing after the last `\\`")]
    Dangling,
}

impl Words {
    /// The words, one by one.
    pub fn list(&self) -> Result<Vec<String>, WordsError> {
        match self {
            Self::List(list) => Ok(list.clone()),
            Self::Line(line) => split(line),
        }
    }

    /// Whether nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::List(list) => list.is_empty(),
            Self::Line(line) => line.trim().is_empty(),
        }
    }
}

/// `'...'` keeps everything, `"..."` everything but `\"` and `\\`, and `\` outside of quotes keeps the next character.
pub fn split(line: &str) -> Result<Vec<String>, WordsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(chars.next().ok_or(WordsError::Dangling)?),
            '\'' | '"' => quoted(c, &mut chars, word.get_or_insert_default())?,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// The line that has a shell do what another line says.
#[must_use]
pub fn by_shell(line: &str) -> String {
    // In double quotes only these two mean anything.
    format!("/bin/sh -c \"{}\"", line.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The first word of a line that means something to a shell and nothing here. Quotes and `\\` say that it is meant as it is.
#[must_use]
pub fn shell(line: &str) -> Option<&str> {
    const WORDS: [&str; 9] = ["&&", "||", "|", "&", ";", ">", ">>", "<", "2>&1"];
    let mut quote = None;
    let mut start = 0;
    let mut escaped = false;
    let mut plain = true;
    for (at, c) in line.char_indices().chain([(line.len(), ' ')]) {
        match (quote, c) {
            _ if escaped => escaped = false,
            (_, '\\') => (escaped, plain) = (true, false),
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => (quote, plain) = (Some(c), false),
            (None, c) if c.is_ascii_whitespace() => {
                let word = &line[start..at];
                let told = WORDS.contains(&word)
                    || word.starts_with(['$', '`', '>', '<', '~'])
                    || word.contains("$(")
                    || (word.len() > 1 && word.ends_with(';'));
                if plain && told {
                    return Some(word);
                }
                (start, plain) = (at + 1, true);
            }
            (None, _) => {}
        }
    }
    None
}

fn quoted(quote: char, chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), WordsError> {
    loop {
        match chars.next().ok_or(WordsError::Unclosed(quote))? {
            c if c == quote => return Ok(()),
            '\\' if quote == '"' => match chars.next().ok_or(WordsError::Unclosed(quote))? {
                c @ ('"' | '\\') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Vec<String>, WordsError> {
        split(line)
    }

    #[test]
    fn spaces_split_and_quotes_hold_together() {
        assert_eq!(words("a  b\tc"), Ok(vec!["a".into(), "b".into(), "c".into()]));
        assert_eq!(words(r#"nginx -g "daemon off;""#), Ok(vec!["nginx".into(), "-g".into(), "daemon off;".into()]));
        assert_eq!(words(r#"a'b c'd "" \ e"#), Ok(vec!["ab cd".into(), String::new(), " e".into()]));
        assert_eq!(words("  "), Ok(vec![]));
    }

    #[test]
    fn single_quotes_keep_backslashes_and_double_ones_only_escape_themselves() {
        assert_eq!(words(r"'a\b'"), Ok(vec![r"a\b".into()]));
        assert_eq!(words(r#""a\"b\\c\n""#), Ok(vec![r#"a"b\c\n"#.into()]));
    }

    #[test]
    fn nothing_of_a_shell_means_anything() {
        assert_eq!(words("echo $HOME;ls *"), Ok(vec!["echo".into(), "$HOME;ls".into(), "*".into()]));
    }

    #[test]
    fn what_only_a_shell_understands_is_found_unless_it_is_quoted() {
        for (line, word) in [
            ("/bin/a && /bin/b", "&&"),
            ("/bin/a >/var/log/a", ">/var/log/a"),
            ("/bin/a $HOME/x", "$HOME/x"),
            ("/bin/a 2>&1", "2>&1"),
            ("nginx -g daemon off;", "off;"),
            ("/bin/a --x=$(date)", "--x=$(date)"),
            ("/bin/a | /bin/b", "|"),
            ("~/bin/a", "~/bin/a"),
        ] {
            assert_eq!(shell(line), Some(word), "{line}");
        }
        for line in ["nginx -g 'daemon off;'", r"a \$b", "a \"$HOME && x\"", "a --pattern=*.c x=y&z", "a b ;c", ""] {
            assert_eq!(shell(line), None, "{line}");
        }
    }

    #[test]
    fn a_line_for_a_shell_comes_out_as_it_was() {
        for line in ["a && b", r#"echo "x y" > 'z\'"#] {
            assert_eq!(split(&by_shell(line)), Ok(vec!["/bin/sh".into(), "-c".into(), line.into()]));
        }
    }

    #[test]
    fn an_open_quote_is_an_error() {
        assert_eq!(words("a 'b"), Err(WordsError::Unclosed('\'')));
        assert_eq!(words("a \"b\\"), Err(WordsError::Unclosed('"')));
        assert_eq!(words("a\\"), Err(WordsError::Dangling));
    }
}
