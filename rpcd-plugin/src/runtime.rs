//! What a library without std brings along: libc's memory, and an end to panics.

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;
use core::ptr::null_mut;

struct Malloc;

#[global_allocator]
static MALLOC: Malloc = Malloc;

/// What malloc aligns to on every target: two words.
const MAX_ALIGN: usize = 2 * size_of::<usize>();

// SAFETY: malloc, realloc and free keep the contract of `GlobalAlloc` up to malloc's alignment;
// for more, nothing is given out. Memory from here may be freed with free, which reply.rs needs.
unsafe impl GlobalAlloc for Malloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > MAX_ALIGN {
            return null_mut();
        }
        // One function less to be linked; the compiler would make malloc of a null that it knows.
        let nothing = core::hint::black_box(null_mut());
        // SAFETY: realloc of nothing is malloc, and takes any size.
        unsafe { libc::realloc(nothing, layout.size()).cast() }
    }

    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: the caller gives back what `alloc` or `realloc` gave.
        unsafe { libc::free(memory.cast::<c_void>()) }
    }

    unsafe fn realloc(&self, memory: *mut u8, _: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller gives back what `alloc` or `realloc` gave, whose alignment was within
        // malloc's.
        unsafe { libc::realloc(memory.cast::<c_void>(), size).cast() }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort takes nothing and does not return.
    unsafe { libc::abort() }
}
