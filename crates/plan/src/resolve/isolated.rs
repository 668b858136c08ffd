//! `isolation = "landlock"`, for hosts that refuse namespaces and mounts: the same plan as rules on the host's own tree, and every
//! loss said.

use thinjail_closure::tree::Kind;

use super::exec::one_of;
use super::landlock::SCOPES;
use super::problem::{Problem, Report};
use crate::facts::{Facts, SystemKind};
use crate::path::HostPath;
use crate::spec::Spec;
use crate::step::{Access, Confine, Planned, Source, Step};

/// Whether that is what is wanted.
pub(super) fn wanted(spec: &Spec, kind: SystemKind, report: &mut Report) -> bool {
    match (spec.isolation.as_deref(), kind) {
        (None | Some("namespaces"), SystemKind::Linux) | (None, SystemKind::FreeBsd) => false,
        (Some("landlock"), SystemKind::Linux) => true,
        (Some("namespaces" | "landlock"), SystemKind::FreeBsd) => {
            report.note("isolation is Linux's; on FreeBSD it is always a jail");
            false
        }
        (Some(written), _) => {
            report.problem(one_of("isolation", written));
            false
        }
    }
}

pub(super) fn confine() -> Planned {
    let why = "isolation = \"landlock\": no namespaces and no mounts".into();
    Planned { step: Step::Confine(Confine::Landlock), why }
}

/// What was to be mounted becomes what may be used; what was to be made can't be.
pub(super) fn rules(steps: Vec<Planned>, spec: &Spec, facts: &Facts, report: &mut Report) -> Vec<Planned> {
    if facts.landlock == 0 {
        report.problem(
            Problem::setup("isolation = \"landlock\": this kernel has no Landlock (Linux 5.13 can)")
                .help("start a kernel with CONFIG_SECURITY_LANDLOCK and with landlock in its `lsm=`"),
        );
    }
    if spec.network.as_deref() == Some("none") {
        report.problem(
            Problem::setup("isolation = \"landlock\": network = \"none\" needs a namespace")
                .help("take `network` out; tcp-bind = [] and tcp-connect = [] keep it from TCP"),
        );
    }
    if spec.hostname.is_some() {
        let problem = Problem::setup("isolation = \"landlock\": hostname needs a namespace");
        report.problem(problem.help("take `hostname` out"));
    }
    if !spec.secrets.is_empty() {
        let problem =
            Problem::setup("isolation = \"landlock\": secrets are copies, and there is no place of the jail's own");
        report.problem(problem.help("take `secrets` out, and give the user that runs the right to read them"));
    }
    losses(facts, report);
    steps.into_iter().flat_map(|planned| rule(planned, report)).collect()
}

fn rule(planned: Planned, report: &mut Report) -> Vec<Planned> {
    let Planned { step, why } = planned;
    let allow = |source: Source, access: Access| Planned { step: Step::Allow { source, access }, why: why.clone() };
    match step {
        Step::Bind { source, at, access } => {
            if source.path.inside() != at {
                report.problem(
                    Problem::setup(format!("isolation = \"landlock\": {} can't be at {at} inside", source.path))
                        .help("take `target` out: without mounts everything is where the host has it"),
                );
            }
            vec![allow(source, access)]
        }
        Step::Devices { nodes, .. } => {
            let access = Access { write: true, exec: false, dev: true };
            nodes.into_iter().map(|node| allow(node, access)).collect()
        }
        Step::Proc { .. } => {
            report.note("loss: /proc is the host's, with all processes; what others may read of them is seen");
            let source = Source { path: HostPath::fixed("/proc"), id: None, kind: Kind::Directory };
            vec![allow(source, Access::default())]
        }
        Step::PutFile { at, .. } => {
            report.note(format!("loss: {at} is the host's, not one made for the jail"));
            match HostPath::new(at.as_str()) {
                Ok(path) => vec![allow(Source { path, id: None, kind: Kind::File }, Access::default())],
                Err(_) => Vec::new(),
            }
        }
        Step::Tmpfs { at, .. } if at.as_str() == "/tmp" || at.as_str() == "/dev/shm" => {
            report.problem(
                Problem::setup(format!("isolation = \"landlock\": there is no {at} of its own without a mount")).help(
                    format!("write = [\"{at}\"] shares the host's; or tell the program to use another directory"),
                ),
            );
            Vec::new()
        }
        Step::Tmpfs { at, .. } => {
            if at.as_str() != "/" {
                report.note(format!("loss: the program can write no pidfile of its own in {at}"));
            }
            Vec::new()
        }
        Step::MakeDir { .. }
        | Step::Socket { .. }
        | Step::Symlink { .. }
        | Step::MakeHostDir { .. }
        | Step::MakeCgroup { .. }
        | Step::Allow { .. }
        | Step::LogSocket { .. }
        | Step::Confine(_) => Vec::new(),
    }
}

/// What a jail of namespaces gives, and this does not.
fn losses(facts: &Facts, report: &mut Report) {
    report.note("loss: the names, sizes and owners of all files of the host are to be seen, though none but those above is opened");
    report.note("loss: owner, mode and times of any file may be changed by who may do that on the host");
    report.note("loss: unix sockets with a path are reached wherever their permissions let the user");
    report.note("loss: shared memory and semaphores (sysvipc(7), mq_overview(7)) and the host's name are the host's");
    report.note(
        "loss: an ordinary process keeps the jail together: if that is killed, what the main process has left may stay",
    );
    if facts.landlock < SCOPES {
        report.note(
            "loss: this kernel can't keep signals inside (Linux 6.12 can): processes of the same user are signalled",
        );
    }
}
