//! A loader of shared libraries for where there is none: a static program with musl, as it is run for other processors by
//! emulation, has no dlopen. It knows what the rpcd plugin needs: two segments, the C library's functions, the
//! relocations that musl's loader knows too. Sources: System V ABI, chapters 4 and 5, and the processors' supplements.

use std::collections::HashMap;
use std::ffi::{c_char, c_int, c_void, CStr};
use std::io;
use std::mem::size_of;
use std::ptr::{null_mut, read_unaligned, write_unaligned};

use crate::rpcd::{ubus_add_object, ubus_send_reply};

/// The kinds of relocations: to the library's own place, to a symbol with something added, and to a symbol alone.
#[cfg(target_arch = "x86_64")]
const KINDS: (usize, usize, &[usize]) = (8, 1, &[6, 7]);
#[cfg(target_arch = "aarch64")]
const KINDS: (usize, usize, &[usize]) = (1027, 257, &[1025, 1026]);
#[cfg(target_arch = "arm")]
const KINDS: (usize, usize, &[usize]) = (23, 2, &[21, 22]);
/// On MIPS one kind is both, and the table of functions is not named by relocations at all.
#[cfg(target_arch = "mips")]
const KINDS: (usize, usize, &[usize]) = (3, 3, &[]);

/// How many bits of a relocation's second word tell its kind; the others number its symbol.
const KIND_BITS: u32 = if cfg!(target_pointer_width = "64") {
    32
} else {
    8
};

#[cfg(target_pointer_width = "32")]
use libc::{Elf32_Ehdr as Header, Elf32_Phdr as Segment, Elf32_Sym as Symbol};
#[cfg(target_pointer_width = "64")]
use libc::{Elf64_Ehdr as Header, Elf64_Phdr as Segment, Elf64_Sym as Symbol};

// What a dynamic section's entries are of (figure 5-10).
const RELA: usize = 7;
const REL: usize = 17;
const JMPREL: usize = 23;
const STRTAB: usize = 5;
const SYMTAB: usize = 6;
const PLTGOT: usize = 3;
const TEXTREL: usize = 22;
const MIPS_LOCAL_GOTNO: usize = 0x7000_000a;
const MIPS_SYMTABNO: usize = 0x7000_0011;
const MIPS_GOTSYM: usize = 0x7000_0013;

/// A loaded library. It stays until the process ends. All that reads it trusts it to be what the build has made.
struct Library {
    base: *mut u8,
    dynamic: HashMap<usize, usize>,
}

/// Loads a library and gives where one of its symbols lies.
pub fn load(path: &str, symbol: &CStr) -> io::Result<*mut c_void> {
    let file = std::fs::read(path)?;
    // SAFETY: the file is the plugin, as the build has made it; a test may crash over a broken one.
    unsafe {
        let header: Header = read_unaligned(file.as_ptr().cast());
        let segments: Vec<Segment> = (0..header.e_phnum.into())
            .map(|at| {
                let place = header.e_phoff as usize + at * size_of::<Segment>();
                read_unaligned(file.as_ptr().add(place).cast())
            })
            .collect();
        let library = Library::map(&file, &segments)?;
        library.relocate()?;
        library.protect(&segments)?;
        let found = library
            .symbols()
            .find(|found| found.st_shndx != 0 && library.name(found) == symbol);
        match found {
            Some(found) => Ok(library.base.add(found.st_value as usize).cast()),
            None => Err(io::Error::other("the library has no such symbol")),
        }
    }
}

