//! Empty on purpose: this package exists for its lock file.
