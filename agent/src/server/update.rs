//! Versions of packages in small answers, from a server that says it gives them: those of the names that matter, instead of
//! indexes of half a megabyte.

use super::found::Found;
use super::{is_plain_name, safe_path, Client, Error, Versions};
use crate::sorted::Names;

/// Longest path that is asked for: many proxies take no more than 8 KiB.
const ADDRESS_LIMIT: usize = 4096;

/// Stands between the names of a question.
const SEPARATOR: char = ',';

impl Client {
    /// The versions that a release has of `names`, by `GET /api/v1/update`; none where the server does not tell them: it
    /// has another release or revision by now, does not know the question, or a name can't stand in it. Then its indexes
    /// do. Names that the release does not have are left out.
    pub fn versions_at_once<'a>(
        &self,
        version: &str,
        revision: &str,
        target: &str,
        names: &Names<'a>,
    ) -> Result<Option<Versions<'a>>, Error> {
        let target = safe_path("target", target)?;
        let goes_in = |name: &&str| is_plain_name(name) && !name.contains(SEPARATOR);
        if ![version, revision].iter().all(goes_in) || !names.iter().all(goes_in) {
            return Ok(None);
        }
        let start = ["api/v1/update?version=", version, "&revision=", revision];
        let start = start.concat() + "&target=" + target + "&packages=";
        let mut found = Found::of(names);
        let mut rest = names.iter().peekable();
        while rest.peek().is_some() {
            let mut place = start.clone();
            while let Some(name) = rest.next_if(|_| place.len() < ADDRESS_LIMIT) {
                place.push_str(name);
                place.push(SEPARATOR);
            }
            place.pop();
            if self.index(&place, false, &mut found)? == 0 {
                return Ok(None);
            }
        }
        Ok(Some(found.versions()))
    }
}
