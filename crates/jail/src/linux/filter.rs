//! Which system calls the program may make: the default filter, made by the compiler, or one with a profile's changes.

use thinjail_plan::plan::Syscalls;
use thinjail_plan::syscalls::{Call, END, FAMILIES, MORE_FAMILIES, PARTLY, REFUSED, SET_ID, UNKNOWN, call};
use thinjail_sys::linux::seccomp::{MACHINE, MOST, Rule, compile, sock_filter};

const PERM: i32 = 1;
const NOSYS: i32 = 38;
/// What a kernel says that has no such family.
const AFNOSUPPORT: i32 = 97;

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
const NAMESPACES: u32 = 0x7e02_0000;
/// CLONE_NEWTIME, which is a part of the signal's number to clone(2).
const NEW_TIME: u32 = 0x80;
/// A sibling in place of a child: one of whoever has started us, who never asked for it.
const CLONE_PARENT: u32 = 0x8000;
/// S_ISUID, S_ISGID.
const SET_ID_BITS: u32 = 0o6000;
/// O_CREAT and the bit that makes O_TMPFILE: without either a mode is not looked at, and may be anything.
const MAKES_FILE: u32 = 0o2000_0100;
/// TIOCSTI, TIOCLINUX.
const TYPING: [u32; 2] = [0x5412, 0x541c];
/// personality(2) as it is, asked for, or with what older programs need: ADDR_LIMIT_3GB and UNAME26 and both.
const PERSONALITIES: [u32; 5] = [0, 0x8, 0x2_0000, 0x2_0008, u32::MAX];

/// The calls that could set those bits, and which argument has them; with the flags' where a file is made by them.
const SETS_ID: [(&str, Option<u32>, u32); 9] = [
    ("chmod", None, 1),
    ("creat", None, 1),
    ("fchmod", None, 1),
    ("fchmodat", None, 2),
    ("fchmodat2", None, 2),
    ("mknod", None, 1),
    ("mknodat", None, 2),
    ("open", Some(1), 2),
    ("openat", Some(2), 3),
];

