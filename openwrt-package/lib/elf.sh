# Takes off an ELF file what the kernel and the loader never read: the section headers and what stands
# behind the last segment. On mips that is a tenth of the file (.pdr, which no strip option of the linker
# removes). OpenWrt's own build does the same with sstrip. Sourced by `build`.
# shellcheck shell=bash

# elf_word FILE OFFSET BYTES: the number that stands there, in the file's own byte order.
elf_word() {
	od -An -j "$2" -N "$3" -t "u$3" --endian="$ELF_ENDIAN" "$1" | tr -d ' '
}

# elf_zero FILE OFFSET BYTES: overwrites with zeros.
elf_zero() {
	head -c "$3" /dev/zero | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# elf_layout FILE: sets ELF_ENDIAN, and where e_phoff, e_shoff, e_phentsize and, in a program header, p_offset and
# p_filesz stand, and how wide an offset is (ELF specification, figures 1-3 and 2-1).
elf_layout() {
	local file=$1 class data
	class=$(od -An -j 4 -N 1 -t u1 "$file" | tr -d ' ')
	data=$(od -An -j 5 -N 1 -t u1 "$file" | tr -d ' ')
	[ "$(head -c 4 "$file" | od -An -c | tr -d ' ')" = '177ELF' ] || return 1
	case "$data" in 1) ELF_ENDIAN=little ;; 2) ELF_ENDIAN=big ;; *) return 1 ;; esac
	case "$class" in
		1) phoff=28 shoff=32 sizes=42 offset=4 filesz=16 wide=4 ;;
		2) phoff=32 shoff=40 sizes=54 offset=8 filesz=32 wide=8 ;;
		*) return 1 ;;
	esac
}

# elf_end FILE: where the last segment ends, which is as long as the file has to be.
elf_end() {
	local file=$1 phoff shoff sizes offset filesz wide
	elf_layout "$file" || return 1
	local table entry count end segment
	table=$(elf_word "$file" "$phoff" "$wide")
	entry=$(elf_word "$file" "$sizes" 2)
	count=$(elf_word "$file" $((sizes + 2)) 2)
	end=$((table + entry * count))
	while [ "$count" -gt 0 ]; do
		count=$((count - 1))
		segment=$((table + entry * count))
		segment=$(($(elf_word "$file" $((segment + offset)) "$wide") + $(elf_word "$file" $((segment + filesz)) "$wide")))
		[ "$segment" -le "$end" ] || end=$segment
	done
	echo "$end"
}

trim_elf() {
	local file=$1 phoff shoff sizes offset filesz wide end
	elf_layout "$file" && end=$(elf_end "$file") || return 1
	truncate -s "$end" "$file" || return 1
	# e_shoff; e_shnum and e_shstrndx, which follow e_shentsize.
	elf_zero "$file" "$shoff" "$wide"
	elf_zero "$file" $((sizes + 6)) 4
}
