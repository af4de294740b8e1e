//! cgi-io: a file comes up as a form with several parts, a backup of the settings goes down.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

use serde_json::{json, Value};
use sha2::{Digest, Sha256};

use crate::server::Host;

/// EPERM and EINVAL, as cgi-io numbers what went wrong.
const DENIED: u32 = 1;
const INVALID: u32 = 22;

/// `/cgi-bin/cgi-upload`. Its answer on a refusal has `failure: [errno, text]`.
pub fn upload(host: &Host, content_type: &str, body: &[u8]) -> Value {
    let Some((_, boundary)) = content_type.split_once("boundary=") else {
        return refused(INVALID, "Invalid request");
    };
    let parts = parts(boundary.trim_matches('"'), body);
    let part = |name: &str| parts.iter().find(|part| part.0 == name).map(|part| part.1);
    let word = |name: &str| {
        part(name)
            .and_then(|it| std::str::from_utf8(it).ok())
            .unwrap_or("")
    };

    let (session, path) = (word("sessionid"), word("filename"));
    if !host.may(session, "cgi-io", "upload", "write") {
        return refused(DENIED, "Upload permission denied");
    }
    if !host.may(session, "file", path, "write") {
        return refused(DENIED, "Access to path denied by ACL");
    }
    let Some(data) = part("filedata") else {
        return refused(INVALID, "File data missing");
    };

    // As cgi-io reads it: octal digits. Whoever sends a decimal number gets a strange mode.
    let mode = u32::from_str_radix(word("filemode"), 8).unwrap_or(0o600);
    match store(host, path, data, mode) {
        Ok(()) => {
            let sum: String = Sha256::digest(data)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            json!({"size": data.len(), "checksum": null, "sha256sum": sum})
        }
        Err(error) => refused(5, &error.to_string()),
    }
}

fn refused(errno: u32, message: &str) -> Value {
    json!({"message": message, "failure": [errno, message]})
}

fn store(host: &Host, path: &str, data: &[u8], mode: u32) -> io::Result<()> {
    let place = host.below(path);
    fs::write(&place, data)?;
    fs::set_permissions(&place, fs::Permissions::from_mode(mode))
}

/// The parts of a multipart body: name and data.
fn parts<'a>(boundary: &str, body: &'a [u8]) -> Vec<(String, &'a [u8])> {
    let marker = format!("--{boundary}");
    let mut starts = find_all(body, marker.as_bytes());
    starts.push(body.len());
    let mut parts = Vec::new();
    for pair in starts.windows(2) {
        let [start, end] = *pair else { continue };
        let part = body.get(start + marker.len()..end).unwrap_or(&[]);
        let Some(head_end) = find_all(part, b"\r\n\r\n").first().copied() else {
            continue;
        };
        let (head, data) = part.split_at(head_end);
        let data = data.get(4..).unwrap_or(&[]);
        let data = data.strip_suffix(b"\r\n").unwrap_or(data);
        if let Some(name) = name_of(&String::from_utf8_lossy(head)) {
            parts.push((name, data));
        }
    }
    parts
}

fn name_of(head: &str) -> Option<String> {
    let (_, rest) = head.split_once("name=\"")?;
    let (name, _) = rest.split_once('"')?;
    Some(name.to_owned())
}

fn find_all(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(needle.len().max(1)).enumerate();
    windows
        .filter(|(_, window)| *window == needle)
        .map(|(index, _)| index)
        .collect()
}

/// `/cgi-bin/cgi-backup`: the configuration as a tar file, or `None` without the right.
///
/// # Errors
/// A file that can't be read.
pub fn backup(host: &Host, session: &str) -> io::Result<Option<Vec<u8>>> {
    if !host.may(session, "cgi-io", "backup", "read") {
        return Ok(None);
    }
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all("etc/config", host.below("/etc/config"))?;
    archive.into_inner().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_falls_into_its_parts() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"filemode\"\r\n\r\n600\r\n--x\r\nContent-Disposition: form-data; name=\"filedata\"; filename=\"blob\"\r\nContent-Type: a/b\r\n\r\n\x00\r\n\x01\r\n--x--\r\n";
        let parts = parts("x", body);
        assert_eq!(
            parts,
            [
                ("filemode".to_owned(), &b"600"[..]),
                ("filedata".to_owned(), &b"\x00\r\n\x01"[..])
            ]
        );
    }
}
