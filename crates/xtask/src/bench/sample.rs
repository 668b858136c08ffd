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

/// Each peer once a round, and after each other one equally often: what ran before has left its own files in the processor's
/// caches, or those that the next one is to read. A few rounds before the first warm them.
pub(super) fn in_turns(peers: &[Peer], rounds: usize, measure: fn(&Peer) -> Result<Duration>) -> Result<Vec<Row>> {
    const WARM: usize = 5;
    let mut times = vec![Vec::with_capacity(rounds); peers.len()];
    for round in 0..WARM + rounds {
        for turn in 0..peers.len() {
            let at = in_order(round, turn, peers.len());
            let time = measure(&peers[at])?;
            if round >= WARM {
                times[at].push(time);
            }
        }
    }
    Ok(peers.iter().zip(times).map(|(peer, times)| Row::new(peer.name, times)).collect())
}

/// Whose turn it is: a balanced Latin square (E. J. Williams, 1949), in which the order 0, 1, n-1, 2, n-2... is shifted by one with
/// each round. Every other n rounds it runs backwards, which an odd number needs for the balance.
fn in_order(round: usize, turn: usize, count: usize) -> usize {
    let turn = if (round / count).is_multiple_of(2) { turn } else { count - 1 - turn };
    let steps = turn.div_ceil(2);
    let place = if turn.is_multiple_of(2) { count - steps } else { steps };
    (place + round) % count
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
    fn each_runs_once_a_round_and_after_each_other_one_equally_often() {
        for count in 1..10 {
            let mut after = vec![vec![0; count]; count];
            for round in 0..2 * count {
                let order: Vec<usize> = (0..count).map(|turn| in_order(round, turn, count)).collect();
                assert_eq!(order.iter().collect::<std::collections::BTreeSet<_>>().len(), count, "{order:?}");
                for pair in order.windows(2) {
                    after[pair[0]][pair[1]] += 1;
                }
            }
            for (one, row) in after.iter().enumerate() {
                assert!(row.iter().enumerate().all(|(other, times)| *times == if one == other { 0 } else { 2 }));
            }
        }
    }

    #[test]
    fn every_peer_has_one_time_a_round() {
        let peers = [Peer::new("a", ["true"]), Peer::new("b", ["true"])];
        let rows = in_turns(&peers, 3, whole).map(|rows| rows.iter().map(|row| row.times.len()).collect::<Vec<_>>());
        assert_eq!(rows.ok(), Some(vec![3, 3]));
        assert!(in_turns(&[Peer::new("c", ["false"])], 1, whole).is_err());
    }
}
