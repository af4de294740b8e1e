//! Package databases of any size, the same for the same seed.

use std::fmt::Write;

/// A router's databases, in both forms.
#[derive(Clone, Debug, Default)]
pub struct Databases {
    /// apk's installed database.
    pub apk: String,
    /// apk's world.
    pub world: String,
    /// opkg's status file, for the same packages.
    pub opkg: String,
}

/// How odd the records and the world may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// As on a router in good order: whoever reads line by line gets it right.
    Plain,
    /// With everything that packages were lost by: lines of any length, virtual packages, names that
    /// are only provided, several ABI versions.
    Odd,
}

/// A router with so many packages, of which so many names stand in the world.
pub fn databases(seed: u64, packages: usize, world: usize, oddity: Oddity) -> Databases {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut made = Databases::default();
    let every = (packages / world.max(1)).max(1);
    for at in 0..packages {
        let package = Package::new(&mut random, at, oddity);
        let wanted = at % every == 0 && at / every < world;
        package.write_apk(&mut made.apk, &mut random);
        package.write_opkg(&mut made.opkg, wanted);
        if wanted {
            package.write_world(&mut made.world, &mut random, oddity);
        }
    }
    made
}

struct Package {
    bare: String,
    abi: String,
    version: String,
    provides: String,
    description: String,
    files: u64,
}

impl Package {
    fn new(random: &mut Random, at: usize, oddity: Oddity) -> Package {
        let odd = oddity == Oddity::Odd;
        let kind = random.pick(&["kmod-", "lib", "luci-app-", "", "", "python3-"]);
        let bare = match random.below(40) {
            0 if odd => format!(".virtual-{at}"),
            1 if odd => "libtwice".to_owned(),
            _ => format!(
                "{kind}{}{at:05}x",
                random.pick(&["a", "net", "mbedtls", "z"])
            ),
        };
        let abi = match random.below(5) {
            0 if !bare.starts_with('.') => format!("{}", 20_200_000 + random.below(90_000)),
            1 if bare.starts_with("lib") => format!("{}", random.below(20)),
            _ => String::new(),
        };
        let version = format!(
            "{}.{}.{}{}-r{}",
            2019 + random.below(8),
            random.below(13),
            random.below(40),
            random.pick(&["", "", "~ab12ef", "_rc1", "a"]),
            random.below(30),
        );
        let length = match random.below(12) {
            0 if odd => 250 + random.below(10),
            1 if odd => 508 + random.below(12),
            2 if odd => random.below(5000),
            _ => 10 + random.below(60),
        };
        let description = (0..length)
            .map(|_| *random.pick(&['a', 'P', 'V', ':', ' ', 'x', '=']))
            .collect::<String>();
        Package {
            provides: format!("{bare}{abi}-any"),
            bare,
            abi,
            version,
            description,
            files: 1 + random.below(6),
        }
    }

    fn write_apk(&self, out: &mut String, random: &mut Random) {
        let Package {
            bare, abi, version, ..
        } = self;
        let hash = random.word();
        let _ = write!(
            out,
            "C:Q1{hash}=\nP:{bare}{abi}\nV:{version}\nA:mips_24kc\nS:56977\nI:170931\nT:{}\n\
             U:https://openwrt.org/\nL:GPL-2.0\no:feeds/base/{bare}\n\
             m:OpenWrt Developers <openwrt-devel@lists.openwrt.org>\nt:1787378735\nD:libc\n",
            self.description
        );
        if abi.is_empty() {
            let _ = write!(out, "p:{}\ng:openwrt:section=base\n", self.provides);
        } else {
            let _ = write!(
                out,
                "p:{} {bare}={version}\ng:openwrt:section=base openwrt:abiversion={abi}\n",
                self.provides
            );
        }
        for file in 0..self.files {
            let _ = write!(
                out,
                "F:usr/lib/{bare}\nR:{bare}.{file}\nZ:Q1{}=\n",
                random.word()
            );
        }
        out.push('\n');
    }

    fn write_opkg(&self, out: &mut String, wanted: bool) {
        let Package {
            bare, abi, version, ..
        } = self;
        let _ = write!(
            out,
            "Package: {bare}{abi}\nVersion: {version}\nDepends: libc\n"
        );
        if !abi.is_empty() {
            let _ = write!(out, "Provides: {bare}\nABIVersion: {abi}\n");
        }
        let _ = write!(
            out,
            "Status: install user installed\nConflicts: {}\n",
            self.description
        );
        let _ = write!(out, "Architecture: mips_24kc\nInstalled-Time: 1787378735\n");
        if !wanted {
            out.push_str("Auto-Installed: yes\n");
        }
        out.push('\n');
    }

    fn write_world(&self, out: &mut String, random: &mut Random, oddity: Oddity) {
        let Package {
            bare,
            abi,
            version,
            provides,
            ..
        } = self;
        let suffix = if random.below(2) == 0 { abi } else { "" };
        let constraint = random.pick(&["", "", "", "@edge", "=", "~2", ">1", "<3000"]);
        let exact = if *constraint == "=" { version } else { "" };
        match random.below(20) {
            0 if oddity == Oddity::Odd => {
                let _ = writeln!(out, "{provides}");
            }
            1 if oddity == Oddity::Odd => {
                let _ = writeln!(out, "!{bare}");
            }
            _ => {
                let _ = writeln!(out, "{bare}{suffix}{constraint}{exact}");
            }
        }
    }
}

/// xorshift64*: enough to make databases with, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    fn word(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }
}
