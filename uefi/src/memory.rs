//! The program's allocator, and the release of all its memory at once.
//!
//! Nothing unwinds in firmware: after a panic no destructor runs, and the kernel that is then started would
//! lack that memory. So [`Allocator`] keeps all live blocks in a list:
//!
//! ```text
//! first ─► block ─► block (kept) ─► block
//!          links    links           links
//!          bytes    bytes           bytes
//! ```
//!
//! [`release`] returns them to the firmware without their destructors. Memory that the kernel needs even
//! without preload – its options, existing initrds – is marked by [`keep`] and stays.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use uefi::boot::{self, MemoryType};

/// Alignment of the firmware's pool memory (UEFI 2.10 §7.2.4).
const POOL_ALIGN: usize = 8;

/// The global allocator of a program that recovers by [`release`]. Memory of other allocators is not released.
#[derive(Debug)]
pub struct Allocator;

/// Header before the bytes of each block.
#[repr(C)]
struct Block {
    previous: *mut Block,
    next: *mut Block,
    /// The address from the pool.
    start: *mut u8,
    kept: bool,
}

/// List of live blocks, the newest first. There is one thread, so relaxed accesses suffice.
struct Blocks {
    first: AtomicPtr<Block>,
}

static BLOCKS: Blocks = Blocks::new();

/// The blocks that [`release`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All blocks except those marked by [`keep`].
    NotKept,
    /// All blocks.
    All,
}

/// Excludes the block that begins at `bytes` from [`Scope::NotKept`] until it is freed; growing it changes
/// nothing. Other addresses, such as memory of another allocator, are ignored.
pub fn keep<T>(bytes: *const T) {
    if let Some(block) = BLOCKS.find(bytes.cast()) {
        // SAFETY: blocks in the list are live.
        unsafe { (*block.as_ptr()).kept = true };
    }
}

/// Returns memory to the firmware.
///
/// # Safety
/// The released blocks must not be used or dropped afterwards: only the panic handler, which does not return,
/// can promise that.
pub unsafe fn release(scope: Scope) {
    // SAFETY: the blocks come from this pool, and the caller promises the rest.
    BLOCKS.drain(scope, |start| unsafe { free(start) });
}

fn allocate(size: usize) -> *mut u8 {
    let memory = boot::allocate_pool(MemoryType::LOADER_DATA, size);
    memory.map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// # Safety
/// `start` comes from [`allocate`], once.
unsafe fn free(start: *mut u8) {
    if let Some(start) = NonNull::new(start) {
        // SAFETY: as the caller promises. An error of the pool cannot be handled.
        let _ = unsafe { boot::free_pool(start) };
    }
}

// SAFETY: each block is separate pool memory, with room for the layout and the header.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(size) = Block::room(layout) else { return ptr::null_mut() };
        let start = allocate(size);
        if start.is_null() {
            return start;
        }
        // SAFETY: the memory is new, and has the requested size.
        unsafe { BLOCKS.add(start, layout) }
    }

    unsafe fn dealloc(&self, bytes: *mut u8, _: Layout) {
        // SAFETY: the block comes from `alloc`, and its owner frees it.
        unsafe { free(BLOCKS.remove(bytes)) };
    }

    unsafe fn realloc(&self, bytes: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(new_layout) = Layout::from_size_align(size, layout.align()) else { return ptr::null_mut() };
        // SAFETY: the caller promises that `size` is not zero.
        let new = unsafe { self.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both are different live blocks, of at least that size.
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
    /// Bytes to request from the pool, with slack for alignments that it does not guarantee.
    fn room(layout: Layout) -> Option<usize> {
        let slack = if layout.align() > POOL_ALIGN { layout.align() } else { 0 };
        layout.size().checked_add(size_of::<Self>())?.checked_add(slack)
    }

    /// The block that owns these bytes.
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

    /// Adds a block in new memory, and returns the address of its bytes.
    ///
    /// # Safety
    /// `start` is unused memory of [`Block::room`] bytes, aligned like the pool's.
    unsafe fn add(&self, start: *mut u8, layout: Layout) -> *mut u8 {
        let after = start.wrapping_add(size_of::<Block>());
        let bytes = after.wrapping_add(after.align_offset(layout.align()));
        let (block, next) = (Block::of(bytes), self.first());
        // SAFETY: there is room before the bytes, and it is aligned because they are; `next` is live or null.
        unsafe {
            block.write(Block { previous: ptr::null_mut(), next, start, kept: false });
            if let Some(next) = next.as_mut() {
                next.previous = block;
            }
        }
        self.first.store(block, Ordering::Relaxed);
        bytes
    }

    /// Unlinks a block, and returns the start of its memory.
    ///
    /// # Safety
    /// The bytes belong to a live block of this list.
    unsafe fn remove(&self, bytes: *mut u8) -> *mut u8 {
        // SAFETY: the block and its neighbours are live.
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

    /// Unlinks blocks and frees each.
    fn drain(&self, scope: Scope, free: impl Fn(*mut u8)) {
        let mut block = self.first();
        while !block.is_null() {
            // SAFETY: the block is live until it is freed below.
            let Block { next, kept, .. } = unsafe { block.read() };
            if scope == Scope::All || !kept {
                // SAFETY: the block is in this list.
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

    /// Memory with stable addresses and no better alignment than the pool's.
    struct Pool(Vec<Vec<u64>>);

    impl Pool {
        fn block(&mut self, blocks: &Blocks, layout: Layout) -> *mut u8 {
            let words = Block::room(layout).unwrap().div_ceil(8);
            self.0.push(vec![0; words + 2]);
            let memory = self.0.last_mut().unwrap();
            let odd = (memory.as_ptr() as usize / 8 + 1) % 2;
            // SAFETY: there is enough room.
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
    fn blocks_are_linked_and_unlinked() {
        let (blocks, mut pool) = (Blocks::new(), Pool(Vec::new()));
        let layout = Layout::from_size_align(5, 1).unwrap();
        let [a, b, c, d] = [0; 4].map(|_| pool.block(&blocks, layout));
        assert_eq!(live(&blocks), [d, c, b, a]);
        for (gone, left) in [(c, &[d, b, a][..]), (d, &[b, a]), (a, &[b]), (b, &[])] {
            let memory =
                pool.0.iter().find(|memory| memory.as_ptr_range().contains(&gone.cast_const().cast::<u64>()));
            // SAFETY: the block is live.
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
    fn kept_blocks_are_released_last() {
        let (blocks, mut pool) = (Blocks::new(), Pool(Vec::new()));
        let layout = Layout::from_size_align(8, 8).unwrap();
        let [_, kept, _] = [0; 3].map(|_| pool.block(&blocks, layout));
        assert!(blocks.find(kept.wrapping_add(1)).is_none());
        // SAFETY: the block is live.
        unsafe { (*blocks.find(kept).unwrap().as_ptr()).kept = true };
        let freed = RefCell::new(0);
        let count = |_| *freed.borrow_mut() += 1;
        blocks.drain(Scope::NotKept, count);
        assert_eq!((*freed.borrow(), live(&blocks)), (2, vec![kept]));
        blocks.drain(Scope::All, count);
        assert_eq!((*freed.borrow(), live(&blocks)), (3, vec![]));
    }
}
