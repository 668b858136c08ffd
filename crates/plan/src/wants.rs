//! Spec -> what to ask of the host.

use std::collections::BTreeSet;

use crate::defaults;
use crate::etc::{self, Usual};
use crate::facts::{LinksAsked, SystemKind, Wants};
use crate::needs::ByNeed;
use crate::path::{HostPath, RootPath};
use crate::plan::Plan;
use crate::resolve::{follows_links, limits, listen, runtime};
use crate::spec::Spec;
use crate::special;
use crate::wishes::{Wish, wishes};

/// Everything that `resolve` will need to know, and nothing else. What does not fit is left out here; `resolve` says so.
#[must_use]
pub fn wants(spec: &Spec, system: SystemKind) -> Wants {
    let spec = &spec.for_system(system);
    let mounts: Vec<Wish> = wishes(spec, system).into_iter().flatten().collect();
    let search_path = spec.env.get("PATH").map_or(defaults::search_path(system), String::as_str);
    let etc = etc_files(spec, system);
    let by_need = ByNeed::of(spec, system);

    let mut paths: BTreeSet<HostPath> = mounts.iter().map(|wish| wish.source.clone()).collect();
    if by_need.is_none() {
        paths.extend(etc.iter().cloned());
    }
    paths.extend(pidfile_dir(spec));
    paths.extend(spec.listen.iter().filter_map(|written| listen::directory(written)));
    paths.extend(spec.secrets.iter().filter_map(|path| HostPath::new(path).ok()));
    let env_files: BTreeSet<HostPath> = spec.env_file.iter().filter_map(|path| HostPath::new(path).ok()).collect();
    paths.extend(env_files.iter().cloned());
    let mut file_systems = BTreeSet::new();
    if system == SystemKind::Linux {
        paths.extend(devices(spec));
        paths.extend(spec.run_dir.as_ref().map(|_| HostPath::fixed(defaults::OLD_RUN)));
        // Nothing is asked of who mounts nothing.
        let named = special::NAMES.iter().filter(|_| !mounts.is_empty());
        file_systems.extend(named.map(|name| String::from(*name)));
    } else {
        paths.extend(devfs_names(spec));
    }
    paths.extend(mount_points(spec, &mounts, &etc));

    let command = spec.command.list().unwrap_or_default();
    let owners = spec.mount.iter().filter_map(|mount| mount.owner.clone());
    let groups = spec.mount.iter().filter_map(|mount| mount.group.clone());
    Wants {
        paths,
        programs: command.into_iter().take(1).filter(|main| !main.is_empty()).chain(spec.further_programs()).collect(),
        search_path: search_path.split(':').filter_map(|dir| HostPath::new(dir).ok()).collect(),
        loader_env: spec
            .env
            .iter()
            .filter(|(name, _)| name.starts_with("LD_"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        users: spec.user.clone().into_iter().chain(spec.users.clone()).chain(owners).collect(),
        controllers: if system == SystemKind::Linux { limits::controllers(spec) } else { BTreeSet::new() },
        by_need,
        runtime: runtime::asked(spec).and_then(Result::ok),
        groups: spec.group.clone().into_iter().chain(spec.groups.clone().unwrap_or_default()).chain(groups).collect(),
        file_systems,
        env_files,
        links: if follows_links(spec) { links(&mounts, true) } else { LinksAsked::default() },
    }
}

/// The same, and the links below all directories that are read: what `check` wants to know.
#[must_use]
pub fn wants_links(spec: &Spec, system: SystemKind) -> Wants {
    let of_system = spec.for_system(system);
    let mounts: Vec<Wish> = wishes(&of_system, system).into_iter().flatten().collect();
    Wants { links: links(&mounts, follows_links(&of_system)), ..wants(spec, system) }
}

/// Not those that stand elsewhere inside, where what a link says means something else.
fn links(mounts: &[Wish], follow: bool) -> LinksAsked {
    let read = mounts.iter().filter(|wish| !wish.write && wish.target.is_none());
    let write = mounts.iter().filter(|wish| wish.write);
    let sources = |wish: &Wish| wish.source.clone();
    LinksAsked { read: read.map(sources).collect(), write: write.map(sources).collect(), follow }
}

/// What has to be known to put files that are inside by themselves there anew.
#[must_use]
pub fn wants_fresh(plan: &Plan) -> Wants {
    Wants {
        paths: plan.fresh.iter().map(|fresh| fresh.asked.clone()).collect(),
        file_systems: special::NAMES.iter().map(|name| String::from(*name)).collect(),
        ..Wants::default()
    }
}

fn etc_files(spec: &Spec, system: SystemKind) -> Vec<HostPath> {
    let words: Vec<Usual> = match &spec.etc {
        Some(words) => words.iter().filter_map(|word| Usual::by_word(word)).collect(),
        None => Usual::ALL.to_vec(),
    };
    etc::paths(&words, system)
}

fn pidfile_dir(spec: &Spec) -> Option<HostPath> {
    HostPath::new(spec.pidfile.as_deref()?).ok()?.parent()
}

fn devices(spec: &Spec) -> Vec<HostPath> {
    let named =
        spec.devices.iter().map(|word| word.strip_prefix("/dev/").unwrap_or(word)).filter(|word| *word != "shm");
    named.chain(defaults::DEVICES).filter_map(|name| HostPath::new(&format!("/dev/{name}")).ok()).collect()
}

/// Of those that are named there is to be one; the log is a socket elsewhere.
fn devfs_names(spec: &Spec) -> Vec<HostPath> {
    let named = spec.devices.iter().map(|word| word.strip_prefix("/dev/").unwrap_or(word));
    let path = |name: &str| match name {
        "fd" | "shm" | "pts" | "ptmx" => None,
        "log" => Some(HostPath::fixed(defaults::HOST_LOG)),
        name => HostPath::new(&format!("/dev/{name}")).ok(),
    };
    named.filter_map(path).collect()
}

/// Below a directory of the host nothing can be made, so whatever goes there must have its place there already.
fn mount_points(spec: &Spec, mounts: &[Wish], etc: &[HostPath]) -> BTreeSet<HostPath> {
    let mut places: Vec<RootPath> = mounts.iter().map(Wish::place).collect();
    places.extend(etc.iter().map(HostPath::inside));
    places.extend(pidfile_dir(spec).map(|dir| dir.inside()));
    places.extend(spec.secrets.iter().filter_map(|path| RootPath::new(path).ok()));
    places.extend(spec.chdir.as_deref().and_then(|dir| RootPath::new(dir).ok()));
    places.extend(spec.tmp.as_ref().map(|_| RootPath::fixed("/tmp")));
    let mut points = BTreeSet::new();
    for mount in mounts {
        let below = places.iter().filter_map(|place| place.below(&mount.place())).filter(|rest| !rest.is_empty());
        points.extend(below.filter_map(|rest| mount.source.join(rest).ok()));
    }
    points
}
