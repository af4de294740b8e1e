# The cross toolchain: Debian's second rustc with the source of its library, and zig as C compiler,
# linker and musl. Nothing else is downloaded. Sourced by the scripts of this folder.
# shellcheck shell=bash

DEBIAN_PACKAGES="rustc-web cargo-web rust-web-src python3-venv gcc libc6-dev make xz-utils"

# Versions that were tried together. ziglang 0.16 and 0.17 fail to link musl for mips.
PYTHON_PACKAGES="cargo-zigbuild==0.24.0 ziglang==0.15.2"

# `-C panic=immediate-abort` came with this release.
OLDEST_RUSTC=1.91

die() {
	echo "build: $*" >&2
	exit 1
}

# llvm_release: of rustc-web, whose intermediate code only the same release reads.
llvm_release() {
	/usr/bin/rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p'
}

# install_packages PACKAGE...: what is missing of them; a machine that has it all needs neither root nor a network.
install_packages() {
	local missing=() package
	for package; do
		dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "these Debian packages are missing, run as root or install them first: ${missing[*]}"
	apt-get update -qq || die "apt-get update failed"
	# An installed Debian rustc would have to go for rustc-web; that is for the machine's owner to decide.
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-remove "${missing[@]}" ||
		die "apt-get could not install ${missing[*]}"
}

# install_toolchain TARGET...
install_toolchain() {
	# shellcheck disable=SC2086  # many words
	install_packages $DEBIAN_PACKAGES

	local release
	release=$(/usr/bin/rustc -vV | sed -n 's/^release: //p')
	printf '%s\n%s\n' "$OLDEST_RUSTC" "$release" | sort -VC ||
		die "rustc-web is $release, at least $OLDEST_RUSTC is needed (Debian 12 has it in its security updates)"
	[ -d "/usr/src/rustc-$release/library" ] ||
		die "rust-web-src does not belong to rustc-web $release, install the same version of both"

	# The plugin for MIPS is linked by these, see plugin-cc.
	local target
	for target; do
		case "$target" in mips | mipsel) install_packages "lld-$(llvm_release)" "binutils-$target-linux-gnu" ;; esac
	done

	if ! [ -f "$VENV/.${PYTHON_PACKAGES// /,}" ]; then
		rm -rf "$VENV"
		python3 -m venv "$VENV" || die "python3 -m venv $VENV failed"
		# shellcheck disable=SC2086  # two words
		"$VENV/bin/pip" install --quiet --disable-pip-version-check $PYTHON_PACKAGES || die "pip could not install $PYTHON_PACKAGES"
		touch "$VENV/.${PYTHON_PACKAGES// /,}"
	fi
}
