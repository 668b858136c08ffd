//! The flags of `adopt`.

/// `adopt`.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "\
thinjail adopt [FLAGS] SERVICE
       thinjail adopt --undo SERVICE",
    after_help = "Exit codes: 0 it serves from its jail, or is as it was again; 1 it can't be adopted, or was not healthy
            and everything was put back; 2 the words make no sense"
)]
pub(crate) struct Adopt {
    /// The service, as the init system calls it
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    /// Shows the profile, the plan and the diff, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Puts everything back, byte by byte; also after an adoption that was killed
    #[arg(long, conflicts_with_all = ["dry_run", "wait"])]
    pub(crate) undo: bool,
    /// Seconds within which it has to be healthy: it runs, and listens where it listened before
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) wait: u32,
}
