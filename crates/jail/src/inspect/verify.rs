//! The self-check: a loader inside must take the very files that it takes outside. What would fail inside is an error
//! before the start.

use thinjail_closure::closure::{Closure, Finder, Member, Request, Role};
use thinjail_plan::facts::{Facts, ProgramFact};
use thinjail_plan::plan::Plan;
use thinjail_plan::resolve::{Class, Problem};
use thinjail_plan::step::{Confine, Step};

use super::Host;
use super::paths::why;
use super::planned::PlannedTree;

/// Looks for every program and its libraries once more, in the planned tree. `facts` are those that `plan` was made of.
///
/// # Errors
/// The first file that would not be found inside, or that another file would stand in for.
pub fn verify(host: &Host, plan: &Plan, facts: &Facts) -> Result<(), Problem> {
    // In the host's own tree a loader takes what it has just taken.
    if plan.inside.iter().any(|planned| planned.step == Step::Confine(Confine::Landlock)) {
        return Ok(());
    }
    let tree = PlannedTree::new(plan, &host.tree);
    let mut finder = Finder::new(&tree, host.loader(facts.caller), host.objects.clone());
    for (written, fact) in &facts.programs {
        let ProgramFact::Closure(outside) = fact else { continue };
        let mut request = Request::new(written).loads(&outside.loads);
        request.env.extend(plan.exec.env.iter().cloned());
        let inside =
            finder.find(&request).map_err(|error| problem(format!("run {written} inside: {}", why(&error)), None))?;
        same(written, outside, &inside)?;
    }
    Ok(())
}

fn same(written: &str, outside: &Closure, inside: &Closure) -> Result<(), Problem> {
    if let Some(missing) = inside.missing.first() {
        let what = format!(
            "run {written} inside: {} would not be found, needed by {}",
            missing.name,
            missing.needed_by.display()
        );
        return Err(problem(what, directory_of(outside, &missing.name)));
    }
    let file = |member: &Member| (member.path.clone(), member.resolved.meta.id);
    for member in &inside.members {
        if outside.members.iter().any(|other| file(other) == file(member)) {
            continue;
        }
        let taken = member.path.display();
        let what = match outside.members.iter().find(|other| other.name == member.name) {
            Some(meant) => {
                format!(
                    "run {written} inside: {taken} would be taken for {}, not {}",
                    member.name,
                    meant.path.display()
                )
            }
            None => format!("run {written} inside: {taken} would be loaded, which is not loaded outside"),
        };
        return Err(problem(what, directory_of(outside, &member.name)));
    }
    Ok(())
}

/// What helps a loader that looks in the wrong places.
fn directory_of(outside: &Closure, name: &str) -> Option<String> {
    let member = outside.members.iter().find(|member| member.name == name && member.role == Role::Library)?;
    Some(format!("name its directory for the loader: --env LD_LIBRARY_PATH={}", member.path.parent()?.display()))
}

fn problem(what: String, help: Option<String>) -> Problem {
    let help = help.or_else(|| Some("`thinjail plan` shows what is inside; please report it as a bug".into()));
    Problem { class: Class::Setup, what, help }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use thinjail_plan::facts::{PathFact, Wants};
    use thinjail_plan::path::HostPath;
    use thinjail_plan::resolve::resolve;
    use thinjail_plan::spec::{Spec, Words};
    use thinjail_plan::step::{Content, Step};
    use thinjail_plan::wants::wants;

    use super::super::inspect;
    use super::*;

    /// The plan for the host's shell, and the first library that it needs.
    fn shell() -> (Host, Facts, Plan, Member) {
        let host = Host::this().unwrap();
        let spec = Spec { command: Words::Line("sh".into()), user: Some("1".into()), ..Spec::default() };
        let mut facts = inspect(&host, &wants(&spec, host.system().kind()));
        // Only root can make a jail; nothing is made here.
        facts.caller = 0;
        let plan = resolve("sh", &spec, &facts).unwrap();
        let ProgramFact::Closure(closure) = &facts.programs["sh"] else { panic!("no shell: {facts:?}") };
        let library = closure.members.iter().find(|member| member.role == Role::Library).unwrap().clone();
        (host, facts, plan, library)
    }

    fn is_of(step: &Step, library: &Member) -> bool {
        step.at().is_some_and(|at| AsRef::<std::path::Path>::as_ref(at) == library.resolved.real)
    }

    #[test]
    fn a_plan_as_resolved_is_fine() {
        let (host, facts, plan, _) = shell();
        assert_eq!(verify(&host, &plan, &facts), Ok(()));
    }

    #[test]
    fn a_library_left_out_is_found_out() {
        let (host, facts, mut plan, library) = shell();
        for steps in [&mut plan.host, &mut plan.inside] {
            steps.retain(|planned| !is_of(&planned.step, &library));
        }
        let problem = verify(&host, &plan, &facts).unwrap_err();
        assert!(problem.what.contains(&format!("{} would not be found", library.name)), "{problem:?}");
        assert!(problem.help.unwrap().contains("LD_LIBRARY_PATH="));
    }

    #[test]
    fn another_file_in_place_of_a_library_is_found_out() {
        let (host, facts, mut plan, library) = shell();
        let other = inspect(&host, &Wants { paths: [HostPath::new("/bin/sh").unwrap()].into(), ..Wants::default() });
        let PathFact::Found(other) = &other.paths.values().next().unwrap() else { panic!("no shell") };
        for planned in plan.host.iter_mut().chain(&mut plan.inside).filter(|planned| is_of(&planned.step, &library)) {
            // A host that mounts no single files has copies of them.
            if let Step::Bind { source, .. } | Step::PutFile { content: Content::Copy(source), .. } = &mut planned.step
            {
                source.path = HostPath::from_path(&other.real).unwrap();
            }
        }
        let problem = verify(&host, &plan, &facts).unwrap_err();
        assert!(problem.what.contains("would be taken for"), "{problem:?}");
    }
}
