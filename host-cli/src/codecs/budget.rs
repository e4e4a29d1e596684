//! The memory that all threads together have for large modules.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes for all threads. A module in pieces takes all of them: a decoder's window, and buffers.
const ALL: u64 = 136 << 20;

static FREE: Mutex<u64> = Mutex::new(ALL);
static MORE: Condvar = Condvar::new();

/// What one thread has reserved; drop returns it.
#[derive(Debug, Default)]
pub(super) struct Share(u64);

impl Share {
    /// Whether anything is reserved.
    #[cfg(not(feature = "c-codecs"))]
    pub(super) fn is_some(&self) -> bool {
        self.0 > 0
    }

    /// Returns the reserved bytes, and waits until these, or all, are free. A thread has nothing while it waits,
    /// so each waits for others that go on.
    pub(super) fn set(&mut self, bytes: u64) {
        if self.0 > 0 {
            *lock() += self.0;
            self.0 = 0;
            MORE.notify_all();
        }
        let bytes = bytes.min(ALL);
        if bytes > 0 {
            let mut free = lock();
            while *free < bytes {
                free = MORE.wait(free).unwrap_or_else(PoisonError::into_inner);
            }
            *free -= bytes;
            self.0 = bytes;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

fn lock() -> MutexGuard<'static, u64> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn threads_never_have_more_than_all() {
        let used = AtomicU64::new(0);
        let worker = |number: u64| {
            let mut share = Share::default();
            for round in 1..50 {
                share.set(ALL / number * (round % 3));
                let own = share.0;
                let sum = used.fetch_add(own, Ordering::SeqCst) + own;
                assert!(sum <= ALL, "{sum}");
                std::thread::yield_now();
                used.fetch_sub(own, Ordering::SeqCst);
            }
        };
        std::thread::scope(|scope| {
            (1..=6).for_each(|number| drop(scope.spawn(move || worker(number))));
        });
    }
}
