//! Versions compare as apk compares them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::cmp::Ordering;

use packages::version::{compare, is_valid};
use proptest::prelude::*;

#[test]
fn as_apk_answered() {
    let table = include_str!("data/versions.txt");
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split(' ').collect()).collect();
    let rows: Vec<_> = rows.into_iter().filter(|row| row[0] != "#").collect();
    assert!(rows.len() > 100);
    for row in rows {
        let [a, apk, b] = row[..] else {
            panic!("{row:?}")
        };
        let expected = match apk {
            "<" => Ordering::Less,
            ">" => Ordering::Greater,
            _ if !is_valid(a) && !is_valid(b) => a.cmp(b),
            _ => Ordering::Equal,
        };
        assert_eq!(compare(a, b), expected, "{a} {apk} {b}");
        assert_eq!(compare(b, a), expected.reverse(), "{b} against {a}");
    }
}

#[test]
fn what_is_a_version() {
    for good in [
        "1",
        "1.0a_rc1_p2~0af-r3",
        "6.12.87.2025.12.08~0e3a9d3c-r1",
        "27",
        "1.0_p",
    ] {
        assert!(is_valid(good), "{good}");
    }
    for bad in [
        "", "a", "1.", "1.0_", "1.0_foo", "1.0-1", "1.0-r", "1.0~", "1.0~x", "1 ", "1.0ab",
    ] {
        assert!(!is_valid(bad), "{bad}");
    }
}

#[test]
fn numbers_have_any_length() {
    let long = format!("1{}", "0".repeat(40));
    assert_eq!(compare(&long, "18446744073709551616"), Ordering::Greater);
}

proptest! {
    #[test]
    fn the_order_is_total(versions in proptest::collection::vec(
        "[0-3]?((\\.[0-2]{1,2})|[ab!]|(_(alpha|rc|p|x)[0-2]?)|(~[0-9a]{1,2})|(-r[0-2]?)){0,4}", 3..4,
    )) {
        let [a, b, c] = &versions[..] else { panic!() };
        prop_assert_eq!(compare(a, a), Ordering::Equal);
        prop_assert_eq!(compare(a, b), compare(b, a).reverse());
        if compare(a, b) != Ordering::Greater && compare(b, c) != Ordering::Greater {
            prop_assert_ne!(compare(a, c), Ordering::Greater);
        }
    }

    #[test]
    fn no_text_panics(a in ".{0,30}", b in ".{0,30}") {
        compare(&a, &b);
    }
}
