//! Core dumps. A crash may write the whole memory of a process into a file, and a debugger of the same user may read the
//! memory. A process that holds a secret key or a plaintext forbids both.

/// Sets the size of core dumps to 0 for good. On Linux the process is also marked as not dumpable, which forbids
/// debuggers and hides its memory in /proc from everybody but root.
///
/// # Errors
/// The system refuses.
#[cfg(unix)]
pub fn forbid() -> std::io::Result<()> {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    nix::sys::prctl::set_dumpable(false)?;
    Ok(())
}

/// Elsewhere core dumps are not a matter of the process.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn forbid() -> std::io::Result<()> {
    Ok(())
}
