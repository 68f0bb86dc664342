//! Named points at which a test ends this process, or makes a step fail or wait.
//!
//! `OMBUD_FAILPOINT=NAME:NTH[:kill|err|sleep]` arms one of them: the NTH time that it is reached, the process kills itself
//! as `kill -9` would (`kill`, the default), the step fails as a busy database would (`err`, where a step can fail), or
//! this thread waits 300 ms (`sleep`). In debug builds alone: a release build has neither the points nor the variable.

/// What arms a point.
#[cfg(debug_assertions)]
pub const VARIABLE: &str = "OMBUD_FAILPOINT";

/// What happens at the point that is armed.
#[cfg(debug_assertions)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Kill,
    Err,
    Sleep,
}

/// The point that is armed.
#[cfg(debug_assertions)]
struct Armed {
    name: String,
    nth: u64,
    act: Act,
    reached: std::sync::atomic::AtomicU64,
}

#[cfg(debug_assertions)]
impl Armed {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (name, nth) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
        let act = match parts.next() {
            None | Some("kill") => Act::Kill,
            Some("err") => Act::Err,
            Some("sleep") => Act::Sleep,
            Some(_) => return None,
        };
        Some(Self { name, nth, act, reached: std::sync::atomic::AtomicU64::new(0) })
    }

    /// What is to happen now, for whoever is at this point.
    fn at(&self, name: &str) -> Option<Act> {
        let now = self.name == name && self.reached.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 == self.nth;
        now.then_some(self.act)
    }
}

/// Dies, fails or waits here, when this point is armed; says whether the step is to fail.
#[cfg(debug_assertions)]
pub fn fails(name: &str) -> bool {
    static ARMED: std::sync::OnceLock<Option<Armed>> = std::sync::OnceLock::new();
    let armed = ARMED.get_or_init(|| {
        let text = std::env::var(VARIABLE).ok()?;
        let armed = Armed::read(&text);
        if armed.is_none() {
            tracing::error!("{VARIABLE} is not NAME:NTH[:kill|err|sleep]; nothing is armed");
        }
        armed
    });
    match armed.as_ref().and_then(|armed| armed.at(name)) {
        None => false,
        Some(Act::Err) => true,
        Some(Act::Sleep) => {
            std::thread::sleep(std::time::Duration::from_millis(300));
            false
        }
        Some(Act::Kill) => {
            use rustix::process::{Signal, getpid, kill_process};
            // Nothing of this process runs any more, and nothing is flushed; if it can't be, it ends without unwinding.
            let _ = kill_process(getpid(), Signal::KILL);
            std::process::abort()
        }
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn fails(_: &str) -> bool {
    false
}

/// The same at a step that can't fail.
#[inline(always)]
pub fn reached(name: &str) {
    let _ = fails(name);
}

#[cfg(all(test, debug_assertions))]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_armed_by_its_name_and_the_time_it_is_reached() {
        let armed = Armed::read("a.b:2").unwrap();
        assert_eq!([armed.at("a"), armed.at("a.b"), armed.at("a.b"), armed.at("a.b")], [None, None, Some(Act::Kill), None]);
        assert_eq!(Armed::read("a:1:err").unwrap().at("a"), Some(Act::Err));
        assert_eq!(Armed::read("a:1:sleep").unwrap().at("a"), Some(Act::Sleep));
        for wrong in ["", "a", "a:", "a:x", "a:1:stop"] {
            assert!(Armed::read(wrong).is_none(), "{wrong}");
        }
        assert!(!fails("a.b"), "nothing is armed here");
    }
}
