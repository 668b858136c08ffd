//! A reload beside the life of the program: one at a time, and once more if it was asked for meanwhile, since what was changed
//! in between may not have been looked at.
//!
//! | state \ event | asked | ended |
//! | --- | --- | --- |
//! | idle | running, started | |
//! | running | again | idle |
//! | again | again | running, started |

/// Where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reload {
    /// Nobody has asked.
    #[default]
    Idle,
    /// One is being done.
    Running,
    /// One is being done, and was asked for again.
    Again,
}

impl Reload {
    /// It is asked for; whether one is to be started now.
    #[must_use]
    pub(crate) fn asked(self) -> (Self, bool) {
        match self {
            Self::Idle => (Self::Running, true),
            Self::Running | Self::Again => (Self::Again, false),
        }
    }

    /// One has ended; whether the next is to be started.
    #[must_use]
    pub(crate) fn ended(self) -> (Self, bool) {
        match self {
            Self::Idle | Self::Running => (Self::Idle, false),
            Self::Again => (Self::Running, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reload;

    #[test]
    fn however_often_it_is_asked_for_one_more_follows_and_only_one() {
        let (state, start) = Reload::Idle.asked();
        assert_eq!((state, start), (Reload::Running, true));
        let state = (0..10).fold(state, |state, _| {
            let (state, start) = state.asked();
            assert!(!start);
            state
        });
        let (state, start) = state.ended();
        assert_eq!((state, start), (Reload::Running, true));
        assert_eq!(state.ended(), (Reload::Idle, false));
    }
}
