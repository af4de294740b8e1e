//! Repositories of others that a request names: which are allowed, and how an ImageBuilder is told of them.

use super::{hex, BuildRequest};
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;

/// Most repositories, and most keys, of a request.
pub const MOST: usize = 16;
/// Longest key, in bytes.
const LONGEST_KEY: usize = 4096;

/// Whether `url` is one of the allowed addresses or below it.
pub fn is_allowed(url: &str, allowed: &[String]) -> bool {
    let Some((site, path)) = split(url) else {
        return false;
    };
    allowed.iter().any(|allowed| {
        let Some((own_site, own_path)) = split(allowed) else {
            return false;
        };
        let own_path = own_path.trim_end_matches('/');
        let below = path.strip_prefix(own_path);
        site == own_site && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Scheme and host, and the path; `None` for what is no plain address of the web: whatever reads it later has to read the
/// same in it.
pub fn split(url: &str) -> Option<(String, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let place = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(place);
    let web = scheme == "https" || scheme == "http";
    let known = |c: char| c.is_ascii_alphanumeric() || ".-_~+/:".contains(c);
    let plain = rest.chars().all(known) && !path.contains(':') && !host.is_empty();
    let straight = path.split('/').all(|part| part != "." && part != "..");
    (web && plain && straight && !path.contains("//"))
        .then(|| (format!("{scheme}://{}", host.to_ascii_lowercase()), path))
}

/// Whether a text is a public key: the second line of usign's file, or PEM.
pub fn is_key(text: &str) -> bool {
    text.len() <= LONGEST_KEY && (number(text).is_some() || is_pem(text))
}

fn is_pem(text: &str) -> bool {
    let mut lines = text.trim_end().lines();
    let ends = (lines.next(), lines.next_back());
    let base64 = |line: &str| {
        line.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
    };
    ends == (
        Some("-----BEGIN PUBLIC KEY-----"),
        Some("-----END PUBLIC KEY-----"),
    ) && lines.all(base64)
}

/// The number of a key of usign, 16 hexadecimal digits: the name of its file.
fn number(text: &str) -> Option<String> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    (bytes.len() == 42 && bytes.starts_with(b"Ed"))
        .then(|| hex(bytes.get(2..10).unwrap_or_default()))
}

/// The files by which an ImageBuilder learns of the request's repositories and their keys: path below it, content. `own` is
/// its own list, `repositories` where it has apk, else `repositories.conf`.
pub fn files(request: &BuildRequest, apk: bool, own: &str) -> Vec<(String, String)> {
    if request.repositories.is_empty() {
        // Keys of nothing.
        return Vec::new();
    }
    let name = if apk {
        "repositories"
    } else {
        "repositories.conf"
    };
    let own = if request.repositories_mode == "append" {
        own
    } else {
        ""
    };
    let mut lines: Vec<String> = own
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect();
    lines.extend(request.repositories.iter().map(|(name, url)| match apk {
        true => url.clone(),
        false => format!("src/gz {name} {url}"),
    }));
    if !apk {
        // The ImageBuilder's own packages, kernel modules among them; and that signatures count.
        for needed in ["src imagebuilder file:packages", "option check_signature"] {
            if !lines.iter().any(|line| line.trim() == needed) {
                lines.push(needed.to_owned());
            }
        }
    }
    let mut files = vec![(name.to_owned(), lines.join("\n") + "\n")];
    for (place, key) in request.repository_keys.iter().enumerate() {
        files.push(match number(key) {
            Some(number) => {
                let text = format!("untrusted comment: {number}\n{}\n", key.trim());
                (format!("keys/{number}"), text)
            }
            None => (format!("keys/custom-{place}.pem"), key.clone()),
        });
    }
    files
}

#[cfg(test)]
mod tests {
    use super::{files, is_allowed, is_key};
    use crate::request::BuildRequest;

    #[test]
    fn only_what_is_below_an_allowed_address() {
        let allowed =
            ["https://feeds.example/mine/", "http://Other.example:8080"].map(str::to_owned);
        let good = [
            "https://feeds.example/mine/x",
            "https://feeds.example/mine",
            "https://FEEDS.example/mine/a/packages.adb",
            "http://other.example:8080/x",
            "http://other.example:8080",
        ];
        for url in good {
            assert!(is_allowed(url, &allowed), "{url}");
            assert!(!is_allowed(url, &[]), "{url}");
        }
        let bad = [
            "http://feeds.example/mine/x",
            "https://feeds.example/minefield",
            "https://feeds.example/other",
            "https://feeds.example.evil/mine/x",
            "https://feeds.example@evil/mine/x",
            "https://evil#https://feeds.example/mine/x",
            "https://feeds.example/mine/../x",
            "https://feeds.example/mine/./x",
            "https://feeds.example/mine/%2e%2e/x",
            "https://feeds.example/mine//x",
            "https://feeds.example/mine/x y",
            "https://feeds.example/mine/x\nsrc/gz y https://evil/",
            "https://feeds.example/mine/$(x)",
            "https://feeds.example\\evil/mine/x",
            "https://feeds.example:1/mine/x",
            "http://other.example/x",
            "file:///mine/x",
            "",
        ];
        for url in bad {
            assert!(!is_allowed(url, &allowed), "{url}");
        }
    }

    const USIGN: &str = "RWRCSwAAAAAACgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const PEM: &str =
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQ==\n-----END PUBLIC KEY-----\n";

    #[test]
    fn keys_of_both_kinds() {
        assert!(is_key(PEM));
        assert!(
            !is_key(&PEM.replace("PUBLIC", "PRIVATE")) && !is_key(&PEM.replace("MFkw", "M;kw"))
        );
        assert!(!is_key("..") && !is_key("") && !is_key("../../x") && !is_key(&"A".repeat(5000)));
        assert!(is_key(USIGN));
        let other = USIGN.replacen("RW", "AW", 1);
        assert!(
            !is_key(&other),
            "of the right length, and for another algorithm"
        );
    }

    #[test]
    fn what_an_imagebuilder_is_told() {
        let key = {
            use base64::Engine as _;
            let bytes = [b"Ed".as_slice(), &[0xab; 8], &[7; 32]].concat();
            base64::engine::general_purpose::STANDARD.encode(bytes)
        };
        let mut request = BuildRequest {
            repositories_mode: "append".to_owned(),
            repository_keys: vec![key.clone(), PEM.to_owned()],
            ..BuildRequest::default()
        };
        assert!(
            files(&request, true, "own\n").is_empty(),
            "keys alone are of no use"
        );
        request
            .repositories
            .insert("x".to_owned(), "https://x/y".to_owned());
        let number = "ab".repeat(8);
        let told = files(&request, true, "https://own/packages.adb\n\n");
        assert_eq!(
            told[0],
            (
                "repositories".to_owned(),
                "https://own/packages.adb\nhttps://x/y\n".to_owned()
            )
        );
        let usign = format!("untrusted comment: {number}\n{key}\n");
        assert_eq!(told[1], (format!("keys/{number}"), usign));
        assert_eq!(told[2], ("keys/custom-1.pem".to_owned(), PEM.to_owned()));
        let end = "src imagebuilder file:packages\noption check_signature\n";
        let own = format!("src/gz own https://own\n{end}");
        let told = files(&request, false, &own);
        assert_eq!(told[0].0, "repositories.conf");
        assert_eq!(told[0].1, format!("{own}src/gz x https://x/y\n"));
        request.repositories_mode = "replace".to_owned();
        assert_eq!(
            files(&request, false, &own)[0].1,
            format!("src/gz x https://x/y\n{end}")
        );
    }
}
