//! /etc/ld.so.conf, from which ldconfig(8) makes ld.so.cache: directories, and other such files. No loader reads it; it says
//! why a library that is there is not found.

/// Where ldconfig looks for it.
pub const PATH: &str = "/etc/ld.so.conf";
/// A larger file is not read.
pub const MAX: u64 = 1 << 20;

/// A line that says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A directory.
    Directory(&'a str),
    /// `include PATTERN`, a path as glob(7) has it; relative to the directory of the file.
    Include(&'a str),
}

/// The lines of a file, as `parse_conf` of ldconfig reads them.
pub fn lines(file: &[u8]) -> impl Iterator<Item = Line<'_>> {
    file.split(|&byte| byte == b'\n').flat_map(|line| {
        let text = line.split(|&byte| matches!(byte, b'#' | b'\0')).next().unwrap_or_default();
        let text = std::str::from_utf8(text).unwrap_or_default().trim_matches(BLANK);
        let (word, rest) = text.split_once(BLANK).unwrap_or((text, ""));
        let (include, directory) = match word {
            "include" => (rest, ""),
            // Capabilities of the processor, of which nothing has come since glibc 2.33.
            "hwcap" => ("", ""),
            _ => ("", text),
        };
        let include = include.split(BLANK).filter(|path| !path.is_empty()).map(Line::Include);
        // What a library there was linked with may follow, which is taken for nothing since glibc 2.32.
        let directory = directory.split('=').next().unwrap_or_default().trim_matches(BLANK).trim_end_matches('/');
        let directory = Some(directory).filter(|directory| directory.starts_with('/')).map(Line::Directory);
        include.chain(directory)
    })
}

const BLANK: [char; 5] = [' ', '\t', '\r', '\x0b', '\x0c'];

/// Whether a name fits a pattern of glob(7): `*`, `?`, `[a-z]`, `[!x]` and `\`. A name that begins with a dot fits only a
/// pattern that does.
#[must_use]
pub fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    if name.first() == Some(&'.') && pattern.first() != Some(&'.') {
        return false;
    }
    let (mut at, mut of) = (0, 0);
    // Where to go on if this way fails: behind the last star, and one character of the name further.
    let mut back: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(at), name.get(of)) {
            (None, None) => return true,
            (Some('*'), _) => {
                back = Some((at + 1, of));
                at += 1;
                continue;
            }
            (Some(_), Some(&c)) => one(pattern.get(at..).unwrap_or_default(), c),
            _ => None,
        };
        match (step, back) {
            (Some(length), _) => (at, of) = (at + length, of + 1),
            (None, Some((pattern, name_at))) if name_at < name.len() => {
                (at, of) = (pattern, name_at + 1);
                back = Some((pattern, name_at + 1));
            }
            _ => return false,
        }
    }
}

/// How much of the pattern stands for this character, if it fits.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        ['?', ..] => Some(1),
        ['\\', literal, ..] => (*literal == c).then_some(2),
        ['[', set @ ..] => {
            let (not, set) = match set {
                ['!' | '^', rest @ ..] => (true, rest),
                _ => (false, set),
            };
            // A bracket that stands first is one of the set.
            let end = set.iter().skip(1).position(|&end| end == ']');
            let Some(end) = end.map(|end| end + 1) else { return (c == '[').then_some(1) };
            let mut inside = set.get(..end)?;
            let mut fits = false;
            while let [first, rest @ ..] = inside {
                match rest {
                    ['-', last, after @ ..] => {
                        fits |= (*first..=*last).contains(&c);
                        inside = after;
                    }
                    _ => {
                        fits |= *first == c;
                        inside = rest;
                    }
                }
            }
            (fits != not).then_some(1 + usize::from(not) + end + 1)
        }
        [literal, ..] => (*literal == c).then_some(1),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_ldconfig_reads_them() {
        let text = b"# x\n/opt/lib\n  /usr/x11/lib=libc6 # y\ninclude /etc/ld.so.conf.d/*.conf a\nhwcap 1 x\nrel/ative\n/a b//\n";
        let all: Vec<_> = lines(text).collect();
        let expected = [
            Line::Directory("/opt/lib"),
            Line::Directory("/usr/x11/lib"),
            Line::Include("/etc/ld.so.conf.d/*.conf"),
            Line::Include("a"),
            Line::Directory("/a b"),
        ];
        assert_eq!(all, expected);
        assert_eq!(lines(b"includes\ninclude\n\xff/x\n/\n").count(), 0);
    }

    #[test]
    fn patterns_fit_as_those_of_a_shell() {
        for (pattern, name) in [
            ("*.conf", "libc.conf"),
            ("*", "x"),
            ("a*b*c", "aXbXbXc"),
            ("?[a-c]x", "zbx"),
            ("[!a]", "b"),
            ("[]]", "]"),
            ("[a", "[a"),
            (r"\*", "*"),
            (".*", ".x"),
            ("", ""),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*.conf", "x.conf~"), ("*", ".x"), ("?", ""), ("[a-c]", "d"), ("[!a]", "a"), (r"\*", "x"), ("a", "ab")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_time() {
        let pattern = "*a".repeat(200);
        assert!(!fits(&pattern, &format!("{}b", "a".repeat(250))));
    }
}
