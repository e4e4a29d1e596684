//! The functions of `depmod.h`.
//!
//! Pointers to handles are references here: a caller passes what it got, or NULL. What is unsafe is reading the
//! caller's strings and arrays, which the header requires to be what they seem.

#![allow(unsafe_code, reason = "C has no other strings than pointers")]

use core::ffi::{CStr, c_char};
use core::ptr;

use crate::failure::{free, guard, last};
use crate::index::{self, Index};
use crate::list::List;

/// Reads the index files of a module directory (`/lib/modules/VERSION`), to be freed with depmod_close().
/// Later changes of the files do not matter. Missing lists of built-in modules and of soft and weak
/// dependencies count as empty.
///
/// NULL if the directory has no index files, or one is damaged.
///
/// # Safety
/// `directory` is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn depmod_open(directory: *const c_char) -> Option<Box<Index>> {
    // SAFETY: as the caller promises.
    guard(|| Index::open(unsafe { string(directory) }?).map(Box::new))
}

/// Frees what depmod_open() returned.
#[unsafe(no_mangle)]
pub extern "C" fn depmod_close(index: Option<Box<Index>>) {
    free(index);
}

/// The modules for a name, an alias or a modalias, as modprobe finds them without its configuration; to be
/// freed with depmod_list_free(). The detail of a module is its path, relative to the module directory or
/// absolute; a built-in module has none.
///
/// An empty list if nothing matches; NULL after a failure.
///
/// # Safety
/// `query` is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn depmod_lookup(index: Option<&Index>, query: *const c_char) -> Option<Box<List>> {
    // SAFETY: as the caller promises.
    guard(|| handle(index)?.lookup(unsafe { string(query) }?).map(Box::new))
}

/// The modules to load for `count` names, aliases, modaliases or globs, with their dependencies, in the
/// order of loading; to be freed with depmod_list_free(). The detail of each is its path, relative to the
/// module directory or absolute. Built-in modules need no loading.
///
/// NULL if a query matches nothing, or after another failure.
///
/// # Safety
/// `queries` is NULL or has `count` C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn depmod_plan(
    index: Option<&Index>,
    queries: *const *const c_char,
    count: usize,
) -> Option<Box<List>> {
    guard(|| {
        let index = handle(index)?;
        let queries = match count {
            0 => &[],
            _ if queries.is_null() => return Err("NULL in place of an array".into()),
            // SAFETY: not NULL; the rest as the caller promises.
            _ => unsafe { core::slice::from_raw_parts(queries, count) },
        };
        // SAFETY: as the caller promises.
        let queries: Vec<_> =
            queries.iter().map(|query| unsafe { string(*query) }).collect::<Result<_, _>>()?;
        index.plan(&queries).map(Box::new)
    })
}

/// Reads all modules of a directory and compares its index files with what depmod would write; to be freed
/// with depmod_list_free(). Each entry is a file, its detail what is wrong with it. `version` is the kernel's
/// (patterns in /etc/depmod.d may name it).
///
/// An empty list if all is right; NULL after a failure.
///
/// # Safety
/// `directory` and `version` are each NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn depmod_verify(
    directory: *const c_char,
    version: *const c_char,
) -> Option<Box<List>> {
    // SAFETY: as the caller promises.
    guard(|| index::findings(unsafe { string(directory) }?, unsafe { string(version) }?).map(Box::new))
}

/// The number of entries; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn depmod_list_length(list: Option<&List>) -> usize {
    list.map_or(0, List::len)
}

/// The name at `at`; NULL beyond the end.
#[unsafe(no_mangle)]
pub extern "C" fn depmod_list_name(list: Option<&List>, at: usize) -> *const c_char {
    list.and_then(|list| list.name(at)).map_or(ptr::null(), CStr::as_ptr)
}

/// The detail at `at`; NULL beyond the end, and where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn depmod_list_detail(list: Option<&List>, at: usize) -> *const c_char {
    list.and_then(|list| list.detail(at)).map_or(ptr::null(), CStr::as_ptr)
}

/// Frees a list.
#[unsafe(no_mangle)]
pub extern "C" fn depmod_list_free(list: Option<Box<List>>) {
    free(list);
}

/// Why the last call in this thread failed; NULL if it did not. The functions for lists never fail, and those that
/// free leave the reason as it is.
#[unsafe(no_mangle)]
pub extern "C" fn depmod_last_error() -> *const c_char {
    last(|why| why.map_or(ptr::null(), CStr::as_ptr)).unwrap_or(ptr::null())
}

fn handle(index: Option<&Index>) -> Result<&Index, String> {
    index.ok_or_else(|| "NULL in place of a handle".into())
}

/// # Safety
/// `pointer` is NULL or a C string that lives as long as the call.
unsafe fn string<'s>(pointer: *const c_char) -> Result<&'s [u8], String> {
    if pointer.is_null() {
        return Err("NULL in place of a string".into());
    }
    // SAFETY: not NULL; the rest as the caller promises.
    Ok(unsafe { CStr::from_ptr(pointer) }.to_bytes())
}
