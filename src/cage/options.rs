//! How a cage is built.

use std::path::PathBuf;

/// How a [`Cage`](super::Cage) is built. Start from `CageOptions::default()`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CageOptions {
    /// The program whose `main` calls [`run_if_child`](super::run_if_child); by default this one, as `/proc/self/exe` names it.
    pub program: Option<PathBuf>,
}

impl CageOptions {
    /// With this helper program.
    #[must_use]
    pub fn with_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }
}
