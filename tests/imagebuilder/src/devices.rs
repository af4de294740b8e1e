//! The targets and devices of the test world.

/// A target with its devices.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// `ath79/generic`.
    pub name: &'static str,
    /// Architecture of its packages: `mips_24kc`.
    pub arch: &'static str,
    /// `CONFIG_ARCH`: `mips`.
    pub cpu: &'static str,
    /// Names of every release's default packages; see [`crate::catalog::Release::default_packages`].
    pub default_packages: &'static [&'static str],
    /// Root file systems in its ImageBuilder's `.config`.
    pub filesystems: &'static [&'static str],
    /// Its devices.
    pub profiles: &'static [Profile],
}

/// A device.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// `tplink_archer-c7-v2`.
    pub id: &'static str,
    /// `TP-Link`.
    pub vendor: &'static str,
    /// `Archer C7`.
    pub model: &'static str,
    /// `v2`, or empty.
    pub variant: &'static str,
    /// `device_packages`; an entry `-x` removes x.
    pub packages: &'static [&'static str],
    /// Board names its images are for.
    pub supported_devices: &'static [&'static str],
    /// Room for the image in KiB, 0 = no limit.
    pub image_size_kib: u64,
    /// What is built for it.
    pub images: &'static [ImageKind],
}

/// One of the images that are built for a device.
#[derive(Debug, PartialEq, Eq)]
pub struct ImageKind {
    /// End of its name after the file system: `sysupgrade.bin`.
    pub suffix: &'static str,
    /// `type` in profiles.json.
    pub kind: &'static str,
    /// Whether it holds a root file system (a bare kernel does not).
    pub rootfs: bool,
    /// Whether a metadata trailer is appended. x86's devices have an empty `SUPPORTED_DEVICES`, for which OpenWrt's
    /// `append-metadata` appends none (target/linux/x86/image/Makefile, include/image-commands.mk).
    pub metadata: bool,
    /// Whether it is a gzip file (before the trailer).
    pub gzip: bool,
}

impl Profile {
    /// `TP-Link Archer C7 v2`.
    pub fn title(&self) -> String {
        [self.vendor, self.model, self.variant]
            .join(" ")
            .trim_end()
            .to_owned()
    }
}

impl Target {
    /// The target with dashes: `ath79-generic`.
    pub fn dashed(&self) -> String {
        self.name.replace('/', "-")
    }

    /// Its device called `id`.
    pub fn profile(&self, id: &str) -> Option<&'static Profile> {
        self.profiles.iter().find(|profile| profile.id == id)
    }
}

/// Every target.
pub fn targets() -> &'static [Target] {
    &TARGETS
}

/// The target called `name`.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

const FACTORY: ImageKind = ImageKind {
    suffix: "factory.bin",
    kind: "factory",
    rootfs: true,
    metadata: false,
    gzip: false,
};
const SYSUPGRADE: ImageKind = ImageKind {
    suffix: "sysupgrade.bin",
    kind: "sysupgrade",
    rootfs: true,
    metadata: true,
    gzip: false,
};
const KERNEL: ImageKind = ImageKind {
    suffix: "kernel.bin",
    kind: "kernel",
    rootfs: false,
    metadata: false,
    gzip: false,
};
const COMBINED: ImageKind = ImageKind {
    suffix: "combined.img.gz",
    kind: "combined",
    rootfs: true,
    metadata: false,
    gzip: true,
};
const COMBINED_EFI: ImageKind = ImageKind {
    suffix: "combined-efi.img.gz",
    kind: "combined-efi",
    rootfs: true,
    metadata: false,
    gzip: true,
};
const ROOTFS: ImageKind = ImageKind {
    suffix: "rootfs.img.gz",
    kind: "rootfs",
    rootfs: true,
    metadata: false,
    gzip: true,
};

