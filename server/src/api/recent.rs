//! Answers that were given a moment ago, ready to be given again: thousands of routers ask for the same few.

use super::answer::Answer;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many bytes of answers are kept.
const KEPT: usize = 16 << 20;
/// What an answer takes besides its body and name, roughly.
const OVERHEAD: usize = 1024;

/// The answers, by what was asked.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    answers: HashMap<String, (Instant, Answer)>,
    bytes: usize,
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to `question`, if one was given lately.
    pub fn get(&self, question: &str) -> Option<Answer> {
        let inner = self.lock();
        let (until, answer) = inner.answers.get(question)?;
        (Instant::now() < *until).then(|| answer.clone())
    }

    /// Keeps an answer for a while. What is too much for memory makes room by forgetting all others.
    pub fn keep(&self, question: &str, answer: &Answer, lifetime: Duration) {
        let size = question.len() + answer.body().len() + OVERHEAD;
        if lifetime.is_zero() || size > KEPT {
            return;
        }
        let mut inner = self.lock();
        inner.remove(question);
        if inner.bytes + size > KEPT {
            inner.answers.clear();
            inner.bytes = 0;
        }
        inner.bytes += size;
        let entry = (Instant::now() + lifetime, answer.clone());
        inner.answers.insert(question.to_owned(), entry);
    }

    /// Forgets an answer.
    pub fn forget(&self, question: &str) {
        self.lock().remove(question);
    }
}

impl Inner {
    fn remove(&mut self, question: &str) {
        if let Some((_, old)) = self.answers.remove(question) {
            self.bytes = self
                .bytes
                .saturating_sub(question.len() + old.body().len() + OVERHEAD);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Recent, KEPT};
    use crate::api::answer;
    use std::time::Duration;

    #[test]
    fn keeps_no_more_than_it_may() {
        let recent = Recent::default();
        let long = Duration::from_secs(3600);
        recent.keep("never", &answer::text(200, "x"), Duration::ZERO);
        assert!(recent.get("never").is_none());
        recent.keep("huge", &answer::text(200, &"x".repeat(KEPT)), long);
        assert!(recent.get("huge").is_none());
        let big = answer::text(200, &"x".repeat(KEPT / 4));
        for name in 0..100 {
            recent.keep(&name.to_string(), &big, long);
            recent.keep(&name.to_string(), &big, long);
            assert!(recent.get(&name.to_string()).is_some(), "{name}");
            assert!(recent.lock().bytes <= KEPT);
        }
        recent.forget("99");
        assert!(recent.get("99").is_none());
    }
}
