//! A program as a user runs it: arguments and standard input go in, text or one line of error comes out.

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A folder for the files of one test, for example a temporary one.
#[derive(Debug)]
pub struct Folder<T>(pub T);

impl<T: AsRef<Path>> Folder<T> {
    /// The path of a name in the folder.
    pub fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.0.as_ref().join(name.as_ref())
    }

    /// [`Folder::path`] as an argument of a program.
    pub fn at(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().into()
    }

    /// The sorted names in the subfolder `name`; "" is the folder itself.
    pub fn names(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// The path of a program.
#[derive(Clone, Copy, Debug)]
pub struct Program(pub &'static str);

impl Program {
    /// Runs the program with `input` as its standard input and waits for the end.
    pub fn run<S: AsRef<OsStr>>(self, args: &[S], input: &str) -> Output {
        let mut command = Command::new(self.0);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes()); // the program may end before it reads
        child.wait_with_output().unwrap()
    }

    /// The standard output of a run that must succeed.
    pub fn good<S: AsRef<OsStr>>(self, args: &[S], input: &str) -> String {
        let out = self.run(args, input);
        assert!(out.status.success(), "{}: {}", shown(args), String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// The line of a run that must fail with exit code 2, without `error: `. It must be one line, and nothing else may be
    /// printed.
    pub fn bad<S: AsRef<OsStr>>(self, args: &[S], input: &str) -> String {
        let out = self.run(args, input);
        let line = String::from_utf8(out.stderr).unwrap();
        assert_eq!((out.status.code(), out.stdout.len()), (Some(2), 0), "{}: {line}", shown(args));
        assert!(line.starts_with("error: ") && line.lines().count() == 1, "{}: {line}", shown(args));
        line.trim_start_matches("error: ").trim_end().into()
    }
}

fn shown<S: AsRef<OsStr>>(args: &[S]) -> String {
    args.iter().map(|arg| arg.as_ref().to_string_lossy()).collect::<Vec<_>>().join(" ")
}
