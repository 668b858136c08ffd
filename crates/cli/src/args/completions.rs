//! `completions`: for whom.

use clap::ValueEnum;

/// `completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// For which shell
    pub(crate) shell: Shell,
}

/// The shells whose completions are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
    /// The names of all profiles, one a line: what the shells' completions ask for
    #[value(hide = true)]
    Profiles,
    /// The same of all jails
    #[value(hide = true)]
    Jails,
}
