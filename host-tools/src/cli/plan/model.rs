//! `polyformer plan --model`: the dry run of a model on texts of some length, without keys.

use super::Args;
use crate::{
    Error, Result,
    cli::{
        common::{model_for, print, print_json},
        terminal,
    },
    model::Pretrained,
    plan::{
        model::{Lengths, ModelPlan},
        speed::Speed,
    },
    session::Padding,
};
use polyformer_kernel::params::Params;
use serde::Serialize;
use std::{fmt, io::Write, path::Path};

/// The cost of some texts in one group of ciphertexts.
#[derive(Serialize)]
struct Cost {
    model: String,
    params: String,
    texts: usize,
    tokens: usize,
    hidden: bool,
    ciphertexts: u16,
    slots: usize,
    level: u8,
    bootstraps: u32,
    key_switches: u32,
    products: u32,
    keys: usize,
    key_bytes: u64,
    memory_bytes: u64,
    seconds: Option<f64>,
    #[serde(skip)]
    names: Vec<String>,
}

/// Runs the command for a model.
pub fn run(args: &Args, path: &Path, out: &mut dyn Write) -> Result<()> {
    let model = Pretrained::read(path)?;
    let spec = match args.source.spec()? {
        Some(spec) => spec,
        None => model.parameter_set()?,
    };
    let model = model_for(model, Some(path), &spec)?;
    let speed = args.figures.as_deref().map(|path| Speed::read(path, &spec)).transpose()?;
    let (params, most) = (spec.params()?, model.text.max_tokens());
    let tokens = args.tokens.unwrap_or(most);
    if !(1..=most).contains(&tokens) {
        return Err(Error::usage(format!("--tokens {tokens}"), format!("from 1 to {most}, the model's maximum")));
    }
    let texts = args.texts.unwrap_or_else(|| model.share(tokens, params.slots()).questions);
    if texts == 0 {
        return Err(Error::usage("--texts 0", "at least 1"));
    }
    let shown = Padding::default().shown(tokens, &model.model)?;
    let rows = vec![shown.length(); texts];
    let lengths = Lengths::of(&rows, shown.is_hidden());
    let plan = ModelPlan::asked(&params, None, &model.model, lengths, args.rotate.steps())?;
    let cost = Cost::new(&model, &params, &plan, (spec.label(), texts, tokens, speed.as_ref()));
    if args.json { print_json(out, &cost) } else { print(out, format_args!("{}", Shown { cost, keys: args.keys })) }
}

impl Cost {
    fn new(
        model: &Pretrained,
        params: &Params,
        plan: &ModelPlan,
        (label, texts, tokens, speed): (String, usize, usize, Option<&Speed>),
    ) -> Self {
        let (keys, key_bytes) = plan.key_files(params);
        Self {
            model: model.name.clone(),
            params: label,
            texts,
            tokens,
            hidden: plan.hidden,
            ciphertexts: plan.ciphertexts(),
            slots: plan.layout.period(),
            level: plan.level,
            bootstraps: plan.cost.bootstrap,
            key_switches: plan.cost.key_switch,
            products: plan.cost.mul,
            keys,
            key_bytes,
            memory_bytes: 4 * plan.memory(params) as u64,
            seconds: speed.map(|speed| speed.seconds(&plan.work)),
            names: plan.wants(params).iter().map(|key| key.file_name()).collect(),
        }
    }
}

struct Shown {
    cost: Cost,
    keys: bool,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (c, gb) = (&self.cost, |bytes: u64| bytes as f64 / 1e9);
        let seconds = c.seconds.map_or("unknown without --figures".into(), |s| format!("{s:.1}"));
        let length = if c.hidden { "at most" } else { "exactly" };
        let model = terminal::line(&c.model);
        writeln!(f, "{model} on {}: {} texts of {length} {} tokens", c.params, c.texts, c.tokens)?;
        writeln!(f, "  ciphertexts   {} with {} slots in use", c.ciphertexts, c.slots)?;
        writeln!(f, "  answer        at level {}", c.level)?;
        writeln!(f, "  products      {}", c.products)?;
        writeln!(f, "  key switches  {}", c.key_switches)?;
        writeln!(f, "  bootstraps    {}", c.bootstraps)?;
        writeln!(f, "  keys          {} files, {:.2} GB", c.keys, gb(c.key_bytes))?;
        writeln!(f, "  memory        {:.2} GB at most", gb(c.memory_bytes))?;
        writeln!(f, "  seconds       {seconds}")?;
        if self.keys {
            c.names.iter().try_for_each(|name| writeln!(f, "  key           {name}"))?;
        }
        Ok(())
    }
}
