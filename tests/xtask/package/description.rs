//! `targets/packages/packages.toml`: texts, relations and files of all packages.

use alloc::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use depmod_tests::workspace;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(super) struct Description {
    pub(super) maintainer: String,
    #[serde(flatten)]
    pub(super) packages: BTreeMap<String, Package>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Package {
    /// One line without a stop.
    pub(super) summary: String,
    /// Paragraphs, parted by lines with a full stop.
    pub(super) description: String,
    /// Packages of ours that it needs, in the same version.
    #[serde(default)]
    pub(super) depends: Vec<String>,
    /// The beginning of the names of its maintainer scripts in `debian/`.
    pub(super) scripts: Option<String>,
    /// Whether it holds what `cargo xtask install` puts in place.
    #[serde(default)]
    pub(super) install: bool,
    /// Source and path of each other file.
    #[serde(default)]
    pub(super) files: Vec<(String, String)>,
}

impl Description {
    /// # Errors
    /// When the file is missing or invalid.
    pub(super) fn read() -> Result<Self> {
        let path = directory().join("packages.toml");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }
}

/// The directory of everything that packages need besides programs.
pub(super) fn directory() -> PathBuf {
    workspace().join("targets/packages")
}

/// The version of the product.
///
/// # Errors
/// When the workspace's manifest does not say it.
pub(super) fn version() -> Result<String> {
    let manifest: toml::Table = fs::read_to_string(workspace().join("Cargo.toml"))?.parse()?;
    let version = manifest["workspace"]["package"]["version"].as_str();
    version.map(str::to_owned).context("the workspace has a version")
}
