//! How desks die: at a point that they were told of, or at any moment. Of several one dies at a time, and the others carry on.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::{Duration, Instant};

use ombud_tests::wait::found;
use ombud_tests::{Chance, Desk};

use super::ledger::Load;

/// Each of them is reached under this load, however it goes.
const POINTS: [&str; 22] = [
    "receive.data",
    "accept.before_commit",
    "accept.after_commit",
    "receive.before_250",
    "claim.after_commit",
    "decide.understood",
    "decide.before_commit",
    "decide.after_commit",
    "send.claimed",
    "compose.before_commit",
    "compose.after_commit",
    "send.before_dot",
    "send.after_dot",
    "send.before_sent",
    "send.after_sent",
    "index.before_commit",
    "fan.before_commit",
    "hook.claimed",
    "hook.after_post",
    "imap.after_fetch",
    "imap.after_commit",
    "imap.after_flag",
];
/// The same where bodies are files.
const FILES: &str = "blob.before_rename";
/// So often each.
const TIMES: u64 = 2;
/// Until a point is reached.
const SOON: Duration = Duration::from_secs(20);
/// A dead one stays dead for less than this, in ms, where there is another: long enough to be missed, for the other looks
/// each second whether somebody fetches.
const AWAY: u64 = 600;

/// Desks that die, and what became of it.
pub(super) struct Kills<'a> {
    desks: &'a mut [Desk],
    load: &'a Load,
    chance: Chance,
    /// The point that each was told of and when it was started; none where it was told of none.
    armed: Vec<Option<(String, Instant)>>,
    at_points: usize,
    by_chance: usize,
    reached: BTreeSet<String>,
    /// Points that were not reached in time.
    missed: Vec<String>,
    /// How long each start took until the desk was ready.
    starts: Vec<Duration>,
}

impl Drop for Kills<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("after {} kills; the desks were to die at {:?}", self.count(), self.armed);
        }
    }
}

impl<'a> Kills<'a> {
    /// Of desks none of which runs.
    pub(super) fn of(desks: &'a mut [Desk], load: &'a Load) -> Self {
        let armed = vec![None; desks.len()];
        Self {
            desks,
            load,
            chance: Chance::of_this_run(),
            armed,
            at_points: 0,
            by_chance: 0,
            reached: BTreeSet::new(),
            missed: Vec::new(),
            starts: Vec::new(),
        }
    }

    /// So many kills or some more; in the end all desks run, and none is to die. Says how it went.
    pub(super) fn go_on(mut self, wanted: usize) -> String {
        let begun = Instant::now();
        let files = self.desks[0].server().is_none().then_some(FILES);
        while self.count() < wanted {
            for point in POINTS.into_iter().chain(files) {
                for _ in 0..if self.at_points < POINTS.len() * 2 { TIMES } else { 1 } {
                    self.at_point(point);
                }
            }
            let rest = wanted.saturating_sub(self.count());
            for _ in 0..rest.min(POINTS.len() * 4) {
                self.by_chance();
            }
        }
        let took = begun.elapsed();
        for who in 0..self.desks.len() {
            if self.armed[who].is_some() && self.desks[who].runs() {
                self.kill(who);
            }
        }
        self.start_the_dead(None);
        assert!(self.missed.len() * 8 <= self.at_points, "points that were not reached: {:?}", self.missed);
        self.starts.sort_unstable();
        let start = |percent: usize| self.starts[(self.starts.len() - 1) * percent / 100];
        format!(
            "{} kills ({} at {} points, {} by chance) in {} s; start p50 {:?}, p99 {:?}",
            self.count(),
            self.at_points,
            self.reached.len(),
            self.by_chance,
            took.as_secs(),
            start(50),
            start(99)
        )
    }

    fn count(&self) -> usize {
        self.at_points + self.by_chance
    }

    /// Lets who is dead live until it comes to this point, and waits until anybody dies. The load is made of chances: where
    /// nobody comes to his point in time, the one who has tried longest is killed where he is.
    fn at_point(&mut self, point: &str) {
        // Mails are marked a batch at a time, and a batch may be a hundred.
        let nth = if point == "imap.after_flag" { 1 } else { 1 + self.chance.below(4) };
        self.start_the_dead(Some(&format!("{point}:{nth}")));
        if found(SOON, || (self.bury() > 0).then_some(())).is_some() {
            return;
        }
        let longest = |who: &usize| self.armed[*who].as_ref().map(|(_, since)| *since);
        let who = (0..self.desks.len()).filter(|who| self.armed[*who].is_some()).min_by_key(longest).expect("one was told to die");
        self.missed.extend(self.armed[who].take().map(|(point, _)| point));
        self.kill(who);
    }

    /// Kills one of them less than 800 ms after all were ready.
    fn by_chance(&mut self) {
        self.start_the_dead(None);
        self.chance.pause(800);
        // One may still have been told of a point.
        if self.bury() == 0 {
            let who = self.chance.below(self.desks.len() as u64);
            self.kill(usize::try_from(who).expect("a small number"));
        }
    }

    fn start_the_dead(&mut self, point: Option<&str>) {
        if self.desks.iter().any(Desk::runs) {
            self.chance.pause(AWAY);
        }
        for who in 0..self.desks.len() {
            if !self.desks[who].runs() {
                self.start(who, point);
            }
        }
    }

    /// Starts one, which may die before it is ready if it is to die at all.
    fn start(&mut self, who: usize, point: Option<&str>) {
        let (begun, desk) = (Instant::now(), &mut self.desks[who]);
        let variables = point.map(|point| ("OMBUD_FAILPOINT", point));
        let ready = desk.serve_under(&[], variables.as_slice());
        assert!(ready || point.is_some(), "it did not start: {}", desk.log());
        self.armed[who] = point.map(|point| (point.to_owned(), begun));
        if ready {
            self.starts.push(begun.elapsed());
            self.load.goes_to(who, self.desks[who].ports());
        }
    }

    /// Notes who has died; how many.
    fn bury(&mut self) -> usize {
        let mut dead = 0;
        for (desk, armed) in self.desks.iter_mut().zip(&mut self.armed).filter(|(desk, _)| desk.runs()) {
            let Some(ended) = desk.ended_within(Duration::ZERO) else { continue };
            let Some((point, _)) = armed.take() else { panic!("it ended although nobody told it to: {ended}") };
            assert_eq!(ended.signal(), Some(9), "at {point} it ended otherwise: {ended}");
            self.reached.extend(point.split(':').next().map(str::to_owned));
            dead += 1;
        }
        self.at_points += dead;
        dead
    }

    fn kill(&mut self, who: usize) {
        self.desks[who].kill();
        self.armed[who] = None;
        self.by_chance += 1;
    }
}
