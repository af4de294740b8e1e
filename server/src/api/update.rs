//! `GET /api/v1/update`: whether there is something newer for a router, in one small answer. The router need not fetch an
//! index of half a megabyte to learn that nothing happened.

use super::answer::{self, Answer};
use super::stats::value;
use super::Shared;
use crate::site::{indexes, releases};
use crate::Error;
use serde_json::{json, Map, Value};
use std::cmp::Ordering;

/// How many packages a router may ask about.
const PACKAGES: usize = 5000;

/// Answers for `?version=24.10.2&target=ath79/generic&packages=busybox:1.36.1-r1,mtd`. `packages` may be left out, and so may
/// `revision=r28739-d9340319c6`, which tells snapshots apart. Of a package with a version a newer one is told, of one without
/// whatever there is.
///
/// # Errors
/// [`Error::Upstream`] where the download site can't be reached.
pub async fn update(shared: &Shared, query: &str) -> Result<Answer, Error> {
    let read = |name: &str| value(query, name).and_then(decode);
    let (Some(version), Some(target)) = (read("version"), read("target")) else {
        return Ok(answer::refusal(
            400,
            "An update is asked for with a version and a target",
        ));
    };
    let Some(branch) = shared
        .config
        .branch_of(&version)
        .filter(|branch| branch.enabled)
    else {
        return Ok(answer::refusal(
            400,
            &format!("Unsupported version: {version}"),
        ));
    };
    let named = read("packages").unwrap_or_default();
    let Some(packages) = installed(&named) else {
        let words = format!("Packages are written name:version,name, {PACKAGES} at most");
        return Ok(answer::refusal(400, &words));
    };
    let all = releases::versions(&shared.site, &shared.config).await?.all;
    let Some(newest) = newest(shared, &all, &version) else {
        return Ok(answer::refusal(
            404,
            &format!("There is no version of branch {}", branch.name),
        ));
    };
    let targets = releases::targets(&shared.site, branch, newest).await?;
    let Some(architecture) = targets.get(&target).and_then(Value::as_str) else {
        return Ok(answer::refusal(
            400,
            &format!("Unsupported target: {target}"),
        ));
    };
    let profiles = releases::profiles(&shared.site, branch, newest, &target).await?;
    let revision = profiles.unwrap_or_default()["version_code"].clone();
    let running = read("revision").map(Value::String);
    let newer = *newest != version || running.is_some_and(|running| running != revision);
    let mut result = json!({"version": newest, "revision": revision, "newer": newer});
    if !newer && !packages.is_empty() {
        let path = branch.path_of(newest);
        let index = indexes::all(&shared.site, &path, &target, architecture).await?;
        result["packages"] = changed(&packages, &index);
    }
    Ok(answer::json(200, &result))
}

/// The version to offer to who runs `running`: the newest of its branch. Candidates are for who runs one, and a branch's
/// snapshot is for who runs that.
fn newest<'a>(shared: &Shared, all: &'a [String], running: &'a str) -> Option<&'a String> {
    let branch = shared.config.branch_of(running)?;
    let own = |version: &&String| {
        let same = shared
            .config
            .branch_of(version)
            .is_some_and(|other| other.name == branch.name);
        let kind = |version: &str| version.ends_with("SNAPSHOT");
        let candidate = version.contains("-rc") && !running.contains("-rc");
        same && kind(version) == kind(running) && !candidate
    };
    all.iter().find(own)
}

/// Reads `name:version,name`, a version being empty where there is none; `None` if that is not what it is.
fn installed(text: &str) -> Option<Vec<(&str, &str)>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let pairs: Option<Vec<_>> = text
        .split(',')
        .take(PACKAGES + 1)
        .map(|pair| {
            Some(pair.split_once(':').unwrap_or((pair, ""))).filter(|(name, _)| !name.is_empty())
        })
        .collect();
    pairs.filter(|pairs| pairs.len() <= PACKAGES)
}

/// The packages that have a newer version: name → version.
fn changed(packages: &[(&str, &str)], index: &Map<String, Value>) -> Value {
    let newer = |(name, version): &(&str, &str)| {
        let offered = index.get(*name)?.as_str()?;
        let newer = version.is_empty()
            || ::packages::version::compare(offered, version) == Ordering::Greater;
        newer.then(|| ((*name).to_owned(), Value::from(offered)))
    };
    Value::Object(packages.iter().filter_map(newer).collect())
}

/// Takes `%41` for `A`; `None` where that is not text.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = rest.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{changed, decode, installed};
    use serde_json::json;

    #[test]
    fn texts_of_a_query() {
        let cases = [
            ("a+b", Some("a+b")),
            ("ath79%2Fgeneric", Some("ath79/generic")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
            ("%+1", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(str::to_owned);
            assert_eq!(
                decode(text).filter(|text| !text.contains('\u{1}')),
                expected,
                "{text}"
            );
        }
        assert_eq!(installed("a:1,b:2:3"), Some(vec![("a", "1"), ("b", "2:3")]));
        assert_eq!(installed("a,b:1"), Some(vec![("a", ""), ("b", "1")]));
        assert_eq!(installed("a,,b"), None);
        assert_eq!(installed(":1"), None);
        assert_eq!(installed(&vec!["a:1"; 5001].join(",")), None);
    }

    #[test]
    fn only_newer_versions_count() {
        let index = json!({"a": "1.10", "b": "1", "c": "0.9"});
        let packages = [("a", "1.9"), ("b", "1"), ("c", "1.0"), ("d", "1")];
        let index = index.as_object().expect("index");
        assert_eq!(changed(&packages, index), json!({"a": "1.10"}));
        let named = [("b", ""), ("d", "")];
        assert_eq!(changed(&named, index), json!({"b": "1"}));
    }
}
