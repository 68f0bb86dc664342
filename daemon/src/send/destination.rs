//! The state of what mail leaves by: the relay, or each domain where there is none. One that cannot be used is probed, and the mail
//! for it is not to blame; the others go on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::model::OutboxId;
use crate::net::Backoff;

use super::pace::Pace;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Pauses between probes of a relay; the last one stays.
const RELAY: [Duration; 5] = [s(5), s(10), s(20), s(40), s(60)];
/// The same for servers of strangers.
const DOMAIN: [Duration; 7] = [s(60), s(300), s(900), s(1_800), s(3_600), s(7_200), s(14_400)];
/// How long a mail waits while another one finds out.
const PROBED: Duration = s(5);
/// What is known of one that is down is forgotten so long after its probe was due: it has no mail any more.
const FORGOTTEN: Duration = s(3_600);
/// MiB of mails that may be held at once while they leave; what is smaller than one is not counted.
const LARGE: usize = 256;
/// Most mails that are known to find no room; what comes beside them is read to find out.
const CROWDED: usize = 1_000;
/// Most domains that a claim leaves out by name.
const LEFT_OUT: usize = 1_000;

/// The only relay has so many times its connections in hand: what is claimed ahead is composed while others leave.
pub(super) const AHEAD: usize = 2;

/// What may be claimed now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// So many mails.
    pub(super) limit: usize,
    /// None to these domains.
    pub(super) away: Vec<String>,
    /// None by these relays, where there are several.
    pub(super) shut: Vec<String>,
}

/// The states of all that is down or in use, by name; the relay has the empty one, and that of a mailbox one with a colon.
#[derive(Debug)]
pub struct Destinations {
    known: Mutex<HashMap<String, State>>,
    large: Semaphore,
    /// MiB of mails that found no room: until there is so much, they need not be read.
    crowded: Mutex<HashMap<OutboxId, u32>>,
}

impl Default for Destinations {
    fn default() -> Self {
        Self { known: Mutex::default(), large: Semaphore::new(LARGE), crowded: Mutex::default() }
    }
}

#[derive(Debug)]
struct State {
    backoff: Backoff,
    /// Mails that were claimed for it and are not settled.
    in_hand: usize,
    slots: Arc<Semaphore>,
    pace: Pace,
    /// Whether somebody is finding out if it is still down.
    probed: bool,
    /// What it has said last while it was down.
    reply: String,
}

/// Why a mail is not tried now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Down {
    pub(super) reply: String,
    pub(super) wait: Duration,
}

fn is_domain(name: &str) -> bool {
    !name.is_empty() && !name.contains(':')
}

impl State {
    fn new(name: &str, connections: usize) -> Self {
        let pauses: &[Duration] = if is_domain(name) { &DOMAIN } else { &RELAY };
        Self {
            backoff: Backoff::new(pauses),
            in_hand: 0,
            slots: Arc::new(Semaphore::new(connections)),
            pace: Pace::default(),
            probed: false,
            reply: String::new(),
        }
    }

    /// Whether it has no mail, and may be given as much at once as one that is new.
    fn is_idle(&self, now: Instant) -> bool {
        self.in_hand == 0 && self.pace.is_rested(now)
    }

    /// Why no mail is tried now: it is down, or somebody is finding out whether it still is.
    fn down(&self, now: Instant) -> Option<Down> {
        let wait = match self.backoff.until()? {
            until if until > now => until - now,
            _ if self.probed => PROBED,
            _ => return None,
        };
        Some(Down { reply: self.reply.clone(), wait })
    }

    /// Whether a relay among others has no place: what it would be given waits, and nothing is known of how long.
    fn is_busy(&self, connections: usize, now: Instant) -> bool {
        match self.backoff.until() {
            None => self.in_hand >= connections,
            Some(until) => until <= now && self.in_hand > 0,
        }
    }

    /// Whether the only relay should be given nothing more.
    fn is_shut(&self, connections: usize, now: Instant) -> bool {
        match self.backoff.until() {
            None => self.in_hand >= connections,
            Some(until) => until > now || self.in_hand > 0,
        }
    }
}

