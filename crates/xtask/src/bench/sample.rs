//! Taking times in turns, and what is told of them.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::peers::Peer;
use crate::command;
use crate::error::{Context, Error, Result};

/// The times of one peer, in order of size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: &'static str,
    times: Vec<Duration>,
}

impl Row {
    pub(super) fn new(name: &'static str, mut times: Vec<Duration>) -> Self {
        times.sort();
        Self { name, times }
    }

    pub(super) fn median(&self) -> Duration {
        self.at(0.5)
    }

    pub(super) fn p95(&self) -> Duration {
        self.at(0.95)
    }

    /// The same row without what every time of it holds.
    pub(super) fn less(&self, base: Duration) -> Self {
        Self { name: self.name, times: self.times.iter().map(|time| time.saturating_sub(base)).collect() }
    }

    /// The smallest time that is not below this part of all.
    fn at(&self, part: f64) -> Duration {
        let rank = (self.times.len() as f64 * part).ceil() as usize;
        self.times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// Each peer once a round, in an order that turns with the rounds, so that no one always runs after the same other. A few
/// rounds before the first warm the caches.
pub(super) fn in_turns(peers: &[Peer], rounds: usize, measure: fn(&Peer) -> Result<Duration>) -> Result<Vec<Row>> {
    const WARM: usize = 5;
    let mut times = vec![Vec::with_capacity(rounds); peers.len()];
    for round in 0..WARM + rounds {
        for turn in 0..peers.len() {
            let at = (round + turn) % peers.len();
            let time = measure(&peers[at])?;
            if round >= WARM {
                times[at].push(time);
            }
        }
    }
    Ok(peers.iter().zip(times).map(|(peer, times)| Row::new(peer.name, times)).collect())
}

/// From before the start until the status is there, which has to be a good one.
pub(super) fn whole(peer: &Peer) -> Result<Duration> {
    let (time, good) = timed(peer)?;
    if good { Ok(time) } else { Err(failed(&peer.command(), peer)) }
}

/// The same, and whether the status is a good one.
pub(super) fn timed(peer: &Peer) -> Result<(Duration, bool)> {
    let mut command = peer.command();
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().context(|| format!("run {}", peer.name))?;
    Ok((start.elapsed(), status.success()))
}

pub(super) fn failed(command: &Command, peer: &Peer) -> Error {
    Error::new(format!("{} failed: {}", peer.name, command::words(command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(times: &[u64]) -> Row {
        Row::new("row", times.iter().map(|time| Duration::from_millis(*time)).collect())
    }

    #[test]
    fn half_is_at_or_below_the_median_and_95_of_100_at_or_below_the_p95() {
        assert_eq!(row(&[3, 1, 2]).median(), Duration::from_millis(2));
        assert_eq!(row(&[4, 3, 1, 2]).median(), Duration::from_millis(2));
        assert_eq!(row(&(1..=100).rev().collect::<Vec<_>>()).p95(), Duration::from_millis(95));
        assert_eq!(row(&[7]).p95(), Duration::from_millis(7));
        assert_eq!(row(&[]).median(), Duration::ZERO);
    }

    #[test]
    fn what_all_times_hold_is_taken_off_and_never_more() {
        assert_eq!(row(&[1, 5]).less(Duration::from_millis(2)), row(&[0, 3]));
    }

    #[test]
    fn every_peer_has_one_time_a_round() {
        let peers = [Peer::new("a", ["true"]), Peer::new("b", ["true"])];
        let rows = in_turns(&peers, 3, whole).map(|rows| rows.iter().map(|row| row.times.len()).collect::<Vec<_>>());
        assert_eq!(rows.ok(), Some(vec![3, 3]));
        assert!(in_turns(&[Peer::new("c", ["false"])], 1, whole).is_err());
    }
}
