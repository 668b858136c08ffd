//! The flags of `enable` and `disable`.

use clap::ValueEnum;
use thinjail_plan::init::Init;

use super::ProfileFlags;

/// `enable`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "It shows what it writes and which commands it runs. A file that somebody else wrote is never changed."
)]
pub(crate) struct Enable {
    /// Name of the profile
    pub(crate) name: String,
    /// Prints the text and the commands, and does nothing
    #[arg(long)]
    pub(crate) print: bool,
    /// Shows what would change here, and does nothing
    #[arg(long, conflicts_with = "print")]
    pub(crate) dry_run: bool,
    /// Starts it, too
    #[arg(long)]
    pub(crate) now: bool,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// `disable`.
#[derive(Debug, clap::Args)]
pub(crate) struct Disable {
    /// Name of the profile
    pub(crate) name: String,
    /// Stops it first
    #[arg(long)]
    pub(crate) now: bool,
    /// The name that the service has, as given to `enable`
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) service: Option<String>,
}

/// Which service of which init system.
#[derive(Debug, clap::Args)]
pub(crate) struct OfService {
    /// Another init system than the one that runs here
    #[arg(long, value_name = "INIT")]
    pub(crate) init: Option<InitName>,
    /// Another name for the service than the profile's
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) service: Option<String>,
    #[command(flatten)]
    pub(crate) profile: ProfileFlags,
}

/// An init system by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InitName {
    #[value(name = "rc.d")]
    RcD,
    Systemd,
    #[value(name = "openrc")]
    OpenRc,
    #[value(name = "sysv", alias = "sysvinit")]
    SysV,
    Runit,
}

impl From<InitName> for Init {
    fn from(name: InitName) -> Self {
        match name {
            InitName::RcD => Self::RcD,
            InitName::Systemd => Self::Systemd,
            InitName::OpenRc => Self::OpenRc,
            InitName::SysV => Self::SysV,
            InitName::Runit => Self::Runit,
        }
    }
}