impl Destinations {
    /// What may be claimed when `free` mails more can be in hand. With one relay all mail has one destination.
    pub(super) fn room(&self, free: usize, connections: usize, many: bool, now: Instant) -> Room {
        let mut known = self.lock();
        known.retain(|_, state| !state.is_idle(now) || state.backoff.until().is_some_and(|until| now < until + FORGOTTEN));
        if many {
            // Mail for one that is down is claimed all the same, and put off by the state: it may be old enough to be told of, or to
            // be given up.
            let domains = || known.iter().filter(|(name, _)| is_domain(name));
            let full = domains().filter(|(_, state)| state.in_hand >= connections || state.probed).map(|(name, _)| name.clone());
            let relays = known.iter().filter(|(name, _)| !is_domain(name));
            let shut = relays.filter(|(_, state)| state.is_busy(connections, now)).map(|(name, _)| name.clone());
            // Nobody knows whose mail will be claimed: no more than the fullest of the others can hold.
            let open = known.iter().filter(|(name, state)| match is_domain(name) {
                true => state.in_hand < connections && !state.probed,
                false => !state.is_busy(connections, now),
            });
            let fits = open.map(|(_, state)| connections - state.in_hand).min().unwrap_or(connections);
            return Room { limit: free.min(fits), away: full.take(LEFT_OUT).collect(), shut: shut.collect() };
        }
        let most = connections.saturating_mul(AHEAD);
        let limit = match known.get("") {
            None => free.min(most),
            Some(relay) if relay.is_shut(most, now) => 0,
            Some(relay) if relay.backoff.until().is_some() => free.min(1),
            // Many are claimed in one commit, and not each that leaves makes room for one.
            Some(relay) => Some(free.min(most.saturating_sub(relay.in_hand))).filter(|places| *places >= connections).unwrap_or(0),
        };
        Room { limit, away: Vec::new(), shut: Vec::new() }
    }

