//! What a build would be made of, without building it.

use super::{changes, support, BuildRequest};
use crate::site::Site;
use crate::{Config, Error};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

/// What is to be prepared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Question {
    /// The request as it came.
    pub request: BuildRequest,
    /// The version that runs on the device, if the client told it.
    pub from: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Prepared {
    /// It can't be built, for this reason.
    Refused(String),
    /// It can.
    Ready {
        /// The packages that were asked for.
        original: Vec<String>,
        /// The request as it would be built.
        request: BuildRequest,
        /// What was changed, as the API answers it.
        changes: Vec<Value>,
    },
}

/// Prepares a request: is there such a thing, and what are its packages called in the release that it is for?
///
/// # Errors
/// [`Error::Upstream`] where the download site can't be reached.
pub async fn prepare(config: &Config, site: &Site, question: Question) -> Result<Prepared, Error> {
    let Question { mut request, from } = question;
    if let Some(reason) = support::unsupported(config, site, &mut request).await? {
        return Ok(Prepared::Refused(reason));
    }
    let original = request.packages.clone();
    let mut found = changes::migrate(&mut request, from.as_deref(), config);
    found.extend(changes::resolve(&mut request));
    if !found.is_empty() {
        // Versions of names that are no more can't be had, and those of the new ones nobody asked for.
        request.packages_versions.clear();
    }
    Ok(Prepared::Ready {
        original,
        request,
        changes: found.iter().map(changes::Applied::to_json).collect(),
    })
}

impl Prepared {
    /// As `POST /api/v1/build/prepare` answers it; `cached` says whether that has been built.
    pub fn to_json(&self, cached: bool) -> Value {
        match self {
            Self::Refused(reason) => json!({"detail": reason, "status": 400}),
            Self::Ready {
                original,
                request,
                changes,
            } => json!({
                "status": "prepared", "original_packages": original, "resolved_packages": request.packages,
                "changes": changes, "prepared_request": request.to_json(), "request_hash": request.hash(),
                "cache_available": cached,
            }),
        }
    }
}
