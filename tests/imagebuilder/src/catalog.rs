//! The releases of the test world and the packages of each.
//!
//! One table (`data/packages.tsv`) says what a router of 24.10.0 may have installed; the versions of the other releases
//! follow from it by rule, so that every run of every test sees the same feeds.

use crate::devices::Target;
use crate::Error;

const TABLE: &str = include_str!("../data/packages.tsv");

/// The kernel the table's versions were written for.
const TABLE_KERNEL: &str = "6.12.87";

/// A release, or a branch's snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// `24.10.2`, `25.12.1-rc1`, `24.10-SNAPSHOT` or `SNAPSHOT`.
    pub version: &'static str,
    /// As `/etc/openwrt_release` has it: `r28739-d9340319c6`.
    pub revision: &'static str,
    /// Kernel version without release and vermagic.
    pub kernel: &'static str,
    /// Seconds since 1970 of the last change, `SOURCE_DATE_EPOCH`.
    pub epoch: u64,
    /// Whether its packages are apk's; opkg's otherwise.
    pub apk: bool,
    /// How many releases it is away from the table's versions.
    age: u32,
}

const RELEASES: [Release; 8] = [
    known(
        "24.10.0",
        "r28427-6df0e3d02a",
        "6.12.87",
        1_738_624_177,
        false,
        0,
    ),
    known(
        "24.10.1",
        "r28597-0425664679",
        "6.12.89",
        1_744_562_312,
        false,
        1,
    ),
    known(
        "24.10.2",
        "r28739-d9340319c6",
        "6.12.91",
        1_750_711_236,
        false,
        2,
    ),
    known(
        "24.10-SNAPSHOT",
        "r28900-1f0e5cbd10",
        "6.12.92",
        1_755_000_000,
        false,
        3,
    ),
    known(
        "25.12.0",
        "r32713-f919e7899d",
        "6.12.95",
        1_765_000_000,
        true,
        4,
    ),
    known(
        "25.12.1-rc1",
        "r32800-0a1b2c3d4e",
        "6.12.96",
        1_768_000_000,
        true,
        5,
    ),
    known(
        "25.12-SNAPSHOT",
        "r32850-5e4d3c2b1a",
        "6.12.97",
        1_769_000_000,
        true,
        6,
    ),
    known(
        "SNAPSHOT",
        "r33512-0f1e2d3c4b",
        "6.18.4",
        1_770_000_000,
        true,
        7,
    ),
];

const fn known(
    version: &'static str,
    revision: &'static str,
    kernel: &'static str,
    epoch: u64,
    apk: bool,
    age: u32,
) -> Release {
    Release {
        version,
        revision,
        kernel,
        epoch,
        apk,
        age,
    }
}

/// Every release, oldest first.
pub fn releases() -> &'static [Release] {
    &RELEASES
}

/// The release called `version`.
pub fn release(version: &str) -> Option<&'static Release> {
    RELEASES.iter().find(|release| release.version == version)
}

impl Release {
    /// Whether this is SNAPSHOT or a branch's snapshot.
    pub fn is_snapshot(&self) -> bool {
        self.version.ends_with("SNAPSHOT")
    }

    /// Its folder below the download site: `releases/24.10.2` or `snapshots`.
    pub fn path(&self) -> String {
        if self.version == "SNAPSHOT" {
            "snapshots".to_owned()
        } else {
            format!("releases/{}", self.version)
        }
    }

    /// The checksum of the kernel's configuration, 32 hexadecimal digits, as the kernel's package version has it.
    pub fn vermagic(&self) -> String {
        crate::sha256_hex(self.kernel.as_bytes())
            .chars()
            .take(32)
            .collect()
    }

