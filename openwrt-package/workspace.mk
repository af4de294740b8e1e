# SPDX-License-Identifier: Apache-2.0
#
# The Rust packages of this feed are built from the workspace the feed lies in: nothing is downloaded
# but the crates of Cargo.lock. Included after package.mk and rust-package.mk.

# Taken when make reads this file: later MAKEFILE_LIST ends with another one.
ASU_WORKSPACE:=$(abspath $(dir $(lastword $(MAKEFILE_LIST)))/..)

# The workspace's own profile: what the SDK sets by CARGO_PROFILE_RELEASE_* holds for it too, unless the
# profile says otherwise.
CARGO_PKG_PROFILE:=router

# Cargo wants every member of the workspace to be there, also those that are not built.
define Build/Prepare
	$(INSTALL_DIR) $(PKG_BUILD_DIR)
	cd $(ASU_WORKSPACE) && $(CP) Cargo.toml Cargo.lock agent crates rpcd-plugin server tests $(PKG_BUILD_DIR)/
endef
