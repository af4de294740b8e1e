//! Versions of packages in small answers, from a server that says it gives them: those of the names that matter, instead of
//! indexes of half a megabyte.

use super::http::Call;
use super::{is_plain_name, json, safe_path, Client, Error};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Longest address that is asked: many proxies take no more than 8 KiB.
const ADDRESS_LIMIT: usize = 4096;

/// Versions are far shorter.
const VERSION_LIMIT: usize = 256;

impl Client {
    /// The versions that a release has of `names`, by `GET /api/v1/update`; none where the server does not say that of
    /// just this release and revision: then its indexes do. Names that the release does not have are left out.
    pub fn versions_at_once(
        &self,
        version: &str,
        revision: &str,
        target: &str,
        names: &BTreeSet<&str>,
    ) -> Result<Option<BTreeMap<String, String>>, Error> {
        let target = safe_path("target", target)?;
        if !is_plain_name(version) || !is_plain_name(revision) {
            return Ok(None);
        }
        let mut found = BTreeMap::new();
        let mut rest = names.iter().filter(|name| is_plain_name(name)).peekable();
        while rest.peek().is_some() {
            let mut url = format!(
                "{}/api/v1/update?version={version}&revision={revision}&target={target}&packages=",
                self.url()
            );
            let mut comma = "";
            while let Some(name) = rest.next_if(|name| url.len() + name.len() < ADDRESS_LIMIT) {
                url.push_str(comma);
                url.push_str(name);
                comma = ",";
            }
            if comma.is_empty() {
                // The address of the server leaves no room for a name.
                return Ok(None);
            }
            let mut answer = self.http.send(&url, Call::Get)?;
            if answer.status() != 200 || answer.is_web_page() {
                return Ok(None);
            }
            let said: Value = json::read(&mut answer.body)?;
            let is =
                |key: &str, wanted: &str| said.get(key).and_then(Value::as_str) == Some(wanted);
            let packages = said.get("packages").and_then(Value::as_object);
            let Some(packages) =
                packages.filter(|_| is("version", version) && is("revision", revision))
            else {
                return Ok(None);
            };
            for (name, version) in packages {
                let version = version
                    .as_str()
                    .filter(|version| version.len() <= VERSION_LIMIT);
                if let (Some(version), true) = (version, names.contains(name.as_str())) {
                    found.insert(name.clone(), version.to_owned());
                }
            }
        }
        // A release without any of them is one that the server does not know.
        Ok((!found.is_empty()).then_some(found))
    }
}
