//! The command line. All code is in the library, for tests.
fn main() -> std::process::ExitCode {
    polyformer::cli::main()
}
