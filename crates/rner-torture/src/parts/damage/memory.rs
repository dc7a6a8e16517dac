//! An allocator that knows the most bytes in use since a moment.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);
static BEGIN: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call is handed to the system's allocator as it is; only numbers are kept.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promise about the layout is the one that the system asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer comes from `alloc` above with the same layout, as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Begins to count. One at a time: the parts run one after the other.
pub(super) fn begin() {
    let now = NOW.load(Ordering::Relaxed);
    BEGIN.store(now, Ordering::Relaxed);
    MOST.store(now, Ordering::Relaxed);
}

/// The most bytes that were in use at one time since, without those that were in use before.
pub(super) fn most_taken() -> usize {
    let most = MOST.load(Ordering::Relaxed);
    most.saturating_sub(BEGIN.load(Ordering::Relaxed))
}
