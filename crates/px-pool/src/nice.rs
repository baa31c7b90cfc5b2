//! The priority of the pool's threads: below that of the threads that take
//! webhooks in, so that a step that computes takes what they leave. Only where
//! the system has a priority for each thread.

/// The difference to the process's own nice value.
#[cfg(target_os = "linux")]
const LOWER: i32 = 5;

/// The nice value of the pool's threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nice {
    #[cfg(target_os = "linux")]
    value: Option<i32>,
}

impl Nice {
    /// Below the process's own. A thread inherits the value of the one that
    /// starts it, so it is not enough for each to lower its own.
    pub(crate) fn below_the_process() -> Self {
        #[cfg(target_os = "linux")]
        {
            let own = rustix::process::getpriority_process(Some(rustix::process::getpid()));
            Self { value: own.ok().map(|own| (own + LOWER).min(19)) }
        }
        #[cfg(not(target_os = "linux"))]
        Self {}
    }

    /// Gives the calling thread that value. A system that refuses leaves it as
    /// it is: nothing depends on it but latency under load.
    pub(crate) fn lower(self) {
        #[cfg(target_os = "linux")]
        if let Some(value) = self.value {
            // To the kernel a thread is a process of its own here.
            let thread = Some(rustix::thread::gettid());
            let _ = rustix::process::setpriority_process(thread, value);
        }
    }
}
