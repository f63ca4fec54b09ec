//! Measures the errors of bootstrapping at full degree for several kinds of input. The program rewrites a table in
//! docs/bootstrapping.md and, for B16, draws docs/bootstrapping.svg. A run takes minutes and 6 GB.
//!
//!     cargo run --release -p polyformer-tests --example bootstrap_errors [RUNS] [B16|F16|H16] [min-ks] [complex|bottom]
//!     cargo run --release -p polyformer-tests --example bootstrap_errors stages
//!     cargo run --release -p polyformer-tests --example bootstrap_errors predicted [RUNS]   without keys, for B16

use polyformer_cpu::Cpu;
use polyformer_kernel::{
    arith::Arithmetic,
    bootstrap::{Bootstrapped, Order, Recipe, RotationStrategy, Stage},
    ckks::Ckks,
    eval::{noise::NoiseSimulator, trace::Trace},
    math::complex::Complex,
    params::presets,
};
use polyformer_tests::{
    bootstrapping::lockstep,
    chain::Chain,
    client::{Client, Errors, scattered},
};
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

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
    let (mut runs, mut preset, mut steps, mut order) =
        (20, "B16", RotationStrategy::Hoisted, Order::SlotsToCoeffsFirst);
    let (mut stages, mut predicted) = (false, false);
    let given: Vec<String> = std::env::args().skip(1).collect();
    for word in &given {
        match word.as_str() {
            "B16" | "F16" | "H16" => preset = word,
            "stages" => stages = true,
            "predicted" => predicted = true,
            "min-ks" => steps = RotationStrategy::MinKs,
            "complex" => order = Order::SlotsToCoeffsFirstComplex,
            "bottom" => order = Order::ModRaiseFirst,
            number => runs = number.parse().expect("RUNS, B16, F16, H16, min-ks, complex, bottom, stages or predicted"),
        }
    }
    let name = given.iter().filter(|word| word.parse::<usize>().is_err()).map(String::as_str).collect::<Vec<_>>();
    let name = if name.is_empty() { "B16".into() } else { name.join(" ") };
    let chain = Chain::new(presets::find(preset).unwrap(), 16);
    let params = &chain.params;
    let recipe = Recipe::new(params.slots(), order, 1.0).with(steps);
    if predicted {
        let mut ev = Bootstrapped::new(NoiseSimulator::new(params, [0; 32]));
        ev.prepare(params, &recipe).unwrap();
        let run = |run: usize, x: &[Complex]| {
            ev.reseed([run as u8 + 1; 32]);
            let c = ev.encrypt(x, 3).unwrap();
            let c = ev.refresh(c, 5).unwrap();
            Errors::of(ev.decrypt(&c).iter().zip(x).map(|(z, x)| (z.re - x.re).hypot(z.im - x.im)))
        };
        return table(&measured(params.slots(), runs, order, run), runs, &name);
    }
    let mut trace = Bootstrapped::new(Trace::new(params.slots(), None));
    trace.prepare(params, &recipe).unwrap();
    let x = trace.input(3);
    trace.refresh(x, 5).unwrap();
    let mut be = Cpu::new(chain.ring());
    let mut client = Client::new(&mut be, params, 1);
    let keys = client.keys(&mut be, trace.demand());
    let mut ev = Bootstrapped::new(Ckks::new(be, params, keys).unwrap());
    ev.prepare(params, &recipe).unwrap();
    if stages {
        let x = scattered(params.slots(), 1).iter().map(|z| z.re.into()).collect::<Vec<_>>();
        let c = client.encrypt(&mut ev.be, &x, 3);
        let mut text = "| after | mean over all slots | worst slot |\n|---|---|---|\n".to_string();
        for (stage, e) in lockstep(params, &client, &mut ev, (c, &x)) {
            let unit = if stage == Stage::CoeffsToSlots { ", in units of q0" } else { "" };
            let _ = writeln!(text, "| {stage:?}{unit} | {:.2} | {:.2} |", e.mean.log2(), e.worst.log2());
        }
        print!("{text}");
        return between("stages", &text);
    }
    let rows = measured(params.slots(), runs, order, |_, x| {
        let c = client.encrypt(&mut ev.be, x, 3);
        let c = ev.refresh(c, 5).unwrap();
        client.errors(&mut ev.be, &c, |i| x[i])
    });
    table(&rows, runs, &name);
    if name == "B16" {
        picture(&rows);
    }
}

/// A row.
type Line = (&'static str, f64, f64);

/// Mean and worst error of each input over some runs, log2.
fn measured(slots: usize, runs: usize, order: Order, mut errors: impl FnMut(usize, &[Complex]) -> Errors) -> Vec<Line> {
    let mut rows = Vec::new();
    for (input, value) in INPUTS {
        let (mut mean, mut worst) = (0.0, 0.0f64);
        for run in 0..runs {
            let values: Vec<f64> = if input == "random" {
                scattered(slots, run + 1).iter().map(|z| z.re).collect()
            } else {
                (0..slots).map(|i| value(slots, run, i)).collect()
            };
            let turned = |i: usize| if order.is_complex() { values[(i + 5) % values.len()] } else { 0.0 };
            let x: Vec<Complex> = (0..values.len()).map(|i| Complex { re: values[i], im: turned(i) }).collect();
            let e = errors(run, &x);
            mean += e.mean / runs as f64;
            worst = worst.max(e.worst);
        }
        println!("{input}: mean 2^{:.2}, worst 2^{:.2}", mean.log2(), worst.log2());
        rows.push((input, mean.log2(), worst.log2()));
    }
    rows
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Replaces the text between the markers of that name.
fn between(name: &str, lines: &str) {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end {name} -->"));
    let page = docs().join("bootstrapping.md");
    let text = fs::read_to_string(&page).unwrap();
    let (head, rest) = text.split_once(&begin).expect("a mark of this name");
    let (_, tail) = rest.split_once(&end).expect("its end");
    fs::write(page, format!("{head}{begin}{lines}{end}{tail}")).unwrap();
}

fn table(rows: &[Line], runs: usize, name: &str) {
    let mut table = format!("| {name}: input, {runs} runs | mean over all slots | worst slot |\n|---|---|---|\n");
    for (input, mean, worst) in rows {
        let _ = writeln!(table, "| {input} | {mean:.2} | {worst:.2} |");
    }
    between(name, &table);
}

fn picture(rows: &[Line]) {
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
        let y = 35.0 + 30.0 * i as f64;
        let (from, to) = (x(*mean), x(*worst));
        let _ = writeln!(svg, "<text x=\"100\" y=\"{}\" text-anchor=\"end\">{name}</text>", y + 4.0);
        let _ = writeln!(
            svg,
            "<line x1=\"{from}\" x2=\"{to}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#36c\" stroke-width=\"6\"/><circle cx=\"{from}\" cy=\"{y}\" r=\"6\" fill=\"#36c\"/>"
        );
    }
    svg.push_str("<text x=\"110\" y=\"14\">log2 of the error: mean over the slots (dot) to worst slot (end of the bar)</text>\n</svg>\n");
    fs::write(docs().join("bootstrapping.svg"), svg).unwrap();
}
