//! How threads stand to each other where the machine is busy.

/// How much less a thread counts that nobody waits for: it gets about a third of the time of one that serves.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// Lets the calling thread step back behind those that somebody waits for, where the system knows that of single
/// threads: Linux does (setpriority(2), "C library/kernel differences"). Called once by each thread that tidies up
/// behind the others.
pub fn step_back() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};

        // A sandbox may forbid it. Then the thread works as before, only in the way of others.
        let _forbidden =
            getpriority_process(None).and_then(|own| setpriority_process(None, own + NICE));
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;

    use super::{NICE, step_back};

    /// The highest that there is.
    const LAST: i32 = 19;

    #[test]
    fn a_thread_steps_back_and_others_stay_where_they_are() {
        let own = || getpriority_process(None).expect("it is this thread's own");
        let before = own();
        let thread = std::thread::spawn(move || {
            step_back();
            own()
        });
        let stepped_back = thread.join().expect("it doesn't panic");
        assert_eq!(stepped_back, (before + NICE).min(LAST));
        assert_eq!(own(), before);
    }
}
