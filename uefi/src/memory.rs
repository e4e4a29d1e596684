//! The program's memory, and how all of it goes back at once.
//!
//! Nothing unwinds in firmware: after a panic nobody drops what its frames owned, and the kernel that is then
//! started would lack that memory. So [`Allocator`] links every live block to the others:
//!
//! ```text
//! first ─► block ─► block (kept) ─► block
//!          links    links           links
//!          bytes    bytes           bytes
//! ```
//!
//! [`give_back`] returns them to the firmware without asking their owners. What a kernel that starts
//! without preload still needs – its options, base initrds – is marked by [`keep`] and stays.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use uefi::boot::{self, MemoryType};

/// Alignment of what the firmware's pool gives (UEFI 2.10 §7.2.4).
const POOL_ALIGN: usize = 8;

/// The global allocator of a program that recovers by [`give_back`]; without it there is nothing to give.
#[derive(Debug)]
pub struct Allocator;

/// Stands before the bytes of each block.
#[repr(C)]
struct Block {
    previous: *mut Block,
    next: *mut Block,
    /// What the pool gave.
    start: *mut u8,
    kept: bool,
}

/// Live blocks, the newest first. Nothing runs beside us, so the order of accesses does not matter.
struct Blocks {
    first: AtomicPtr<Block>,
}

static BLOCKS: Blocks = Blocks::new();

/// What [`give_back`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All blocks but those of [`keep`].
    NotKept,
    /// All blocks.
    All,
}

/// Excepts the block that begins at `bytes` from [`Which::NotKept`], grown or not, until it is freed. Anything
/// else, such as memory of another allocator, is left alone.
pub fn keep<T>(bytes: *const T) {
    if let Some(block) = BLOCKS.find(bytes.cast()) {
        // SAFETY: blocks in the list are live.
        unsafe { (*block.as_ptr()).kept = true };
    }
}

/// Returns memory to the firmware.
///
/// # Safety
/// Nobody may use the blocks concerned again, nor drop them: this is for the handler of panics, which does
/// not come back.
pub unsafe fn give_back(which: Which) {
    // SAFETY: they come from this pool, and the caller promises the rest.
    BLOCKS.drain(which, |start| unsafe { free(start) });
}

fn allocate(size: usize) -> *mut u8 {
    let memory = boot::allocate_pool(MemoryType::LOADER_DATA, size);
    memory.map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// # Safety
/// `start` comes from [`allocate`], once.
unsafe fn free(start: *mut u8) {
    if let Some(start) = NonNull::new(start) {
        // SAFETY: as the caller promises. A pool that does not take it back leaves nothing to do.
        let _ = unsafe { boot::free_pool(start) };
    }
}

// SAFETY: each block is memory of the firmware of its own, with room for the layout and our links.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(size) = Block::room(layout) else { return ptr::null_mut() };
        let start = allocate(size);
        if start.is_null() {
            return start;
        }
        // SAFETY: it is new, and has the size that was asked for.
        unsafe { BLOCKS.add(start, layout) }
    }

    unsafe fn dealloc(&self, bytes: *mut u8, _: Layout) {
        // SAFETY: `alloc` made the block, and its owner lets go of it.
        unsafe { free(BLOCKS.remove(bytes)) };
    }

    unsafe fn realloc(&self, bytes: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(new_layout) = Layout::from_size_align(size, layout.align()) else { return ptr::null_mut() };
        // SAFETY: the caller promises that `size` is not zero.
        let new = unsafe { self.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both are live blocks of ours, of at least that size, and different ones.
            unsafe {
                new.copy_from_nonoverlapping(bytes, layout.size().min(size));
                (*Block::of(new)).kept = (*Block::of(bytes)).kept;
                self.dealloc(bytes, layout);
            }
        }
        new
    }
}

impl Block {
    /// Bytes to ask of the pool, which aligns only so far.
    fn room(layout: Layout) -> Option<usize> {
        let slack = if layout.align() > POOL_ALIGN { layout.align() } else { 0 };
        layout.size().checked_add(size_of::<Self>())?.checked_add(slack)
    }

    /// The block whose bytes these are.
    fn of(bytes: *mut u8) -> *mut Self {
        bytes.cast::<Self>().wrapping_sub(1)
    }

    fn bytes(this: *mut Self) -> *mut u8 {
        this.wrapping_add(1).cast()
    }
}

impl Blocks {
    const fn new() -> Self {
        Self { first: AtomicPtr::new(ptr::null_mut()) }
    }

    fn first(&self) -> *mut Block {
        self.first.load(Ordering::Relaxed)
    }

    /// Makes a block of new memory, and returns its bytes.
    ///
    /// # Safety
    /// `start` is memory of [`Block::room`] bytes, aligned like the pool's, that nobody else uses.
    unsafe fn add(&self, start: *mut u8, layout: Layout) -> *mut u8 {
        let after = start.wrapping_add(size_of::<Block>());
        let bytes = after.wrapping_add(after.align_offset(layout.align()));
        let (block, next) = (Block::of(bytes), self.first());
        // SAFETY: there is room before the bytes, aligned since they are; `next` is live, or null.
        unsafe {
            block.write(Block { previous: ptr::null_mut(), next, start, kept: false });
            if let Some(next) = next.as_mut() {
                next.previous = block;
            }
        }
        self.first.store(block, Ordering::Relaxed);
        bytes
    }

