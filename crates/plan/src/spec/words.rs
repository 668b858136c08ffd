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
    fn an_open_quote_is_an_error() {
        assert_eq!(words("a 'b"), Err(WordsError::Unclosed('\'')));
        assert_eq!(words("a \"b\\"), Err(WordsError::Unclosed('"')));
        assert_eq!(words("a\\"), Err(WordsError::Dangling));
    }
}
