//! What is kept from the program though it shares the host's network: abstract sockets, and ports of TCP.

use super::exec::one_of;
use super::problem::{Problem, Report};
use crate::facts::{Facts, SystemKind};
use crate::plan::{Landlock, Network};
use crate::spec::Spec;

/// From which ABI on the kernel can limit TCP to ports; Linux 6.7.
const PORTS: u32 = 4;
/// From which ABI on abstract sockets and signals end at the border; Linux 6.12.
pub(super) const SCOPES: u32 = 6;

pub(super) fn resolve(spec: &Spec, facts: &Facts, network: Network, report: &mut Report) -> Landlock {
    if facts.system.kind() == SystemKind::FreeBsd {
        let written = [
            ("abstract-sockets", spec.abstract_sockets.is_some()),
            ("tcp-bind", spec.tcp_bind.is_some()),
            ("tcp-connect", spec.tcp_connect.is_some()),
        ];
        for (key, _) in written.iter().filter(|(_, written)| *written) {
            report
                .note(format!("{key} is Linux's, and does nothing on FreeBSD; ipfw(8) and pf(4) know users and ports"));
        }
        return Landlock::default();
    }
    Landlock {
        own_abstract_sockets: own_abstract_sockets(spec, facts, network, report),
        own_signals: false,
        own_processes: false,
        tcp_bind: ports("tcp-bind", spec.tcp_bind.as_deref(), facts, report),
        tcp_connect: ports("tcp-connect", spec.tcp_connect.as_deref(), facts, report),
    }
}

fn own_abstract_sockets(spec: &Spec, facts: &Facts, network: Network, report: &mut Report) -> bool {
    match spec.abstract_sockets.as_deref() {
        None | Some("none") => {}
        Some("inherit") => return false,
        Some(written) => report.problem(one_of("abstract-sockets", written)),
    }
    // A network of its own has abstract sockets of its own.
    if network == Network::None {
        return false;
    }
    if facts.landlock >= SCOPES {
        return true;
    }
    let why =
        "this kernel can't keep abstract sockets of the host from a jail that shares its network (Linux 6.12 can)";
    if spec.abstract_sockets.is_some() {
        report.problem(Problem::setup(format!("abstract-sockets = \"none\": {why}")).help(
            "take the key out, and the program reaches them; or write network = \"none\", or start a newer kernel",
        ));
    } else {
        report.note(why);
    }
    false
}

/// What is written has to hold: without the kernel's help it would hold nothing back.
fn ports(key: &str, written: Option<&[i32]>, facts: &Facts, report: &mut Report) -> Option<Vec<u16>> {
    let written = written?;
    if facts.landlock < PORTS {
        let what = format!("{key}: this kernel can't limit TCP to ports (Linux 6.7 with Landlock can)");
        report.problem(Problem::setup(what).help(format!("take `{key}` out, or start a newer kernel")));
    }
    let mut ports = Vec::with_capacity(written.len());
    for number in written {
        match u16::try_from(*number) {
            Ok(port) => ports.push(port),
            Err(_) => report
                .problem(Problem::setup(format!("{key}: {number} is no port")).help("write numbers from 0 to 65535")),
        }
    }
    ports.sort_unstable();
    ports.dedup();
    report.note(format!("{key} is about TCP only: UDP and all else is the whole network's"));
    Some(ports)
}
