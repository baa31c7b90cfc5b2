//! The priority of the pool's threads: below that of the threads that take
//! webhooks in, so that a step that computes takes what they leave. Only where
//! the system has a priority for each thread.

/// The difference to the process's own nice value.
#[cfg(target_os = "linux")]
const LOWER: i32 = 5;

/// Lowers the priority of the calling thread. A system that refuses leaves it
/// as it is: nothing depends on it but latency under load.
pub(crate) fn lower() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        // To the kernel a thread is a process of its own here.
        let thread = Some(rustix::thread::gettid());
        if let Ok(now) = getpriority_process(thread) {
            let _ = setpriority_process(thread, (now + LOWER).min(19));
        }
    }
}