    /// Unlinks a block, and returns where its memory starts.
    ///
    /// # Safety
    /// The bytes are a live block's of this list.
    unsafe fn remove(&self, bytes: *mut u8) -> *mut u8 {
        // SAFETY: a live block, and so are its neighbours.
        unsafe {
            let Block { previous, next, start, .. } = Block::of(bytes).read();
            match previous.as_mut() {
                Some(previous) => previous.next = next,
                None => self.first.store(next, Ordering::Relaxed),
            }
            if let Some(next) = next.as_mut() {
                next.previous = previous;
            }
            start
        }
    }

    fn find(&self, bytes: *const u8) -> Option<NonNull<Block>> {
        let mut block = self.first();
        while !block.is_null() && Block::bytes(block).cast_const() != bytes {
            // SAFETY: blocks in the list are live.
            block = unsafe { (*block).next };
        }
        NonNull::new(block)
    }

    /// Unlinks blocks and has each freed.
    fn drain(&self, which: Which, free: impl Fn(*mut u8)) {
        let mut block = self.first();
        while !block.is_null() {
            // SAFETY: it is live until it is freed below.
            let Block { next, kept, .. } = unsafe { block.read() };
            if which == Which::All || !kept {
                // SAFETY: it stands in this list.
                free(unsafe { self.remove(Block::bytes(block)) });
            }
            block = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};
    use core::cell::RefCell;

    /// Memory that stays where it is, aligned like the pool's and no better.
    struct Pool(Vec<Vec<u64>>);

    impl Pool {
        fn block(&mut self, blocks: &Blocks, layout: Layout) -> *mut u8 {
            let words = Block::room(layout).unwrap().div_ceil(8);
            self.0.push(vec![0; words + 2]);
            let memory = self.0.last_mut().unwrap();
            let odd = (memory.as_ptr() as usize / 8 + 1) % 2;
            // SAFETY: there is room behind.
            unsafe { blocks.add(memory.as_mut_ptr().add(odd).cast(), layout) }
        }
    }

    fn live(blocks: &Blocks) -> Vec<*mut u8> {
        // SAFETY: blocks in the list are live.
        let next = |&block: &*mut Block| Some(unsafe { (*block).next }).filter(|next| !next.is_null());
        let first = Some(blocks.first()).filter(|first| !first.is_null());
        core::iter::successors(first, next).map(Block::bytes).collect()
    }

    #[test]
    fn blocks_come_and_go() {
        let (blocks, mut pool) = (Blocks::new(), Pool(Vec::new()));
        let layout = Layout::from_size_align(5, 1).unwrap();
        let [a, b, c, d] = [0; 4].map(|_| pool.block(&blocks, layout));
        assert_eq!(live(&blocks), [d, c, b, a]);
        for (gone, left) in [(c, &[d, b, a][..]), (d, &[b, a]), (a, &[b]), (b, &[])] {
            let memory =
                pool.0.iter().find(|memory| memory.as_ptr_range().contains(&gone.cast_const().cast::<u64>()));
            // SAFETY: it is live.
            let start = unsafe { blocks.remove(gone) };
            assert!(memory.unwrap().as_ptr_range().contains(&start.cast_const().cast::<u64>()));
            assert_eq!(live(&blocks), left);
        }
    }

    #[test]
    fn bytes_are_aligned_and_have_room() {
        let (blocks, mut pool) = (Blocks::new(), Pool(Vec::new()));
        for align in [1, 8, 16, 64, 4096] {
            let bytes = pool.block(&blocks, Layout::from_size_align(100, align).unwrap());
            assert_eq!(bytes.align_offset(align), 0, "{align}");
            let end = pool.0.last().unwrap().as_ptr_range().end;
            assert!(bytes.wrapping_add(100).cast_const().cast() <= end, "{align}");
        }
        let huge = Layout::from_size_align(isize::MAX as usize, 1).unwrap();
        assert_eq!(Block::room(huge), Some(isize::MAX as usize + size_of::<Block>()));
    }

    #[test]
    fn kept_blocks_go_last() {
        let (blocks, mut pool) = (Blocks::new(), Pool(Vec::new()));
        let layout = Layout::from_size_align(8, 8).unwrap();
        let [_, kept, _] = [0; 3].map(|_| pool.block(&blocks, layout));
        assert!(blocks.find(kept.wrapping_add(1)).is_none());
        // SAFETY: it is live.
        unsafe { (*blocks.find(kept).unwrap().as_ptr()).kept = true };
        let freed = RefCell::new(0);
        let count = |_| *freed.borrow_mut() += 1;
        blocks.drain(Which::NotKept, count);
        assert_eq!((*freed.borrow(), live(&blocks)), (2, vec![kept]));
        blocks.drain(Which::All, count);
        assert_eq!((*freed.borrow(), live(&blocks)), (3, vec![]));
    }
}
