//! The format of answers.

use clap::ValueEnum;

/// The format of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Text.
    #[default]
    Text,
    /// JSON.
    Json,
}