    /// `default_packages` of its `profiles.json` for `target`, sorted as upstream's are.
    ///
    /// 25.12 has a default the older ones lack (zram-swap) and lacks one of theirs (swconfig).
    pub fn default_packages(&self, target: &Target) -> Vec<&'static str> {
        let mut names: Vec<_> = target.default_packages.to_vec();
        if self.apk {
            names.retain(|name| *name != "swconfig");
            names.push("zram-swap");
        }
        names.sort_unstable();
        names
    }

    /// All packages of its feeds for `target`, sorted by name.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the table is damaged.
    pub fn packages(&self, target: &Target) -> Result<Vec<Package>, Error> {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        let packages = lines.map(|line| self.package(line, target));
        packages
            .filter(|package| !matches!(package, Ok(package) if package.name == "opkg" && self.apk))
            .collect()
    }

    fn package(&self, line: &str, target: &Target) -> Result<Package, Error> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, abi, version, feed, arch, size, provides, conflicts, depends] = fields[..]
        else {
            return Err(Error::malformed("line of the package table", line));
        };
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Ok(Package {
            name: name.to_owned(),
            abi: self.abi(abi).to_owned(),
            version: self.version_of(name, version),
            feed: feed.to_owned(),
            arch: if arch == "all" {
                self.arch_of_all()
            } else {
                target.arch
            }
            .to_owned(),
            size: size
                .parse()
                .map_err(|_| Error::malformed("size in the package table", line))?,
            provides: words(provides),
            conflicts: words(conflicts),
            depends: words(depends),
        })
    }

    fn arch_of_all(&self) -> &'static str {
        if self.apk {
            "noarch"
        } else {
            "all"
        }
    }

    /// Libraries break their ABI between branches.
    fn abi<'a>(&self, abi: &'a str) -> &'a str {
        if self.apk && abi == "20260213" {
            "20260901"
        } else {
            abi
        }
    }

    /// The version of a package in this release, from its version in the table: the kernel's for modules, counted up for
    /// what changes with every release, and for a third of the others (for all of them in another branch).
    fn version_of(&self, name: &str, version: &str) -> String {
        let age = self.age;
        if age == 0 {
            return version.to_owned();
        }
        if name == "kernel" {
            return format!("{}~{}-r1", self.kernel, self.vermagic());
        }
        if let Some(rest) = version.strip_prefix(TABLE_KERNEL) {
            return format!("{}{rest}", self.kernel);
        }
        if name == "base-files" {
            let hash = self.revision.split_once('-').map_or("", |(_, hash)| hash);
            return format!("{}~{hash}", 1685 + age * 3);
        }
        if let [year, day, rest] = version.splitn(3, '.').collect::<Vec<_>>()[..] {
            if let (true, Ok(day)) = (name.starts_with("luci"), day.parse::<u32>()) {
                let hash = &crate::sha256_hex(self.version.as_bytes())[..7];
                let second = rest.split('~').next().unwrap_or(rest);
                return format!("{year}.{}.{second}~{hash}", day + age * 7);
            }
        }
        // By version, so that packages of one source stay together.
        let third = version.bytes().map(u32::from).sum::<u32>() % 3 == 0;
        match version.rsplit_once("-r") {
            Some((stem, count)) if third || self.apk => match count.parse::<u32>() {
                Ok(count) => format!("{stem}-r{}", count + age),
                Err(_) => version.to_owned(),
            },
            _ => version.to_owned(),
        }
    }
}

/// A package as its feed describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Name without ABI suffix: `libubox`.
    pub name: String,
    /// ABI suffix: `20260213`, or empty.
    pub abi: String,
    /// `2026.02.13~1aa36ee7-r1`.
    pub version: String,
    /// Where it is found: `target`, `base`, `packages`, `luci`, `routing` or `telephony`.
    pub feed: String,
    /// `mips_24kc`, or `all` (opkg) and `noarch` (apk).
    pub arch: String,
    /// Bytes it takes.
    pub size: u64,
    /// Other names it answers to.
    pub provides: Vec<String>,
    /// Names that can't be installed beside it.
    pub conflicts: Vec<String>,
    /// Names without ABI suffix that it needs.
    pub depends: Vec<String>,
}

impl Package {
    /// The name under which it is installed: with ABI suffix.
    pub fn full_name(&self) -> String {
        format!("{}{}", self.name, self.abi)
    }

    /// Whether it is a kernel module, which upstream keeps in a folder of its own since 24.10.
    pub fn is_module(&self) -> bool {
        self.name.starts_with("kmod-")
    }

    /// Whether a request for `name` is fulfilled by it.
    pub fn answers_to(&self, name: &str) -> bool {
        self.name == name
            || self.provides.iter().any(|other| other == name)
            || name
                .strip_prefix(self.name.as_str())
                .is_some_and(|suffix| !suffix.is_empty() && suffix == self.abi)
    }
}