#[rustfmt::skip]
const ATH79_DEFAULTS: &[&str] = &[
    "apk-mbedtls", "base-files", "busybox", "ca-bundle", "dnsmasq", "dropbear", "firewall4", "fstools", "kmod-ath9k",
    "kmod-gpio-button-hotplug", "kmod-nft-offload", "libc", "libgcc", "libustream-mbedtls", "logd", "mtd", "netifd",
    "nftables-json", "odhcp6c", "odhcpd-ipv6only", "ppp", "ppp-mod-pppoe", "procd", "procd-ujail", "swconfig",
    "uboot-envtools", "uci", "uclient-fetch", "urandom-seed", "urngd", "wpad-basic-mbedtls",
];
#[rustfmt::skip]
const X86_DEFAULTS: &[&str] = &[
    "apk-mbedtls", "base-files", "busybox", "ca-bundle", "dnsmasq", "dropbear", "e2fsprogs", "firewall4", "fstools",
    "grub2-bios-setup", "kmod-button-hotplug", "kmod-nft-offload", "libc", "libgcc", "libustream-mbedtls", "logd",
    "mkf2fs", "mtd", "netifd", "nftables-json", "odhcp6c", "odhcpd-ipv6only", "partx-utils", "ppp", "ppp-mod-pppoe",
    "procd", "procd-seccomp", "procd-ujail", "uci", "uclient-fetch", "urandom-seed", "urngd",
];

#[rustfmt::skip]
const TARGETS: [Target; 2] = [
    Target {
        name: "ath79/generic", arch: "mips_24kc", cpu: "mips", default_packages: ATH79_DEFAULTS,
        filesystems: &["squashfs"],
        profiles: &[
            Profile {
                id: "tplink_archer-c7-v2", vendor: "TP-Link", model: "Archer C7", variant: "v2",
                packages: &["kmod-ath10k-ct", "ath10k-firmware-qca988x-ct", "kmod-usb2", "kmod-usb-ledtrig-usbport"],
                supported_devices: &["tplink,archer-c7-v2", "archer-c7-v2"], image_size_kib: 15872,
                images: &[FACTORY, SYSUPGRADE],
            },
            Profile {
                id: "tplink_archer-c7-v5", vendor: "TP-Link", model: "Archer C7", variant: "v5",
                packages: &["kmod-ath10k-ct", "ath10k-firmware-qca988x-ct", "kmod-usb2", "kmod-usb-ledtrig-usbport"],
                supported_devices: &["tplink,archer-c7-v5", "archer-c7-v5"], image_size_kib: 15360,
                images: &[FACTORY, SYSUPGRADE],
            },
            Profile {
                id: "tplink_tl-wdr4300-v1", vendor: "TP-Link", model: "TL-WDR4300", variant: "v1",
                packages: &["kmod-usb2", "kmod-usb-ledtrig-usbport"],
                supported_devices: &["tplink,tl-wdr4300-v1", "tl-wdr4300"], image_size_kib: 7936,
                images: &[FACTORY, SYSUPGRADE],
            },
            Profile {
                id: "glinet_gl-ar750s-nor-nand", vendor: "GL.iNet", model: "GL-AR750S", variant: "NOR/NAND",
                packages: &["kmod-ath10k-ct", "ath10k-firmware-qca9887-ct", "kmod-usb2", "kmod-usb-storage",
                    "block-mount", "-uboot-envtools"],
                supported_devices: &["glinet,gl-ar750s-nor-nand", "glinet,gl-ar750s-nor"], image_size_kib: 0,
                images: &[FACTORY, SYSUPGRADE],
            },
            Profile {
                id: "8dev_carambola2", vendor: "8devices", model: "Carambola2", variant: "",
                packages: &["kmod-usb-chipidea2"], supported_devices: &["8dev,carambola2", "carambola2"],
                image_size_kib: 16000, images: &[SYSUPGRADE],
            },
        ],
    },
    Target {
        name: "x86/64", arch: "x86_64", cpu: "x86_64", default_packages: X86_DEFAULTS,
        filesystems: &["ext4", "squashfs"],
        profiles: &[Profile {
            id: "generic", vendor: "Generic", model: "x86/64", variant: "",
            packages: &["kmod-amazon-ena", "kmod-amd-xgbe", "kmod-bnx2", "kmod-e1000e", "kmod-e1000", "kmod-forcedeth",
                "kmod-fs-vfat", "kmod-igb", "kmod-igc", "kmod-ixgbe", "kmod-r8169", "kmod-tg3"],
            supported_devices: &[], image_size_kib: 0, images: &[KERNEL, COMBINED, COMBINED_EFI, ROOTFS],
        }],
    },
];
