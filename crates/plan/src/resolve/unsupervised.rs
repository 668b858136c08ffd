//! `supervisor = false`: thinjail becomes the program, for an init that supervises by itself. What a supervisor would have to do
//! is refused or, where the jail is no weaker without it, said.

use super::landlock::SCOPES;
use super::problem::{Problem, Report};
use crate::facts::{Facts, SystemKind};
use crate::plan::Exec;
use crate::spec::Spec;
use crate::step::{Planned, Step};

/// Whether that is what is wanted; refused where somebody has to stay.
pub(super) fn wanted(spec: &Spec, kind: SystemKind, report: &mut Report) -> bool {
    if spec.supervisor != Some(false) {
        return false;
    }
    if kind == SystemKind::FreeBsd {
        report.problem(
            Problem::setup(
                "supervisor = false: on FreeBSD the jail's mounts are the host's, and somebody must unmount them",
            )
            .help("write it under [linux]; rc.subr(8) and daemon(8) take thinjail's own process for the daemon's"),
        );
        return false;
    }
    if spec.wait.as_deref() == Some("all") {
        report.problem(
            Problem::setup("supervisor = false: wait = \"all\" needs one who waits")
                .help("take `wait` out: the jail ends with the program that whoever starts it waits for"),
        );
    }
    if let Some(restart) = spec.restart.as_deref().filter(|restart| *restart != "no") {
        report.problem(
            Problem::setup(format!("supervisor = false: restart = {restart:?} needs one who starts it again"))
                .help("take `restart` out, and let the init start it again"),
        );
    }
    let waits = spec.r#type.as_deref().is_some_and(|kind| kind != "simple") || spec.ready_descriptor.is_some();
    let logs = spec.log.as_deref().is_some_and(|log| log != "inherit");
    for (key, is_asked, who) in [("type", waits, "who hears that it is ready"), ("log", logs, "who writes it")] {
        if is_asked {
            report.problem(
                Problem::setup(format!("supervisor = false: {key} needs one {who}"))
                    .help(format!("take `{key}` out: that is for the init that starts it")),
            );
        }
    }
    if !spec.before_start.is_empty() {
        report.problem(
            Problem::setup("supervisor = false: before-start needs one who runs it in the jail before the program")
                .help("let the init that starts it run the command before, or take `supervisor` out"),
        );
    }
    if spec.proc.as_deref() == Some("full") {
        report.problem(
            Problem::setup("supervisor = false: proc = \"full\" would be the host's: there is no pid namespace without a supervisor")
                .help("write proc = \"pid\", or take `supervisor` out"),
        );
    }
    true
}

/// A limit that only a group of processes could hold.
pub(super) fn no_group(word: &str) -> Problem {
    Problem::setup(format!("supervisor = false: limits: {word} is held by a group, which a supervisor watches and removes"))
        .help("take it out, and let the init that starts it set it for the service; vmemoryuse and cputime are limits of each process")
}

/// What the jail's processes must not do to others, with whom they share their pids; and every loss.
pub(super) fn confine(
    spec: &Spec,
    (landlocked, own): (bool, bool),
    facts: &Facts,
    (exec, host): (&mut Exec, &mut [Planned]),
    report: &mut Report,
) {
    exec.landlock.own_processes = true;
    kernel(exec, landlocked, facts, report);
    if !landlocked {
        if own && spec.proc.as_deref() != Some("none") {
            report.problem(
                Problem::setup(
                    "supervisor = false: without root there is no /proc of the jail's own but in a pid namespace",
                )
                .help("write proc = \"none\", or take `supervisor` out"),
            );
        }
        report.note("loss: pids are the host's: kill(2) and its kin say which of them are in use");
    }
    report.note("loss: what the program has started may go on after its end: whoever starts it has to end it, as a service's cgroup does");
    report.note("loss: nobody says which limit was hit, nor turns the way it ends into an exit code: whoever starts it sees the program itself");
    if spec.stop_signal.is_some() || spec.stop_timeout.is_some() {
        let signal = spec.stop_signal.as_deref().unwrap_or("TERM");
        report.note(format!(
            "loss: whoever starts it sends its own signal to stop it, and kills it in its own time: tell it of {signal}"
        ));
    }
    if !spec.before_reload.is_empty() || !spec.reload_command.is_empty() {
        report.note(
            "loss: before-reload and reload-command are not run: whoever starts it tells the program itself to reload",
        );
    } else if let Some(signal) = &spec.reload_signal {
        report.note(format!("loss: whoever starts it sends its own signal to reload: tell it of {signal}"));
    }
    if !spec.success_exit.is_empty() {
        report.note("loss: success-exit is not looked at: whoever starts it judges how the program ended");
    }
    if let Some(pidfile) = &spec.pidfile {
        report.note(format!(
            "loss: no {pidfile} is written on the host: whoever starts it knows the pid, which is the program's"
        ));
    }
    for planned in host {
        if let Step::MakeHostDir { path, keep: keep @ false, .. } = &mut planned.step {
            *keep = true;
            report.note(format!("loss: {path} stays after the end, and is taken again by the next start"));
        }
    }
}

/// Without a pid namespace it is Landlock that keeps processes apart.
fn kernel(exec: &mut Exec, landlocked: bool, facts: &Facts, report: &mut Report) {
    if landlocked && facts.landlock == 0 {
        // That is told already.
        return;
    }
    if facts.landlock == 0 {
        report.problem(
            Problem::setup("supervisor = false: this kernel has no Landlock, and nothing else keeps the jail from tracing processes of the same user")
                .help("take `supervisor` out; or start a kernel with CONFIG_SECURITY_LANDLOCK and with landlock in its `lsm=`"),
        );
        return;
    }
    exec.landlock.own_signals = facts.landlock >= SCOPES;
    if exec.landlock.own_signals {
        return;
    }
    if exec.ids.uid == 0 || exec.capabilities.iter().any(|name| name == "kill") {
        report.problem(
            Problem::setup("supervisor = false: this kernel can't keep signals inside (Linux 6.12 can), and root's reach every process of root's")
                .help("write another user, and no capability `kill`; or take `supervisor` out"),
        );
    } else if !landlocked {
        report.note(
            "loss: this kernel can't keep signals inside (Linux 6.12 can): processes of the same user are signalled",
        );
    }
}
