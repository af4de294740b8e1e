# Compiles the agent and the plugin for one target. Sourced by `build`.
# shellcheck shell=bash

# cross_cargo TARGET PROFILE RUSTFLAGS CFLAGS COMMAND ARGUMENT...: cargo by cargo-zigbuild, with the second rustc.
# Each profile has its target folder: other flags in the same folder would throw away what was built before.
cross_cargo() {
	local target=$1 profile=$2 flags=$3 cflags=$4 command=$5 triple
	shift 5
	triple=$(target_triple "$target")

	# Rust brings its own crt files for musl except on mips; here they come from zig.
	case "$target" in mips*) ;; *) flags+=" -C link-self-contained=no" ;; esac
	# A panic ends the process without formatting a message: the library's own texts stay out.
	flags+=" -Z unstable-options -C panic=immediate-abort"
	# No text for people or programs is made with {:?} (clippy sees to it).
	flags+=" -Z fmt-debug=none -Z location-detail=none"
	# And nothing unwinds, so the tables for it stay out too, ring's C included.
	flags+=" -C force-unwind-tables=no"
	cflags+=" -fno-asynchronous-unwind-tables -fno-unwind-tables"
	# The same bytes wherever the checkout and cargo's folder lie.
	flags+=" --remap-path-prefix=$ROOT=/asu --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"

	env -u CARGO_ENCODED_RUSTFLAGS PATH="$VENV/bin:/usr/bin:/bin" CARGO=/usr/bin/cargo RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
		RUSTFLAGS="$flags" CFLAGS="$cflags" CARGO_TARGET_DIR="$CROSS/$profile" \
		CARGO_ZIGBUILD_CACHE_DIR="$CROSS/zig" ZIG_GLOBAL_CACHE_DIR="$CROSS/zig" ZIG_LOCAL_CACHE_DIR="$CROSS/zig" \
		CARGO_ZIGBUILD_PYTHON_PATH="$FEED/lib/zig-python" ASU_PYTHON="$VENV/bin/python3" ASU_LLD="ld.lld-$(llvm_release)" \
		SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
		cargo-zigbuild "$command" --quiet --locked --manifest-path "$ROOT/Cargo.toml" \
		--profile "$profile" --target "$triple" "$@"
}

# LLVM's options for the agent on mips, for which its own choices make code large. Instructions in the
# order of the source, common subexpressions computed anew, and nothing moved out of a loop a second time
# leave fewer values alive than there are registers; blocks that stay where they are make like code from
# like source, which xz sees. All of them leave something out: LLVM does nothing that it does not do anyway.
MIPS_OPTIONS="pre-RA-sched=source disable-machine-cse disable-machine-licm disable-lsr disable-block-placement"

# static_cargo TARGET COMMAND ARGUMENT...: builds a static program below $CROSS/agent, or runs such tests.
static_cargo() {
	local target=$1 command=$2 flags="" cflags="" library=std,panic_abort config=()
	shift 2
	# A position-independent program on mips calls weak symbols that nobody defines at its load address
	# instead of seeing that there are none (the MIPS GOT is relocated as a whole): the library's own
	# getrandom, for one, so that the first hash map would end the program.
	case "$target" in mips*)
		flags="-C relocation-model=static"
		# The routers with the smallest flash have such processors: our own code is for size there, too.
		config=(--config 'profile.agent.package.asu.opt-level="z"')
		# zig takes -Oz of ring's C for -Os.
		cflags="-fno-PIC -Xclang -Oz"
		local option
		for option in $MIPS_OPTIONS; do
			flags+=" -C llvm-args=--$option"
			cflags+=" -mllvm --$option"
		done
		;;
	esac
	[ "$command" != test ] || library+=,test
	cross_cargo "$target" agent "$flags" "$cflags" "$command" "${config[@]}" -Z "build-std=$library" -Z build-std-features=optimize_for_size "$@"
}

# The program `asu`, static. Leaves it in dist/TARGET/asu.
compile_agent() {
	local target=$1
	static_cargo "$target" zigbuild -p asu --bin asu || return 1
	install -D -m 0755 "$CROSS/agent/$(target_triple "$target")/agent/asu" "$DIST/$target/asu" &&
		trim_elf "$DIST/$target/asu" || return 1
	# The tests' way to make it fail (agent/src/fault.rs) is nothing for a router.
	! grep -q ASU_FAULTS "$DIST/$target/asu"
}

# The plugin for rpcd, a shared library on the router's own musl. Leaves it in
# dist/TARGET/attendedsysupgrade.so.
compile_plugin() {
	local target=$1 flags='-C target-feature=-crt-static' wrapper='' option options='' file="$DIST/$1/attendedsysupgrade.so"
	local link=(-C "linker=$FEED/lib/plugin-cc" -C linker-flavor=gcc
		-C "link-arg=-Wl,-z,norelro,-z,nocombreloc,-T,$FEED/lib/plugin.ld")
	# Each of these was measured: what makes the code of one processor smaller makes another's larger.
	case "$target" in
		mips*)
			# The ordinary instructions would make it 15.8 KB. lib/plugin-cc tells how it is linked.
			flags+=",+mips16 -C linker-plugin-lto" wrapper=$FEED/lib/rustc-mips16
			case "$target" in mips) link+=(-C link-arg=-EB) ;; *) link+=(-C link-arg=-EL) ;; esac
			link+=(-C "link-arg=-Wl,-mllvm,-inline-threshold=120,-mllvm,-disable-lsr")
			;;
		# The whole of it lies within reach of one instruction. Code that is not reordered has more pieces alike,
		# of which functions are made.
		aarch64)
			options="inline-threshold=45 disable-lsr disable-post-ra"
			link+=(-Z plt=no -C code-model=tiny)
			;;
		x86_64) options="inline-threshold=25 disable-lsr" ;;
		# Every ARMv7 core runs Thumb code, which is two thirds as large.
		armv7) flags+=",+thumb-mode" ;;
	esac
	case "$target" in mips*) ;; *) link+=(-C "link-arg=-Wl,--hash-style=gnu") ;; esac
	for option in $options; do
		link+=(-C "llvm-args=-$option")
	done
	RUSTC_WRAPPER=$wrapper cross_cargo "$target" router "$flags" "" rustc -p rpcd-plugin --lib \
		--features plugin --crate-type cdylib -Z build-std=core,alloc -Z build-std-features=optimize_for_size \
		-- "${link[@]}" || return 1
	install -D -m 0755 "$CROSS/router/$(target_triple "$target")/router/libattendedsysupgrade.so" "$file" &&
		check_plugin "$file" "$target" && trim_elf "$file"
}

# check_plugin FILE TARGET: no text relocation, and no more bytes than a router with 4 MB of flash can spare. Looked at
# with its section headers on, which trim_elf takes off without moving anything else.
check_plugin() {
	local file=$1 limit size
	read -r limit _ < <(budget "${file##*/}" "$2")
	if readelf -dW "$file" | grep -q 'TEXTREL'; then
		echo "build: $file has text relocations, which make its code writable" >&2
		return 1
	fi
	size=$(elf_end "$file") || return 1
	if [ "$size" -gt "$limit" ]; then
		echo "build: $file has $size bytes, at most $limit may be" >&2
		return 1
	fi
}
