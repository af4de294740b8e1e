//! Sorting, small: the standard library's sort is larger than the plugin may be as a whole.

use alloc::vec::Vec;

use crate::Error;

/// Sorts from neighbours to halves, and leaves alone what is in order already: databases are
/// sorted but for the few names whose ABI suffix goes away, and that takes linear time.
///
/// `in_order(a, b)` says whether `a` may stand before `b`.
pub(crate) fn sort<T: Copy>(
    items: &mut [T],
    in_order: impl Fn(&T, &T) -> bool,
) -> Result<(), Error> {
    let mut left = Vec::new();
    left.try_reserve_exact(items.len())
        .map_err(|_| Error::OutOfMemory)?;
    let mut width = 1;
    while width < items.len() {
        for run in items.chunks_mut(2 * width) {
            merge(run, width, &mut left, &in_order);
        }
        width *= 2;
    }
    Ok(())
}

/// Merges the first `width` items with the rest; each of the two is sorted.
fn merge<T: Copy>(
    run: &mut [T],
    width: usize,
    left: &mut Vec<T>,
    in_order: &impl Fn(&T, &T) -> bool,
) {
    let (Some(last), Some(first)) = (run.get(width - 1), run.get(width)) else {
        return;
    };
    if in_order(last, first) {
        return;
    }
    left.clear();
    left.extend(run.iter().take(width));
    let mut from = width;
    let mut to = 0;
    // What is written stays behind what is read: `to` is `from` less what is left of `left`.
    for &item in left.iter() {
        while let Some(&other) = run.get(from).filter(|other| !in_order(&item, other)) {
            put(run, to, other);
            from += 1;
            to += 1;
        }
        put(run, to, item);
        to += 1;
    }
}

fn put<T>(run: &mut [T], at: usize, item: T) {
    if let Some(place) = run.get_mut(at) {
        *place = item;
    }
}

#[cfg(test)]
mod tests {
    use super::sort;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_sorts_and_keeps_the_order_of_equals(keys in proptest::collection::vec(0u8..20, 0..80)) {
            let mut items: Vec<(u8, usize)> = keys.into_iter().zip(0..).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            sort(&mut items, |a, b| a.0 <= b.0).unwrap();
            prop_assert_eq!(items, expected);
        }
    }
}
