//! `#!` scripts, and the program that env(1) runs for them. execve(2).

use std::ops::ControlFlow;

/// The kernel looks at this many bytes, the last of which it takes for a NUL: `BINPRM_BUF_SIZE`.
pub const HEAD: usize = 256;

/// How many `#!` may follow on each other: the Linux kernel says `ELOOP` at the sixth.
pub const DEPTH_MAX: usize = 5;

/// What a `#!` line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shebang {
    /// The program to run.
    pub interpreter: String,
    /// All that follows, as one argument.
    pub argument: Option<String>,
}

fn blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Reads the `#!` line at the beginning of a file as the Linux kernel does. None where it would not run it: no `#!`, no
/// name, or a name that is longer than what the kernel looks at.
#[must_use]
pub fn parse(file: &[u8]) -> Option<Shebang> {
    let line = file.get(..file.len().min(HEAD - 1))?.strip_prefix(b"#!")?;
    let end = line.iter().position(|&byte| byte == b'\n' || byte == 0);
    let whole = end.is_some() || file.len() < HEAD;
    let line = line.get(..end.unwrap_or(line.len()))?;
    let line = line.get(line.iter().position(|&byte| !blank(byte))?..)?;
    let split = line.iter().position(|&byte| blank(byte));
    if split.is_none() && !whole {
        // The name may go on behind what the kernel sees.
        return None;
    }
    let (name, rest) = line.split_at(split.unwrap_or(line.len()));
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let argument = match rest.trim_ascii() {
        b"" => None,
        argument => Some(text(argument)?),
    };
    Some(Shebang { interpreter: text(name)?, argument })
}

/// What env(1) is asked to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvCall {
    /// The program; none where env would run nothing.
    pub program: Option<String>,
    /// The `PATH` it sets, in which it then looks for the program.
    pub path: Option<String>,
    /// The environment is emptied, `PATH` too.
    pub cleared: bool,
}

/// Reads the one argument that a `#!` line gives to env(1): a program, or options and `-S` with all the rest. `variable`
/// gives the environment for `${NAME}`.
#[must_use]
pub fn env(argument: Option<&str>, variable: &dyn Fn(&str) -> Option<String>) -> EnvCall {
    let mut call = EnvCall::default();
    // Words still to be read, the next one last.
    let mut words: Vec<String> = argument.into_iter().map(Into::into).collect();
    let mut options = true;
    while let Some(word) = words.pop() {
        if options && word == "--" {
            options = false;
        } else if options && word.starts_with('-') {
            option(&word, &mut words, &mut call, variable);
        } else if let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.is_empty()) {
            options = false;
            if name == "PATH" {
                call.path = Some(value.into());
            }
        } else {
            call.program = Some(word);
            break;
        }
    }
    call
}

/// One word that begins with `-`; short options may share it.
fn option(word: &str, words: &mut Vec<String>, call: &mut EnvCall, variable: &dyn Fn(&str) -> Option<String>) {
    let split = |text: &str, words: &mut Vec<String>| {
        words.extend(split_string(text, variable).into_iter().rev());
    };
    if let Some(long) = word.strip_prefix("--") {
        match long.split_once('=') {
            Some(("split-string", text)) => split(text, words),
            Some(("unset", "PATH")) => call.path = None,
            _ if long == "ignore-environment" => call.cleared = true,
            _ if long == "split-string" => {
                let text = words.pop().unwrap_or_default();
                split(&text, words);
            }
            _ if long == "unset" || long == "chdir" => _ = words.pop(),
            _ => {}
        }
        return;
    }
    let letters = word.get(1..).unwrap_or_default();
    call.cleared |= letters.is_empty();
    for (at, letter) in letters.char_indices() {
        // The value of a letter that takes one: what follows in this word, else the next word.
        let attached = letters.get(at + letter.len_utf8()..).unwrap_or_default();
        let mut value = || match attached {
            "" => words.pop().unwrap_or_default(),
            attached => attached.to_owned(),
        };
        match letter {
            'i' => call.cleared = true,
            'S' => {
                let text = value();
                return split(&text, words);
            }
            // FreeBSD's search path for the program alone.
            'P' => {
                call.path = Some(value());
                return;
            }
            'u' | 'C' | 'L' | 'U' => {
                value();
                return;
            }
            _ => {}
        }
    }
}

