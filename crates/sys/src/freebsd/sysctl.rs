//! sysctl(3).

use std::ffi::CStr;
use std::io;

use super::jail::until_nul;

/// `int sysctlbyname(const char *name, void *oldp, size_t *oldlenp, const void *newp, size_t newlen)`, for a value that
/// is an `int` and is only read. See sysctl(3).
pub fn sysctlbyname_int(name: &CStr) -> io::Result<i32> {
    let mut value: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>();
    // SAFETY: `value` and `length` live through the call and `length` says how big `value` is, so the kernel writes no
    // further; with a null `newp` nothing is set.
    let done =
        unsafe { libc::sysctlbyname(name.as_ptr(), (&raw mut value).cast(), &raw mut length, std::ptr::null(), 0) };
    if done == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

/// What a parameter of jail(2) takes, by the type that security.jail.param has for its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// A boolean: set by its name, or by the name with `no` before its last part.
    Bool,
    /// `disable`, `new` or `inherit`.
    JailSys,
    /// A number.
    Int,
    /// A string of less than this many bytes.
    Text(usize),
    /// IPv4 addresses.
    Ip4,
    /// IPv6 addresses.
    Ip6,
    /// Something that thinjail can't set.
    Other,
}

/// CTLTYPE and its values; <sys/sysctl.h>.
const TYPE: u32 = 0xf;
const NODE: u32 = 1;
const INT: u32 = 2;
const STRING: u32 = 3;
const OPAQUE: u32 = 5;
const UINT: u32 = 6;

/// The type of a parameter, as jail(3) learns it: sysctl {0, 3} makes a number of the name, and {0, 4} tells its format. None
/// where the kernel has no such parameter, or has it in a module that is not loaded.
///
/// jail(3), sysctl(3).
pub fn jail_param(name: &str) -> io::Result<Option<ParamType>> {
    let full = format!("security.jail.param.{name}");
    let Some(oid) = oid(&full)? else { return Ok(None) };
    let mut answer = oid_format(&oid)?;
    if answer.as_ref().is_some_and(|(kind, _)| kind & TYPE == NODE) {
        answer = match unnamed(&oid, &full)? {
            Some(child) => oid_format(&child)?,
            None => None,
        };
    }
    let Some((kind, format)) = answer else { return Ok(None) };
    // `,a` is an array of them.
    Ok(Some(match (kind & TYPE, format.trim_end_matches(",a")) {
        (_, "B") => ParamType::Bool,
        (_, "E,jailsys") => ParamType::JailSys,
        (INT | UINT, _) => ParamType::Int,
        (STRING, _) => ParamType::Text(length(&oid)?),
        (OPAQUE, "S,in_addr") => ParamType::Ip4,
        (OPAQUE, "S,in6_addr") => ParamType::Ip6,
        _ => ParamType::Other,
    }))
}

/// The value of a string parameter's sysctl is the room that the kernel has for it.
fn length(oid: &[i32]) -> io::Result<usize> {
    let mut buffer = [0u8; 64];
    let Some(count) = sysctl(oid, &[], &mut buffer)? else { return Ok(0) };
    Ok(until_nul(&buffer[..count]).parse().unwrap_or(0))
}

/// `ip4` is a node; the parameter of that name is a child of it without a name, whose last number is one less or more than the
/// node's own.
fn unnamed(node: &[i32], name: &str) -> io::Result<Option<Vec<i32>>> {
    let Some(last) = node.last() else { return Ok(None) };
    for number in [last - 1, last + 1] {
        let mut child = node.to_vec();
        child.push(number);
        let mut query = vec![0, 1];
        query.extend(&child);
        let mut buffer = [0u8; 1024];
        let Some(count) = sysctl(&query, &[], &mut buffer)? else { continue };
        if until_nul(&buffer[..count]) == format!("{name}.") {
            return Ok(Some(child));
        }
    }
    Ok(None)
}

/// sysctl {0, 4}: the type of a value, and how it is written.
fn oid_format(oid: &[i32]) -> io::Result<Option<(u32, String)>> {
    let mut query = vec![0, 4];
    query.extend(oid);
    let mut buffer = [0u8; 1024];
    let Some(count) = sysctl(&query, &[], &mut buffer)? else { return Ok(None) };
    let Some((kind, format)) = buffer[..count].split_first_chunk::<4>() else { return Ok(None) };
    Ok(Some((u32::from_ne_bytes(*kind), until_nul(format))))
}

/// sysctl {0, 3}: the numbers of a name.
fn oid(name: &str) -> io::Result<Option<Vec<i32>>> {
    let mut buffer = [0u8; 4 * 24];
    let Some(count) = sysctl(&[0, 3], name.as_bytes(), &mut buffer)? else { return Ok(None) };
    let numbers = buffer[..count].as_chunks::<4>().0;
    Ok(Some(numbers.iter().map(|bytes| i32::from_ne_bytes(*bytes)).collect()))
}

/// `int sysctl(mib, miblen, old, &oldlen, new, newlen)`: how much was written; none where there is no such thing.
fn sysctl(mib: &[i32], new: &[u8], old: &mut [u8]) -> io::Result<Option<usize>> {
    let mut length = old.len();
    let new_pointer = if new.is_empty() { std::ptr::null() } else { new.as_ptr().cast() };
    let count = u32::try_from(mib.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `mib`, `old` and `new` are as long as the numbers beside them say, and the kernel only writes to `old`; what is
    // asked for here changes nothing.
    let done =
        unsafe { libc::sysctl(mib.as_ptr(), count, old.as_mut_ptr().cast(), &raw mut length, new_pointer, new.len()) };
    if done == 0 {
        return Ok(Some(length.min(old.len())));
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) }
}
