//! Which metadata suits which device, and which is none.

mod common;

use common::sign::trusting;
use common::{judge_with, words};
use firmware::metadata::{Finding, Metadata, Verdict};
use firmware::trailer::{append, append_metadata, Kind, MAX_SIZE};
use firmware::Device;

fn parse(json: &str) -> Result<Metadata, Finding> {
    Metadata::parse(&[&[0; 8], json.as_bytes()].concat())
}

fn verdict(json: &str, compat: Option<&str>) -> Verdict {
    match parse(json) {
        Ok(metadata) => metadata.judge(&Device::new("a,b\n", compat)).verdict(),
        Err(finding) => finding.verdict(),
    }
}

#[test]
fn devices_and_compat_versions_decide() {
    use Verdict::*;
    let cases = [
        (r#"{"supported_devices": ["x", "a,b"]}"#, None, Match),
        (r#"{"supported_devices": ["x", "a,b"]}"#, Some(" "), Match),
        (
            r#"{"supported_devices": ["x", "a,b"], "compat_version": ""}"#,
            Some("1.0\n"),
            Match,
        ),
        (
            r#"{"supported_devices": ["a_b", "a,b2", "A,b"]}"#,
            None,
            OtherDevice,
        ),
        (r#"{"supported_devices": []}"#, None, OtherDevice),
        (
            r#"{"supported_devices": ["a,b"]}"#,
            Some("1.1"),
            MatchWithoutSettings,
        ),
        (
            r#"{"supported_devices": ["a,b"]}"#,
            Some("2.0"),
            Incompatible,
        ),
        (
            r#"{"compat_version": "1.1", "new_supported_devices": ["a,b"]}"#,
            Some("1.1"),
            Match,
        ),
        (
            r#"{"compat_version": "1.1", "new_supported_devices": ["a,b"]}"#,
            None,
            MatchWithoutSettings,
        ),
        (
            r#"{"compat_version": "2.1", "new_supported_devices": ["a,b"]}"#,
            Some("1.1"),
            Incompatible,
        ),
        (
            r#"{"compat_version": "10.0", "new_supported_devices": ["a,b"]}"#,
            None,
            Incompatible,
        ),
        (
            r#"{"compat_version": "x", "new_supported_devices": ["a,b"]}"#,
            None,
            Incompatible,
        ),
        // With another compat_version the first list is a message to old systems.
        (
            r#"{"compat_version": "1.1", "supported_devices": ["a,b"], "new_supported_devices": []}"#,
            None,
            OtherDevice,
        ),
        (
            r#"{"compat_version": "1.1", "supported_devices": ["a,b"]}"#,
            None,
            Corrupt,
        ),
        (r#"{"new_supported_devices": ["a,b"]}"#, None, Corrupt),
        ("{}", None, Corrupt),
    ];
    for (json, compat, expected) in cases {
        assert_eq!(verdict(json, compat), expected, "{json} {compat:?}");
    }
}

#[test]
fn a_message_about_the_compat_version_is_shown() {
    let json = r#"{"compat_version": "2.0", "compat_message": "Partitions moved", "new_supported_devices": ["a,b"]}"#;
    let finding = parse(json).unwrap().judge(&Device::new("a,b", None));
    let sentence = "The image is for this device, but can't be installed by an upgrade (compat_version 1.0 here, 2.0 there: Partitions moved).";
    assert_eq!(finding.to_string(), sentence);
}

#[test]
fn a_long_list_of_devices_is_shown_in_part() {
    let metadata = parse(r#"{"supported_devices": ["a", "b", "c", "d", "e", "f"]}"#).unwrap();
    let finding = metadata.judge(&Device::new("z", None));
    assert_eq!(
        finding.to_string(),
        "The image is for a, b, c, d and 2 more, not for z."
    );
}

#[test]
fn texts_from_the_image_can_neither_steer_a_terminal_nor_fill_it() {
    let long = "long".repeat(2000);
    let texts = [
        format!(r#"{{"supported_devices": ["\u001b[2J\u202e", "{long}"]}}"#),
        format!(
            r#"{{"compat_version": "\u001b{long}", "compat_message": "\n{long}", "new_supported_devices": ["a,b"]}}"#
        ),
        format!(r#"{{"supported_devices": "\u001b{long}"}}"#),
    ];
    for json in texts {
        let finding = match parse(&json) {
            Ok(metadata) => metadata.judge(&Device::new("a,b", None)),
            Err(finding) => finding,
        };
        let sentence = finding.to_string();
        assert!(sentence.len() < 600, "{sentence}");
        assert!(
            !sentence.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{sentence:?}"
        );
    }
}

#[test]
fn what_is_no_metadata_is_corrupt() {
    let good = r#"{"supported_devices": ["a,b"]}"#;
    let many = |count| {
        format!(
            r#"{{"supported_devices": ["a,b"{}]}}"#,
            ",\"x\"".repeat(count)
        )
    };
    let deep = |depth| {
        format!(
            r#"{{"supported_devices": ["a,b"], "x": {}1{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert_eq!(verdict(&format!(" {good}\n"), None), Verdict::Match);
    assert_eq!(verdict(&many(255), None), Verdict::Match);
    assert_eq!(verdict(&deep(15), None), Verdict::Match);
    assert_eq!(
        verdict(
            r#"{"supported_devices": ["a,b"], "x": "[[[[[[[[[[[[[[[[[[[[\"[["}"#,
            None
        ),
        Verdict::Match
    );
    let corrupt = [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        format!("{good}{good}"),
        format!("{good}\0"),
        many(256),
        deep(16),
        deep(16_000),
        good.replace("}", r#", "supported_devices": []}"#),
        good.replace("[\"a,b\"]", "\"a,b\""),
        good.replace("\"a,b\"", "1"),
        good.replace("}", r#", "compat_version": 1.0}"#),
        good.replace("}", r#", "version": "24.10"}"#),
    ];
    for json in corrupt {
        assert_eq!(verdict(&json, None), Verdict::Corrupt, "{json:.80}");
    }
    assert!(matches!(
        Metadata::parse(b"\0\0\0\0\0\0\0"),
        Err(Finding::Format)
    ));
    assert!(matches!(
        Metadata::parse(b"\0\0\0\x01\0\0\0\0{}"),
        Err(Finding::Format)
    ));
    assert!(matches!(
        Metadata::parse(b"\0\0\0\0\0\0\0\0{\"x\": \"\xff\"}"),
        Err(Finding::Json(_))
    ));
}

#[test]
fn trailers_are_found_up_to_their_largest_size() {
    let keys = trusting(&[]);
    let json = r#"{"supported_devices": ["tplink,archer-c7-v2"]}"#;
    let room = MAX_SIZE as usize - 24;
    let mut image = Vec::new();
    append_metadata(&mut image, format!("{json:room$}").as_bytes()).unwrap();
    assert_eq!(image.len(), MAX_SIZE as usize);
    assert_eq!(words(&judge_with(&image, &keys)), ("match", "absent"));
    assert!(append_metadata(&mut image, format!("{json:room$} ").as_bytes()).is_err());
    assert_eq!(image.len(), MAX_SIZE as usize);
    // One byte more than allowed, in a file that has it.
    let mut image = [&[b' '; 100][..], &image].concat();
    let size = image.len() - 4;
    image[size..].copy_from_slice(&(MAX_SIZE + 1).to_be_bytes());
    assert_eq!(words(&judge_with(&image, &keys)), ("corrupt", "absent"));
}

#[test]
fn metadata_is_found_below_what_nobody_has_heard_of() {
    let keys = trusting(&[]);
    let mut image = Vec::new();
    append_metadata(
        &mut image,
        br#"{"supported_devices": ["tplink,archer-c7-v2"]}"#,
    )
    .unwrap();
    for count in 0..10 {
        let expected = if count < 7 { "match" } else { "corrupt" };
        assert_eq!(
            words(&judge_with(&image, &keys)).0,
            expected,
            "{count} trailers behind"
        );
        append(&mut image, Kind::Other(9), b"").unwrap();
    }
}

#[test]
fn a_trailer_of_impossible_size_is_no_image_without_metadata() {
    let keys = trusting(&[]);
    for kind in [Kind::Signature, Kind::Metadata, Kind::Other(9)] {
        let mut image = b"image".to_vec();
        append(&mut image, kind, b"").unwrap();
        for size in [0_u32, 15, 22, 1 << 15 | 1, u32::MAX] {
            let end = image.len() - 4;
            image[end..].copy_from_slice(&size.to_be_bytes());
            let signature = if kind == Kind::Signature {
                "bad"
            } else {
                "absent"
            };
            assert_eq!(
                words(&judge_with(&image, &keys)),
                ("corrupt", signature),
                "{kind} {size}"
            );
        }
    }
}
