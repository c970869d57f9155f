//! The privileges that a child gives up before it processes the first byte of a file.

use std::collections::BTreeMap;
use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use super::layers::Layers;

/// The user and group of a child that root starts: `nobody`.
const NOBODY: u32 = 65_534;

/// Enters all available layers, in an order that makes each of them possible: layers that need descriptors or privileges come first.
///
/// # Errors
/// The child no longer has a parent.
pub(super) fn enter(parent: u32) -> io::Result<Layers> {
    let is_root = rustix::process::getuid().is_root();
    let unprivileged = (!is_root || become_nobody()) && drop_capabilities();
    // A change of user clears this setting, and the parent may have ended before.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let has_parent = rustix::process::getppid()
        .is_some_and(|pid| u32::try_from(pid.as_raw_nonzero().get()).is_ok_and(|pid| pid == parent));
    if !has_parent {
        return Err(io::Error::other("the keeper has ended"));
    }
    let no_new_privs = rustix::thread::set_no_new_privs(true).is_ok();
    let is_hidden = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok();
    let landlock = landlock();
    let no_core = limit(Resource::Core);
    let no_descriptors = limit(Resource::Nofile);
    let seccomp = seccomp();
    // The filter allows threads and no processes. The limit counts both as processes.
    let no_processes = (seccomp || limit(Resource::Nproc)) && no_core && is_hidden && unprivileged;
    Ok(Layers { no_descriptors, no_processes, unprivileged, no_new_privs, landlock, seccomp })
}

/// Sets a limit to zero, permanently.
fn limit(resource: Resource) -> bool {
    rustix::process::setrlimit(resource, Rlimit { current: Some(0), maximum: Some(0) }).is_ok()
}

/// Closes the descriptors that a program may have left open, except the three standard streams.
#[expect(unsafe_code, reason = "the descriptors belong to nobody: the process has just begun")]
pub(super) fn close_descriptors() {
    // SAFETY: no value of this process owns a descriptor above 2 yet.
    unsafe { libc::close_range(3, u32::MAX, 0) };
}

/// Gives up root, its groups and its privileges.
#[expect(unsafe_code, reason = "libc's calls change all threads of a process; there is one")]
fn become_nobody() -> bool {
    // SAFETY: the list of groups is empty.
    let has_no_groups = unsafe { libc::setgroups(0, std::ptr::null()) } == 0;
    // SAFETY: the call takes a number.
    let has_left_group = unsafe { libc::setgid(NOBODY) } == 0;
    // SAFETY: the same.
    let has_left_root = unsafe { libc::setuid(NOBODY) } == 0;
    has_no_groups && has_left_group && has_left_root
}

/// Gives up the capabilities that a user other than root may have.
fn drop_capabilities() -> bool {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).is_ok()
}

/// Forbids all files, TCP and signals, as far as the kernel supports it.
fn landlock() -> Option<u32> {
    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr as _, RulesetCreated,
        RulesetStatus, Scope,
    };

    let newest = ABI::V6;
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(newest))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(newest)))
        .and_then(|rules| rules.scope(Scope::from_all(newest)))
        .and_then(Ruleset::create)
        .and_then(RulesetCreated::restrict_self)
        .ok()?;
    match (restricted.ruleset, restricted.landlock) {
        (RulesetStatus::NotEnforced, _) => None,
        (_, LandlockStatus::Available { effective_abi, .. }) => u32::try_from(effective_abi as i32).ok(),
        _ => None,
    }
}

/// Forbids all system calls that decoding does not need. A forbidden call fails with `EPERM` and does not end the child: a C library may
/// make calls without need, in this version or the next.
fn seccomp() -> bool {
    let is_in_force = |filter: Result<BpfProgram, _>| {
        filter.is_ok_and(|filter: BpfProgram| seccompiler::apply_filter(&filter).is_ok())
    };
    is_in_force(without_clone3()) && is_in_force(allow_list())
}

/// Answers `clone3` like a kernel without this call (`ENOSYS`): a filter cannot read the call's flags, which are in memory. The C library
/// then starts its threads with `clone`.
fn without_clone3() -> Result<BpfProgram, seccompiler::BackendError> {
    let unknown = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    SeccompFilter::new(rules, SeccompAction::Allow, unknown, TargetArch::try_from(std::env::consts::ARCH)?)?
        .try_into()
}

fn allow_list() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    // Memory, but not executable memory.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        let no_code = SeccompCondition::new(
            2,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::MaskedEq(u64::from(libc::PROT_EXEC.unsigned_abs())),
            0,
        )?;
        rules.insert(call, vec![SeccompRule::new(vec![no_code])?]);
    }
    // Threads, but no processes.
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    let is_thread =
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(thread), thread)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![is_thread])?]);
    // A signal to itself: `abort`.
    let own = std::process::id().into();
    let to_itself = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, own)?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![to_itself])?]);
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, TargetArch::try_from(std::env::consts::ARCH)?)?
        .try_into()
}

/// The system calls that decoding needs, with any arguments.
const ALLOWED: &[i64] = &[
    // The socket.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_close,
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Threads. The previous filter answers `clone3`.
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    // Waiting, and waking other threads.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    // Signal handling in this process: handlers of the runtime, `abort`.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // The time, and the identity of the process.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_sched_getaffinity,
    // Exit.
    libc::SYS_exit,
    libc::SYS_exit_group,
];
