//! Whether a well-formed request can be fulfilled: asks the configuration and the download site.

use super::{feeds, BuildRequest};
use crate::site::{releases, Site};
use crate::{Config, Error};

/// Says why a request can't be fulfilled; `None` if it can, and then its profile is the ImageBuilder's name for the device
/// and its packages are those of `packages_versions`, if there are any.
///
/// # Errors
/// [`Error::Upstream`] where the download site can't be reached.
pub async fn unsupported(
    config: &Config,
    site: &Site,
    request: &mut BuildRequest,
) -> Result<Option<String>, Error> {
    let (version, target) = (&request.version, &request.target);
    if request.defaults.is_some() && !config.allow_defaults {
        return Ok(Some("Handling `defaults` not enabled on server".to_owned()));
    }
    let allowed = &config.repository_allow_list;
    let mut urls = request.repositories.values();
    if let Some(url) = urls.find(|url| !feeds::is_allowed(url, allowed)) {
        return Ok(Some(format!("Repository not allowed: {url}")));
    }
    if request.distro != "openwrt" {
        return Ok(Some(format!("Unsupported distro: {}", request.distro)));
    }
    let Some(branch) = config.branch_of(version) else {
        return Ok(Some(format!("Unsupported branch: {version}")));
    };
    if !releases::versions(site, config)
        .await?
        .all
        .contains(version)
    {
        return Ok(Some(format!("Unsupported version: {version}")));
    }
    if !releases::targets(site, branch, version)
        .await?
        .contains_key(target)
    {
        let why = "The requested target was either dropped, is still being built or is not supported by the selected version";
        let words = format!(
            "Unsupported target: {target}. {why}. Please check the forums or try again later."
        );
        return Ok(Some(words));
    }
    let profiles = releases::profiles(site, branch, version, target)
        .await?
        .unwrap_or_default();
    let Some(profile) = releases::profile_of(&profiles, &request.profile) else {
        let why = "The requested profile was either dropped or never existed. Please check the forums for more information.";
        return Ok(Some(format!(
            "Unsupported profile: {}. {why}",
            request.profile
        )));
    };
    request.profile = profile;
    if !request.packages_versions.is_empty() {
        request.packages = request.packages_versions.keys().cloned().collect();
    }
    Ok(None)
}
