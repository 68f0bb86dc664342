//! How much one mail may make us ask the DNS (RFC 7208 §4.6.4 and our own limits).
//!
//! `mail-auth` asks its cache before each look-up and tells it each answer. This cache keeps nothing, the resolver below
//! does that; it counts, and when enough was asked it answers itself.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

use mail_auth::{DnsError, DnssecStatus, Error, RecordSet, ResolverCache, Txt};

/// Look-ups of a kind that one mail may cause.
pub(super) struct Budget {
    most: u32,
    /// Answers that may be empty before nothing more is asked.
    void: u32,
    asked: AtomicU32,
    answered: AtomicU32,
}

impl Budget {
    pub(super) fn new(most: u32, void: u32) -> Self {
        Self { most, void, asked: AtomicU32::new(0), answered: AtomicU32::new(0) }
    }

    /// Whether more look-ups than allowed brought nothing.
    pub(super) fn is_void(&self) -> bool {
        self.asked.load(Relaxed).saturating_sub(self.answered.load(Relaxed)) > self.void
    }

    /// Whether one more may be asked.
    fn ask(&self) -> bool {
        if self.is_void() || self.asked.load(Relaxed) >= self.most {
            return false;
        }
        self.asked.fetch_add(1, Relaxed);
        true
    }
}

impl ResolverCache<Box<str>, Txt> for Budget {
    fn get<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        (!self.ask()).then(|| Txt::Error(Error::Dns(DnsError::Resolver("too many look-ups".to_owned()))))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {
        self.answered.fetch_add(1, Relaxed);
    }
}

impl<K, T> ResolverCache<K, RecordSet<T>> for Budget
where
    Arc<[T]>: FromIterator<T>,
{
    fn get<Q>(&self, _: &Q) -> Option<RecordSet<T>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        (!self.ask()).then(|| RecordSet { rrset: std::iter::empty().collect(), dnssec_status: DnssecStatus::Indeterminate })
    }

    fn remove<Q>(&self, _: &Q) -> Option<RecordSet<T>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: K, _: RecordSet<T>, _: Instant) {
        self.answered.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_spent_after_so_many_look_ups() {
        let budget = Budget::new(2, 9);
        let asks = || ResolverCache::<Box<str>, Txt>::get(&budget, "a.test.").is_none();
        assert!(asks() && asks() && !asks());
        assert!(!budget.is_void());
    }

    #[test]
    fn empty_answers_are_counted() {
        let budget = Budget::new(9, 2);
        let ask = || ResolverCache::<Box<str>, Txt>::get(&budget, "a.test.").is_none();
        for _ in 0..3 {
            assert!(ask());
        }
        assert!(budget.is_void() && !ask());
        ResolverCache::<Box<str>, Txt>::insert(&budget, "a.test.".into(), Txt::Error(Error::ParseError), Instant::now());
        assert!(!budget.is_void() && ask());
    }
}
