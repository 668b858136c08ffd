//! Who runs: the user, the groups, and the names that the jail knows.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::{Problem, Report};
use crate::facts::{Facts, Group, User};
use crate::plan::Ids;
use crate::spec::Spec;

/// (uid_t)-1 and (gid_t)-1 mean "leave it" to setresuid(2).
const NO_ID: u32 = u32::MAX;
/// Stands in while other problems are looked for; no plan comes of it.
const NOBODY: u32 = 65534;

/// Who runs, and what is to be said of it.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) ids: Ids,
    /// `USER`.
    pub(super) name: String,
    pub(super) home: String,
    pub(super) shell: String,
    /// The entries of passwd(5) inside, by uid and name.
    pub(super) users: BTreeMap<(u32, String), User>,
    /// The entries of group(5) inside: name by gid, and who is in it besides those whose primary group it is.
    pub(super) groups: BTreeMap<(u32, String), BTreeSet<String>>,
}

/// An account: an entry of passwd(5), or only a number.
struct Account<'a> {
    uid: u32,
    entry: Option<&'a User>,
}

pub(super) fn resolve(spec: &Spec, facts: &Facts, report: &mut Report) -> Who {
    let account = match &spec.user {
        Some(written) => report.keep(account(written, "user", facts)),
        None if facts.caller == 0 => {
            report.problem(
                Problem::setup("no user is written, and thinjail runs nothing as uid 0 unasked")
                    .help("write user = \"www-data\", or user = \"root\" to run as uid 0"),
            );
            None
        }
        // Without root there is nobody else to be.
        None => report.keep(account(&facts.caller.to_string(), "user", facts)),
    };
    let account = account.unwrap_or(Account { uid: NOBODY, entry: None });
    let gid = match &spec.group {
        Some(written) => report.keep(group(written, "group", facts)),
        // Without root there is no other group to have.
        None if account.uid == facts.caller && facts.caller != 0 => Some(facts.caller_gid),
        None => Some(account.entry.map_or_else(|| lone_gid(&account, report), |user| user.gid)),
    };
    let gid = gid.unwrap_or(NOBODY);
    let groups = match &spec.groups {
        Some(written) => written.iter().filter_map(|name| report.keep(group(name, "groups", facts))).collect(),
        None => account.entry.map_or_else(Vec::new, |user| user.groups.iter().map(|group| group.gid).collect()),
    };
    let mut who = Who {
        name: account.entry.map_or_else(|| account.uid.to_string(), |user| user.name.clone()),
        home: account.entry.map_or_else(|| "/".into(), |user| user.home.clone()),
        shell: account.entry.map_or_else(|| "/bin/sh".into(), |user| user.shell.clone()),
        ids: Ids { uid: account.uid, gid, groups: sorted(groups) },
        users: BTreeMap::new(),
        groups: BTreeMap::new(),
    };
    who.know(spec, account.entry, facts, report);
    who
}

impl Who {
    /// Collects the names for passwd(5) and group(5): the running user, its groups, and `users`.
    fn know(&mut self, spec: &Spec, running: Option<&User>, facts: &Facts, report: &mut Report) {
        let further = spec.users.iter().filter_map(|name| match facts.users.get(name) {
            Some(Some(user)) => Some(user),
            _ => {
                report.problem(
                    Problem::setup(format!("users: there is no user {name:?} on this host"))
                        .help("take it out, or add the user to the host"),
                );
                None
            }
        });
        let users: Vec<&User> = running.into_iter().chain(further).collect();
        let mut names: BTreeMap<u32, &str> = BTreeMap::new();
        for group in facts.groups.values().flatten().chain(users.iter().flat_map(|user| &user.groups)) {
            names.insert(group.gid, &group.name);
        }
        let own = self.ids.groups.iter().map(|gid| (*gid, running)).chain([(self.ids.gid, None)]);
        for (gid, member) in own.chain(users.iter().map(|user| (user.gid, None))) {
            let Some(name) = names.get(&gid) else { continue };
            let members = self.groups.entry((gid, (*name).into())).or_default();
            members.extend(member.map(|user| user.name.clone()));
        }
        for user in users {
            self.users.insert((user.uid, user.name.clone()), user.clone());
        }
        let fields = self.users.values().flat_map(|user| [&user.name, &user.home, &user.shell]);
        let fields = fields.chain(self.groups.keys().map(|(_, name)| name));
        let broken: Vec<_> = fields.filter(|field| field.contains([':', '\n', '\0'])).cloned().collect();
        for field in broken {
            report.problem(Problem::setup(format!("{field:?} can't be written into passwd(5) or group(5)")));
        }
    }
}

/// A user by name or number. Uid 0 is to be meant, so it has one spelling.
fn account<'a>(written: &str, key: &str, facts: &'a Facts) -> Result<Account<'a>, Problem> {
    let entry = facts.users.get(written).and_then(Option::as_ref);
    let uid = match (entry, number(written)) {
        (Some(user), _) => user.uid,
        (None, Some(uid)) => uid,
        (None, None) if written == "root" => 0,
        (None, None) => return Err(no_such("user", written, key)),
    };
    if uid == 0 && written != "root" {
        return Err(Problem::setup(format!("{key} = {written:?} is uid 0 by another name"))
            .help("write user = \"root\" if it is to run as uid 0"));
    }
    Ok(Account { uid, entry })
}

/// The owner of a directory that is made: its uid, and its primary group if it has an entry.
pub(super) fn owner(written: &str, facts: &Facts) -> Result<(u32, Option<u32>), Problem> {
    match (facts.users.get(written).and_then(Option::as_ref), number(written)) {
        (Some(user), _) => Ok((user.uid, Some(user.gid))),
        (None, Some(uid)) => Ok((uid, None)),
        (None, None) if written == "root" => Ok((0, Some(0))),
        (None, None) => Err(no_such("user", written, "owner")),
    }
}

/// A group by name or number.
pub(super) fn group(written: &str, key: &str, facts: &Facts) -> Result<u32, Problem> {
    match (facts.groups.get(written), number(written)) {
        (Some(Some(Group { gid, .. })), _) => Ok(*gid),
        (_, Some(gid)) => Ok(gid),
        (_, None) => Err(no_such("group", written, key)),
    }
}

fn no_such(what: &str, written: &str, key: &str) -> Problem {
    Problem::setup(format!("{key}: there is no {what} {written:?} on this host"))
        .help(format!("write the name of a {what} of the host, or a number, which needs no entry"))
}

fn lone_gid(account: &Account<'_>, report: &mut Report) -> u32 {
    report.note(format!("uid {0} has no entry in passwd(5): gid {0}, and no further groups", account.uid));
    account.uid
}

fn number(written: &str) -> Option<u32> {
    let digits = !written.is_empty() && written.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| written.parse().ok()).flatten().filter(|id| *id != NO_ID)
}

fn sorted(mut groups: Vec<u32>) -> Vec<u32> {
    groups.sort_unstable();
    groups.dedup();
    groups
}
