//! Chance for what is tried at any moment: kills, crashes, pauses.

use std::thread;
use std::time::Duration;

/// Numbers that nobody can foresee, and that differ from run to run.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// Of this process.
    pub fn of_this_run() -> Self {
        Self(u64::from(std::process::id()))
    }

    /// A number below this one.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// Sleeps for less than so many ms. The moment that comes then is what is tried; nothing is waited for.
    pub fn pause(&mut self, ms: u64) {
        thread::sleep(Duration::from_millis(self.below(ms)));
    }
}
