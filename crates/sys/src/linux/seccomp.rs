//! seccomp(2): from rules to a filter, also at compile time, and the call that sets it.

#[cfg(test)]
mod tests;

use std::io;

pub use libc::sock_filter;
use libc::{BPF_ABS, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W};

/// What a system call is told. An argument is counted from 0, and only its low half is looked at: where that is not all that
/// the kernel looks at, a rule is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule<'a> {
    /// It is done.
    Allow,
    /// This errno.
    Refuse(i32),
    /// This errno if an argument has one of these bits.
    Bits {
        /// Which argument.
        argument: u32,
        /// The bits.
        mask: u32,
        /// What is said then.
        errno: i32,
    },
    /// The same, but only if another argument has one of other bits.
    BitsIf {
        /// The other argument.
        other: u32,
        /// Its bits.
        of: u32,
        /// Which argument.
        argument: u32,
        /// The bits.
        mask: u32,
        /// What is said then.
        errno: i32,
    },
    /// This errno unless an argument is one of these.
    Only {
        /// Which argument.
        argument: u32,
        /// The values.
        values: &'a [u32],
        /// What is said otherwise.
        errno: i32,
    },
    /// This errno unless two arguments are these.
    Both {
        /// Which arguments.
        arguments: [u32; 2],
        /// The value of each.
        values: [u32; 2],
        /// What is said otherwise.
        errno: i32,
    },
    /// This errno if an argument is one of these.
    Except {
        /// Which argument.
        argument: u32,
        /// The values.
        values: &'a [u32],
        /// What is said then.
        errno: i32,
    },
}

/// `AUDIT_ARCH_*` of linux/audit.h for the machine that this is built for. Every other way into the kernel (programs of 32 bits,
/// int 0x80) has another, and numbers of its own.
#[cfg(target_arch = "x86_64")]
pub const MACHINE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
pub const MACHINE: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
pub const MACHINE: u32 = 0xc000_00f3;

/// `BPF_MAXINSNS`: no filter may have more instructions.
pub const MOST: usize = 4096;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// A stretch of numbers with one rule, up to where the next one begins.
type Stretch<'a> = (u32, Rule<'a>);

/// As many as there can be: two for each number of a machine.
const STRETCHES: usize = 1024;

