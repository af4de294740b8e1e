//! One profile of a `profiles.json`, as the API answers it.

use crate::time;
use serde_json::{Map, Value};
use std::time::{Duration, UNIX_EPOCH};

/// The content of `profiles.json` with the profile's fields in place of all profiles, its `id`, and
/// `build_at` (`2026-11-20T12:12:25Z`, from `source_date_epoch`); none where it has no such profile.
pub fn one(mut content: Map<String, Value>, id: &str) -> Option<Map<String, Value>> {
    let Some(Value::Object(mut profiles)) = content.remove("profiles") else {
        return None;
    };
    let Some(Value::Object(profile)) = profiles.remove(id) else {
        return None;
    };
    content.extend(profile);
    let epoch = content.get("source_date_epoch").and_then(Value::as_u64);
    let built = UNIX_EPOCH
        .checked_add(Duration::from_secs(epoch.unwrap_or(0)))
        .unwrap_or(UNIX_EPOCH);
    let built = format!("{}Z", time::iso(built));
    content.insert("id".to_owned(), id.into());
    content.insert("build_at".to_owned(), built.into());
    Some(content)
}
