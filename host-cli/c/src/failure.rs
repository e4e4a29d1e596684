//! Failures: a text per thread, and no panic beyond this library.

use core::cell::RefCell;
use core::ffi::CStr;
use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static LAST: RefCell<Option<CString>> = const { RefCell::new(None) };
}

/// The result of a body; `None` after a failure, which is then the thread's last one. A panic is a failure.
pub(crate) fn guard<T>(body: impl FnOnce() -> Result<T, String>) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err("internal error".into()));
    let (value, why) = match result {
        Ok(value) => (Some(value), None),
        Err(why) => (None, Some(text(why.into_bytes()))),
    };
    // A thread that ends may have no text any more.
    let _ = LAST.try_with(|last| last.replace(why));
    value
}

/// Frees a handle. The last failure stays: callers free what they have before they report it.
pub(crate) fn free<T>(handle: Option<Box<T>>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(handle)));
}

/// Calls `see` with the last failure of this thread.
pub(crate) fn last<T>(see: impl FnOnce(Option<&CStr>) -> T) -> Option<T> {
    LAST.try_with(|last| see(last.borrow().as_deref())).ok()
}

/// As a C string: up to the first NUL.
pub(crate) fn text(mut bytes: Vec<u8>) -> CString {
    bytes.truncate(bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()));
    CString::new(bytes).unwrap_or_default()
}
