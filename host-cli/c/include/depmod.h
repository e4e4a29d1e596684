/* Kernel modules from kmod's index files. Generated from Rust: changes belong there.
 *
 * Memory: depmod_open() gives a handle that depmod_close() frees; depmod_lookup(), depmod_plan() and
 * depmod_verify() give a list that depmod_list_free() frees. Lists stay valid when the handle is closed.
 * Strings that a function returns belong to the library: those of a list live as long as the list,
 * depmod_last_error()'s until the next call in the same thread. Arguments stay the caller's and are not
 * kept. NULL may be freed, and is refused elsewhere.
 *
 * Threads: any number of threads may use one handle or one list at once, until it is freed.
 *
 * Failures: NULL, and depmod_last_error() says why. No failure ends the program or unwinds into it; damaged
 * index files are failures. No signal handler is installed, no file is written.
 *
 * Strings are bytes without encoding, as in the file system.
 */

#ifndef DEPMOD_H
#define DEPMOD_H

#include <stddef.h>

// The index files of a module directory, as they were when it was opened.
typedef struct depmod_index depmod_index;

// Names in order, each with a detail or without.
typedef struct depmod_list depmod_list;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Reads the index files of a module directory (`/lib/modules/VERSION`), to be freed with depmod_close().
// Later changes of the files do not matter. Missing lists of built-in modules and of soft and weak
// dependencies count as empty.
//
// NULL if the directory has no index files, or one is damaged.
//
// # Safety
// `directory` is NULL or a C string.
struct depmod_index *depmod_open(const char *directory);

// Frees what depmod_open() returned.
void depmod_close(struct depmod_index *index);

// The modules for a name, an alias or a modalias, as modprobe finds them without its configuration; to be
// freed with depmod_list_free(). The detail of a module is its path, relative to the module directory or
// absolute; a built-in module has none.
//
// An empty list if nothing matches; NULL after a failure.
//
// # Safety
// `query` is NULL or a C string.
struct depmod_list *depmod_lookup(const struct depmod_index *index,
                                  const char *query);

// The modules to load for `count` names, aliases, modaliases or globs, with their dependencies, in the
// order of loading; to be freed with depmod_list_free(). The detail of each is its path, relative to the
// module directory or absolute. Built-in modules need no loading.
//
// NULL if a query matches nothing, or after another failure.
//
// # Safety
// `queries` is NULL or has `count` C strings.
struct depmod_list *depmod_plan(const struct depmod_index *index,
                                const char *const *queries,
                                size_t count);

// Reads all modules of a directory and compares its index files with what depmod would write; to be freed
// with depmod_list_free(). Each entry is a file, its detail what is wrong with it. `version` is the kernel's
// (patterns in /etc/depmod.d may name it).
//
// An empty list if all is right; NULL after a failure.
//
// # Safety
// `directory` and `version` are each NULL or a C string.
struct depmod_list *depmod_verify(const char *directory,
                                  const char *version);

// The number of entries; 0 for NULL.
size_t depmod_list_length(const struct depmod_list *list);

// The name at `at`; NULL beyond the end.
const char *depmod_list_name(const struct depmod_list *list, size_t at);

// The detail at `at`; NULL beyond the end, and where there is none.
const char *depmod_list_detail(const struct depmod_list *list, size_t at);

// Frees a list.
void depmod_list_free(struct depmod_list *list);

// Why the last call in this thread failed; NULL if it did not. The functions for lists never fail, and those that
// free leave the reason as it is.
const char *depmod_last_error(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DEPMOD_H */
