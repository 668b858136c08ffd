//! Files of variables as systemd.exec(5) reads an EnvironmentFile: `NAME=VALUE` a line, comments, quotes. Never a shell: nothing in
//! a value is replaced by anything. A file may hold passwords, so no message has a word of it but a name.

/// What is larger is no such file.
pub const MOST: u64 = 1 << 18;

/// Why a line is none, and which one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LineFault {
    /// Counted from 1.
    pub line: usize,
    /// A lowercase fragment.
    pub why: String,
    /// What to do about it.
    pub help: String,
}

impl LineFault {
    fn new(line: usize, why: impl Into<String>, help: &str) -> Self {
        Self { line, why: why.into(), help: help.into() }
    }
}

/// The variables in the order of the file.
///
/// # Errors
/// The first line that is none.
pub fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>, LineFault> {
    let line_of = |end: usize| 1 + bytes.iter().take(end).filter(|&&byte| byte == b'\n').count();
    let text = std::str::from_utf8(bytes)
        .map_err(|error| LineFault::new(line_of(error.valid_up_to()), "it is not UTF-8", "save the file as UTF-8"))?;
    if let Some(at) = text.find('\0') {
        return Err(LineFault::new(line_of(at), "a NUL byte is in it, which no variable can have", "take it out"));
    }
    let text = text.replace("\r\n", "\n");
    let mut reader = Reader { rest: text.chars().peekable(), line: 1 };
    let mut found = Vec::new();
    while let Some(variable) = reader.variable()? {
        found.push(variable);
    }
    Ok(found)
}

/// Whether a variable may be called so.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(plain)
}

/// What decides which files are inside has to be known when that is decided, by everybody who reads the plan.
#[must_use]
pub fn decides_files(name: &str) -> bool {
    name == "PATH" || name.starts_with("LD_")
}

struct Reader<'t> {
    rest: std::iter::Peekable<std::str::Chars<'t>>,
    line: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.next();
        self.line += usize::from(c == Some('\n'));
        c
    }

    /// The next variable, after comments and empty lines.
    fn variable(&mut self) -> Result<Option<(String, String)>, LineFault> {
        loop {
            match self.rest.peek() {
                None => return Ok(None),
                Some('#' | ';') => self.comment(),
                Some(c) if c.is_whitespace() => drop(self.next()),
                Some(_) => break,
            }
        }
        let line = self.line;
        let name = self.name()?;
        let value = self.value(line)?;
        if decides_files(&name) {
            let why = format!("{name} decides which files are inside, and so has to be in the profile itself");
            return Err(LineFault::new(line, why, "write it in `env`"));
        }
        Ok(Some((name, value)))
    }

    /// As systemd has it, a comment that ends in a backslash goes on.
    fn comment(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '\n' => return,
                '\\' => drop(self.next()),
                _ => {}
            }
        }
    }

    fn name(&mut self) -> Result<String, LineFault> {
        let line = self.line;
        let mut name = String::new();
        loop {
            match self.rest.peek() {
                Some('=') => {
                    self.next();
                    break;
                }
                // What was meant for a value may be a password: it is not repeated.
                None | Some('\n') => {
                    let help = "write NAME=VALUE; nothing of the caller's is handed on";
                    return Err(LineFault::new(line, "there is no = in it", help));
                }
                Some(_) => name.extend(self.next()),
            }
        }
        let name = name.trim();
        if name.split_whitespace().next() == Some("export") {
            return Err(LineFault::new(line, "`export` is a shell's word", "take it out: NAME=VALUE is all"));
        }
        if !is_name(name) {
            let why = "what stands before the = is no name of a variable";
            return Err(LineFault::new(line, why, "write letters, digits and _, no digit first"));
        }
        Ok(name.to_owned())
    }

    /// Up to the end of the line, or of the quotes on it.
    fn value(&mut self, line: usize) -> Result<String, LineFault> {
        let mut value = String::new();
        // Of a value without quotes, what is at its end and may be only blanks.
        let mut blanks = String::new();
        while self.rest.peek().is_some_and(|c| matches!(c, ' ' | '\t')) {
            self.next();
        }
        while let Some(c) = self.next() {
            match c {
                '\n' => return Ok(value),
                ' ' | '\t' => {
                    blanks.push(c);
                    continue;
                }
                _ => value.push_str(&std::mem::take(&mut blanks)),
            }
            match c {
                '\'' | '"' => self.quoted(c, line, &mut value)?,
                // It keeps the next character; before the end of the line it joins the next one.
                '\\' => value.extend(self.next().filter(|c| *c != '\n')),
                c => value.push(c),
            }
        }
        Ok(value)
    }

    fn quoted(&mut self, quote: char, line: usize, value: &mut String) -> Result<(), LineFault> {
        while let Some(c) = self.next() {
            match c {
                c if c == quote => return Ok(()),
                '\\' if quote == '"' => match self.next() {
                    Some('\n') | None => {}
                    Some(c @ ('"' | '\\' | '`' | '$')) => value.push(c),
                    Some(c) => value.extend(['\\', c]),
                },
                c => value.push(c),
            }
        }
        Err(LineFault::new(line, format!("the {quote} quote is never closed"), "close it"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn value(text: &str) -> String {
        let mut found = parse(text.as_bytes()).unwrap();
        assert_eq!((found.len(), found[0].0.as_str()), (1, "A"), "{text}");
        found.remove(0).1
    }

    /// The rules of systemd.exec(5).
    #[test]
    fn values_are_what_systemd_makes_of_them() {
        for (text, expected) in [
            ("A=one", "one"),
            ("A = one two  ", "one two"),
            ("\n# B=1\n; C=2\n  A=\n", ""),
            ("A='one \\n $two'", "one \\n $two"),
            ("A=\"a \\\"b\\\" \\$c \\n \\\\\"", "a \"b\" $c \\n \\"),
            ("A=a'b c'\"d\"", "ab cd"),
            ("A=one \\\n two", "one  two"),
            ("A=a\\ b\\n", "a bn"),
            ("A='first\nsecond'", "first\nsecond"),
            ("A=#no comment", "#no comment"),
            ("A=b=c\r\n", "b=c"),
            ("# goes on \\\nB=1\nA=2", "2"),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_line_is_told_by_its_number_and_never_by_its_words() {
        for (text, line, why) in [
            ("A=1\nsecret\n", 2, "there is no = in it"),
            ("\nexport A=secret", 2, "`export` is a shell's word"),
            ("A='x\ny'\nsecret key=1", 3, "what stands before the = is no name of a variable"),
            ("A=1\nB='secret\n\n", 2, "the ' quote is never closed"),
            ("A=1\nPATH=/secret", 2, "PATH decides which files are inside, and so has to be in the profile itself"),
            ("LD_PRELOAD=x", 1, "LD_PRELOAD decides which files are inside, and so has to be in the profile itself"),
            ("A=1\nB=\0", 2, "a NUL byte is in it, which no variable can have"),
        ] {
            let fault = parse(text.as_bytes()).unwrap_err();
            assert_eq!((fault.line, fault.why.as_str()), (line, why), "{text}");
            assert!(!format!("{fault:?}").contains("secret"), "{fault:?}");
        }
        assert_eq!(parse(b"A=1\n\xff").unwrap_err().line, 2);
    }
}
