//! The layers of a cage.

use serde::{Deserialize, Serialize};

/// The layers of a cage: what keeps a child from all but its socket. Which there are depends on the kernel, and on what a container
/// permits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Layers {
    /// It can open no descriptor: no file, socket or pipe (`RLIMIT_NOFILE` is 0).
    pub no_descriptors: bool,
    /// It can start no process, and leaves no core dump. Where there is no seccomp, `RLIMIT_NPROC` is 0, and it can start no thread either.
    pub no_processes: bool,
    /// It is neither root nor has it any right of root's.
    pub unprivileged: bool,
    /// Nothing that it might execute gives it rights (`no_new_privs`).
    pub no_new_privs: bool,
    /// The kernel refuses all files, TCP and signals to other processes (Landlock): the version of its interface.
    pub landlock: Option<u32>,
    /// The kernel refuses all calls that decoding does not need (seccomp).
    pub seccomp: bool,
}

impl Layers {
    /// The layers under their names, and whether they are active.
    pub fn named(self) -> [(&'static str, bool); 6] {
        [
            ("no_descriptors", self.no_descriptors),
            ("no_processes", self.no_processes),
            ("unprivileged", self.unprivileged),
            ("no_new_privs", self.no_new_privs),
            ("landlock", self.landlock.is_some()),
            ("seccomp", self.seccomp),
        ]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The names are those of JSON.
    #[test]
    fn layers_have_the_names_of_their_fields() {
        for bits in 0..64_u32 {
            let is_set = |bit: u32| bits & (1 << bit) != 0;
            let layers = Layers {
                no_descriptors: is_set(0),
                no_processes: is_set(1),
                unprivileged: is_set(2),
                no_new_privs: is_set(3),
                landlock: is_set(4).then_some(7),
                seccomp: is_set(5),
            };
            let value = serde_json::to_value(layers).unwrap();
            let fields = value.as_object().unwrap().iter();
            let fields: Vec<_> = fields
                .map(|(name, value)| (name.as_str(), !value.is_null() && *value != Value::Bool(false)))
                .collect();
            assert_eq!(layers.named().to_vec(), fields);
        }
    }
}
