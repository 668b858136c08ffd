//! Which init system runs here.

use std::path::Path;

use thinjail_jail::inspect::this_kind;
use thinjail_plan::facts::SystemKind;
use thinjail_plan::init::Init;
use thinjail_plan::path::HostPath;

/// The one that is pid 1, or that pid 1 has brought up.
pub(crate) fn running() -> Option<Init> {
    let name = std::fs::read_to_string("/proc/1/comm").unwrap_or_default();
    which(this_kind(), name.trim_end(), &|path| Path::new(path).exists())
}

fn which(kind: SystemKind, pid_1: &str, exists: &dyn Fn(&str) -> bool) -> Option<Init> {
    match pid_1 {
        _ if kind == SystemKind::FreeBsd => Some(Init::RcD),
        // sd_booted(3) asks the same.
        _ if exists("/run/systemd/system") => Some(Init::Systemd),
        // Its pid 1 may be sysvinit's, or its own.
        _ if exists("/run/openrc/softlevel") => Some(Init::OpenRc),
        "runit" | "runit-init" | "runsvdir" => Some(Init::Runit),
        "init" if exists("/etc/init.d") && exists("/etc/inittab") => Some(Init::SysV),
        _ => None,
    }
}

/// The directory whose services runsvdir(8) runs, by what each distribution calls it.
pub(crate) fn run_services() -> Option<HostPath> {
    let dirs = ["/etc/service", "/var/service", "/service"];
    HostPath::new(dirs.into_iter().find(|dir| Path::new(dir).is_dir())?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_init_system_is_known_by_its_traces() {
        let at = |pid_1: &str, there: &[&str]| which(SystemKind::Linux, pid_1, &|path| there.contains(&path));
        assert_eq!(at("systemd", &["/run/systemd/system", "/etc/init.d"]), Some(Init::Systemd));
        assert_eq!(at("init", &["/run/openrc/softlevel", "/etc/init.d", "/etc/inittab"]), Some(Init::OpenRc));
        assert_eq!(at("runit", &["/etc/init.d"]), Some(Init::Runit));
        assert_eq!(at("init", &["/etc/init.d", "/etc/inittab"]), Some(Init::SysV));
        // A container's own.
        assert_eq!(at("init", &["/etc/init.d"]), None);
        assert_eq!(at("bash", &["/etc/init.d", "/etc/inittab"]), None);
        assert_eq!(which(SystemKind::FreeBsd, "", &|_| false), Some(Init::RcD));
    }
}
