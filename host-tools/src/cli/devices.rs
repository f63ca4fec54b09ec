//! `polyformer devices`: lists the GPUs of this machine, and the choice of `--backend auto`.

use super::common::{print, print_json};
use crate::{
    Result,
    machine::{ComputeTarget, gpu},
};
use std::io::Write;

/// List the GPUs of this machine.
#[derive(clap::Args)]
pub struct Args {
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let isa = ComputeTarget::cpu(1).isa();
    let mut all = match gpu::list() {
        Ok(all) => all,
        Err(error) if args.json => return Err(error),
        Err(error) => {
            return print(out, format_args!("cpu    the processor, {isa}\n{error}\n"));
        }
    };
    gpu::measure(&mut all);
    if args.json {
        return all.iter().try_for_each(|a| print_json(out, a));
    }
    print(out, format_args!("cpu    the processor, {isa}\n"))?;
    for a in &all {
        let (mib, kib) = (a.binding_bytes >> 20, a.workgroup_bytes >> 10);
        let integers = if a.int64 { "64-bit integers" } else { "16-bit halves" };
        let free = a.memory_bytes.map_or("the machine's memory".into(), |b| format!("{} MiB free", b >> 20));
        print(
            out,
            format_args!(
                "wgpu   {}: {}, {} {}, {free}, {integers}, buffers of {mib} MiB, {kib} KiB of workgroup memory\n",
                a.name, a.kind, a.interface, a.driver
            ),
        )?;
        if let Some(lacks) = &a.lacks {
            print(out, format_args!("       cannot be used: {lacks}\n"))?;
        }
    }
    match gpu::auto() {
        Ok((_, name)) => print(out, format_args!("auto   {name}\n")),
        Err(why) => print(out, format_args!("auto   cpu: {why}\n")),
    }
}
