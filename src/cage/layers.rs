//! The layers of a cage.

use serde::{Deserialize, Serialize};

/// The active layers of a cage: the restrictions that leave a child nothing but its socket. The kernel, and the permissions of a container,
/// decide which layers are available.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Layers {
    /// The child cannot open a descriptor: no file, socket or pipe (`RLIMIT_NOFILE` is 0).
    pub no_descriptors: bool,
    /// The child cannot start a process, and leaves no core dump. Without seccomp, `RLIMIT_NPROC` is 0, and the child cannot start a thread
    /// either.
    pub no_processes: bool,
    /// The child is not root and has none of root's privileges.
    pub unprivileged: bool,
    /// No program that the child might execute adds privileges (`no_new_privs`).
    pub no_new_privs: bool,
    /// The kernel refuses all files, TCP and signals to other processes (Landlock). The value is the version of Landlock's interface.
    pub landlock: Option<u32>,
    /// The kernel refuses all system calls that decoding does not need (seccomp).
    pub seccomp: bool,
}

impl Layers {
    /// Returns the layers by name, and whether each is active.
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

    /// The names equal the names in JSON.
    #[test]
    fn layer_names_equal_their_json_names() {
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
