//! Package indexes: name → version, of a target or of an architecture's feeds.

use super::Site;
use crate::Error;
use serde_json::{json, Map, Value};
use std::sync::Arc;

/// What `index.json` of a target answers: `{architecture, packages}`, or `{}` where there is nothing.
///
/// # Errors
/// [`Error::Upstream`] where the download site can't be reached.
pub async fn target(site: &Site, path: &str) -> Result<Value, Error> {
    let mut index = folder(site, &format!("{path}/packages")).await?;
    if has_modules_apart(path) {
        if let Some(kmods) = modules_folder(site, path).await? {
            let modules = folder(site, &format!("{path}/kmods/{kmods}")).await?;
            if let (Some(packages), Some(modules)) = (
                index["packages"].as_object_mut(),
                modules["packages"].as_object(),
            ) {
                packages.extend(modules.clone());
            }
        }
    }
    Ok(index)
}

/// What the index of an architecture answers: the packages of all its feeds, `{}` where there are none.
///
/// # Errors
/// [`Error::Upstream`] where the download site can't be reached.
pub async fn architecture(site: &Site, path: &str) -> Result<Value, Error> {
    let conf = site.get(&format!("{path}/feeds.conf")).await?.text();
    let mut packages = Map::new();
    for feed in conf
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
    {
        let index = folder(site, &format!("{path}/{feed}")).await?;
        packages.extend(index["packages"].as_object().cloned().unwrap_or_default());
    }
    Ok(Value::Object(packages))
}

/// All packages for a target: name → version. Kept while the files that it was made from count as fresh.
///
/// # Errors
/// [`Error::Upstream`] where the download site can't be reached.
pub async fn all(
    site: &Site,
    path: &str,
    name: &str,
    architecture: &str,
) -> Result<Arc<Map<String, Value>>, Error> {
    let plain = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-/".contains(c))
    };
    if !plain(name) || !plain(architecture) {
        return Ok(Arc::default());
    }
    let place = format!("{path} {name} {architecture}");
    if let Some(known) = site.indexes.get(&place) {
        return Ok(known);
    }
    let packages = format!("{path}/packages/{architecture}");
    let mut index = match self::architecture(site, &packages).await? {
        Value::Object(packages) => packages,
        _ => Map::new(),
    };
    let own = target(site, &format!("{path}/targets/{name}")).await?;
    index.extend(own["packages"].as_object().cloned().unwrap_or_default());
    let index = Arc::new(index);
    site.indexes.keep(&place, &index);
    Ok(index)
}

/// The index of one folder. `index.json` of the second form has names without ABI suffix and is taken as it is; the first
/// form has not, so that opkg's `Packages` is better where there is one.
async fn folder(site: &Site, path: &str) -> Result<Value, Error> {
    let mut index = site
        .get(&format!("{path}/index.json"))
        .await?
        .json()
        .unwrap_or_else(|| json!({}));
    if index["version"]
        .as_u64()
        .is_some_and(|version| version >= 2)
    {
        if let Some(fields) = index.as_object_mut() {
            fields.remove("version");
        }
        return Ok(index);
    }
    let packages = site.get(&format!("{path}/Packages")).await?;
    Ok(if packages.status == 200 {
        parse(&packages.text())
    } else {
        index
    })
}

/// Since 24.10 and 23.05.6 kernel modules are in a folder of their own.
fn has_modules_apart(path: &str) -> bool {
    let version = path.split('/').nth(1).unwrap_or_default();
    let mut numbers = version
        .split(['.', '-'])
        .map(|number| number.parse::<u32>().ok());
    let (year, _, last) = (numbers.next().flatten(), numbers.next(), numbers.next());
    match year {
        _ if path.starts_with("snapshots") => true,
        Some(year) if year >= 24 => true,
        Some(23) => version == "23.05-SNAPSHOT" || last.flatten().is_some_and(|last| last >= 6),
        _ => false,
    }
}

async fn modules_folder(site: &Site, path: &str) -> Result<Option<String>, Error> {
    let profiles = site
        .get(&format!("{path}/profiles.json"))
        .await?
        .json()
        .unwrap_or_default();
    let kernel = &profiles["linux_kernel"];
    let part = |name: &str| {
        kernel[name]
            .as_str()
            .filter(|part| !part.is_empty() && !part.contains('/'))
    };
    let parts = [part("version"), part("release"), part("vermagic")]
        .into_iter()
        .collect::<Option<Vec<_>>>();
    Ok(parts.map(|parts| parts.join("-")))
}

/// Reads opkg's `Packages`.
fn parse(text: &str) -> Value {
    let mut packages = Map::new();
    let mut architecture = "";
    for record in text.split("\n\n") {
        let field = |name: &str| {
            let mut fields = record.lines().filter_map(|line| line.split_once(": "));
            fields
                .find(|(key, _)| *key == name)
                .map_or("", |(_, value)| value.trim())
        };
        let (name, abi) = (field("Package"), field("ABIVersion"));
        if name.is_empty() {
            continue;
        }
        if architecture.is_empty() && field("Architecture") != "all" {
            architecture = field("Architecture");
        }
        packages.insert(
            name.strip_suffix(abi).unwrap_or(name).to_owned(),
            field("Version").into(),
        );
    }
    json!({"architecture": architecture, "packages": packages})
}

#[cfg(test)]
mod tests {
    use super::{has_modules_apart, parse};
    use serde_json::json;

    #[test]
    fn modules_moved_in_24_10_and_23_05_6() {
        let cases = [
            ("snapshots/targets/ath79/generic", true),
            ("releases/25.12.0/targets/x86/64", true),
            ("releases/24.10-SNAPSHOT/targets/x86/64", true),
            ("releases/23.05-SNAPSHOT/targets/x86/64", true),
            ("releases/23.05.6/targets/x86/64", true),
            ("releases/23.05.5/targets/x86/64", false),
            ("releases/22.03.7/targets/x86/64", false),
            ("releases", false),
        ];
        for (path, apart) in cases {
            assert_eq!(has_modules_apart(path), apart, "{path}");
        }
    }

    #[test]
    fn packages_lose_their_abi_suffix() {
        let text = "Package: luci\nVersion: 1\nArchitecture: all\n\nPackage: libubox2024\nVersion: 2\nABIVersion: 2024\n\
                    Architecture: mips_24kc\nDescription: a\n b: c\n\n";
        let expected =
            json!({"architecture": "mips_24kc", "packages": {"luci": "1", "libubox": "2"}});
        assert_eq!(parse(text), expected);
    }
}
