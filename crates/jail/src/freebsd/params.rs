//! Parameters of jail(2): what a plan says as text, by the type that this kernel has for each name.

use std::ffi::CString;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use thinjail_plan::path::HostPath;
use thinjail_sys::freebsd::jail::{Value, sys};
use thinjail_sys::freebsd::sysctl::{ParamType, jail_param, sysctlbyname_int};

use crate::run::RunError;

/// Checked and typed.
#[derive(Clone, Debug)]
pub(super) struct Params {
    name: String,
    /// The routing table of all that the program opens: exec.fib is no parameter of the kernel's.
    fib: Option<i32>,
    /// The processors of the jail.
    cpus: Vec<usize>,
    values: Vec<(CString, Value)>,
}

/// What a kernel may be built without; then there is nothing to keep from the jail either.
const OPTIONAL: [&str; 5] = ["ip4", "ip6", "sysvmsg", "sysvsem", "sysvshm"];

impl Params {
    /// From a plan.
    ///
    /// # Errors
    /// A name that this kernel does not have, a value that is none of its type.
    pub(super) fn new(params: &[(String, String)]) -> Result<Self, RunError> {
        let values = Vec::with_capacity(params.len() + 1);
        let mut all = Self { name: String::new(), fib: None, cpus: Vec::new(), values };
        for (name, value) in params {
            let bad = |why: String| RunError::setup(format!("set the jail's parameter {name}"), io::Error::other(why));
            let looked = |name: &str| {
                jail_param(name).map_err(|cause| RunError::setup(format!("look up the jail's parameter {name}"), cause))
            };
            if name == "exec.fib" {
                all.fib = Some(fib(value).map_err(|why| bad(why.into()).help("see the sysctl net.fibs".to_owned()))?);
                continue;
            }
            if name == "exec.cpuset" {
                let help = "write processors of this machine: \"0,2-3\"";
                all.cpus = cpus(value).map_err(|why| bad(why.into()).help(help.to_owned()))?;
                continue;
            }
            let mut kind = looked(name)?;
            // `allow.nomlock` is the other name of `allow.mlock`, and goes to the kernel as it is.
            if kind.is_none()
                && let Some(plain) = without_no(name)
            {
                kind = looked(&plain)?.filter(|kind| *kind == ParamType::Bool);
            }
            let Some(kind) = kind else {
                if OPTIONAL.contains(&name.as_str()) {
                    continue;
                }
                return Err(bad("this kernel has no such parameter".into())
                    .help("see `sysctl -d security.jail.param`; some come with a kernel module".to_owned()));
            };
            let typed = typed(kind, name, value).map_err(|why| bad(why.into()).help(help(kind)))?;
            if name == "name" {
                all.name.clone_from(value);
            }
            all.values.push(typed);
        }
        if all.name.is_empty() {
            return Err(RunError::setup("make a jail".into(), io::Error::other("the plan gives it no name")));
        }
        Ok(all)
    }

    /// The jail's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its routing table, if it is to have another than ours.
    pub(super) fn fib(&self) -> Option<i32> {
        self.fib
    }

    /// The processors that it may use; none named is all.
    pub(super) fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    /// Where its root is.
    pub(super) fn set_path(&mut self, root: &HostPath) {
        if let Ok(path) = CString::new(root.as_str()) {
            self.values.push((c"path".to_owned(), Value::Text(path)));
        }
    }

    /// As jail_set(2) takes them.
    pub(super) fn into_values(self) -> Vec<(CString, Value)> {
        self.values
    }
}

/// One of the routing tables that the kernel has.
fn fib(value: &str) -> Result<i32, &'static str> {
    let fib: i32 = value.parse().map_err(|_| "its value is no number")?;
    let count = sysctlbyname_int(c"net.fibs").unwrap_or(1);
    if (0..count).contains(&fib) { Ok(fib) } else { Err("this kernel has no such routing table") }
}

/// A list as cpuset(1) has it.
fn cpus(value: &str) -> Result<Vec<usize>, &'static str> {
    let count = sysctlbyname_int(c"hw.ncpu").ok().and_then(|count| usize::try_from(count).ok()).unwrap_or(1);
    let mut all = Vec::new();
    for range in value.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| "its value is no list of processors");
        let (first, last) = (number(first)?, number(last)?);
        if last >= count {
            return Err("this machine has no such processor");
        }
        all.extend(first..=last);
    }
    if all.is_empty() { Err("its value is no list of processors") } else { Ok(all) }
}

/// `allow.nomlock` without its `no`.
fn without_no(name: &str) -> Option<String> {
    let (head, last) = name.rsplit_once('.').map_or(("", name), |(head, last)| (head, last));
    let last = last.strip_prefix("no")?;
    Some(if head.is_empty() { last.to_owned() } else { format!("{head}.{last}") })
}

/// The same with one.
fn with_no(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((head, last)) => format!("{head}.no{last}"),
        None => format!("no{name}"),
    }
}