/// Calls that name a process by its pid, as their first argument, and ask of the caller only that it is the same user: 0 is itself.
const BY_PID: [&str; 5] = ["prlimit64", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler"];
/// The same with a kind before the pid, which is a process for this value.
const BY_KIND: [(&str, u32); 2] = [("ioprio_set", 1), ("setpriority", 0)];

/// On the machine that this is built for.
#[cfg(target_arch = "x86_64")]
const fn number(call: &Call) -> u32 {
    call.x86_64
}

#[cfg(not(target_arch = "x86_64"))]
const fn number(call: &Call) -> u32 {
    call.generic
}

/// As many rules as the default has at most.
const COUNT: usize = REFUSED.len() + PARTLY.len() + SETS_ID.len();

/// Rules by number, and how many.
type Rules = ([(u32, Rule<'static>); COUNT], usize);

/// The default list.
const RULES: Rules = {
    let mut rules: Rules = ([(0, Rule::Allow); COUNT], 0);
    let mut at = 0;
    while at < REFUSED.len() {
        let name = REFUSED[at].name;
        rules = with(rules, name, Rule::Refuse(if is_unknown(name) { NOSYS } else { PERM }));
        at += 1;
    }
    at = 0;
    while at < SETS_ID.len() {
        let (name, flags, argument) = SETS_ID[at];
        let (mask, errno) = (SET_ID_BITS, PERM);
        let rule = match flags {
            Some(other) => Rule::BitsIf { other, of: MAKES_FILE, argument, mask, errno },
            None => Rule::Bits { argument, mask, errno },
        };
        rules = with(rules, name, rule);
        at += 1;
    }
    rules = with(rules, "clone", Rule::Bits { argument: 0, mask: NAMESPACES, errno: PERM });
    rules = with(rules, "unshare", Rule::Bits { argument: 0, mask: NAMESPACES | NEW_TIME, errno: PERM });
    rules = with(rules, "ioctl", Rule::Except { argument: 1, values: &TYPING, errno: PERM });
    rules = with(rules, "personality", Rule::Only { argument: 0, values: &PERSONALITIES, errno: PERM });
    let families = Rule::Only { argument: 0, values: &FAMILIES, errno: AFNOSUPPORT };
    rules = with(rules, "socket", families);
    with(rules, "socketpair", families)
};

/// With one more, at its place; as they are where this machine has no such call.
const fn with(rules: Rules, name: &str, rule: Rule<'static>) -> Rules {
    let (mut list, count) = rules;
    let call = call(name);
    // When this is compiled: a name that is none would be a hole.
    assert!(call.is_some(), "a system call that is not in the table");
    let number = match call {
        Some(call) if number(call) != u32::MAX => number(call),
        _ => return (list, count),
    };
    let mut at = count;
    while at > 0 && list[at - 1].0 > number {
        list[at] = list[at - 1];
        at -= 1;
    }
    list[at] = (number, rule);
    (list, count + 1)
}

const fn is_unknown(name: &str) -> bool {
    let mut at = 0;
    while at < UNKNOWN.len() {
        // The table has one entry of a name, and str has no `==` that the compiler runs.
        if let (Some(one), Some(two)) = (call(UNKNOWN[at]), call(name))
            && one.x86_64 == two.x86_64
            && one.generic == two.generic
        {
            return true;
        }
        at += 1;
    }
    false
}

const EMPTY: sock_filter = sock_filter { code: 0, jt: 0, jf: 0, k: 0 };

/// A filter with the room that it is made in, and how long it is.
type Made = ([sock_filter; MOST], usize);

const fn made(rules: &Rules) -> Made {
    let mut filter = [EMPTY; MOST];
    let length = compile(MACHINE, rules.0.split_at(rules.1).0, END, &mut filter);
    assert!(length.is_some(), "the default rules make no filter");
    match length {
        Some(length) => (filter, length),
        None => (filter, 0),
    }
}

const fn cut<const N: usize>(made: &Made) -> [sock_filter; N] {
    let mut filter = [EMPTY; N];
    let mut at = 0;
    while at < N {
        filter[at] = made.0[at];
        at += 1;
    }
    filter
}

const MADE: Made = made(&RULES);

static DEFAULT: [sock_filter; MADE.1] = cut(&MADE);

/// What a process calls that takes its root, of what the default refuses.
const ROOT: [&str; 2] = ["move_mount", "openat2"];

/// The default's rules for those, or for all others.
const fn rules_for(root: bool) -> Rules {
    let mut rules: Rules = ([(0, Rule::Allow); COUNT], 0);
    let mut at = 0;
    while at < RULES.1 {
        if is_root(RULES.0[at].0) == root {
            rules.0[rules.1] = RULES.0[at];
            rules.1 += 1;
        }
        at += 1;
    }
    rules
}

const fn is_root(of: u32) -> bool {
    let mut at = 0;
    while at < ROOT.len() {
        if let Some(call) = call(ROOT[at])
            && number(call) == of
        {
            return true;
        }
        at += 1;
    }
    false
}

const MADE_SOONER: Made = made(&rules_for(false));
const MADE_LATER: Made = made(&rules_for(true));

/// The default in two filters, which refuse together what it refuses: the kernel asks all that are set, and takes the strictest
/// answer; seccomp(2). The first one, which takes nearly all of the time to be set, can be set by a process that has still to take
/// its root.
static SOONER: [sock_filter; MADE_SOONER.1] = cut(&MADE_SOONER);
static LATER: [sock_filter; MADE_LATER.1] = cut(&MADE_LATER);

/// Without a pid namespace every process of the same user could be named.
fn own_processes() -> Option<Vec<(u32, Rule<'static>)>> {
    let by_pid = BY_PID.iter().map(|name| (*name, Rule::Only { argument: 0, values: &[0], errno: PERM }));
    let by_kind = BY_KIND.iter().map(|(name, kind)| {
        let rule = Rule::Both { arguments: [0, 1], values: [*kind, 0], errno: PERM };
        (*name, rule)
    });
    let clone = Rule::Bits { argument: 0, mask: NAMESPACES | CLONE_PARENT, errno: PERM };
    by_pid.chain(by_kind).chain([("clone", clone)]).map(|(name, rule)| Some((number(call(name)?), rule))).collect()
}

/// A filter, ready to be set.
#[derive(Debug)]
pub(super) enum Filter {
    /// The one that costs nothing to make.
    Default,
    /// With what a profile gives back and refuses.
    Own(Vec<sock_filter>),
}

impl Filter {
    /// None for words that are not in the tables.
    pub(super) fn of(syscalls: &Syscalls) -> Option<Self> {
        if *syscalls == Syscalls::default() {
            return Some(Self::Default);
        }
        Self::own(syscalls)
    }

    /// The instructions of one that is not the default, and may refuse more.
    pub(super) fn changed(&self) -> Option<&[sock_filter]> {
        match self {
            Self::Default => None,
            Self::Own(instructions) => Some(instructions),
        }
    }

    /// The other way.
    pub(super) fn from_changed(instructions: Option<Vec<sock_filter>>) -> Self {
        instructions.map_or(Self::Default, Self::Own)
    }

    /// On its own, for its room on the stack: the rules take some pages, which every start would pay for.
    #[cold]
    #[inline(never)]
    fn own(syscalls: &Syscalls) -> Option<Self> {
        let numbers = |words: &[String]| -> Option<Vec<u32>> {
            words.iter().map(|word| call(word).map(number)).collect::<Option<_>>()
        };
        let mut families = FAMILIES.to_vec();
        let mut given_back = Vec::new();
        for word in &syscalls.allowed {
            if word == SET_ID {
                given_back.extend(SETS_ID.iter().map(|(name, ..)| (*name).to_owned()));
                given_back.push("openat2".into());
            } else if let Some((_, family)) = MORE_FAMILIES.iter().find(|(name, _)| name == word) {
                families.push(*family);
            } else {
                given_back.push(word.clone());
            }
        }
        let (given_back, refused) = (numbers(&given_back)?, numbers(&syscalls.refused)?);
        let kept =
            RULES.0[..RULES.1].iter().filter(|(number, _)| !given_back.contains(number) && !refused.contains(number));
        let mut rules: Vec<(u32, Rule<'_>)> = kept.copied().collect();
        for (_, rule) in &mut rules {
            if let Rule::Only { values, errno: AFNOSUPPORT, .. } = rule {
                *values = &families;
            }
        }
        if syscalls.own_processes {
            for (number, rule) in own_processes()? {
                if !refused.contains(&number) {
                    rules.retain(|(of, _)| *of != number);
                    rules.push((number, rule));
                }
            }
        }
        rules.extend(refused.iter().filter(|number| **number != u32::MAX).map(|number| (*number, Rule::Refuse(PERM))));
        rules.sort_unstable_by_key(|(number, _)| *number);
        let mut filter = vec![EMPTY; MOST];
        let length = compile(MACHINE, &rules, END, &mut filter)?;
        filter.truncate(length);
        Some(Self::Own(filter))
    }

    /// It as two, where the first need not wait for the root; else there is only what has to wait for it.
    pub(super) fn in_two(&self) -> (Option<&[sock_filter]>, &[sock_filter]) {
        match self {
            Self::Default => (Some(&SOONER), &LATER),
            Self::Own(filter) => (None, filter),
        }
    }

    /// Its instructions.
    pub(super) fn instructions(&self) -> &[sock_filter] {
        match self {
            Self::Default => &DEFAULT,
            Self::Own(filter) => filter,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_refusal_has_a_rule_on_this_machine() {
        let rules = &RULES.0[..RULES.1];
        assert!(rules.is_sorted_by(|one, two| one.0 < two.0));
        for refusal in REFUSED.iter().chain(&PARTLY) {
            let number = number(call(refusal.name).unwrap());
            let found = rules.iter().find(|(of, _)| *of == number);
            assert_eq!(found.is_some(), number != u32::MAX, "{}", refusal.name);
        }
        for name in UNKNOWN {
            let rule = rules.iter().find(|(of, _)| *of == number(call(name).unwrap())).unwrap().1;
            assert_eq!(rule, Rule::Refuse(NOSYS), "{name}");
        }
        let unknown = rules.iter().filter(|(_, rule)| *rule == Rule::Refuse(NOSYS)).count();
        assert_eq!(unknown, UNKNOWN.len());
    }

    #[test]
    fn the_default_filter_is_as_short_as_it_should_be() {
        assert!(DEFAULT.len() < 150, "{}", DEFAULT.len());
        assert!(DEFAULT.iter().all(|one| one.code != 0), "the kernel would refuse it");
        assert_eq!(Filter::of(&Syscalls::default()).unwrap().instructions().len(), DEFAULT.len());
    }

    /// What a filter says to a call with these arguments; seccomp(2).
    fn verdict(filter: &[sock_filter], number: u32, machine: u32, arguments: [u32; 6]) -> u32 {
        let (mut at, mut a) = (0, 0);
        loop {
            let one = filter[at];
            at += 1;
            let branch = |yes: bool| usize::from(if yes { one.jt } else { one.jf });
            match u32::from(one.code) {
                // BPF_RET, BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JA, BPF_JEQ, BPF_JGE, BPF_JSET.
                0x06 => return one.k,
                0x20 => {
                    a = match one.k {
                        0 => number,
                        4 => machine,
                        offset => arguments[(offset as usize - 16) / 8],
                    }
                }
                0x05 => at += one.k as usize,
                0x15 => at += branch(a == one.k),
                0x35 => at += branch(a >= one.k),
                0x45 => at += branch(a & one.k != 0),
                code => panic!("unknown instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn the_default_in_two_refuses_what_it_refuses_in_one() {
        let (Some(sooner), later) = Filter::Default.in_two() else { panic!("it is one") };
        assert!(later.len() < 20 && sooner.len() < DEFAULT.len() + 5, "{} and {}", sooner.len(), later.len());
        // Each bit alone and all that rules look for, in each argument, with others set and not.
        let bits = (0..32).map(|bit| 1 << bit);
        let values: Vec<u32> =
            bits.chain([0, 3, 17, 0x5412, 0x541c, u32::MAX]).chain(PERSONALITIES).chain(0..46).collect();
        let sets = values.iter().flat_map(|value| (0..6).map(move |at| (at, *value)));
        let sets: Vec<[u32; 6]> = sets
            .flat_map(|(at, value)| {
                [0, u32::MAX].map(|rest| std::array::from_fn(|other| if other == at { value } else { rest }))
            })
            .collect();
        let mut refused = [0, 0];
        for number in (0..END + 5).chain([0x4000_0000, 0x4000_0001, u32::MAX]) {
            for (machine, arguments) in sets.iter().map(|set| (MACHINE, *set)).chain([(0x4000_0003, [0; 6])]) {
                let of = |filter: &[sock_filter]| verdict(filter, number, machine, arguments);
                let (first, second) = (of(sooner), of(later));
                // The kernel takes the one of the least value, with its sign: to kill is the least, to allow the greatest.
                let both = first.cast_signed().min(second.cast_signed());
                assert_eq!(both.cast_unsigned(), of(&DEFAULT), "{number} {machine:#x} {arguments:x?}");
                refused[0] += u32::from(first != 0x7fff_0000);
                refused[1] += u32::from(second != 0x7fff_0000 && first == 0x7fff_0000);
            }
        }
        assert!(refused.iter().all(|count| *count > 0), "{refused:?}");
    }

    #[test]
    fn a_profile_s_own_filter_differs_where_it_says_so() {
        let of = |allowed: &[&str], refused: &[&str]| {
            let own_processes = false;
            Filter::of(&Syscalls { allowed: words(allowed), refused: words(refused), own_processes })
        };
        let default = DEFAULT.len();
        assert!(of(&["ptrace"], &[]).unwrap().instructions().len() < default);
        // Which families socket(2) and socketpair(2) have is looked at in one place.
        assert_eq!(of(&["af_vsock"], &[]).unwrap().instructions().len(), default + 1);
        assert!(of(&[], &["chroot"]).unwrap().instructions().len() > default);
        assert!(of(&["set-id"], &[]).unwrap().instructions().len() < default);
        assert!(of(&["magic"], &[]).is_none() && of(&[], &["magic"]).is_none());
        let alone = |refused: &[&str]| {
            let syscalls = Syscalls { refused: words(refused), own_processes: true, ..Syscalls::default() };
            Filter::of(&syscalls).unwrap().instructions().len()
        };
        assert!(alone(&[]) > default);
        assert!(alone(&["prlimit64"]) < alone(&[]), "what a profile denies is denied whatever it names");
    }
}
