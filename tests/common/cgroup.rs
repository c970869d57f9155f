//! A Linux control group that limits memory, of version 1 or 2, if this process may create one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// The group. It is removed when this value is dropped, after its processes have ended.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folder: PathBuf,
}

impl Cgroup {
    /// Creates a group whose processes may use `bytes` of memory together, and no swap in addition.
    /// Returns `None` if this user may not create a group.
    pub(crate) fn new(bytes: u64) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("posterframe-tests-{}-{number}", std::process::id());
        // cgroups(7): one line per hierarchy, "number:controllers:path". The line of version 2 names no controllers.
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let lines = own.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            Some((parts.next()?, parts.next()?))
        });
        for (controllers, path) in lines {
            let (root, files) = match controllers {
                "" => ("/sys/fs/cgroup", ["memory.max", "memory.swap.max"]),
                "memory" => {
                    ("/sys/fs/cgroup/memory", ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"])
                }
                _ => continue,
            };
            // In a container, the process's group may be visible as the root.
            for parent in [Path::new(root).join(path.trim_start_matches('/')), PathBuf::from(root)] {
                let group = Self { folder: parent.join(&name) };
                if fs::create_dir(&group.folder).is_ok() && group.limit(files, bytes) {
                    return Some(group);
                }
            }
        }
        None
    }

    fn limit(&self, [memory, swap]: [&str; 2], bytes: u64) -> bool {
        // Kernels without swap accounting have no such file. The file of version 1 counts memory and swap together.
        let swap_limit = if swap.contains("memsw") { bytes } else { 0 };
        let limited = fs::write(self.folder.join(memory), bytes.to_string()).is_ok();
        let _ = fs::write(self.folder.join(swap), swap_limit.to_string());
        limited
    }

    /// A command that enters the group and then executes `program`.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "echo $$ >\"$0\" && exec \"$@\""])
            .arg(self.folder.join("cgroup.procs"))
            .arg(program);
        command
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The kernel releases a group a moment after its last process ends.
        for _ in 0..100 {
            if !self.folder.exists() || fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(2));
        }
    }
}