/// Splits as `env -S` does: at blanks, with quotes, backslashes, `#` comments and `${NAME}`.
fn split_string(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' if quote == Some(c) => quote = None,
            '\'' | '"' if quote.is_none() => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            '\\' => match escape(chars.next(), quote) {
                ControlFlow::Continue(Some(c)) => word.get_or_insert_default().push(c),
                ControlFlow::Continue(None) => words.extend(word.take()),
                ControlFlow::Break(()) => break,
            },
            '$' if quote != Some('\'') && chars.as_str().starts_with('{') => {
                let (name, rest) = chars.as_str().get(1..).and_then(|text| text.split_once('}')).unwrap_or_default();
                word.get_or_insert_default().push_str(&variable(name).unwrap_or_default());
                chars = rest.chars();
            }
            '#' if quote.is_none() && word.is_none() => break,
            c if quote.is_none() && c.is_ascii_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// What a backslash and the character behind it stand for: a character, or a blank between two words. `\c` ends the text.
fn escape(c: Option<char>, quote: Option<char>) -> ControlFlow<(), Option<char>> {
    ControlFlow::Continue(Some(match c {
        Some('_') if quote.is_none() => return ControlFlow::Continue(None),
        Some('_') => ' ',
        Some('c') | None => return ControlFlow::Break(()),
        Some('f') => '\x0c',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('v') => '\x0b',
        Some(c) => c,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(file: &str) -> Option<(String, Option<String>)> {
        parse(file.as_bytes()).map(|shebang| (shebang.interpreter, shebang.argument))
    }

    fn run(argument: &str) -> EnvCall {
        env(Some(argument), &|name| (name == "PY").then(|| "python3".into()))
    }

    #[test]
    fn all_that_follows_the_name_is_one_argument() {
        assert_eq!(line("#!/bin/sh\n"), Some(("/bin/sh".into(), None)));
        assert_eq!(line("#!/bin/sh"), Some(("/bin/sh".into(), None)));
        assert_eq!(line("#! \t/bin/sh -e  -u \nx"), Some(("/bin/sh".into(), Some("-e  -u".into()))));
        assert_eq!(line("#!/bin/sh\0-e\n"), Some(("/bin/sh".into(), None)));
    }

    #[test]
    fn without_a_name_it_is_no_script() {
        for none in ["", "#", "#!", "#!\n/bin/sh", "#!  \n", "# !/bin/sh\n", "\x7fELF"] {
            assert_eq!(line(none), None, "{none:?}");
        }
    }

    #[test]
    fn the_kernel_sees_255_bytes() {
        let name = format!("/{}", "x".repeat(251));
        assert_eq!(line(&format!("#!{name}\n")), Some((name.clone(), None)), "254 bytes and a newline");
        assert_eq!(line(&format!("#!{name}x\n")), None, "a name that may go on");
        assert_eq!(line(&format!("#!/bin/sh {}\n", "a".repeat(400))), Some(("/bin/sh".into(), Some("a".repeat(245)))));
    }

    #[test]
    fn env_without_s_takes_one_word() {
        assert_eq!(run("python3").program.as_deref(), Some("python3"));
        assert_eq!(run("python3 -u").program.as_deref(), Some("python3 -u"), "the kernel does not split, env neither");
        assert_eq!(env(None, &|_| None), EnvCall::default());
        assert_eq!(run("-i"), EnvCall { cleared: true, ..EnvCall::default() });
    }

    #[test]
    fn env_s_splits_and_sets() {
        assert_eq!(run("-S python3 -u").program.as_deref(), Some("python3"));
        assert_eq!(run("-Spython3").program.as_deref(), Some("python3"));
        assert_eq!(run("--split-string=perl -w").program.as_deref(), Some("perl"));
        assert_eq!(run("-S -u HOME -C /tmp X=1 Y= node --x").program.as_deref(), Some("node"));
        let all = run("-vS -i PATH=/opt/bin:/bin prog");
        assert_eq!(all, EnvCall { program: Some("prog".into()), path: Some("/opt/bin:/bin".into()), cleared: true });
        assert_eq!(run("-S -- X=1 prog").program.as_deref(), Some("prog"));
        assert_eq!(run("-S -P /alt prog").path.as_deref(), Some("/alt"));
    }

    #[test]
    fn env_s_knows_quotes_escapes_and_variables() {
        assert_eq!(run(r#"-S 'a b' c"#).program.as_deref(), Some("a b"));
        assert_eq!(run(r#"-S "a\_b" c"#).program.as_deref(), Some("a b"));
        assert_eq!(run(r"-S a\_b").program.as_deref(), Some("a"));
        assert_eq!(run("-S ${PY} -u").program.as_deref(), Some("python3"));
        assert_eq!(run("-S '${PY}'").program.as_deref(), Some("${PY}"));
        assert_eq!(run("-S # nothing").program, None);
        assert_eq!(run(r"-S a\cb").program.as_deref(), Some("a"));
    }
}
