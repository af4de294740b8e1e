//! Looking for a name in what is sorted by name.

use std::cmp::Ordering;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Where the last question led to; the next one is mostly about a name soon behind, which so takes
/// two comparisons instead of ten. It is no part of the value.
#[derive(Debug, Default)]
pub struct Finger(AtomicUsize);

impl Clone for Finger {
    fn clone(&self) -> Finger {
        Finger::default()
    }
}

impl PartialEq for Finger {
    fn eq(&self, _: &Finger) -> bool {
        true
    }
}

impl Eq for Finger {}

/// What is sorted by a name.
pub trait Named {
    fn name(&self) -> &str;
}

impl Named for &str {
    fn name(&self) -> &str {
        self
    }
}

impl<K: AsRef<str>, V> Named for (K, V) {
    fn name(&self) -> &str {
        self.0.as_ref()
    }
}

/// Where a name stands, or where it would.
pub fn place<T: Named>(sorted: &[T], finger: &Finger, name: &str) -> Result<usize, usize> {
    let begin = begin(sorted, finger, name);
    match sorted.get(begin) {
        Some(found) if order(found.name(), name).is_eq() => Ok(begin),
        _ => Err(begin),
    }
}

/// How many come before a name. The standard library's search takes twice the instructions where
/// it is built for size.
pub fn begin<T: Named>(sorted: &[T], Finger(finger): &Finger, name: &str) -> usize {
    let comes_before = |other: &T| order(other.name(), name).is_lt();
    let last = finger.load(Relaxed);
    let (mut begin, mut end) = (0, sorted.len());
    match sorted.get(last).map(comes_before) {
        Some(true) => (begin, end) = (self::end(sorted, last + 1, &comes_before), 0),
        Some(false) => end = last,
        None => {}
    }
    while begin < end {
        let middle = (begin + end) / 2;
        match sorted.get(middle) {
            Some(other) if comes_before(other) => begin = middle + 1,
            _ => end = middle,
        }
    }
    finger.store(begin, Relaxed);
    begin
}

/// Where those end that belong together from `start` on: looked for in steps that double, so that
/// many take few comparisons and few take fewest.
pub fn end<T>(sorted: &[T], start: usize, belongs: &dyn Fn(&T) -> bool) -> usize {
    let mut step = 1;
    while sorted.get(start + step - 1).is_some_and(belongs) {
        step *= 2;
    }
    let known = start + step / 2;
    let last = sorted.len().min(start + step - 1);
    let rest = sorted.get(known..last).unwrap_or_default();
    known + rest.partition_point(belongs)
}

/// The order of `str`.
pub fn order(a: &str, b: &str) -> Ordering {
    packages::order(a.as_bytes(), b.as_bytes())
}