fn typed(kind: ParamType, name: &str, value: &str) -> Result<(CString, Value), &'static str> {
    let text = |text: &str| CString::new(text).map_err(|_| "it has a NUL byte in it");
    let plain = text(name)?;
    Ok(match kind {
        ParamType::Bool => match value {
            "" | "true" | "1" => (plain, Value::Flag),
            "false" | "0" => {
                (text(&without_no(name).filter(|_| is_no(name)).unwrap_or_else(|| with_no(name)))?, Value::Flag)
            }
            _ => return Err("its value is neither true nor false"),
        },
        ParamType::JailSys => match value {
            "" | "new" => (plain, Value::Int(sys::NEW)),
            "inherit" => (plain, Value::Int(sys::INHERIT)),
            "disable" => (plain, Value::Int(sys::DISABLE)),
            _ => return Err("its value is none of new, inherit and disable"),
        },
        ParamType::Int => (plain, Value::Int(value.parse().map_err(|_| "its value is no number")?)),
        ParamType::Text(room) => {
            if room > 0 && value.len() >= room {
                return Err("its value is longer than the kernel takes");
            }
            (plain, Value::Text(text(value)?))
        }
        ParamType::Ip4 => {
            (plain, Value::Bytes(addresses(value, |one| one.parse().ok().map(|ip: Ipv4Addr| ip.octets().to_vec()))?))
        }
        ParamType::Ip6 => {
            (plain, Value::Bytes(addresses(value, |one| one.parse().ok().map(|ip: Ipv6Addr| ip.octets().to_vec()))?))
        }
        ParamType::Other => return Err("thinjail can't set a parameter of its type"),
    })
}

/// Whether a boolean's name is its negative one: then the kernel has none of this very name.
fn is_no(name: &str) -> bool {
    without_no(name).is_some() && jail_param(name).ok().flatten().is_none()
}

fn addresses(list: &str, one: impl Fn(&str) -> Option<Vec<u8>>) -> Result<Vec<u8>, &'static str> {
    let mut bytes = Vec::new();
    for address in list.split(',').map(str::trim).filter(|address| !address.is_empty()) {
        if address.contains(['|', '/']) {
            return Err("an interface or a mask is no part of an address here");
        }
        bytes.extend(one(address).ok_or("its value is no list of addresses")?);
    }
    Ok(bytes)
}

fn help(kind: ParamType) -> Option<String> {
    Some(
        match kind {
            ParamType::Bool => "write true or false",
            ParamType::JailSys => "write new, inherit or disable",
            ParamType::Int => "write a number",
            ParamType::Ip4 => "write addresses such as \"192.0.2.1, 192.0.2.2\", which an interface of the host has",
            ParamType::Ip6 => "write addresses such as \"2001:db8::1\", which an interface of the host has",
            ParamType::Text(_) | ParamType::Other => return None,
        }
        .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn value(kind: ParamType, name: &str, value: &str) -> Result<(String, Value), &'static str> {
        typed(kind, name, value).map(|(name, value)| (name.into_string().unwrap(), value))
    }

    #[test]
    fn a_boolean_is_set_by_its_name_and_unset_by_the_other_one() {
        assert_eq!(value(ParamType::Bool, "allow.mlock", ""), Ok(("allow.mlock".into(), Value::Flag)));
        assert_eq!(value(ParamType::Bool, "allow.mlock", "false"), Ok(("allow.nomlock".into(), Value::Flag)));
        assert_eq!(value(ParamType::Bool, "persist", "0"), Ok(("nopersist".into(), Value::Flag)));
        assert!(value(ParamType::Bool, "allow.mlock", "maybe").is_err());
    }

    #[test]
    fn numbers_words_and_addresses_are_what_the_kernel_takes() {
        assert_eq!(value(ParamType::Int, "securelevel", "3"), Ok(("securelevel".into(), Value::Int(3))));
        assert!(value(ParamType::Int, "securelevel", "three").is_err());
        assert_eq!(value(ParamType::JailSys, "sysvshm", "new"), Ok(("sysvshm".into(), Value::Int(sys::NEW))));
        assert!(value(ParamType::JailSys, "sysvshm", "old").is_err());
        let two = Value::Bytes(vec![127, 0, 0, 1, 10, 0, 0, 2]);
        assert_eq!(value(ParamType::Ip4, "ip4.addr", "127.0.0.1, 10.0.0.2"), Ok(("ip4.addr".into(), two)));
        assert!(value(ParamType::Ip4, "ip4.addr", "em0|10.0.0.2/32").is_err());
        assert!(value(ParamType::Text(4), "osrelease", "14.2").is_err());
    }

    #[test]
    fn the_kernel_has_the_parameters_that_every_plan_sets() {
        let all = ["children.max", "enforce_statfs", "host", "name", "ip4", "path", "allow.set_hostname"];
        for name in all {
            assert!(jail_param(name).unwrap().is_some(), "{name}");
        }
        assert_eq!(jail_param("no.such.thing").unwrap(), None);
        assert_eq!(jail_param("ip4").unwrap(), Some(ParamType::JailSys));
        assert_eq!(jail_param("ip4.addr").unwrap(), Some(ParamType::Ip4));
        assert_eq!(jail_param("securelevel").unwrap(), Some(ParamType::Int));
        assert_eq!(jail_param("persist").unwrap(), Some(ParamType::Bool));
    }
}
