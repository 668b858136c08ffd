//! `completions`: what a shell needs to complete verbs and flags, from the same table that parses them; and the names of profiles
//! and jails, which it asks for while one types.

use clap::CommandFactory as _;
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};
use thinjail_jail::inspect::this_kind;
use thinjail_jail::life;

use crate::args::{Args, Completions, Shell};
use crate::exit_code::Exit;
use crate::profile;
use crate::report::{self, Failure};

/// Prints them.
#[inline(never)]
pub(super) fn execute(args: &Completions) -> Result<Exit, Failure> {
    let generated = |shell: fn(&mut clap::Command, &mut Vec<u8>)| {
        let mut text = Vec::new();
        shell(&mut Args::command(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    let text = match args.shell {
        Shell::Bash => bash(&generated(|command, to| generate(Bash, command, "thinjail", to))),
        Shell::Zsh => zsh(&generated(|command, to| generate(Zsh, command, "thinjail", to))),
        Shell::Fish => generated(|command, to| generate(Fish, command, "thinjail", to)) + FISH,
        Shell::Profiles => lines(profile::names(&profile::directories(&[], this_kind())?)),
        // Who may not look has none to complete.
        Shell::Jails => lines(life::list().unwrap_or_default().into_iter().map(|jail| jail.name).collect()),
    };
    report::answer(&text)?;
    Ok(Exit::Ok)
}

fn lines(names: Vec<String>) -> String {
    names.into_iter().map(|name| name + "\n").collect()
}

/// After clap's own function; where the word before is a flag, that may want a value which is no name.
const BASH: &str = r#"
_thinjail_names() {
    _thinjail "$@"
    local cur="${COMP_WORDS[COMP_CWORD]}" kind=
    case "$COMP_CWORD,${COMP_WORDS[1]}" in
        1,*) return ;;
        *,run|*,start|*,restart|*,plan|*,explain|*,check|*,facts|*,enable|*,disable) kind=profiles ;;
        *,stop|*,status|*,clean|*,reload|*,logs|*,kill) kind=jails ;;
        *) return ;;
    esac
    case "$cur,$3" in
        -*|*,--dry-run|*,--timings|*,--json|*,--origin|*,--tty|*,--tmp|*,--no-supervisor) ;;
        *,--*) return ;;
    esac
    COMPREPLY+=($(compgen -W "$(thinjail completions $kind 2>/dev/null)" -- "$cur"))
}

complete -F _thinjail_names -o bashdefault -o default thinjail
"#;

/// clap completes the places of arguments by their names in the usage, which nobody types.
fn bash(text: &str) -> String {
    let places = ["[NAME|PROGRAM]...", "<NAME PATH>...", "<NAME>", "[NAME]", "<PROGRAM>...", "[PROGRAM]..."];
    let text = places.iter().fold(text.to_owned(), |text, place| text.replace(&format!(" {place}"), ""));
    text + BASH
}

const ZSH: &str = r#"
_thinjail_profiles() {
    local -a names=(${(f)"$(thinjail completions profiles 2>/dev/null)"})
    _alternative 'profiles:profile:compadd -a names' 'files:program:_files'
}
_thinjail_jails() {
    local -a names=(${(f)"$(thinjail completions jails 2>/dev/null)"})
    compadd -a names
}
"#;

fn zsh(text: &str) -> String {
    let argument = |line: &str| {
        let action = match line {
            _ if line.starts_with("'*::words -- ") => "_thinjail_profiles",
            _ if line.contains("name -- Name of the profile") => "_thinjail_profiles",
            _ if line.contains("name -- Name of the jail") => "_thinjail_jails",
            _ => return format!("{line}\n"),
        };
        format!("{}\n", line.replace(":_default'", &format!(":{action}'")))
    };
    let text: String = text.lines().map(argument).collect();
    // Before the last lines, which run what is defined.
    match text.rfind("\nif [ \"$funcstack[1]\"") {
        Some(at) => format!("{}{ZSH}{}", &text[..at], &text[at..]),
        None => text + ZSH,
    }
}

const FISH: &str = r#"
complete -c thinjail -n "__fish_thinjail_using_subcommand run start plan explain check facts enable disable" -a "(thinjail completions profiles 2>/dev/null)" -d 'profile'
complete -c thinjail -n "__fish_thinjail_using_subcommand stop status clean restart reload logs" -f -a "(thinjail completions jails 2>/dev/null)" -d 'jail'
"#;
