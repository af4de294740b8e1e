//! What is installed on an OpenWrt router: apk and opkg databases, names, versions.
//!
//! One call does it for the agent and for the rpcd plugin alike: [`read`] takes the opened
//! database files and gives the [`Installed`] set, and [`Installed::packagelist`] gives the
//! sorted name → version pairs of the ubus method `packagelist`.
//!
//! The databases are input like any other: they are read in pieces, a line may have any length,
//! and whatever cannot be understood is an [`Error`] with a sentence. A package is never dropped
//! because its record looked odd: the router would come back from its upgrade without it.
//!
//! Formats: `/lib/apk/db/installed` (apk-tools, `apk-v2(5)` fields), `/etc/apk/world`
//! (`apk-world(5)`), and `/usr/lib/opkg/status` (Debian control records).
#![no_std]
#![forbid(unsafe_code)]
// On a router `{:?}` says little (`-Z fmt-debug=shallow`), so nothing that anybody reads may need it.
#![cfg_attr(not(test), deny(clippy::use_debug))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod bytes;
mod dependency;
mod error;
mod installed;
mod list;
mod name;
mod packagelist;
mod providers;
mod read;
mod record;
mod text;
pub mod version;

pub use bytes::{before, order, same};
pub use dependency::{Dependencies, Dependency, Style};
pub use error::{Database, Error, Fault};
pub use installed::{Installed, Package};
pub use name::{is_pseudo, is_virtual, BadName, PackageName};
pub use providers::Providers;
#[cfg(feature = "std")]
pub use read::{read, read_some, Files};
pub use read::{read_from, Source};
pub use record::Reader;
pub use text::append;

use name::is_virtual_name;

/// What the readers have let through is ASCII.
fn text_of(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or("")
}
