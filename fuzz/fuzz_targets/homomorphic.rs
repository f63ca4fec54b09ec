//! Random circuits on ciphertexts against the same circuits in the clear. After every operation the error is within the
//! prediction of `ckks::noise` for the path.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polyformer_kernel::{
    arith::{Arithmetic, ComplexArithmetic},
    ckks::{Ciphertext, Ckks, noise},
    eval::trace::Trace,
    math::complex::Complex,
    params::{Params, presets},
};
use polyformer_scalar::Scalar;
use polyformer_tests::{chain::Chain, client::Client};
use std::cell::RefCell;

type Be = Scalar<'static, 'static>;

const LOG_N: u8 = 7;
const ROTATIONS: [i32; 4] = [1, 2, 5, -3];
/// The largest value that is multiplied. A product of larger values would leave the base modulus.
const LARGEST: f64 = 1024.0;

/// A ciphertext, its expected values, a bound on |slots|, and its noise: the standard deviation of the error of a slot.
struct Value {
    ct: Ciphertext<Be>,
    clear: Vec<Complex>,
    size: f64,
    noise: f64,
}

struct Machine {
    params: &'static Params,
    ev: Ckks<'static, Be>,
}

impl Machine {
    fn new() -> Self {
        let (params, mut be) = Chain::new(&presets::L14, LOG_N).into_scalar(200);
        let mut trace = Trace::new(params.slots(), None);
        let x = trace.input(params.max_message_level());
        trace.product(&x, &x).unwrap();
        trace.conjugate(&x).unwrap();
        ROTATIONS.iter().for_each(|k| drop(trace.rotate(&x, *k).unwrap()));
        let keys = Client::new(&mut be, params, 3).keys(&mut be, trace.demand());
        Self { params, ev: Ckks::new(be, params, keys).unwrap() }
    }

    fn encrypt(&mut self, client: &mut Client<'_, Be>, clear: Vec<Complex>, level: u8) -> Value {
        let ct = client.encrypt(&mut self.ev.be, &clear, level);
        let fresh = noise::fresh_symmetric(self.params).hypot(noise::encoding(self.params));
        Value { ct, clear, size: 1.5, noise: fresh / self.params.scale(level) }
    }

    fn switched(&self, level: u8) -> f64 {
        noise::key_switch(self.params, level) / self.params.scale(level)
    }

    /// The noise of a rescale from `level`: rounding, and the noise of the key switch before, divided by the rescale.
    fn rescaled(&self, level: u8) -> f64 {
        let (rounding, switch) = (noise::rounding(self.params), noise::key_switch(self.params, level));
        (rounding + switch) / self.params.scale(level - 1)
    }

    fn copy(&mut self, x: &Value) -> Value {
        Value { ct: self.ev.copy(&x.ct).unwrap(), clear: x.clear.clone(), ..*x }
    }

    fn down(&mut self, x: Value, level: u8) -> Value {
        let steps = (x.ct.level - level) as f64;
        let added = steps * (self.rescaled(level + 1) + x.size * 2f64.powi(-36));
        Value { ct: self.ev.drop_to_level(x.ct, level).unwrap(), noise: x.noise + added, ..x }
    }

    /// Copies of two operands at the same level.
    fn aligned(&mut self, x: &Value, y: &Value) -> (Value, Value) {
        let level = x.ct.level.min(y.ct.level);
        let mut at = |v: &Value| {
            let v = self.copy(v);
            if v.ct.level > level { self.down(v, level) } else { v }
        };
        (at(x), at(y))
    }

