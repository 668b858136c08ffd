//! The rules of landlock(7) that a plan asks for, made before the child is, which only has to put them in force.

use std::io;

use thinjail_plan::plan::Landlock;
use thinjail_sys::linux::landlock::{
    BIND_TCP, CONNECT_TCP, Handled, Ruleset, SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL,
};

/// None where nothing is asked for.
pub(super) fn ruleset(landlock: &Landlock) -> io::Result<Option<Ruleset>> {
    let Landlock { own_abstract_sockets, own_signals, tcp_bind, tcp_connect } = landlock;
    let bit = |wanted: bool, bit: u64| if wanted { bit } else { 0 };
    let handled = Handled {
        access_fs: 0,
        access_net: bit(tcp_bind.is_some(), BIND_TCP) | bit(tcp_connect.is_some(), CONNECT_TCP),
        scoped: bit(*own_abstract_sockets, SCOPE_ABSTRACT_UNIX_SOCKET) | bit(*own_signals, SCOPE_SIGNAL),
    };
    if handled == Handled::default() {
        return Ok(None);
    }
    let ruleset = Ruleset::create(handled)?;
    for (ports, access) in [(tcp_bind, BIND_TCP), (tcp_connect, CONNECT_TCP)] {
        for port in ports.iter().flatten() {
            ruleset.allow_port(*port, access)?;
        }
    }
    Ok(Some(ruleset))
}
