//! Users and groups: by the files of the tree, else by the name service of the host.

use std::collections::BTreeMap;

use thinjail_closure::tree::Resolver;
use thinjail_plan::facts::{Group, User, Wants};

use super::records::{self, Asked, Passwd};
use super::{Host, getent};

/// Each name or number asked for, and who that is.
type Users = BTreeMap<String, Option<User>>;
/// The same for groups.
type Groups = BTreeMap<String, Option<Group>>;

/// The users and groups asked for, and the primary groups of those users by number.
pub(super) fn accounts(host: &Host, resolver: &mut Resolver<'_>, wants: &Wants) -> (Users, Groups) {
    if wants.users.is_empty() && wants.groups.is_empty() {
        return (Users::new(), Groups::new());
    }
    let passwd = if wants.users.is_empty() { Vec::new() } else { records::read_through(resolver, "/etc/passwd") };
    let files = Files { live: host.live, passwd, group: records::read_through(resolver, "/etc/group") };
    let users: Users = wants.users.iter().map(|name| (name.clone(), files.user(name))).collect();
    let mut groups: Groups = wants.groups.iter().map(|name| (name.clone(), files.group(name))).collect();
    for user in users.values().flatten() {
        groups.entry(user.gid.to_string()).or_insert_with(|| files.group(&user.gid.to_string()));
    }
    (users, groups)
}

struct Files {
    live: bool,
    passwd: Vec<u8>,
    group: Vec<u8>,
}

impl Files {
    fn user(&self, asked: &str) -> Option<User> {
        if let Some(entry) = find(|asked| records::passwd(&self.passwd, asked), asked, |entry| (entry.name, entry.uid))
        {
            // initgroups(3) by group(5).
            let groups = records::group(&self.group, Asked::Members).filter(|group| group.has(entry.name));
            return Some(user(entry, groups.map(|group| group.group()).collect()));
        }
        if !self.live {
            return None;
        }
        let answer = getent::passwd(asked)?;
        let entry = records::passwd(&answer, Asked::All).find(|entry| is(asked, entry.name, entry.uid))?;
        let groups = getent::groups_of(entry.name);
        Some(user(entry, groups.into_iter().filter_map(|gid| self.group(&gid.to_string())).collect()))
    }

    fn group(&self, asked: &str) -> Option<Group> {
        if let Some(entry) = find(|asked| records::group(&self.group, asked), asked, |entry| (entry.name, entry.gid)) {
            return Some(entry.group());
        }
        if !self.live {
            return None;
        }
        let answer = getent::group(asked)?;
        records::group(&answer, Asked::All).find(|entry| is(asked, entry.name, entry.gid)).map(|entry| entry.group())
    }
}

/// The entry of that name, else the one of that number: a name may look like a number, and then it is a name, as
/// chown(1) has it.
fn find<'b, T, I>(entries: impl Fn(Asked<'b>) -> I, asked: &'b str, key: impl Fn(&T) -> (&'b str, u32)) -> Option<T>
where
    I: Iterator<Item = T>,
{
    let by_name = entries(Asked::Name(asked)).find(|entry| key(entry).0 == asked);
    by_name.or_else(|| {
        let number = number(asked)?;
        entries(Asked::Number(number)).find(|entry| key(entry).1 == number)
    })
}

/// Whether a name service's answer is to the question: it may have another case, or go by an alias, and that is another
/// name.
fn is(asked: &str, name: &str, id: u32) -> bool {
    asked == name || number(asked) == Some(id)
}

fn number(asked: &str) -> Option<u32> {
    asked.parse().ok().filter(|_| asked.bytes().all(|byte| byte.is_ascii_digit()))
}

fn user(entry: Passwd<'_>, mut groups: Vec<Group>) -> User {
    let Passwd { name, uid, gid, home, shell } = entry;
    groups.retain(|group| group.gid != gid);
    groups.sort_by_key(|group| group.gid);
    groups.dedup_by_key(|group| group.gid);
    User { name: name.into(), uid, gid, home: home.into(), shell: shell.into(), groups }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn files() -> Files {
        Files {
            live: false,
            passwd: b"a:x:10:10::/home/a:/bin/sh\n10:x:11:12::/:\nb:x:12:99::/:\n".to_vec(),
            group: b"a:x:10:a\nz:x:30:a,b\ny:x:20:b,a\n".to_vec(),
        }
    }

    #[test]
    fn a_name_that_looks_like_a_number_is_a_name() {
        assert_eq!(files().user("10").unwrap().uid, 11);
        assert_eq!(files().user("12").unwrap().name, "b");
        assert_eq!(files().user("+12"), None);
        assert_eq!(files().group("20").unwrap().name, "y");
    }

    #[test]
    fn groups_are_sorted_and_leave_the_primary_one_out() {
        let gids: Vec<_> = files().user("a").unwrap().groups.iter().map(|group| group.gid).collect();
        assert_eq!(gids, [20, 30]);
    }
}
