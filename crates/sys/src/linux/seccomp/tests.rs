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
fn the_same_look_at_an_argument_stands_there_once() {
    let bits = Rule::Bits { argument: 1, mask: 6, errno: 1 };
    // The second one ends with the very instructions of the first.
    let within = Rule::BitsIf { other: 2, of: 4, argument: 1, mask: 6, errno: 1 };
    let rules: Vec<(u32, Rule<'_>)> = (0..40).map(|at| (5 * at, if at % 2 == 0 { bits } else { within })).collect();
    let mut out = [ALLOW; MOST];
    let length = compile(MACHINE, &rules, 500, &mut out).unwrap();
    let looks = out[..length].iter().filter(|one| is_load(one) && one.k >= ARGUMENTS).count();
    assert!(looks <= 3, "{looks}");
}

/// What a rule means.
fn meaning(rule: Rule<'_>, arguments: [u32; 6]) -> u32 {
    let of = |argument: u32| arguments[argument as usize];
    let (refused, errno) = match rule {
        Rule::Allow => return DONE,
        Rule::Refuse(errno) => return said(errno),
        Rule::Bits { argument, mask, errno } => (of(argument) & mask != 0, errno),
        Rule::BitsIf { other, of: bits, argument, mask, errno } => {
            (of(other) & bits != 0 && of(argument) & mask != 0, errno)
        }
        Rule::Only { argument, values, errno } => (!values.contains(&of(argument)), errno),
        Rule::Except { argument, values, errno } => (values.contains(&of(argument)), errno),
        Rule::Both { arguments, values, errno } => (arguments.map(of) != values, errno),
    };
    if refused { said(errno) } else { DONE }
}

#[test]
fn rules_of_all_kinds_mean_the_same_wherever_they_stand() {
    let kinds = [
        Rule::Allow,
        Rule::Refuse(1),
        Rule::Refuse(1),
        Rule::Refuse(libc::ENOSYS),
        Rule::Bits { argument: 0, mask: 6, errno: 1 },
        Rule::Bits { argument: 1, mask: 6, errno: 1 },
        Rule::BitsIf { other: 0, of: 1, argument: 1, mask: 6, errno: 1 },
        Rule::BitsIf { other: 2, of: 4, argument: 1, mask: 6, errno: 1 },
        Rule::Only { argument: 0, values: &[1, 2, 5], errno: 1 },
        Rule::Only { argument: 0, values: &[], errno: 2 },
        Rule::Except { argument: 2, values: &[3], errno: 1 },
        Rule::Both { arguments: [0, 1], values: [1, 4], errno: 1 },
    ];
    // A generator of numbers that look random: Knuth's.
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut out = [ALLOW; MOST];
    for sparse in [2, 3, 7, 20] {
        for _ in 0..20 {
            let with = (0..500).filter(|_| random(sparse) == 0).collect::<Vec<u32>>();
            let rules: Vec<_> = with.iter().map(|&number| (number, kinds[random(kinds.len())])).collect();
            let length = compile(MACHINE, &rules, 500, &mut out).unwrap();
            for number in 0..500 {
                let rule = rules.iter().find(|(of, _)| *of == number).map_or(Rule::Allow, |(_, rule)| *rule);
                for _ in 0..6 {
                    let arguments = std::array::from_fn(|_| u32::try_from(random(8)).unwrap());
                    let data = Data { number, machine: MACHINE, arguments };
                    assert_eq!(
                        verdict(&out[..length], &data),
                        meaning(rule, arguments),
                        "{number} {rule:?} {arguments:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_makes_no_sense_or_does_not_fit_is_no_filter() {
    let mut out = [ALLOW; MOST];
    for rules in [&[(2, Rule::Allow), (1, Rule::Allow)][..], &[(1, Rule::Allow); 2], &[(500, Rule::Allow)]] {
        assert_eq!(compile(MACHINE, rules, 500, &mut out), None);
    }
    assert_eq!(compile(MACHINE, &[], 500, &mut out[..5]), None);
    // Around as many as there is room for.
    for count in 505..515 {
        let rules: Vec<_> = (0..count).map(|number| (2 * number + 1, Rule::Refuse(1))).collect();
        for end in [2 * count, 2 * count + 1] {
            let length = compile(MACHINE, &rules, end, &mut out);
            assert_eq!(length.is_some(), count <= 510, "{count}");
        }
    }
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
