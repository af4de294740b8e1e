//! The sums by which an image is compared with one that somebody else built of the same request.

use super::place;
use serde_json::{json, Value};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Notes in the `profiles.json` of `folder` the `sha256_unsigned` of the profile's images where the ImageBuilder has not.
/// An ImageBuilder that signs writes it itself; without a signature it is the sum of the file.
///
/// # Errors
/// Where a file can't be read or written.
pub fn note(folder: &Path, profile: &str) -> io::Result<()> {
    let path = folder.join("profiles.json");
    let mut content = place::profiles(folder)?;
    let images = content.pointer_mut(&format!("/profiles/{profile}/images"));
    let mut changed = false;
    for image in images.and_then(Value::as_array_mut).into_iter().flatten() {
        let name = image["name"].as_str().unwrap_or_default();
        let known = image.get("sha256_unsigned").is_some_and(Value::is_string);
        if known || name.is_empty() || name.contains('/') || name.starts_with('.') {
            continue;
        }
        let file = folder.join(name);
        // What the build only says it made is for whoever asks for it.
        if fs::symlink_metadata(&file).is_ok_and(|file| file.is_file()) {
            image["sha256_unsigned"] = json!(place::digest(&mut File::open(file)?)?);
            changed = true;
        }
    }
    match changed {
        true => fs::write(&path, content.to_string()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::note;
    use serde_json::{json, Value};
    use std::fs;

    #[test]
    fn only_what_is_there_and_was_not_said() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("profiles.json");
        fs::write(dir.path().join("a.bin"), "abc").expect("image");
        let images = json!([{"name": "a.bin"}, {"name": "a.bin", "sha256_unsigned": "said"}, {"name": "missing"},
            {"name": "../secret"}, {"name": 1}, 7]);
        let content =
            json!({"profiles": {"x": {"images": images}, "y": {"images": [{"name": "a.bin"}]}}});
        fs::write(&path, content.to_string()).expect("file");
        note(dir.path(), "x").expect("noted");
        let noted: Value = serde_json::from_slice(&fs::read(&path).expect("file")).expect("JSON");
        let sums: Vec<&Value> = noted["profiles"]["x"]["images"]
            .as_array()
            .expect("images")
            .iter()
            .map(|image| &image["sha256_unsigned"])
            .collect();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let null = Value::Null;
        assert_eq!(
            sums,
            [&json!(abc), &json!("said"), &null, &null, &null, &null]
        );
        assert!(noted["profiles"]["y"]["images"][0]["sha256_unsigned"].is_null());
    }
}
