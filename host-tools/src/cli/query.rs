//! `polyformer query`: the client's first step of a search, from text to an encrypted file.

use super::{
    common::{Compute, beside, given, print, print_json},
    searching::{self, Queries, host, write},
};
use crate::{
    Result,
    error::WithPath,
    files::{Access, Form, Kind, Output},
    search::{SPACE, Seeker},
};
use std::{io::Write, path::PathBuf};

const EXAMPLES: &str = "\
Example, on two machines (the client's, the server's, the client's again):
  polyformer query \"my card was stolen\" --keys keys --out query.safetensors       and send keys/eval once
  polyformer scores query.safetensors --index questions.index --eval keys/eval --out scores.safetensors
  polyformer hits scores.safetensors --key keys/secret.safetensors --query query.safetensors --texts questions.txt

The first run makes a secret key and 12 evaluation keys in --keys, 2.4 MB.";

/// Encrypt queries of a private search.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    queries: Queries,
    /// The space of --vectors, as the index names it.
    #[arg(long, value_name = "NAME", default_value = SPACE, requires = "vectors")]
    space: String,
    /// Folder of the keys. The default is a folder in the user's cache folder.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// File to write; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: Compute,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let target = args.compute.target()?.client();
    let inputs = given(&args.queries.files());
    let output = Output::reserve(&args.out, Form::File(Kind::Query), Access::Shared, &inputs).with_path(&args.out)?;
    let mut errors = std::io::stderr();
    let out = beside(Some(&output), out, &mut errors);
    let (asked, host) = (args.queries.read(&args.space)?, host()?);
    let (folder, secret) = searching::keys(args.keys.as_deref(), &host, target)?;
    let query = Seeker::new(&host, target, &secret).ask(&asked.space, &asked.vectors)?;
    let bytes = write(&query, &host, output, &args.out)?;
    let (count, width) = (asked.vectors.count(), asked.vectors.width());
    if args.json {
        return print_json(
            out,
            &serde_json::json!({
                "file": args.out, "queries": count, "width": width, "space": asked.space, "bytes": bytes, "eval": folder.eval,
            }),
        );
    }
    let (file, megabytes) = (args.out.display(), bytes as f64 / 1e6);
    print(out, format_args!("{file}  {count} queries of {width} numbers, {megabytes:.2} MB\n"))?;
    print(out, format_args!("{}  for the server, once\n", folder.eval.display()))
}
