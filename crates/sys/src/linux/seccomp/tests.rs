#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

/// `struct seccomp_data`, as words.
struct Data {
    number: u32,
    machine: u32,
    arguments: [u32; 6],
}

/// What the kernel's interpreter does with the instructions that are used here.
fn verdict(filter: &[sock_filter], data: &Data) -> u32 {
    let word = |offset: u32| match offset {
        NUMBER => data.number,
        ARCH => data.machine,
        offset => data.arguments[usize::try_from((offset - ARGUMENTS) / 8).unwrap()],
    };
    let (mut at, mut a) = (0, 0);
    loop {
        let one = filter[at];
        at += 1;
        let code = u32::from(one.code);
        let branch = |yes: bool| usize::from(if yes { one.jt } else { one.jf });
        if code == BPF_RET | BPF_K {
            return one.k;
        } else if code == BPF_LD | BPF_W | BPF_ABS {
            a = word(one.k);
        } else if code == BPF_JMP | BPF_JA {
            at += one.k as usize;
        } else if code == BPF_JMP | BPF_JEQ | BPF_K {
            at += branch(a == one.k);
        } else if code == BPF_JMP | BPF_JGE | BPF_K {
            at += branch(a >= one.k);
        } else if code == BPF_JMP | BPF_JSET | BPF_K {
            at += branch(a & one.k != 0);
        } else {
            panic!("unknown instruction {code:#x}");
        }
    }
}

const DONE: u32 = libc::SECCOMP_RET_ALLOW;

fn said(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()
}

/// The verdict on a number and arguments.
fn judge(rules: &[(u32, Rule<'_>)], number: u32, arguments: [u32; 6]) -> u32 {
    let mut out = [ALLOW; MOST];
    let length = compile(MACHINE, rules, 500, &mut out).unwrap();
    verdict(&out[..length], &Data { number, machine: MACHINE, arguments })
}

const NONE: [u32; 6] = [0; 6];

#[test]
fn every_number_gets_its_own_rule_and_those_between_are_allowed() {
    let rules: Vec<(u32, Rule<'_>)> =
        (0..500).filter(|number| number % 3 != 1).map(|number| (number, Rule::Refuse(1 + number as i32 % 7))).collect();
    for number in 0..500 {
        let expected = if number % 3 == 1 { DONE } else { said(1 + number as i32 % 7) };
        assert_eq!(judge(&rules, number, NONE), expected, "{number}");
    }
}

#[test]
fn what_comes_after_the_last_known_number_is_unknown() {
    for rules in [&[][..], &[(499, Rule::Allow)]] {
        assert_eq!(judge(rules, 499, NONE), DONE);
        // x32 has its numbers from 0x40000000 on, and a tracer skips a call by -1.
        for number in [500, 0x4000_0000, 0x4000_0000 | 56, u32::MAX] {
            assert_eq!(judge(rules, number, NONE), said(libc::ENOSYS), "{number:#x}");
        }
    }
}

#[test]
fn another_way_into_the_kernel_is_closed() {
    let mut out = [ALLOW; 64];
    let length = compile(MACHINE, &[], 500, &mut out).unwrap();
    for machine in [0, 0x4000_0003, 0x4000_0028, MACHINE ^ 1] {
        let data = Data { number: 1, machine, arguments: NONE };
        assert_eq!(verdict(&out[..length], &data), said(libc::ENOSYS));
    }
}

#[test]
fn arguments_decide() {
    let rules = [
        (10, Rule::Bits { argument: 0, mask: 0x1010, errno: 1 }),
        (11, Rule::BitsIf { other: 1, of: 0x40, argument: 2, mask: 0o6000, errno: 2 }),
        (20, Rule::Only { argument: 3, values: &[1, 5, 9], errno: 3 }),
        (21, Rule::Except { argument: 5, values: &[7, 8], errno: 4 }),
        (22, Rule::Only { argument: 0, values: &[], errno: 5 }),
    ];
    let with = |number: u32, pairs: &[(usize, u32)]| {
        let mut arguments = NONE;
        for (at, value) in pairs {
            arguments[*at] = *value;
        }
        judge(&rules, number, arguments)
    };
    assert_eq!(with(10, &[(0, 0xefef), (1, 0x1010)]), DONE);
    assert_eq!(with(10, &[(0, 0x10)]), said(1));
    assert_eq!(with(10, &[(0, 0x1000)]), said(1));
    assert_eq!(with(11, &[(1, 0x40), (2, 0o755)]), DONE);
    assert_eq!(with(11, &[(1, 0x80), (2, 0o6755)]), DONE);
    assert_eq!(with(11, &[(1, 0x41), (2, 0o2755)]), said(2));
    for value in 0..12 {
        assert_eq!(with(20, &[(3, value)]), if [1, 5, 9].contains(&value) { DONE } else { said(3) }, "{value}");
        assert_eq!(with(21, &[(5, value)]), if [7, 8].contains(&value) { said(4) } else { DONE }, "{value}");
    }
    assert_eq!(with(22, &[]), said(5));
}

#[test]
fn each_verdict_stands_there_once() {
    let rules: Vec<(u32, Rule<'_>)> = (0..80).map(|number| (3 * number, Rule::Refuse(1 + number as i32 % 3))).collect();
    let mut out = [ALLOW; MOST];
    let length = compile(MACHINE, &rules, 500, &mut out).unwrap();
    let verdicts: Vec<u32> = out[..length].iter().filter(|one| is_verdict(one)).map(|one| one.k).collect();
    assert_eq!(verdicts.len(), 5, "{verdicts:?}");
    for number in 0..=500 {
        let expected = match number {
            500 => said(libc::ENOSYS),
            number if number % 3 == 0 && number < 240 => said(1 + (number as i32 / 3) % 3),
            _ => DONE,
        };
        assert_eq!(judge(&rules, number, NONE), expected, "{number}");
    }
}

#[test]
fn what_makes_no_sense_or_does_not_fit_is_no_filter() {
    let mut out = [ALLOW; MOST];
    for rules in [&[(2, Rule::Allow), (1, Rule::Allow)][..], &[(1, Rule::Allow); 2], &[(500, Rule::Allow)]] {
        assert_eq!(compile(MACHINE, rules, 500, &mut out), None);
    }
    assert_eq!(compile(MACHINE, &[], 500, &mut out[..5]), None);
}

#[test]
fn two_arguments_have_to_be_as_they_are_both_asked_for() {
    let rules = [(7, Rule::Both { arguments: [0, 1], values: [1, 0], errno: 5 }), (9, Rule::Refuse(3))];
    let judge = |one, two| judge(&rules, 7, [one, two, 9, 9, 9, 9]);
    assert_eq!(judge(1, 0), DONE);
    for (one, two) in [(0, 0), (1, 1), (0, 1), (2, 0), (1, u32::MAX)] {
        assert_eq!(judge(one, two), said(5), "{one} {two}");
    }
}
