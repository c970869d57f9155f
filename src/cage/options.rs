//! Settings of a cage.

use std::path::PathBuf;

/// Settings of a [`Cage`](super::Cage). `CageOptions::default()` returns the default settings.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CageOptions {
    /// The program whose `main` calls [`run_if_child`](super::run_if_child). The default is this program, as `/proc/self/exe`
    /// names it.
    pub program: Option<PathBuf>,
}

impl CageOptions {
    /// Sets the helper program.
    #[must_use]
    pub fn with_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }
}