/// Writes the filter of `rules`, which are sorted by number, each there once; numbers without one are allowed up to `end`, and
/// unknown (ENOSYS) from there on. Says how many instructions that takes; none where they don't fit.
///
/// The numbers are searched for by halves, so that neither a system call goes through a long list nor the kernel, which tries
/// each number once when the filter is set to learn which ones it need never ask for again: a half is one of numbers, and not of
/// rules.
#[must_use]
pub const fn compile(machine: u32, rules: &[(u32, Rule<'_>)], end: u32, out: &mut [sock_filter]) -> Option<usize> {
    const UNKNOWN: Rule<'_> = Rule::Refuse(libc::ENOSYS);
    let mut stretches: [Stretch<'_>; STRETCHES] = [(0, Rule::Allow); STRETCHES];
    let (mut count, mut next, mut at) = (0, 0, 0);
    while at < rules.len() {
        let (number, rule) = rules[at];
        if number < next || number >= end || count + 5 > STRETCHES {
            return None;
        }
        if number > next {
            count = add(&mut stretches, count, next, Rule::Allow);
        }
        count = add(&mut stretches, count, number, rule);
        next = number + 1;
        at += 1;
    }
    if next < end {
        count = add(&mut stretches, count, next, Rule::Allow);
    }
    count = add(&mut stretches, count, end, UNKNOWN);
    // Where the last one ends matters only for the halves.
    stretches[count] = (end.saturating_add(1), Rule::Allow);
    let length = 4 + size(&stretches, 0, count);
    if length > out.len() {
        return None;
    }
    out[0] = load(ARCH);
    out[1] = jump(BPF_JEQ, machine, 1, 0);
    out[2] = refuse(libc::ENOSYS);
    out[3] = load(NUMBER);
    tree(&stretches, 0, count, out, 4);
    Some(share(out, length))
}

/// As many different verdicts as are shared.
const VERDICTS: usize = 16;

/// Lets all tests that come to the same verdict, or to the same look at an argument, jump to one place behind the others: the
/// kernel compiles a filter each time that it is set, in a time that goes by its length, and verdicts are half of it. Says how
/// many instructions are left. Where a jump would have to reach too far nothing is changed.
const fn share(out: &mut [sock_filter], length: usize) -> usize {
    let mut verdicts = [0; VERDICTS];
    let mut known = 0;
    // Where each instruction comes to stand, for a shared verdict which one it is, and for a look that is there once more the
    // place of that one, which is told by a number from `TWICE` on.
    let mut places = [0; MOST];
    let mut kept = 0;
    let mut at = 0;
    while at < length {
        if let Some((mut again, end)) = again(out, at, length) {
            while at < end {
                places[at] = TWICE + again;
                again += 1;
                at += 1;
            }
            continue;
        }
        // One that follows upon a load is come to without a jump, and stays.
        if is_verdict(&out[at]) && !is_load(&out[at - 1]) {
            let mut which = 0;
            while which < known && verdicts[which] != out[at].k {
                which += 1;
            }
            if which == VERDICTS {
                return length;
            }
            verdicts[which] = out[at].k;
            if which == known {
                known += 1;
            }
            places[at] = MOST + which;
        } else {
            places[at] = kept;
            kept += 1;
        }
        at += 1;
    }
    if !redirect(out, length, &places, kept, false) {
        return length;
    }
    redirect(out, length, &places, kept, true);
    let mut which = 0;
    while which < known {
        out[kept + which] = statement(BPF_RET | BPF_K, verdicts[which]);
        which += 1;
    }
    kept + known
}

/// Marks a place that is another's.
const TWICE: usize = 2 * MOST;

/// If a look at an argument begins at `at`, and the same one begins again behind it: where that is, and where the first one ends.
const fn again(out: &[sock_filter], at: usize, length: usize) -> Option<(usize, usize)> {
    if !is_load(&out[at]) || out[at].k < ARGUMENTS {
        return None;
    }
    let end = end_of(out, at);
    let mut other = end;
    while other + (end - at) <= length {
        let mut same = 0;
        while at + same < end && is_same(&out[at + same], &out[other + same]) {
            same += 1;
        }
        if at + same == end {
            return Some((other, end));
        }
        other += 1;
    }
    None
}

/// Where a look at an argument ends: behind the verdict that nothing in it jumps over.
const fn end_of(out: &[sock_filter], at: usize) -> usize {
    let (mut at, mut reach) = (at, at);
    loop {
        let one = &out[at];
        if is_test(one) {
            let far = if one.jt > one.jf { one.jt } else { one.jf };
            if at + 1 + far as usize > reach {
                reach = at + 1 + far as usize;
            }
        }
        if is_verdict(one) && at >= reach {
            return at + 1;
        }
        at += 1;
    }
}

const fn is_same(one: &sock_filter, other: &sock_filter) -> bool {
    one.code == other.code && one.jt == other.jt && one.jf == other.jf && one.k == other.k
}

/// Whether every jump reaches its target at the new place; and if so asked, moves all to theirs.
#[allow(clippy::cast_possible_truncation, reason = "what does not fit is not written")]
const fn redirect(out: &mut [sock_filter], length: usize, places: &[usize; MOST], kept: usize, write: bool) -> bool {
    let mut at = 0;
    while at < length {
        if places[at] < MOST {
            let mut one = out[at];
            if is_test(&one) {
                let yes = distance(places, kept, at, at + 1 + one.jt as usize);
                let no = distance(places, kept, at, at + 1 + one.jf as usize);
                if yes > NEAR || no > NEAR {
                    return false;
                }
                one.jt = yes as u8;
                one.jf = no as u8;
            } else if one.code as u32 == BPF_JMP | BPF_JA {
                one.k = distance(places, kept, at, at + 1 + one.k as usize) as u32;
            }
            if write {
                // Never behind `at`, so nothing is lost that is still to be read.
                out[places[at]] = one;
            }
        }
        at += 1;
    }
    true
}

/// From behind one instruction to another, at their new places.
const fn distance(places: &[usize; MOST], kept: usize, from: usize, to: usize) -> usize {
    let mut to = to;
    while places[to] >= TWICE {
        to = places[to] - TWICE;
    }
    let to = if places[to] < MOST { places[to] } else { kept + places[to] - MOST };
    to - places[from] - 1
}

const fn is_verdict(one: &sock_filter) -> bool {
    one.code as u32 == BPF_RET | BPF_K
}

const fn is_load(one: &sock_filter) -> bool {
    one.code as u32 == BPF_LD | BPF_W | BPF_ABS
}

const fn is_test(one: &sock_filter) -> bool {
    let code = one.code as u32;
    code == BPF_JMP | BPF_JEQ | BPF_K || code == BPF_JMP | BPF_JGE | BPF_K || code == BPF_JMP | BPF_JSET | BPF_K
}

/// Adds a stretch, or lets the one before it go on.
const fn add<'a>(stretches: &mut [Stretch<'a>; STRETCHES], count: usize, from: u32, rule: Rule<'a>) -> usize {
    if count > 0 {
        match (stretches[count - 1].1, rule) {
            (Rule::Allow, Rule::Allow) => return count,
            (Rule::Refuse(one), Rule::Refuse(two)) if one == two => return count,
            _ => {}
        }
    }
    stretches[count] = (from, rule);
    count + 1
}

/// How far a jump of a test reaches.
const NEAR: usize = 255;

/// Where a search is cut: with about as many numbers on either side.
const fn halves(stretches: &[Stretch<'_>; STRETCHES], low: usize, high: usize) -> usize {
    let (from, to) = (stretches[low].0, stretches[high].0);
    let mut middle = low + 1;
    while middle + 1 < high && 2 * stretches[middle].0 < from + to {
        middle += 1;
    }
    // The one before may be nearer.
    if middle > low + 1 && stretches[middle].0 + stretches[middle - 1].0 > from + to { middle - 1 } else { middle }
}

/// Whether it is one number with a rule of its own among others that are all allowed, or all refused alike: one test tells.
const fn is_one_apart(stretches: &[Stretch<'_>; STRETCHES], low: usize, high: usize) -> bool {
    if high - low != 3 || stretches[low + 2].0 != stretches[low + 1].0 + 1 {
        return false;
    }
    match (stretches[low].1, stretches[low + 2].1) {
        (Rule::Allow, Rule::Allow) => true,
        (Rule::Refuse(one), Rule::Refuse(two)) => one == two,
        _ => false,
    }
}

/// Instructions for the stretches from `low` to before `high`.
const fn size(stretches: &[Stretch<'_>; STRETCHES], low: usize, high: usize) -> usize {
    if high - low == 1 {
        return match stretches[low].1 {
            Rule::Allow | Rule::Refuse(_) => 1,
            Rule::Bits { .. } => 4,
            Rule::BitsIf { .. } | Rule::Both { .. } => 6,
            Rule::Only { values, .. } | Rule::Except { values, .. } => values.len() + 3,
        };
    }
    if is_one_apart(stretches, low, high) {
        return 2 + size(stretches, low + 1, low + 2);
    }
    let middle = halves(stretches, low, high);
    let left = size(stretches, low, middle);
    let node = if left > NEAR { 2 } else { 1 };
    node + left + size(stretches, middle, high)
}

/// Writes them from `at` on, and says where they end.
#[allow(clippy::cast_possible_truncation, reason = "a distance that does not fit is written as a far jump")]
const fn tree(
    stretches: &[Stretch<'_>; STRETCHES],
    low: usize,
    high: usize,
    out: &mut [sock_filter],
    at: usize,
) -> usize {
    if high - low == 1 {
        return leaf(stretches[low].1, out, at);
    }
    if is_one_apart(stretches, low, high) {
        out[at] = jump(BPF_JEQ, stretches[low + 1].0, 1, 0);
        let end = leaf(stretches[low].1, out, at + 1);
        return leaf(stretches[low + 1].1, out, end);
    }
    let middle = halves(stretches, low, high);
    let (from, left) = (stretches[middle].0, size(stretches, low, middle));
    let begin = if left > NEAR {
        out[at] = jump(BPF_JGE, from, 0, 1);
        out[at + 1] = statement(BPF_JMP | BPF_JA, left as u32);
        at + 2
    } else {
        out[at] = jump(BPF_JGE, from, left as u8, 0);
        at + 1
    };
    let end = tree(stretches, low, middle, out, begin);
    tree(stretches, middle, high, out, end)
}

/// One rule, with the number found.
const fn leaf(rule: Rule<'_>, out: &mut [sock_filter], at: usize) -> usize {
    match rule {
        Rule::Allow => {
            out[at] = ALLOW;
            at + 1
        }
        Rule::Refuse(errno) => {
            out[at] = refuse(errno);
            at + 1
        }
        Rule::Bits { argument, mask, errno } => bits(argument, mask, errno, out, at),
        Rule::BitsIf { other, of, argument, mask, errno } => {
            out[at] = load(ARGUMENTS + 8 * other);
            // To the end of what follows, which allows.
            out[at + 1] = jump(BPF_JSET, of, 0, 3);
            bits(argument, mask, errno, out, at + 2)
        }
        Rule::Only { argument, values, errno } => among(argument, values, [refuse(errno), ALLOW], out, at),
        Rule::Both { arguments, values, errno } => {
            out[at] = load(ARGUMENTS + 8 * arguments[0]);
            // To the refusal, and past it.
            out[at + 1] = jump(BPF_JEQ, values[0], 0, 2);
            out[at + 2] = load(ARGUMENTS + 8 * arguments[1]);
            out[at + 3] = jump(BPF_JEQ, values[1], 1, 0);
            out[at + 4] = refuse(errno);
            out[at + 5] = ALLOW;
            at + 6
        }
        Rule::Except { argument, values, errno } => among(argument, values, [ALLOW, refuse(errno)], out, at),
    }
}

const fn bits(argument: u32, mask: u32, errno: i32, out: &mut [sock_filter], at: usize) -> usize {
    out[at] = load(ARGUMENTS + 8 * argument);
    out[at + 1] = jump(BPF_JSET, mask, 0, 1);
    out[at + 2] = refuse(errno);
    out[at + 3] = ALLOW;
    at + 4
}

/// The first verdict if the argument is none of the values, else the second one.
#[allow(clippy::cast_possible_truncation, reason = "the lists of values are short")]
const fn among(argument: u32, values: &[u32], verdicts: [sock_filter; 2], out: &mut [sock_filter], at: usize) -> usize {
    out[at] = load(ARGUMENTS + 8 * argument);
    let mut index = 0;
    while index < values.len() {
        out[at + 1 + index] = jump(BPF_JEQ, values[index], (values.len() - index) as u8, 0);
        index += 1;
    }
    out[at + 1 + index] = verdicts[0];
    out[at + 2 + index] = verdicts[1];
    at + 3 + index
}

const ALLOW: sock_filter = statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW);

#[allow(clippy::cast_possible_truncation, reason = "codes fit 16 bits")]
const fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

const fn load(offset: u32) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, offset)
}

#[allow(clippy::cast_possible_truncation, reason = "codes fit 16 bits")]
const fn jump(test: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | test | BPF_K) as u16, jt, jf, k }
}

#[allow(clippy::cast_sign_loss, reason = "errno is positive")]
const fn refuse(errno: i32) -> sock_filter {
    statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ERRNO | errno as u32)
}

/// `prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter)`: from now on the filter holds for this process and all that descend
/// from it. no_new_privs must be set.
///
/// # Errors
/// EACCES without no_new_privs; EINVAL where the kernel has no filters, or where the filter is none.
///
/// seccomp(2).
pub fn set_filter(filter: &[sock_filter]) -> io::Result<()> {
    let len = u16::try_from(filter.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    // SAFETY: `program` and the `len` instructions that it points to live through the call, and the kernel only reads them.
    let status = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
