# What each TARGET of `build` is. Sourced by the scripts of this folder.
# shellcheck shell=bash

ALL_TARGETS="mips mipsel arm armv7 aarch64 riscv64 x86_64"

# One line a target: Rust's name, whether the rpcd plugin is made for it, and OpenWrt's architectures that
# run the result (DISTRIB_ARCH in /etc/openwrt_release). The oldest MIPS cores (mips_mips32,
# mipsel_mips32) lack instructions Rust takes for granted and are left out; ARM cores without a
# floating point unit are served by `arm`.
target_line() {
	case "$1" in
		mips)    echo mips-unknown-linux-musl plugin mips_24kc ;;
		mipsel)  echo mipsel-unknown-linux-musl plugin mipsel_24kc mipsel_24kc_24kf mipsel_74kc ;;
		arm)     echo armv5te-unknown-linux-musleabi - arm_arm926ej-s arm_arm1176jzf-s_vfp arm_xscale \
			arm_cortex-a7 arm_cortex-a9 ;;
		armv7)   echo armv7-unknown-linux-musleabihf plugin arm_cortex-a5_vfpv4 arm_cortex-a7_neon-vfpv4 \
			arm_cortex-a7_vfpv4 arm_cortex-a8_vfpv3 arm_cortex-a9_neon arm_cortex-a9_vfpv3-d16 \
			arm_cortex-a15_neon-vfpv4 ;;
		aarch64) echo aarch64-unknown-linux-musl plugin aarch64_cortex-a53 aarch64_cortex-a72 \
			aarch64_cortex-a76 aarch64_generic ;;
		riscv64) echo riscv64gc-unknown-linux-musl - riscv64_generic riscv64_riscv64 ;;
		x86_64)  echo x86_64-unknown-linux-musl plugin x86_64 ;;
		*) return 1 ;;
	esac
}

target_triple() { target_line "$1" | cut -d' ' -f1; }
target_has_plugin() { [ "$(target_line "$1" | cut -d' ' -f2)" = plugin ]; }
target_architectures() { target_line "$1" | cut -d' ' -f3-; }
