//! The command line: all of it is in the library, for tests.
fn main() -> std::process::ExitCode {
    polyformer::cli::main()
}
