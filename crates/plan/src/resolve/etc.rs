//! The usual files of /etc: written by us where they hold names, the host's where they don't.

use std::fmt::Write as _;

use thinjail_closure::tree::Kind;

use super::identity::Who;
use super::inside::{Entry, Inside, Node, Origin};
use super::links;
use super::problem::{Problem, Report};
use super::programs::Programs;
use super::pwd_db::pwd_db;
use crate::etc::{CA_ALSO, Usual};
use crate::facts::{Facts, PathFact, SystemKind};
use crate::needs::ByNeed;
use crate::path::{HostPath, RootPath};
use crate::plan::Network;
use crate::spec::Spec;
use crate::step::{Access, Content, Source};

/// The shortest nsswitch.conf(5) with which names are found: no module is loaded for it.
const NSSWITCH: &str =
    "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nnetworks: files\nprotocols: files\n";

pub(super) fn resolve(
    spec: &Spec,
    facts: &Facts,
    who: &Who,
    network: Network,
    programs: &Programs,
    inside: &mut Inside,
    report: &mut Report,
) {
    let kind = facts.system.kind();
    let words: Vec<(Usual, Option<String>)> = match ByNeed::of(spec, kind) {
        None => {
            let written = spec.etc.iter().flatten();
            written.filter_map(|word| report.keep(known(word))).map(|usual| (usual, None)).collect()
        }
        Some(by) => {
            let fitting = Usual::ALL.into_iter().filter(|usual| usual.fits(network));
            fitting.filter_map(|usual| Some((usual, Some(programs.needs.why(usual, &by)?)))).collect()
        }
    };
    for (usual, since) in words {
        let said = |what: &str| match &since {
            Some(since) => format!("{what}, since {since}"),
            None => what.to_string(),
        };
        let result = match usual {
            Usual::Passwd => text(usual, passwd(who, facts), said("the user that runs, and users"), inside)
                .and_then(|()| database(who, kind, inside)),
            Usual::Group => {
                text(usual, group(who, facts), said("the groups of the user that runs, and of users"), inside)
            }
            Usual::Nsswitch => text(usual, NSSWITCH.into(), said("names are looked up in files and by DNS"), inside),
            Usual::Ca => certificates(since.as_deref(), facts, inside),
            _ => {
                let why = said(&format!("{}: {}", if since.is_some() { "usual" } else { "etc" }, usual.word()));
                usual.files(kind).iter().try_for_each(|path| host_file(path, &why, facts, inside).map(drop))
            }
        };
        report.keep(result);
    }
}

fn known(word: &str) -> Result<Usual, Problem> {
    Usual::by_word(word).ok_or_else(|| {
        let words: Vec<_> = Usual::ALL.iter().map(|usual| usual.word()).collect();
        Problem::setup(format!("etc: {word:?} is none of the usual files"))
            .help(format!("write some of {}; anything else goes into read = [...]", words.join(" ")))
    })
}

/// passwd(5), as it is without its hashes: only the names that run or are written in `users`.
fn passwd(who: &Who, facts: &Facts) -> String {
    let x = secret(facts);
    let mut text = String::new();
    for user in who.users.values() {
        let _ = writeln!(text, "{}:{x}:{}:{}::{}:{}", user.name, user.uid, user.gid, user.home, user.shell);
    }
    text
}

/// What FreeBSD's libc reads in place of passwd(5).
fn database(who: &Who, kind: SystemKind, inside: &mut Inside) -> Result<(), Problem> {
    if kind != SystemKind::FreeBsd {
        return Ok(());
    }
    let content = Content::Bytes(pwd_db(who.users.values()));
    let node = Node::File { content, mode: 0o444, uid: 0, gid: 0 };
    inside
        .put(RootPath::fixed("/etc/pwd.db"), Entry::new(node, Origin::Usual, "getpwnam(3) looks here, not into passwd"))
}

fn group(who: &Who, facts: &Facts) -> String {
    let x = secret(facts);
    let mut text = String::new();
    for ((gid, name), members) in &who.groups {
        let members: Vec<_> = members.iter().map(String::as_str).collect();
        let _ = writeln!(text, "{name}:{x}:{gid}:{}", members.join(","));
    }
    text
}

/// What stands for "no password here".
fn secret(facts: &Facts) -> &'static str {
    match facts.system.kind() {
        SystemKind::Linux => "x",
        SystemKind::FreeBsd => "*",
    }
}

fn text(usual: Usual, text: String, why: String, inside: &mut Inside) -> Result<(), Problem> {
    let at = RootPath::new(&format!("/etc/{}", usual.word())).map_err(|error| Problem::setup(error.to_string()))?;
    let node = Node::File { content: Content::Text(text), mode: 0o444, uid: 0, gid: 0 };
    inside.put(at, Entry::new(node, Origin::Usual, why))
}

/// A file of the host at its own place, if it is there; says whether it is.
fn host_file(path: &'static str, why: &str, facts: &Facts, inside: &mut Inside) -> Result<bool, Problem> {
    let Some(PathFact::Found(found)) = facts.paths.get(&HostPath::fixed(path)) else { return Ok(false) };
    if found.meta.kind != Kind::File {
        return Ok(false);
    }
    links::judge(why, found, facts.caller)?;
    let real = HostPath::from_path(&found.real).map_err(|error| Problem::setup(format!("{why}: {error}")))?;
    let source = Source { path: real, id: Some(found.meta.id), kind: Kind::File };
    let at = source.path.inside();
    let node = match facts.system.kind() {
        SystemKind::Linux => Node::Bind { source, access: Access { write: false, exec: false, dev: false } },
        SystemKind::FreeBsd => Node::File {
            content: Content::Copy(source),
            mode: found.meta.mode & 0o444,
            uid: found.meta.uid,
            gid: found.meta.gid,
        },
    };
    inside.bring(
        path,
        found,
        at,
        Entry::new(node, Origin::Usual, why).asked(&HostPath::fixed(path)).bytes(found.meta.size),
    )?;
    Ok(true)
}

/// The first bundle that is there, and the places where OpenSSL looks for it.
fn certificates(since: Option<&str>, facts: &Facts, inside: &mut Inside) -> Result<(), Problem> {
    let why = match since {
        Some(tls) => format!("certificates: {tls}"),
        None => "etc: ca".to_string(),
    };
    for path in Usual::Ca.files(facts.system.kind()) {
        if host_file(path, &why, facts, inside)? {
            break;
        }
    }
    for path in CA_ALSO {
        host_file(path, &why, facts, inside)?;
    }
    Ok(())
}
