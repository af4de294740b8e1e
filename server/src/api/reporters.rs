//! Who has already reported what, so that nobody is counted twice.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// How many reports are remembered.
const KEPT: usize = 20_000;

/// The reports of the last time.
#[derive(Debug, Default)]
pub struct Reporters(Mutex<HashSet<String>>);

impl Reporters {
    /// Whether this report comes for the first time, as far as is remembered.
    pub fn is_new(&self, report: String) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(report)
    }
}
