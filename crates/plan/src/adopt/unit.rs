//! A unit and its drop-ins, one after the other as `systemctl cat` prints them; systemd.syntax(7).

/// The settings in the order in which they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    settings: Vec<(String, String, String)>,
}

impl Unit {
    /// Reads all that is in the text. What is no setting is left out, as systemd does.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut unit = Self::default();
        let mut section = String::new();
        let mut whole = String::new();
        for line in text.lines() {
            let comment = line.trim_start().starts_with(['#', ';']);
            // A comment between continued lines is skipped.
            if comment {
                continue;
            }
            if let Some(head) = line.strip_suffix('\\') {
                whole += head;
                whole.push(' ');
                continue;
            }
            whole += line;
            let line = std::mem::take(&mut whole);
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut section);
            } else if let Some((key, value)) = line.split_once('=') {
                let setting = (section.clone(), key.trim_end().to_owned(), value.trim_start().to_owned());
                unit.settings.push(setting);
            }
        }
        unit
    }

    /// All values of a setting of `[Service]` that hold: an empty one takes back those before it.
    #[must_use]
    pub fn all(&self, key: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for (_, _, value) in self.settings.iter().filter(|(section, name, _)| section == "Service" && name == key) {
            if value.is_empty() {
                values.clear();
            } else {
                values.push(value.as_str());
            }
        }
        values
    }

    /// Whether it is written, be it empty: for some settings that is none, and not the default.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.settings.iter().any(|(section, name, _)| section == "Service" && name == key)
    }

    /// The last one, which holds where there is but one.
    #[must_use]
    pub fn last(&self, key: &str) -> Option<&str> {
        self.all(key).pop()
    }

    /// Whether it is written, and is a yes.
    #[must_use]
    pub fn yes(&self, key: &str) -> bool {
        self.last(key).is_some_and(|value| ["yes", "true", "on", "1"].contains(&value.to_ascii_lowercase().as_str()))
    }
}

/// Splits a value into words, with quotes and C's escapes; systemd.syntax(7), "Quoting". None if a quote has no end.
#[must_use]
pub fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (_, '\\') => word.get_or_insert_default().push(escaped(&mut chars)?),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

fn escaped(chars: &mut std::str::Chars<'_>) -> Option<char> {
    Some(match chars.next()? {
        'n' => '\n',
        't' => '\t',
        's' => ' ',
        'x' => {
            let digits: String = chars.by_ref().take(2).collect();
            char::from(u8::from_str_radix(&digits, 16).ok()?)
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_drop_in_goes_over_what_it_is_laid_upon() {
        let unit = Unit::parse(
            "# /lib/x.service\n[Unit]\nExecStart=no\n[Service]\nUser = a\nExecStart=/bin/x \\\n# no word\n  -y\n\n\
             # /etc/x.service.d/o.conf\n[Service]\nUser=b\nReadWritePaths=/a\nReadWritePaths=\nReadWritePaths=/b\n",
        );
        assert_eq!(unit.last("User"), Some("b"));
        assert_eq!(split(unit.last("ExecStart").unwrap()).unwrap(), ["/bin/x", "-y"]);
        assert_eq!(unit.all("ReadWritePaths"), ["/b"]);
    }

    #[test]
    fn quotes_and_escapes_are_those_of_systemd() {
        assert_eq!(split(r#"a "b c" 'd "e'f \x41\s "" "#).unwrap(), ["a", "b c", "d \"ef", "A ", ""]);
        assert_eq!(split("'a"), None);
    }
}
