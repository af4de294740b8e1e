//! Names of packages, and the few that mean something special.

use alloc::string::String;
use core::fmt;

/// A package name the upgrade server accepts: one to 128 of `A-Z a-z 0-9 _ . , -`, not beginning
/// with `-` (the server would read that as "without this package").
///
/// The server's pattern is `^[\w.,-]*$`; names such as `libstdc++6` fall outside of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(String);

/// Why a name can't be sent to the upgrade server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadName {
    /// There is no name.
    Empty,
    /// It has more than 128 characters.
    TooLong,
    /// It begins with `-`, which would remove the package instead.
    LeadingDash,
    /// It has a character the server's pattern refuses.
    Character(char),
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadName::Empty => f.write_str("A package name is empty."),
            BadName::TooLong => f.write_str("A package name is longer than 128 characters."),
            BadName::LeadingDash => f.write_str("A package name can't begin with a dash."),
            BadName::Character(found) => write!(
                f,
                "The upgrade server accepts no package name with the character '{}'.",
                found.escape_debug()
            ),
        }
    }
}

impl core::error::Error for BadName {}

impl PackageName {
    /// Checks a name and keeps a copy of it.
    pub fn new(name: &str) -> Result<PackageName, BadName> {
        PackageName::check(name).map(|()| PackageName(name.into()))
    }

    /// Checks a name.
    pub fn check(name: &str) -> Result<(), BadName> {
        if name.is_empty() {
            return Err(BadName::Empty);
        }
        if name.starts_with('-') {
            return Err(BadName::LeadingDash);
        }
        let accepted = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ',' | '-');
        if let Some(refused) = name.chars().find(|c| !accepted(c)) {
            return Err(BadName::Character(refused));
        }
        if name.len() > 128 {
            return Err(BadName::TooLong);
        }
        Ok(())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for PackageName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl core::borrow::Borrow<str> for PackageName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl core::str::FromStr for PackageName {
    type Err = BadName;

    fn from_str(name: &str) -> Result<PackageName, BadName> {
        PackageName::new(name)
    }
}

/// Whether this is one of the packages that stand for something the build makes itself:
/// `kernel`, `libc` and `libgcc`, the last with or without its ABI suffix. The server knows no
/// such package to install.
pub fn is_pseudo(name: &str) -> bool {
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit());
    name == "kernel" || name == "libc" || bare == "libgcc"
}

/// Whether this is a virtual package, one that `apk add --virtual .NAME` made up on the router to
/// hold its dependencies together. No feed has it.
pub fn is_virtual(name: &str) -> bool {
    is_virtual_name(name.as_bytes())
}

pub(crate) fn is_virtual_name(name: &[u8]) -> bool {
    name.first() == Some(&b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_the_server_accepts() {
        for good in [
            "luci",
            "kmod-usb2",
            "lib_x",
            "6in4",
            "python3.11",
            "a,b",
            "_",
            ".extra",
        ] {
            assert_eq!(PackageName::new(good).map(|name| name.0), Ok(good.into()));
        }
        for (bad, why) in [
            ("", BadName::Empty),
            ("-luci", BadName::LeadingDash),
            ("libstdc++6", BadName::Character('+')),
            ("+nano", BadName::Character('+')),
            ("vim; rm -rf /", BadName::Character(';')),
            ("luci\n", BadName::Character('\n')),
            ("tür", BadName::Character('ü')),
            (&"x".repeat(129), BadName::TooLong),
        ] {
            assert_eq!(PackageName::new(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn pseudo_packages_are_known() {
        for pseudo in ["kernel", "libc", "libgcc", "libgcc1"] {
            assert!(is_pseudo(pseudo), "{pseudo}");
        }
        for real in ["kernel2", "libcap", "libgccjit", "libc6", "luci"] {
            assert!(!is_pseudo(real), "{real}");
        }
    }
}
