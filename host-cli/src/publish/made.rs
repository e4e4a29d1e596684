//! Directories that were made for new files.

use core::mem;
use std::fs;
use std::path::{Path, PathBuf};

/// Directories that exist for new files alone, the deepest first; drop removes them.
#[derive(Debug, Default)]
pub(super) struct MadeDirectories(Vec<PathBuf>);

impl MadeDirectories {
    /// Those that are missing, before they are made.
    pub(super) fn before(directory: &Path) -> Self {
        let exists = |path: &&Path| path.as_os_str().is_empty() || fs::symlink_metadata(path).is_ok();
        Self(directory.ancestors().take_while(|path| !exists(path)).map(PathBuf::from).collect())
    }

    /// They stay.
    pub(super) fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for MadeDirectories {
    fn drop(&mut self) {
        for directory in mem::take(&mut self.0) {
            // What another program put there stays.
            let _ = fs::remove_dir(directory);
        }
    }
}