    /// Room for a mail of so many octets until the answer is dropped; `None` while other large ones are on their way.
    pub(super) fn memory(&self, id: OutboxId, octets: usize) -> Option<SemaphorePermit<'_>> {
        let mebibytes = u32::try_from((octets >> 20).min(LARGE)).unwrap_or(u32::MAX);
        let room = self.large.try_acquire_many(mebibytes).ok();
        let mut crowded = self.crowded.lock().unwrap_or_else(PoisonError::into_inner);
        match room {
            Some(_) => _ = crowded.remove(&id),
            None if crowded.len() < CROWDED => _ = crowded.insert(id, mebibytes),
            None => {}
        }
        room
    }

    /// Whether a mail that found no room before would find none now.
    pub(super) fn is_crowded(&self, id: OutboxId) -> bool {
        let crowded = self.crowded.lock().unwrap_or_else(PoisonError::into_inner);
        crowded.get(&id).is_some_and(|mebibytes| self.large.available_permits() < *mebibytes as usize)
    }

    /// When the next probe will be due.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        self.lock().values().filter_map(|state| state.backoff.until()).filter(|until| *until > now).min()
    }

    /// A mail to it was claimed, and is in hand until the answer is dropped.
    pub(super) fn claimed(self: &Arc<Self>, name: &str, connections: usize) -> InHand {
        self.lock().entry(name.to_owned()).or_insert_with(|| State::new(name, connections)).in_hand += 1;
        InHand { all: Arc::clone(self), name: name.to_owned() }
    }

    fn settled(&self, name: &str) {
        let mut known = self.lock();
        let Some(state) = known.get_mut(name) else { return };
        state.in_hand = state.in_hand.saturating_sub(1);
        if state.in_hand == 0 {
            state.probed = false;
            if state.backoff.until().is_none() && state.pace.is_rested(Instant::now()) {
                known.remove(name);
            }
        }
    }

    /// Waits until one more mail may leave at this rate (mails a second; 0: any), and for a connection to be free. An error says how
    /// long the mail has to wait: it is down, and nobody waits here to hear that.
    pub(super) async fn enter(&self, name: &str, rate: u32) -> Result<Option<OwnedSemaphorePermit>, Down> {
        let now = Instant::now();
        let place = match self.lock().get_mut(name) {
            Some(state) => match state.down(now) {
                Some(down) => return Err(down),
                None => Some((state.pace.next(rate, now), state.slots.clone())),
            },
            None => None,
        };
        let Some((at, slots)) = place else { return Ok(None) };
        if at > now {
            tokio::time::sleep_until(at).await;
        }
        let permit = slots.acquire_owned().await.ok();
        if let Some(state) = self.lock().get_mut(name) {
            if let Some(down) = state.down(Instant::now()) {
                return Err(down);
            }
            state.probed |= state.backoff.until().is_some();
        }
        Ok(permit)
    }

    /// It took a mail, or refused one for a reason of its own.
    pub(super) fn is_up(&self, name: &str) {
        if let Some(state) = self.lock().get_mut(name) {
            state.probed = false;
            if state.backoff.worked() {
                tracing::info!(destination = name, "mail is taken again");
            }
        }
    }

    /// It can't be used. Returns how long the mail in hand waits.
    pub(super) fn is_down(&self, name: &str, reply: &str, now: Instant) -> Duration {
        let mut known = self.lock();
        let Some(state) = known.get_mut(name) else { return RELAY[0] };
        state.probed = false;
        if state.backoff.until().is_none() {
            tracing::warn!(destination = name, reply, "the destination can't be used; mail for it waits");
        }
        reply.clone_into(&mut state.reply);
        state.backoff.failed(now)
    }

    /// Nothing was found out: whoever was to probe it was stopped.
    pub(super) fn is_unknown(&self, name: &str) {
        if let Some(state) = self.lock().get_mut(name) {
            state.probed = false;
        }
    }

    /// A person wants all tried now.
    pub(super) fn try_now(&self) {
        let now = Instant::now();
        self.lock().values_mut().for_each(|state| state.backoff.try_now(now));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, State>> {
        // The lock is never held over anything that can panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A mail that was claimed for a destination.
#[derive(Debug)]
pub(super) struct InHand {
    all: Arc<Destinations>,
    name: String,
}

impl InHand {
    /// The destination.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.all.settled(&self.name);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn limit(all: &Destinations, now: Instant) -> usize {
        all.room(10, 5, false, now).limit
    }

    fn several(all: &Arc<Destinations>, name: &str, n: usize) -> Vec<InHand> {
        (0..n).map(|_| all.claimed(name, 5)).collect()
    }

    #[test]
    fn large_mails_wait_for_each_other_and_small_ones_for_none() {
        let all = Destinations::default();
        let memory = |id, octets| all.memory(OutboxId(id), octets);
        let (one, other) = (memory(1, 200 << 20).unwrap(), memory(2, 50 << 20).unwrap());
        assert!(memory(3, 50 << 20).is_none() && memory(4, 1 << 30).is_none());
        assert!(memory(5, 1 << 19).is_some());
        let crowded = || [1, 3, 4, 5].map(|id| all.is_crowded(OutboxId(id)));
        assert_eq!(crowded(), [false, true, true, false], "who found no room need not be read to find none again");
        drop(other);
        assert_eq!(crowded(), [false, false, true, false]);
        drop(one);
        assert!(memory(4, 1 << 30).is_some(), "one that is larger than all room goes alone");
        assert!(all.large.available_permits() == LARGE && !crowded()[2]);
    }

    #[test]
    fn tries_that_fail_together_are_one_failure() {
        let (all, now) = (Arc::new(Destinations::default()), Instant::now());
        let five = several(&all, "", 5);
        assert_eq!(limit(&all, now), 5, "as many again are composed meanwhile");
        let sixth = all.claimed("", 5);
        assert_eq!(limit(&all, now), 0, "and claimed together");
        drop(sixth);
        for _ in &five {
            assert_eq!(all.is_down("", "421", now), s(5));
        }
        drop(five);
        assert_eq!((limit(&all, now), all.next(now)), (0, Some(now + s(5))));
        let later = now + s(5);
        assert_eq!((limit(&all, later), all.next(later)), (1, None), "what is due is no reason to look again and again");
        let probe = all.claimed("", 5);
        assert_eq!(limit(&all, later), 0, "one probe at a time");
        assert_eq!(all.is_down("", "421", later), s(10));
        all.is_up("");
        drop(probe);
        assert_eq!(limit(&all, later), 10);
    }

    #[test]
    fn a_domain_that_is_down_holds_no_other() {
        let (all, now) = (Arc::new(Destinations::default()), Instant::now());
        let dead = all.claimed("dead.test", 5);
        assert_eq!(all.is_down("dead.test", "421", now), s(60), "strangers are asked less often than a relay");
        drop(dead);
        let busy = several(&all, "busy.test", 5);
        let room = all.room(20, 5, true, now);
        assert_eq!(room, Room { limit: 5, away: vec!["busy.test".into()], shut: Vec::new() }, "what is down is put off one by one");
        let half = several(&all, "half.test", 3);
        assert_eq!(all.room(20, 5, true, now).limit, 2, "all that is claimed may be for one of them");
        drop((busy, half));
        assert_eq!(all.lock().len(), 1, "what works and is idle is forgotten");
        all.room(20, 5, true, now + s(60) + FORGOTTEN);
        assert!(all.lock().is_empty(), "and what has no mail any more");
    }

    #[test]
    fn a_relay_beside_others_is_shut_by_itself() {
        let (all, now, own) = (Arc::new(Destinations::default()), Instant::now(), "smtp://relay.test:25");
        let room = |now| all.room(20, 5, true, now);
        let shut = |limit, names: &[&str]| Room { limit, away: Vec::new(), shut: names.iter().map(|name| (*name).to_owned()).collect() };
        let four = several(&all, own, 4);
        assert_eq!(room(now), shut(1, &[]), "all that is claimed may be for it");
        let fifth = all.claimed(own, 5);
        assert_eq!(room(now), shut(5, &[own]), "it is full, and the others are not");
        assert_eq!(all.is_down(own, "421", now), s(5), "a relay is asked again sooner than a stranger");
        drop((four, fifth));
        assert_eq!(room(now), shut(5, &[]), "what is down is put off one by one");
        let later = now + s(5);
        assert_eq!(room(later), shut(5, &[]));
        let (probe, main) = (all.claimed(own, 5), several(&all, "", 5));
        let mut probed = room(later);
        probed.shut.sort();
        assert_eq!(probed, shut(5, &["", own]), "one is probed, and the main one is full as it is without others");
        drop((probe, main));
    }

    #[tokio::test]
    async fn mails_leave_no_faster_than_they_may_one_after_the_other_or_together() {
        let (all, start) = (Arc::new(Destinations::default()), Instant::now());
        for n in 0..26_u32 {
            let _in_hand = all.claimed("x.test", 5);
            assert!(all.enter("x.test", 20).await.unwrap().is_some());
            assert!(start.elapsed() >= Duration::from_millis(50) * n.saturating_sub(19), "{n}: {:?}", start.elapsed());
        }
        let known = |now| {
            all.room(20, 5, true, now);
            all.lock().contains_key("x.test")
        };
        assert!(known(Instant::now()), "its pace counts also while none is in hand");
        assert!(!known(Instant::now() + s(2)), "until it has rested");
    }

    #[tokio::test]
    async fn one_mail_finds_out_and_the_others_wait() {
        let (all, past) = (Arc::new(Destinations::default()), Instant::now().checked_sub(s(100)).unwrap());
        let two = several(&all, "x.test", 2);
        all.is_down("x.test", "421", past);
        let probe = all.enter("x.test", 0).await;
        assert!(probe.is_ok() && all.enter("x.test", 0).await.is_err());
        assert_eq!(all.room(20, 5, true, Instant::now()).away, ["x.test"], "who is being probed is left alone");
        all.is_up("x.test");
        assert!(all.enter("x.test", 0).await.is_ok());
        all.is_down("x.test", "421", Instant::now());
        let down = all.enter("x.test", 0).await.unwrap_err();
        assert!(down.wait > s(50) && down.reply == "421", "{down:?}");
        assert!(all.enter("x.test", 1).await.is_err() && all.lock()["x.test"].pace.is_rested(Instant::now()), "its turn is nobody's loss");
        drop(two);
    }
}
