//! The command line: one module per command, one line per error, exit code 2.

mod bench;
mod calibrate;
mod classify;
mod common;
mod compare;
mod decrypt;
mod demo;
mod devices;
mod embed;
mod encrypt;
mod eval;
mod hits;
mod index;
mod infer;
mod inputs;
mod inspect;
mod interrupt;
mod keygen;
mod pack;
mod params;
mod plan;
mod query;
mod scores;
mod search;
mod searching;
mod terminal;
mod texts;

use crate::{Error, Result, error::WithPath, machine::dumps};
use clap::{CommandFactory, Parser, Subcommand};
use std::{
    io::{BufWriter, Write},
    path::Path,
    process::ExitCode,
};

const EXAMPLES: &str = "\
Examples, in the order of a first visit:
  polyformer demo \"I think someone used my card in another country\"
  polyformer params --preset L14                          what a parameter set is made of
  polyformer keygen --preset L14 --rotations 1,2,4 --out keys
  echo 0.5 -0.25 3 | polyformer encrypt - --key keys/secret.safetensors --out x.safetensors
  polyformer inspect x.safetensors
  polyformer decrypt x.safetensors --key keys/secret.safetensors
  polyformer bench --preset L14

Errors are one line on stderr, `error: FILE: what is wrong`, and exit code 2; nothing is left half-written, by Ctrl-C
neither. Exit code 1 means that the work was done and its result cannot be trusted.";

/// Private transformer inference: the client encrypts, the server that learns nothing computes, the client decrypts.
#[derive(Parser)]
#[command(name = "polyformer", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Embed(embed::Args),
    Classify(classify::Args),
    Params(params::Args),
    Keygen(keygen::Args),
    Encrypt(encrypt::Args),
    Infer(infer::Args),
    Decrypt(decrypt::Args),
    Inspect(inspect::Args),
    Bench(bench::Args),
    Calibrate(calibrate::Args),
    Devices(devices::Args),
    Compare(compare::Args),
    Pack(pack::Args),
    Plan(plan::Args),
    Eval(eval::Args),
    Index(index::Args),
    Search(search::Args),
    Query(query::Args),
    Scores(scores::Args),
    Hits(hits::Args),
    /// Print a completion script for a shell.
    ///
    /// For bash: polyformer completions bash > ~/.local/share/bash-completion/completions/polyformer
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Runs the program on the arguments of the process.
pub fn main() -> ExitCode {
    interrupt::leaves_nothing();
    interrupt::install();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error)
            if error.use_stderr()
                && error.kind() != clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            return fail(&one_line(&error), 2);
        }
        Err(help) => {
            let _ = help.print(); // a closed pipe is no reason to complain
            return ExitCode::from(help.exit_code() as u8);
        }
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let result = run(cli.command, &mut out).and_then(|()| out.flush().with_path(Path::new("standard output")));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string(), error.exit_code()),
    }
}

impl Command {
    /// The output file of a command that writes one at its end.
    fn output(&self) -> Option<&Path> {
        match self {
            Self::Params(args) => args.out.as_deref(),
            Self::Encrypt(args) => Some(&args.out),
            Self::Infer(args) => Some(&args.out),
            Self::Decrypt(args) => args.out.as_deref(),
            Self::Calibrate(args) => Some(&args.out),
            Self::Compare(args) => args.svg.as_deref(),
            Self::Pack(args) => Some(&args.out),
            Self::Embed(args) => args.out.as_deref(),
            Self::Index(args) => Some(&args.out),
            Self::Query(args) => Some(&args.out),
            Self::Scores(args) => Some(&args.out),
            _ => None,
        }
    }

    /// Whether the process will hold a secret key or a plaintext.
    fn is_of_a_client(&self) -> bool {
        matches!(
            self,
            Self::Demo(_)
                | Self::Embed(_)
                | Self::Classify(_)
                | Self::Keygen(_)
                | Self::Encrypt(_)
                | Self::Decrypt(_)
                | Self::Eval(_)
                | Self::Search(_)
                | Self::Query(_)
                | Self::Hits(_)
        )
    }
}

fn run(command: Command, out: &mut dyn Write) -> Result<()> {
    if command.is_of_a_client()
        && let Err(error) = dumps::forbid()
    {
        // nobody to tell if standard error is closed
        let _ = writeln!(std::io::stderr(), "warning: a crash may leave secrets in a core dump: {error}");
    }
    if let Some(path) = command.output().filter(|path| !crate::files::Output::is_standard(path)) {
        interrupt::leaves_output(path);
    }
    match command {
        Command::Demo(args) => demo::run(&args, out),
        Command::Embed(args) => embed::run(&args, out),
        Command::Classify(args) => classify::run(&args, out),
        Command::Params(args) => params::run(&args, out),
        Command::Keygen(args) => keygen::run(&args, out),
        Command::Encrypt(args) => encrypt::run(&args, out),
        Command::Infer(args) => infer::run(&args, out),
        Command::Decrypt(args) => decrypt::run(&args, out),
        Command::Inspect(args) => inspect::run(&args, out),
        Command::Bench(args) => bench::run(&args, out),
        Command::Calibrate(args) => calibrate::run(&args, out),
        Command::Devices(args) => devices::run(&args, out),
        Command::Compare(args) => compare::run(&args, out),
        Command::Pack(args) => pack::run(&args, out),
        Command::Plan(args) => plan::run(&args, out),
        Command::Eval(args) => eval::run(&args, out),
        Command::Index(args) => index::run(&args, out),
        Command::Search(args) => search::run(&args, out),
        Command::Query(args) => query::run(&args, out),
        Command::Scores(args) => scores::run(&args, out),
        Command::Hits(args) => hits::run(&args, out),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "polyformer", &mut script);
            out.write_all(&script).with_path(Path::new("standard output"))
        }
    }
}

fn fail(what: &str, code: u8) -> ExitCode {
    let line: String = what.lines().collect::<Vec<_>>().join(" ");
    let _ = writeln!(std::io::stderr(), "error: {}", terminal::line(&line));
    ExitCode::from(code)
}

/// Whether the reader of the output has closed the pipe.
fn is_broken_pipe(error: &Error) -> bool {
    let Error::File { path, fault: crate::files::FileError::Io(io) } = error else { return false };
    io.kind() == std::io::ErrorKind::BrokenPipe && path == Path::new("standard output")
}

/// The message and the tips of a usage error, without the usage.
fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim).take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more"));
    let lines = lines.filter(|l| !l.is_empty()).map(|line| match line.strip_prefix("tip: ") {
        Some(tip) => format!("({tip})"),
        None => line.trim_start_matches("error: ").into(),
    });
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        super::Cli::command().debug_assert();
    }
}
