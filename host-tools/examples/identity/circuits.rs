//! Every circuit of the catalogue: on floats, on enclosures, and on ciphertexts whose bootstrap decrypts and encrypts.

use super::{machine::Part, owner::Owner, record::Record};
use polyformer_catalogue::Entry;
use polyformer_kernel::{
    Result,
    backend::Backend,
    ckks::{Ciphertext, Ckks},
    eval::{
        clear::ClearVec,
        interval::Bounds,
        placement::{Placement, cheapest},
        planner::{BootstrapPlanner, TOP},
        trace::Trace,
    },
    math::complex::Complex,
    params::Params,
};

/// Slots of the vectors.
pub const SLOTS: usize = 512;

/// A circuit on ciphertexts.
pub struct Encrypted<'e>(pub &'e Entry);

/// The bootstraps of a circuit on a chain of `top` levels.
fn placement(entry: &Entry, top: u8) -> Result<Placement> {
    let mut deep = BootstrapPlanner::new(Trace::new(SLOTS, None), Placement::none(TOP), |_, x| Ok(x));
    let mut xs = Vec::new();
    for _ in 0..entry.circuit.inputs() {
        let x = deep.inner.input(TOP);
        xs.push(deep.input(x)?);
    }
    entry.circuit.run(&mut deep, &mut xs, &entry.rows)?;
    cheapest(deep.nodes(), top, top)
}

impl Part for Encrypted<'_> {
    fn run<B: Backend>(&self, params: &Params, mut be: B, out: &mut Record) -> Result<()> {
        let (entry, slots, top) = (self.0, params.slots(), params.max_message_level());
        let place = placement(entry, top)?;
        let mut deep =
            BootstrapPlanner::new(Trace::new(slots, Some(top)), place.clone(), |tr: &mut Trace, _| Ok(tr.input(top)));
        let inputs = entry.sample(slots, 1);
        let mut xs = Vec::new();
        for _ in &inputs {
            let x = deep.inner.input(top);
            xs.push(deep.input(x)?);
        }
        entry.circuit.run(&mut deep, &mut xs, &entry.rows)?;
        drop(xs);
        let (trace, _) = deep.into_parts();

        let mut owner = Owner::new(&mut be, params, 7)?;
        let keys = owner.keys(&mut be, trace.demand())?;
        let mut ev = Ckks::new(be, params, keys)?;
        let mut fresh = Vec::new();
        for values in &inputs {
            fresh.push(encrypt(&mut owner, &mut ev, values, top)?);
        }
        let mut bootstraps = 0;
        let refresh = |ev: &mut Ckks<'_, B>, x: Ciphertext<B>| {
            bootstraps += 1;
            let values: Vec<f64> = owner.decrypt(&mut ev.be, &x)?.1.iter().map(|z| z.re).collect();
            encrypt(&mut owner, ev, &values, top)
        };
        let mut deep = BootstrapPlanner::new(ev, place, refresh);
        let mut xs = Vec::new();
        for x in fresh {
            xs.push(deep.input(x)?);
        }
        entry.circuit.run(&mut deep, &mut xs, &entry.rows)?;
        for (i, x) in xs.into_iter().enumerate() {
            let x = deep.output(x);
            out.ciphertext(&format!("output{i}"), &mut deep.inner.be, &x)?;
        }
        let (mut ev, _) = deep.into_parts();
        let cost = ev.executed();
        out.words("executed", &[cost.mul, cost.mul_plain, cost.mul_const, cost.rescale, cost.key_switch, bootstraps]);
        Ok(())
    }
}

fn encrypt<B: Backend>(
    owner: &mut Owner<'_, B>,
    ev: &mut Ckks<'_, B>,
    values: &[f64],
    level: u8,
) -> Result<Ciphertext<B>> {
    let values: Vec<Complex> = values.iter().map(|x| Complex::from(*x)).collect();
    owner.encrypt(&mut ev.be, &values, level)
}

/// A circuit on floats and on enclosures.
pub fn clear(entry: &Entry, out: &mut Record) -> Result<()> {
    let inputs = entry.sample(SLOTS, 1);
    let mut xs = inputs.clone();
    entry.circuit.run(&mut ClearVec::<f64>::with_slots(SLOTS), &mut xs, &entry.rows)?;
    out.floats("f64", &xs.concat());
    let point = |x: &f64| Bounds::point(*x);
    let mut xs: Vec<Vec<_>> = inputs.iter().map(|x| x.iter().map(point).collect()).collect();
    entry.circuit.run(&mut ClearVec::<Bounds<f64>>::with_slots(SLOTS), &mut xs, &entry.rows)?;
    out.floats("interval", &xs.concat().iter().flat_map(|x| [x.lo, x.hi]).collect::<Vec<_>>());
    Ok(())
}
