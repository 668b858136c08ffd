//! What the help of a verb begins with: how it is typed. A man page has no room for less, a reader no time for more.

use clap::Command;

/// Verb; command lines and what each is for.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "run",
        &[
            ("thinjail run -- echo Hello from jail", "a program, with what it needs to start"),
            ("thinjail run nginx", "a profile, in the foreground"),
            ("thinjail run nginx --read /srv/site", "and one directory more"),
            ("thinjail run --dry-run nginx", "what it would do"),
        ],
    ),
    (
        "start",
        &[
            ("thinjail start nginx", "until `thinjail stop nginx`"),
            ("thinjail start --log syslog app", "what it says goes there"),
        ],
    ),
    ("restart", &[("thinjail restart nginx", "with what its profile says by now")]),
    ("reload", &[("thinjail reload nginx", "its before-reload first: a bad configuration never reaches it")]),
    ("refresh", &[("thinjail refresh nginx", "prints what it has anew: a certificate, resolv.conf")]),
    (
        "logs",
        &[
            ("thinjail logs nginx", "its last hundred lines"),
            ("thinjail logs -f -n 0 nginx", "what it says from now on"),
        ],
    ),
    (
        "kill",
        &[
            ("thinjail kill nginx USR1", "to its main process"),
            ("thinjail kill redis KILL", "which may start it again"),
        ],
    ),
    (
        "exec",
        &[
            ("thinjail exec redis redis-cli -s /run/redis/redis.sock ping", "a tool of the host, in redis's jail"),
            ("thinjail exec nginx ps -A", "sees the jail, and nothing else"),
            ("thinjail exec --tty --programs ls,cat nginx bash", "in a terminal, with two programs more"),
        ],
    ),
    ("shell", &[("thinjail shell nginx", "to look around"), ("thinjail shell --user root nginx", "as root")]),
    ("stop", &[("thinjail stop nginx", "by the profile's stop-signal, within its stop-timeout")]),
    ("status", &[("thinjail status nginx", "for people"), ("thinjail status --json nginx", "for programs")]),
    ("list", &[("thinjail list", "all jails"), ("thinjail list --json", "for programs")]),
    ("clean", &[("thinjail clean", "all that is left of anyone"), ("thinjail clean nginx", "of one jail")]),
    (
        "enable",
        &[
            ("thinjail enable nginx", "from the next boot on"),
            ("thinjail enable --now nginx", "from now on"),
            ("thinjail enable --print nginx", "only shows what would be written"),
        ],
    ),
    ("disable", &[("thinjail disable nginx", "no more at boot"), ("thinjail disable --now nginx", "nor now")]),
    (
        "adopt",
        &[
            ("thinjail adopt nginx", "from now on it runs in a jail"),
            ("thinjail adopt --dry-run nginx", "only shows the profile, the plan and the diff"),
            ("thinjail adopt --undo nginx", "everything as it was"),
        ],
    ),
    (
        "plan",
        &[
            ("thinjail plan nginx", "all that would be inside, and why"),
            ("thinjail plan --origin nginx", "which file and line says so"),
            ("thinjail plan --json -- curl", "for programs"),
        ],
    ),
    ("explain", &[("thinjail explain nginx /etc/passwd", "why is this inside?")]),
    (
        "check",
        &[
            ("thinjail check nginx", "all that would fail, each with its help"),
            ("thinjail check --profile ./app.toml", "a profile that is being written"),
        ],
    ),
    (
        "ldd",
        &[
            ("thinjail ldd /usr/sbin/nginx", "the files it needs to start"),
            ("thinjail ldd --tree /usr/sbin/nginx", "who needs which, and by what rule it is found"),
            ("thinjail ldd --why libz /usr/sbin/nginx", "who asks for that library"),
        ],
    ),
    (
        "facts",
        &[
            ("thinjail facts nginx >facts.json", "on one host"),
            ("thinjail plan --facts facts.json nginx", "and the plan for it, on another"),
        ],
    ),
    ("doctor", &[("thinjail doctor", "status 0 where jails work"), ("thinjail doctor --json", "for programs")]),
    ("schema", &[("thinjail schema >thinjail.schema.json", "and in a profile: #:schema ./thinjail.schema.json")]),
    (
        "completions",
        &[("thinjail completions bash >/usr/share/bash-completion/completions/thinjail", "for every user of bash")],
    ),
];

/// A command with its examples at the head of its help.
pub(super) fn at_the_head(command: Command) -> Command {
    let Some((_, examples)) = EXAMPLES.iter().find(|(verb, _)| *verb == command.get_name()) else { return command };
    let width = examples.iter().map(|(line, _)| line.len()).max().unwrap_or(0);
    let lines: String = examples.iter().map(|(line, what)| format!("  {line:width$}   {what}\n")).collect();
    // What stands in braces is clap's.
    let lines = lines.replace('{', "{{").replace('}', "}}");
    command.help_template(format!(
        "{{before-help}}{{about}}.\n\n{lines}\n{{usage-heading}} {{usage}}\n\n{{all-args}}{{after-help}}"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::ffi::OsString;

    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Args;

    /// As a shell splits it; what is behind a redirection is the shell's.
    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().take_while(|word| !word.starts_with('>')).map(OsString::from).collect()
    }

    #[track_caller]
    fn parses(line: &str) {
        let argv = words(line);
        if let Err(stop) = Args::parse(&argv) {
            panic!("{line}: {stop:?}");
        }
    }

    #[test]
    fn every_verb_has_examples_that_can_be_typed() {
        for command in Args::command().get_subcommands() {
            let verb = command.get_name();
            let found = EXAMPLES.iter().find(|(known, _)| *known == verb);
            let (_, examples) = found.unwrap_or_else(|| panic!("no example of {verb}"));
            assert!(
                examples
                    .iter()
                    .any(|(line, _)| line.starts_with(&format!("thinjail {verb} "))
                        || *line == format!("thinjail {verb}")),
                "{verb}"
            );
            for (line, what) in *examples {
                parses(line);
                assert!(line.len() + what.len() < 100 && !what.is_empty(), "{line}");
            }
        }
    }

    #[test]
    fn every_flag_is_in_the_man_page() {
        let page = include_str!("../../../../man/thinjail.8");
        let mut missing = Vec::new();
        for command in Args::command().get_subcommands() {
            let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
            for flag in shown.filter_map(|argument| argument.get_long()).filter(|flag| *flag != "help") {
                let named = format!(" -{flag}");
                let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
                if !page.match_indices(&named).any(|(at, _)| ends(&page[at + named.len()..])) {
                    missing.push(format!("{} --{flag}", command.get_name()));
                }
            }
        }
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn the_examples_of_the_man_page_can_be_typed() {
        let page = include_str!("../../../../man/thinjail.8");
        let section = page.split("\n.Sh EXAMPLES\n").nth(1).unwrap().split("\n.Sh ").next().unwrap();
        let typed = |line: &str| {
            let line = ["# ", "$ ", "exec "].iter().find_map(|prompt| line.strip_prefix(prompt))?;
            line.starts_with("thinjail ").then(|| line.to_owned())
        };
        let lines: Vec<String> = section.lines().filter_map(typed).collect();
        lines.iter().for_each(|line| parses(line));
        let verbs = ["run nginx", "run redis", "run postgresql", "run cardano@mainnet", "check", "plan", "doctor"];
        for wanted in verbs {
            assert!(lines.iter().any(|line| line.contains(wanted)), "no {wanted} in {lines:?}");
        }
    }
}
