//! Errors of bootstrapping at full degree against the structure of the input: rewrites the table in
//! docs/bootstrapping.md and draws docs/bootstrapping.svg. Takes minutes and 6 GB.
//!
//!     cargo run --release -p polyformer-tests --example bootstrap_errors [RUNS]

use cpu::Cpu;
use kernel::{
    arith::Arithmetic,
    bootstrap::{Bootstrapper, Order, Recipe},
    ckks::Ckks,
    complex::Complex,
    trace::Trace,
};
use laws::{
    chain::Chain,
    client::{Client, scattered},
};
use std::{fmt::Write, fs, path::Path};

/// A named input, from the number of slots and of the run.
type Input = (&'static str, fn(usize, usize, usize) -> f64);

const INPUTS: [Input; 6] = [
    ("random", |slots, run, i| scattered(slots, run + 1)[i].re),
    ("constant", |_, run, _| if run.is_multiple_of(2) { 1.0 } else { -1.0 }),
    ("one-hot", |_, run, i| (i == 37 * run) as u8 as f64),
    ("smooth", |_, run, i| (i as f64 / (500.0 + 100.0 * run as f64)).sin()),
    ("two-valued", |_, run, i| if (i + run) * i % 7 < 3 { 1.0 } else { -1.0 }),
    ("zero", |_, _, _| 0.0),
];

fn main() {
    let runs: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(20);
    let chain = Chain::b16(16);
    let params = &chain.params;
    let mut trace = Trace::new(params.slots(), None);
    let bootstrapper =
        Bootstrapper::new(&mut trace, params, &Recipe::new(params.slots(), Order::SlotsToCoeffsFirst, 1.0)).unwrap();
    trace.bootstrap_with(bootstrapper);
    let x = trace.input(3);
    trace.refresh(x, 16).unwrap();
    let mut be = Cpu::new(chain.ring());
    let mut client = Client::new(&mut be, params, 1);
    let keys = client.keys(&mut be, trace.demand());
    let mut ev = Ckks::new(be, params, keys, 1).unwrap();
    ev.bootstrap_with(&Recipe::new(params.slots(), Order::SlotsToCoeffsFirst, 1.0)).unwrap();
    let mut rows = Vec::new();
    for (name, input) in INPUTS {
        let (mut mean, mut worst) = (0.0, 0.0f64);
        for run in 0..runs {
            let values: Vec<f64> = if name == "random" {
                scattered(params.slots(), run + 1).iter().map(|z| z.re).collect()
            } else {
                (0..params.slots()).map(|i| input(params.slots(), run, i)).collect()
            };
            let x: Vec<Complex> = values.into_iter().map(Complex::from).collect();
            let c = client.encrypt(&mut ev.be, &x, 3);
            let c = ev.refresh(c, 16).unwrap();
            let e = client.errors(&mut ev.be, &c, |i| x[i]);
            mean += e.mean / runs as f64;
            worst = worst.max(e.worst);
        }
        println!("{name}: mean 2^{:.2}, worst 2^{:.2}", mean.log2(), worst.log2());
        rows.push((name, mean.log2(), worst.log2()));
    }
    write(&rows, runs);
}

fn write(rows: &[(&str, f64, f64)], runs: usize) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut table =
        format!("<!-- table -->\n| input, {runs} runs | mean over all slots | worst slot |\n|---|---|---|\n");
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 560 230\" font-family=\"sans-serif\" font-size=\"12\">\n",
    );
    let x = |bits: f64| 110.0 + (bits + 30.0) * 40.0; // 2^-30 .. 2^-19
    for bits in -30..=-19 {
        let at = x(bits as f64);
        let _ = writeln!(
            svg,
            "<line x1=\"{at}\" x2=\"{at}\" y1=\"20\" y2=\"205\" stroke=\"#ddd\"/><text x=\"{at}\" y=\"222\" text-anchor=\"middle\">{bits}</text>"
        );
    }
    for (i, (name, mean, worst)) in rows.iter().enumerate() {
        let _ = writeln!(table, "| {name} | {mean:.2} | {worst:.2} |");
        let y = 35.0 + 30.0 * i as f64;
        let (from, to) = (x(*mean), x(*worst));
        let _ = writeln!(svg, "<text x=\"100\" y=\"{}\" text-anchor=\"end\">{name}</text>", y + 4.0);
        let _ = writeln!(
            svg,
            "<line x1=\"{from}\" x2=\"{to}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#36c\" stroke-width=\"6\"/><circle cx=\"{from}\" cy=\"{y}\" r=\"6\" fill=\"#36c\"/>"
        );
    }
    svg.push_str("<text x=\"110\" y=\"14\">log2 of the error: mean over the slots (dot) to worst slot (end of the bar)</text>\n</svg>\n");
    fs::write(docs.join("bootstrapping.svg"), svg).unwrap();
    let page = docs.join("bootstrapping.md");
    let text = fs::read_to_string(&page).unwrap();
    let (head, tail) = text.split_once("<!-- table -->").unwrap();
    let tail = tail.find("\n!").map_or("", |at| &tail[at..]);
    fs::write(page, format!("{head}{table}{tail}")).unwrap();
}
