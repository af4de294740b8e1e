//! Package indexes and upstream's profiles, which are read as a stream.

use super::super::error::Error;
use super::super::found;
use super::super::index as reader;
use super::{told, Pieces};
use crate::sorted::Names;
use std::collections::BTreeMap;

/// Any bytes as a package index and as upstream's profiles: where they are JSON, what is found is what
/// serde_json finds; and it never matters in which pieces they come.
pub fn index(data: &[u8]) {
    let map = serde_json::from_slice::<BTreeMap<String, String>>(data);
    let map = map.unwrap_or_default();
    let some = map.keys().step_by(2).map(String::as_str);
    let some: Names<'_> = some.chain(["luci", "base-files"]).collect();
    let nested = [b"{\"more\":[{}],\"packages\":", data, b"}"].concat();
    if let Err(error) = versions(data, false, &some) {
        told(error);
    }
    for (found, flat) in [
        (versions(data, true, &some), true),
        (versions(&nested, false, &some), false),
    ] {
        let (seen, found) = match found {
            Ok(found) => found,
            // Names may be longer for serde_json.
            Err(error) => {
                assert!(
                    map.is_empty() || matches!(error, Error::TooLong(_)),
                    "{error}"
                );
                told(error);
                continue;
            }
        };
        assert!(found.keys().all(|name| some.has(name)), "{flat}");
        assert!(seen >= map.len() && seen >= found.len());
        // Of doubles and of half characters each makes something else.
        if seen == map.len() && !map.is_empty() && !has_halves(data) {
            let wanted = map.iter().filter(|(name, _)| some.has(name));
            assert!(wanted.eq(found.iter()));
        }
    }
    profiles(data);
}

type Found = Result<(usize, BTreeMap<String, String>), Error>;

fn versions(data: &[u8], flat: bool, names: &Names<'_>) -> Found {
    let read = |size: usize| {
        let mut found = found::Found::of(names);
        let seen = reader::versions(&mut Pieces(data, size), flat, &mut found)?;
        let found = found.versions().into_iter();
        let found = found.map(|(name, version)| (name.to_owned(), version));
        Ok::<_, Error>((seen, found.collect()))
    };
    let whole = read(data.len().max(1));
    assert_eq!(format!("{whole:?}"), format!("{:?}", read(3)));
    whole
}

#[derive(serde::Deserialize)]
struct Profiles {
    profiles: BTreeMap<String, Devices>,
}

#[derive(serde::Deserialize)]
struct Devices {
    supported_devices: Vec<String>,
}

fn profiles(data: &[u8]) {
    let known = serde_json::from_slice::<Profiles>(data).ok();
    let known = known.filter(|_| !has_halves(data));
    let boards = known.iter().flat_map(|known| known.profiles.values());
    let board = boards.flat_map(|devices| &devices.supported_devices).next();
    let name = board.map_or("tplink,archer-c7-v2", String::as_str);
    let find = |size| reader::profile_of(&mut Pieces(data, size), name);
    let whole = find(data.len().max(1));
    assert_eq!(format!("{whole:?}"), format!("{:?}", find(3)));
    match whole {
        Ok(found) => assert!(board.is_none() || found.is_some()),
        Err(error) => {
            let limited = matches!(error, Error::TooLong(_) | Error::TooDeep);
            assert!(board.is_none() || limited, "{error}");
            told(error);
        }
    }
}

/// Whether there may be an escape for half a character, of which serde_json makes whole ones.
fn has_halves(data: &[u8]) -> bool {
    data.windows(3)
        .any(|start| start.eq_ignore_ascii_case(br"\ud"))
}