impl Library {
    unsafe fn map(file: &[u8], segments: &[Segment]) -> io::Result<Library> {
        let loaded = || segments.iter().filter(|one| one.p_type == libc::PT_LOAD);
        let end = loaded().map(|one| one.p_vaddr + one.p_memsz).max();
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let len = end.unwrap_or(0) as usize;
        let base = libc::mmap(null_mut(), len, access, flags, -1, 0).cast::<u8>();
        if base.cast() == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        for one in loaded() {
            let bytes = &file[one.p_offset as usize..][..one.p_filesz as usize];
            let place = base.add(one.p_vaddr as usize);
            place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        let dynamic = segments.iter().find(|one| one.p_type == libc::PT_DYNAMIC);
        let dynamic = dynamic.ok_or_else(|| io::Error::other("no dynamic section"))?;
        let entries = base.add(dynamic.p_vaddr as usize).cast::<[usize; 2]>();
        let dynamic = (0..)
            .map(|at| read_unaligned(entries.add(at)))
            .take_while(|entry| entry[0] != 0)
            .map(|[kind, value]| (kind, value))
            .collect();
        Ok(Library { base, dynamic })
    }

    /// An entry of the dynamic section.
    fn entry(&self, kind: usize) -> usize {
        self.dynamic.get(&kind).copied().unwrap_or(0)
    }

    unsafe fn relocate(&self) -> io::Result<()> {
        if self.dynamic.contains_key(&TEXTREL) {
            return Err(io::Error::other("the code itself would have to be changed"));
        }
        // Each table's length has the next number, or for the last one the second.
        for (table, length) in [(RELA, RELA + 1), (REL, REL + 1), (JMPREL, 2)] {
            let words = match table {
                RELA => 3,
                JMPREL if self.entry(20) == RELA => 3,
                _ => 2,
            };
            let begin = self.base.add(self.entry(table)).cast::<usize>();
            for at in 0..self.entry(length) / (words * size_of::<usize>()) {
                let relocation = begin.add(at * words);
                let place = self.base.add(read_unaligned(relocation)).cast::<usize>();
                let info = read_unaligned(relocation.add(1));
                let addend = match words {
                    3 => read_unaligned(relocation.add(2)),
                    _ => read_unaligned(place),
                };
                let (symbol, kind) = (info >> KIND_BITS, info & ((1 << KIND_BITS) - 1));
                let (own, added, alone) = KINDS;
                let value = match (symbol, kind) {
                    (0, 0) => continue,
                    (0, kind) if kind == own => addend.wrapping_add(self.base as usize),
                    (_, kind) if kind == added => addend.wrapping_add(self.value(symbol)?),
                    (_, kind) if alone.contains(&kind) => self.value(symbol)?,
                    other => return Err(io::Error::other(format!("relocation {other:?}"))),
                };
                write_unaligned(place, value);
            }
        }
        // MIPS: the table of addresses, first the library's own, then those of the last symbols.
        let table = self.base.add(self.entry(PLTGOT)).cast::<usize>();
        let own = self.entry(MIPS_LOCAL_GOTNO);
        for at in 2..own {
            let place = table.add(at);
            write_unaligned(place, read_unaligned(place) + self.base as usize);
        }
        let first = self.entry(MIPS_GOTSYM);
        for symbol in first..self.entry(MIPS_SYMTABNO) {
            write_unaligned(table.add(own + symbol - first), self.value(symbol)?);
        }
        Ok(())
    }

    /// Makes the code executable, and what is only read unwritable.
    unsafe fn protect(&self, segments: &[Segment]) -> io::Result<()> {
        let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
        for one in segments.iter().filter(|one| one.p_type == libc::PT_LOAD) {
            let begin = one.p_vaddr as usize / page * page;
            let end = (one.p_vaddr + one.p_memsz) as usize;
            let mut access = libc::PROT_READ;
            for (flag, right) in [
                (libc::PF_W, libc::PROT_WRITE),
                (libc::PF_X, libc::PROT_EXEC),
            ] {
                if one.p_flags & flag != 0 {
                    access |= right;
                }
            }
            if libc::mprotect(self.base.add(begin).cast(), end - begin, access) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }

    /// The symbols: all tables that may follow them do so at once.
    unsafe fn symbols(&self) -> impl Iterator<Item = Symbol> + '_ {
        let begin = self.entry(SYMTAB);
        let tables = [4, 0x6fff_fef5, STRTAB].map(|table| self.entry(table));
        let end = tables.into_iter().filter(|&table| table > begin).min();
        let count = (end.unwrap_or(begin) - begin) / size_of::<Symbol>();
        let table = self.base.add(begin).cast::<Symbol>();
        // SAFETY: they lie in the library, before the next table.
        (0..count).map(move |at| unsafe { read_unaligned(table.add(at)) })
    }

    unsafe fn name(&self, symbol: &Symbol) -> &CStr {
        let place = self.entry(STRTAB) + symbol.st_name as usize;
        CStr::from_ptr(self.base.add(place).cast::<c_char>())
    }

    /// Where the symbol of this number lies.
    unsafe fn value(&self, number: usize) -> io::Result<usize> {
        let symbol = self.symbols().nth(number);
        let symbol = symbol.ok_or_else(|| io::Error::other("no such symbol"))?;
        if symbol.st_shndx != 0 {
            return Ok(self.base as usize + symbol.st_value as usize);
        }
        let name = self.name(&symbol).to_string_lossy();
        function(&name).ok_or_else(|| io::Error::other(format!("nobody has {name}")))
    }
}

/// The functions that rpcd has loaded.
fn function(name: &str) -> Option<usize> {
    macro_rules! known {
        ($($name:ident)*) => {
            match name {
                $(stringify!($name) => libc::$name as *const () as usize,)*
                "ubus_add_object" => ubus_add_object as *const () as usize,
                "ubus_send_reply" => ubus_send_reply as *const () as usize,
                "lstat" => lstat as *const () as usize,
                _ => return None,
            }
        };
    }
    Some(known!(
        __errno_location _exit abort close execv fork free malloc memchr memcmp memcpy memmove memset open pipe2
        poll read realloc setsid signal times waitid
    ))
}

extern "C" {
    /// As the plugin has it, whatever the other crate calls it.
    fn lstat(path: *const c_char, status: *mut c_void) -> c_int;
}
