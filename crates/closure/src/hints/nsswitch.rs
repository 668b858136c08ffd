//! nsswitch.conf(5), which names the modules by which glibc looks up names: `hosts: files mdns4_minimal [NOTFOUND=return] dns`.

/// Where libc looks for it.
pub const PATH: &str = "/etc/nsswitch.conf";
/// A larger one is not read.
pub const MAX: u64 = 1 << 16;

/// A longer name is none of a file.
const NAME_MAX: usize = 200;

/// The services of each database, in the order of the file. What is no name of a module is left out.
pub fn databases(file: &[u8]) -> impl Iterator<Item = (&str, Vec<&str>)> {
    file.split(|&byte| byte == b'\n').filter_map(|line| {
        let line = line.split(|&byte| byte == b'#').next()?;
        let (database, services) = std::str::from_utf8(line).ok()?.split_once(':')?;
        Some((database.trim_matches(BLANK), services_of(services)))
    })
}

const BLANK: [char; 4] = [' ', '\t', '\r', '\x0c'];

fn services_of(mut text: &str) -> Vec<&str> {
    let mut services = Vec::new();
    loop {
        text = text.trim_start_matches(BLANK);
        let end = match text.strip_prefix('[') {
            // What follows from the answer of the service before: no name.
            Some(action) => action.find(']').map_or(text.len(), |at| at + 2),
            None => text.find(|c| BLANK.contains(&c) || c == '[').unwrap_or(text.len()),
        };
        let (word, rest) = text.split_at(end);
        if word.is_empty() {
            return services;
        }
        if word.len() <= NAME_MAX && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
            services.push(word);
        }
        text = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(&str, Vec<&str>)> {
        databases(text.as_bytes()).collect()
    }

    #[test]
    fn services_are_words_and_what_stands_in_brackets_is_none() {
        let text =
            "# x: y\nhosts:\tfiles mdns4_minimal [NOTFOUND=return] dns # z\npasswd: files[success=merge]systemd\n";
        assert_eq!(all(text), [("hosts", vec!["files", "mdns4_minimal", "dns"]), ("passwd", vec!["files", "systemd"])]);
    }

    #[test]
    fn what_is_no_name_of_a_module_is_left_out() {
        assert_eq!(all("hosts: ../x a/b $ORIGIN ok"), [("hosts", vec!["ok"])]);
        assert_eq!(all("hosts: [ a"), [("hosts", vec![])]);
        assert_eq!(all("hosts: a [] b"), [("hosts", vec!["a", "b"])]);
        assert_eq!(all("no colon\n\n"), []);
    }
}
