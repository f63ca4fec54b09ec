//! `polyformer bench`.
use crate::Result;
use std::io::Write;
/// Measure.
#[derive(clap::Args)]
pub struct Args {}
/// Runs the command.
pub fn run(_: &Args, _: &mut dyn Write) -> Result<()> {
    Ok(())
}
