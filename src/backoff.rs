//! Chance, for pauses that keep clients apart.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// From 0 to 1. The seeds of the standard library's hash maps are random enough to keep clients apart.
pub(crate) fn random_fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    let fraction = bits as f64 / (1_u64 << 53) as f64;
    fraction
}