    /// One step on `x` and `y`, or `None` if the step does not apply.
    fn step(&mut self, choose: &mut impl FnMut(u8) -> u8, x: &Value, y: &Value) -> Option<Value> {
        let map = |x: &Value, f: &dyn Fn(Complex) -> Complex| x.clear.iter().map(|z| f(*z)).collect::<Vec<_>>();
        let level = x.ct.level;
        let multiplies = level > 0 && x.size * y.size < LARGEST;
        Some(match choose(12) {
            op @ (0 | 1) => {
                let (mut x, y) = self.aligned(x, y);
                let pairs = x.clear.iter().zip(&y.clear);
                let clear = if op == 0 {
                    self.ev.add(&mut x.ct, &y.ct).unwrap();
                    pairs.map(|(a, b)| *a + *b).collect()
                } else {
                    self.ev.sub(&mut x.ct, &y.ct).unwrap();
                    pairs.map(|(a, b)| *a - *b).collect()
                };
                Value { clear, size: x.size + y.size, noise: x.noise + y.noise, ..x }
            }
            2 | 3 if multiplies && y.ct.level > 0 => {
                let (x, y) = self.aligned(x, y);
                let ct = self.ev.product(&x.ct, &y.ct).unwrap();
                let clear = x.clear.iter().zip(&y.clear).map(|(a, b)| *a * *b).collect();
                let carried = x.noise * y.size + y.noise * x.size + 12.0 * x.noise * y.noise;
                Value { ct, clear, size: x.size * y.size, noise: carried + self.rescaled(x.ct.level) }
            }
            4 if multiplies => {
                let values = [0.5, -1.0 + choose(255) as f64 / 128.0];
                let plain = self.ev.encode(&values, level).unwrap();
                let wide = self.ev.mul_plain(&x.ct, &plain).unwrap();
                let ct = self.ev.rescale(wide).unwrap();
                let clear = x.clear.iter().enumerate().map(|(i, z)| z.scale(values[i % 2])).collect();
                let encoding = noise::encoding(self.params) / self.params.scale(level) * x.size;
                Value { ct, clear, noise: x.noise + encoding + self.rescaled(level), ..*x }
            }
            5 if multiplies => {
                let c = -1.0 + choose(255) as f64 / 127.0;
                let ct = self.ev.scaled(&x.ct, c).unwrap();
                let added = self.rescaled(level) + x.size / self.params.scale(level);
                Value { ct, clear: map(x, &|z| z.scale(c)), noise: x.noise + added, ..*x }
            }
            6 => {
                let k = ROTATIONS[choose(4) as usize];
                let (n, ct) = (x.clear.len() as i32, self.ev.rotate(&x.ct, k).unwrap());
                let clear = (0..n).map(|i| x.clear[(i + k).rem_euclid(n) as usize]).collect();
                Value { ct, clear, noise: x.noise + self.switched(level), ..*x }
            }
            7 => {
                let hoisted = self.ev.hoist(&x.ct, &ROTATIONS).unwrap();
                let k = ROTATIONS[choose(4) as usize];
                let (n, ct) = (x.clear.len() as i32, self.ev.hoisted(&hoisted, k).unwrap());
                let clear = (0..n).map(|i| x.clear[(i + k).rem_euclid(n) as usize]).collect();
                Value { ct, clear, noise: x.noise + self.switched(level), ..*x }
            }
            8 => {
                let ct = self.ev.conjugate(&x.ct).unwrap();
                Value { ct, clear: map(x, &|z| z.conj()), noise: x.noise + self.switched(level), ..*x }
            }
            9 => {
                let mut x = self.copy(x);
                self.ev.mul_i(&mut x.ct).unwrap();
                Value { clear: map(&x, &|z| Complex { re: -z.im, im: z.re }), ..x }
            }
            10 if x.size < LARGEST => {
                let (k, mut x) = (choose(17) as i32 - 8, self.copy(x));
                self.ev.mul_int(&mut x.ct, k).unwrap();
                let by = (k as f64).abs();
                Value { clear: map(&x, &|z| z.scale(k as f64)), size: x.size * by, noise: x.noise * by, ..x }
            }
            11 if level > 0 => {
                let x = self.copy(x);
                self.down(x, choose(level))
            }
            _ => {
                let (c, mut x) = (choose(255) as f64 / 64.0 - 2.0, self.copy(x));
                self.ev.add_const(&mut x.ct, c).unwrap();
                self.ev.neg(&mut x.ct).unwrap();
                let rounding = 1.0 / self.params.scale(level);
                let clear = map(&x, &|z| Complex { re: -z.re - c, im: -z.im });
                Value { clear, size: x.size + 2.0, noise: x.noise + rounding, ..x }
            }
        })
    }

    fn check(&mut self, client: &Client<'_, Be>, x: &Value) {
        if x.size > LARGEST * 8.0 {
            return; // may have left the base modulus
        }
        let worst = client.errors(&mut self.ev.be, &x.ct, |i| x.clear[i]).worst;
        let bound = 12.0 * x.noise + x.size * 2f64.powi(-40); // 12 deviations, and the arithmetic of the check
        assert!(worst <= bound, "level {}: error {worst:e}, bound {bound:e}, size {}", x.ct.level, x.size);
    }
}

thread_local!(static MACHINE: RefCell<Machine> = RefCell::new(Machine::new()));

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.iter();
    let mut choose = |below: u8| bytes.next().unwrap_or(&0) % below.max(1);
    MACHINE.with(|machine| {
        let machine = &mut *machine.borrow_mut();
        let (params, slots) = (machine.params, machine.params.slots());
        let mut client = Client::new(&mut machine.ev.be, params, 3);
        let mut pool: Vec<Value> = Vec::new();
        for _ in 0..3 {
            let pattern: [f64; 4] = [(); 4].map(|()| (choose(255) as f64 - 127.0) / 127.0);
            let clear = (0..slots).map(|i| Complex { re: pattern[i % 3], im: pattern[3 - i % 4] }).collect();
            let level = params.max_message_level() - choose(3);
            pool.push(machine.encrypt(&mut client, clear, level));
        }
        for _ in 0..1 + choose(12) {
            let (i, j) = (choose(3) as usize, choose(3) as usize);
            if let Some(value) = machine.step(&mut choose, &pool[i], &pool[j])
                && value.size < LARGEST * 8.0
            {
                machine.check(&client, &value);
                pool[choose(3) as usize] = value;
            }
        }
    });
});
