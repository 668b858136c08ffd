//! The usual files of /etc, by the words of the `etc` key.

use crate::facts::SystemKind;
use crate::path::HostPath;
use crate::plan::Network;

/// A word of the `etc` key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Usual {
    Passwd,
    Group,
    Nsswitch,
    Hosts,
    Resolv,
    Services,
    Localtime,
    Ca,
}

impl Usual {
    pub(crate) const ALL: [Self; 8] = [
        Self::Passwd,
        Self::Group,
        Self::Nsswitch,
        Self::Hosts,
        Self::Resolv,
        Self::Services,
        Self::Localtime,
        Self::Ca,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Passwd => "passwd",
            Self::Group => "group",
            Self::Nsswitch => "nsswitch.conf",
            Self::Hosts => "hosts",
            Self::Resolv => "resolv.conf",
            Self::Services => "services",
            Self::Localtime => "localtime",
            Self::Ca => "ca",
        }
    }

    pub(crate) fn by_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|usual| usual.word() == word)
    }

    /// Whether it is of any use with this network.
    pub(crate) fn fits(self, network: Network) -> bool {
        match self {
            Self::Passwd | Self::Group | Self::Nsswitch | Self::Localtime => true,
            Self::Hosts | Self::Resolv | Self::Services | Self::Ca => network == Network::Inherit,
        }
    }

    /// The host's files for it; empty for those that we write.
    pub(crate) fn files(self, system: SystemKind) -> &'static [&'static str] {
        match (self, system) {
            (Self::Passwd | Self::Group | Self::Nsswitch, _) => &[],
            (Self::Hosts, _) => &["/etc/hosts"],
            (Self::Resolv, _) => &["/etc/resolv.conf"],
            (Self::Services, _) => &["/etc/services"],
            (Self::Localtime, _) => &["/etc/localtime"],
            (Self::Ca, SystemKind::Linux) => &CA_LINUX,
            (Self::Ca, SystemKind::FreeBsd) => &CA_FREEBSD,
        }
    }
}

/// Certificate bundles by distribution; the first that is there is the one.
const CA_LINUX: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
];
const CA_FREEBSD: [&str; 3] =
    ["/etc/ssl/cert.pem", "/usr/local/etc/ssl/cert.pem", "/usr/local/share/certs/ca-root-nss.crt"];

/// Where OpenSSL looks for the bundle, by the OPENSSLDIR of the distributions: mostly links to it.
pub(crate) const CA_ALSO: [&str; 4] =
    ["/usr/lib/ssl/cert.pem", "/etc/pki/tls/cert.pem", "/etc/ssl/cert.pem", "/usr/local/openssl/cert.pem"];

/// Everything of the host that the words may need.
pub(crate) fn paths(words: &[Usual], system: SystemKind) -> Vec<HostPath> {
    let files = words.iter().flat_map(|word| word.files(system));
    let also = words.contains(&Usual::Ca).then_some(&CA_ALSO);
    files.chain(also.into_iter().flatten()).map(|path| HostPath::fixed(path)).collect()
}
