//! Does the host's steps in order, and takes them back in the reverse order: the same code for a stop and for a failure.

use thinjail_plan::step::Planned;

use crate::os::{Os, StepError};

/// What was done on the host, in order.
#[derive(Debug)]
pub(crate) struct Applied<D> {
    done: Vec<D>,
}

impl<D> Applied<D> {
    /// All of it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &D> {
        self.done.iter()
    }
}

/// Does every step. If one fails, those before it are taken back at once.
pub(crate) fn apply<O: Os>(
    os: &mut O,
    steps: &[Planned],
    left: &mut dyn FnMut(&StepError),
) -> Result<Applied<O::Done>, StepError> {
    let mut applied = Applied { done: Vec::with_capacity(steps.len()) };
    for planned in steps {
        match os.apply(&planned.step) {
            Ok(done) => applied.done.push(done),
            Err(error) => {
                teardown(os, applied, true, left);
                return Err(error);
            }
        }
    }
    Ok(applied)
}

/// Takes everything back, last first. One undo that fails is told to `left` and does not stop the others.
pub(crate) fn teardown<O: Os>(os: &mut O, applied: Applied<O::Done>, failed: bool, left: &mut dyn FnMut(&StepError)) {
    for done in applied.done.iter().rev() {
        if let Err(error) = os.undo(done, failed) {
            left(&error);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use thinjail_plan::path::HostPath;
    use thinjail_plan::step::Step;

    use super::*;
    use crate::os::fake::Fake;

    fn dir(path: &str, keep: bool) -> Planned {
        let path = HostPath::new(path).unwrap();
        Planned { step: Step::MakeHostDir { path, mode: 0o750, uid: 0, gid: 0, keep }, why: "test".into() }
    }

    fn steps() -> Vec<Planned> {
        vec![dir("/run/a", false), dir("/run/a/b", false), dir("/var/lib/a", true), dir("/run/c", false)]
    }

    #[test]
    fn a_failure_at_step_k_leaves_the_world_as_it_was() {
        for k in 0..steps().len() {
            let mut os = Fake::new(["/run", "/var", "/var/lib"]);
            let before = os.world();
            os.fail_apply_at(k);
            let mut left = Vec::new();
            assert!(apply(&mut os, &steps(), &mut |error| left.push(error.to_string())).is_err(), "step {k}");
            assert_eq!(os.world(), before, "step {k}");
            assert!(left.is_empty(), "step {k}: {left:?}");
        }
    }

    #[test]
    fn a_stop_takes_back_all_but_what_is_to_stay() {
        let mut os = Fake::new(["/run", "/var", "/var/lib"]);
        let applied = apply(&mut os, &steps(), &mut |_| {}).unwrap();
        teardown(&mut os, applied, false, &mut |error| unreachable!("{error}"));
        assert_eq!(os.world(), ["/run", "/var", "/var/lib", "/var/lib/a"].map(String::from).into());
    }

    #[test]
    fn one_failed_undo_is_told_and_stops_no_other() {
        for k in 0..steps().len() {
            let mut os = Fake::new(["/run", "/var", "/var/lib"]);
            let before = os.world();
            let applied = apply(&mut os, &steps(), &mut |_| {}).unwrap();
            os.fail_undo_at(k);
            let mut left = Vec::new();
            teardown(&mut os, applied, true, &mut |error| left.push(error.to_string()));
            // The parent of what could not be removed can't be removed either.
            let stuck: Vec<String> = os.world().difference(&before).cloned().collect();
            assert_eq!(stuck.len(), left.len(), "undo {k}: {stuck:?} {left:?}");
            assert!(!left.is_empty() && left.len() <= 2, "undo {k}: {left:?}");
            for path in &stuck {
                assert!(left.iter().any(|told| told.ends_with(path.as_str())), "undo {k}: {path} is not in {left:?}");
            }
        }
    }

    #[test]
    fn a_directory_that_was_there_is_never_removed() {
        let mut os = Fake::new(["/run", "/run/a", "/run/a/b", "/var", "/var/lib"]);
        let before = os.world();
        let applied = apply(&mut os, &steps(), &mut |_| {}).unwrap();
        teardown(&mut os, applied, true, &mut |error| unreachable!("{error}"));
        assert_eq!(os.world(), before);
    }

    proptest! {
        #[test]
        fn before_equals_after_for_any_plan_and_any_failing_step(
            picks in proptest::collection::vec((0usize..3, 0usize..4), 0..12), k in 0usize..14
        ) {
            let mut steps: Vec<Planned> = Vec::new();
            for (top, depth) in picks {
                let mut path = format!("/run/{top}");
                for level in 0..depth {
                    steps.push(dir(&path, false));
                    path.push_str(&format!("/{level}"));
                }
                steps.push(dir(&path, false));
            }
            let mut os = Fake::new(["/run"]);
            let before = os.world();
            os.fail_apply_at(k);
            let mut told = 0;
            let applied = apply(&mut os, &steps, &mut |_| told += 1);
            match applied {
                Ok(applied) => teardown(&mut os, applied, false, &mut |_| told += 1),
                Err(_) => prop_assert!(k < steps.len()),
            }
            prop_assert_eq!(os.world(), before);
            prop_assert_eq!(told, 0);
        }
    }
}
