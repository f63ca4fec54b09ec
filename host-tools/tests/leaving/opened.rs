//! Keys and ciphertexts opened with the secret: what is left is the error, one integer a coefficient.

use polyformer::{
    Result,
    files::{Body, CiphertextMeta, Mapped, View, public_basis},
    keys::secret::Secret,
    load,
    machine::Job,
};
use polyformer_kernel::{
    backend::{Backend, Limbs, Op, Pair, Shape},
    ckks::{
        Encoder,
        keys::{SecretKey, Switch, UniformHalf, inverse_galois, key_basis, uniform},
        raise::{dense_basis, sparse_basis},
        ring_switch::{lift_basis, lower_basis},
    },
    math::complex::Complex,
    params::Params,
    ring::{Basis, sample},
};

/// The error of one polynomial.
pub struct Opened {
    /// Where the polynomial is.
    pub name: String,
    /// n integers.
    pub error: Vec<i64>,
    /// Whether a public key made it, so that the error is a sum of three.
    pub public: bool,
}

/// Opens every key and every ciphertext.
pub struct Open<'a> {
    /// The owner's secret.
    pub secret: &'a Secret,
    /// The small client's secret, of a device key.
    pub device: Option<&'a Secret>,
    /// The files, each with its name.
    pub files: &'a [(String, Mapped)],
    /// The values of each ciphertext file.
    pub values: &'a [f64],
}

impl Job for Open<'_> {
    type Output = Vec<Opened>;

    fn run<B: Backend>(self, mut be: B) -> Result<Vec<Opened>> {
        let (params, mut scratch) = (&self.secret.params, vec![0; self.secret.params.n()]);
        let sk = SecretKey::expand(&mut be, params, &self.secret.seed, params.full(), &mut scratch)?;
        let mut opener = Opener { be, params, s: sk, out: Vec::new() };
        for (name, mapped) in self.files {
            let view = View::parse(mapped.bytes()).unwrap();
            match &view.header.body {
                Body::PublicKey { seed } => {
                    let half = (UniformHalf::PublicKey, 0, seed);
                    let pair = load::pair(&mut opener.be, params, view.words(0), public_basis(params), half)?;
                    opener.keep(name, &pair, None)?;
                }
                Body::RelinKey { level, seed } => opener.switch(name, &view, (Switch::Relinearize, *level), seed)?,
                Body::GaloisKey { galois, level, seed } => {
                    opener.switch(name, &view, (Switch::Galois(*galois), *level), seed)?;
                }
                Body::RaiseKey { seed } => opener.raise(name, &view, seed)?,
                Body::DeviceKey(of) => opener.device(name, &view, self.device.unwrap(), &of.seeds)?,
                Body::Ciphertext(sealed) => opener.ciphertexts(name, &view, *sealed, self.values)?,
                Body::Params | Body::SecretKey(_) | Body::Question(..) | Body::Answer(..) | Body::Model { .. } => {}
                Body::Query(..) | Body::Scores(..) => {}
            }
        }
        Ok(opener.out)
    }
}

struct Opener<'p, B: Backend> {
    be: B,
    params: &'p Params,
    s: SecretKey<B>,
    out: Vec<Opened>,
}

/// What a pair hides under P: a polynomial, on these rows.
type Hidden<'a, B> = Option<(&'a Limbs<<B as Backend>::Buf>, Basis)>;

impl<B: Backend> Opener<'_, B> {
    fn zeros(&mut self, basis: Basis) -> Result<Limbs<B::Buf>> {
        Ok(self.be.alloc(Shape { count: 1, basis, cols: self.params.n() as u32 })?)
    }

    /// b + a `under` - P `hidden`, Coeff, row by row.
    fn rows(&mut self, pair: &Pair<B::Buf>, under: &Limbs<B::Buf>, hidden: Hidden<'_, B>) -> Result<Vec<Vec<i64>>> {
        let full = pair[0].shape.basis;
        let (mut e, mut tmp) = (self.zeros(full)?, self.zeros(full)?);
        self.be.zip(Op::Mul, full, &mut e, &pair[1], under);
        self.be.zip_assign(Op::Add, full, &mut e, &pair[0]);
        if let Some((from, rows)) = hidden {
            let (ring, p) = (self.be.ring(), Basis::specials(full.specials));
            let p = ring.constants(rows, |q| ring.product(p, q));
            self.be.scalar(Op::Mul, rows, &mut tmp, from, &p);
            self.be.zip_assign(Op::Sub, rows, &mut e, &tmp);
        }
        self.be.intt(full, &mut e);
        let mut words = vec![0; e.shape.words()];
        self.be.download(&e, &mut words)?;
        let moduli = full.iter().map(|m| self.params.moduli()[m].q() as i64);
        let centred = |q: i64, w: u32| if w as i64 > q / 2 { w as i64 - q } else { w as i64 };
        let rows = words.chunks(self.params.n()).zip(moduli);
        Ok(rows.map(|(row, q)| row.iter().map(|w| centred(q, *w)).collect()).collect())
    }

    fn error(&mut self, pair: &Pair<B::Buf>, under: &Limbs<B::Buf>, hidden: Hidden<'_, B>) -> Result<Vec<i64>> {
        let mut rows = self.rows(pair, under, hidden)?;
        assert!(rows.iter().all(|row| *row == rows[0]), "the rows are residues of one small integer");
        Ok(rows.swap_remove(0))
    }

    /// Opens a pair under the owner's secret.
    fn keep(&mut self, name: &str, pair: &Pair<B::Buf>, hidden: Hidden<'_, B>) -> Result<()> {
        let mut s = self.zeros(self.params.full())?;
        let full = self.params.full();
        self.be.copy(full, &mut s, self.s.limbs());
        let error = self.error(pair, &s, hidden)?;
        self.out.push(Opened { name: name.into(), error, public: false });
        Ok(())
    }

    fn copy_of_secret(&mut self) -> Result<Limbs<B::Buf>> {
        let full = self.params.full();
        let mut s = self.zeros(full)?;
        self.be.copy(full, &mut s, self.s.limbs());
        Ok(s)
    }

    fn switch(&mut self, name: &str, view: &View<'_>, (switch, level): (Switch, u8), seed: &[u8; 32]) -> Result<()> {
        let (params, full) = (self.params, key_basis(self.params, level));
        let s = self.copy_of_secret()?;
        let mut other = self.zeros(params.full())?;
        match switch {
            Switch::Relinearize => self.be.zip(Op::Mul, params.full(), &mut other, &s, &s),
            Switch::Galois(g) => self.be.permute(params.full(), &mut other, &s, inverse_galois(g, params.n())),
        }
        let pairs = load::pairs(&mut self.be, params, view.words(0), full, (switch.half(level), seed))?;
        for (j, pair) in pairs.iter().enumerate() {
            let rows = polyformer_kernel::backend::digit(full.with(0), params.specials(), params.alpha(), j);
            let (from, under) = if switch == Switch::Relinearize { (&other, &s) } else { (&s, &other) };
            let error = self.error(pair, under, Some((from, rows)))?;
            self.out.push(Opened { name: format!("{name}, digit {j}"), error, public: false });
        }
        Ok(())
    }

    /// The special rows of the key back to s hold its error alone, so the sparse secret follows from another row.
    fn raise(&mut self, name: &str, view: &View<'_>, seed: &[u8; 32]) -> Result<()> {
        let (params, small, large) = (self.params, sparse_basis(self.params)?, dense_basis(self.params));
        let half = |index| (UniformHalf::Raise, index, seed);
        let to_sparse = load::pair(&mut self.be, params, view.words(0), small, half(0))?;
        let to_dense = load::pair(&mut self.be, params, view.words(1), large, half(1))?;
        let s = self.copy_of_secret()?;
        let rows = self.rows(&to_dense, &s, None)?;
        let specials = large.specials as usize;
        assert!(rows[..specials].iter().all(|row| *row == rows[0]));
        let q = params.moduli()[large.iter().nth(specials).unwrap()];
        let p = self.be.ring().product(Basis::specials(large.specials), q);
        let inverse = q.inv(p) as i64;
        let quotients = rows[specials].iter().zip(&rows[0]).map(|(x, e)| {
            let w = ((x - e).rem_euclid(q.q() as i64) as i128 * inverse as i128 % q.q() as i128) as i64;
            if w > q.q() as i64 / 2 { w - q.q() as i64 } else { w }
        });
        let sparse: Vec<i64> = quotients.collect();
        assert!(sparse.iter().all(|x| x.abs() <= 1), "the ephemeral secret is ternary");
        assert_eq!(sparse.iter().filter(|x| **x != 0).count(), 32);
        let mut under = self.zeros(params.full())?;
        self.be.upload_signed(&mut under, &sparse)?;
        self.be.ntt(params.full(), &mut under);
        let back = self.error(&to_dense, &s, Some((&under, params.modulus_chain())))?;
        let to = self.error(&to_sparse, &under, Some((&s, params.base())))?;
        for (what, error) in [("to sparse", to), ("to dense", back)] {
            self.out.push(Opened { name: format!("{name}, {what}"), error, public: false });
        }
        Ok(())
    }

    fn device(&mut self, name: &str, view: &View<'_>, device: &Secret, seeds: &[[u8; 32]; 2]) -> Result<()> {
        let (params, mut scratch) = (self.params, vec![0; self.params.n()]);
        let full = params.full();
        let small = SecretKey::expand_small(&mut self.be, &device.params, &device.seed, full, &mut scratch)?;
        let s = self.copy_of_secret()?;
        let lift = (UniformHalf::Lift, 0, &seeds[0]);
        let lift = load::pair(&mut self.be, params, view.words(0), lift_basis(params), lift)?;
        let error = self.error(&lift, &s, Some((small.limbs(), params.base())))?;
        self.out.push(Opened { name: format!("{name}, lift"), error, public: false });
        let basis = lower_basis(params, &device.params)?;
        let lower = load::pairs(&mut self.be, params, view.words(1), basis, (UniformHalf::Lower, &seeds[1]))?;
        for (m, pair) in params.base().iter().zip(&lower) {
            let error = self.error(pair, small.limbs(), Some((&s, Basis::span(m, m + 1))))?;
            self.out.push(Opened { name: format!("{name}, lower {m}"), error, public: false });
        }
        Ok(())
    }

    fn ciphertexts(&mut self, name: &str, view: &View<'_>, sealed: CiphertextMeta, values: &[f64]) -> Result<()> {
        let (params, basis) = (self.params, self.params.q(sealed.level));
        let (words, n) = (basis.len() * params.n(), params.n());
        let (s, mut encoder) = (self.copy_of_secret()?, Encoder::new(params));
        for item in 0..sealed.count as usize {
            let stored = |tensor: usize| view.words(tensor)[item * words..][..words].to_vec();
            let c1 = sealed.seed.map(|seed| {
                let key = uniform(params, UniformHalf::Ciphertext, 0, &seed);
                let mut c1 = vec![0; words]; // by the definition, and not by the reader of the program
                for (row, m) in c1.chunks_exact_mut(n).zip(basis.iter()) {
                    sample::uniform(params.moduli()[m], &key, (64 * item + m) as u64, row);
                }
                c1
            });
            let (mut c0, mut a) = (self.zeros(basis)?, self.zeros(basis)?);
            self.be.upload(&mut c0, &stored(0))?;
            self.be.upload(&mut a, &c1.unwrap_or_else(|| stored(1)))?;
            let mut slots = vec![Complex::default(); params.slots()];
            let of_item = values[item * params.slots()..].iter();
            slots.iter_mut().zip(of_item).for_each(|(z, x)| *z = Complex::from(*x));
            let coeffs = encoder.encode(slots.into_iter(), params.scale(sealed.level))?;
            let mut message = self.zeros(basis)?;
            self.be.upload_signed(&mut message, coeffs)?;
            self.be.ntt(basis, &mut message);
            self.be.scalar_assign(Op::Mul, basis, &mut message, &self.be.ring().constants(basis, |q| q.q() - 1));
            self.be.zip_assign(Op::Add, basis, &mut message, &c0);
            let error = self.error(&[message, a], &s, None)?;
            self.out.push(Opened { name: format!("{name}, item {item}"), error, public: sealed.seed.is_none() });
        }
        Ok(())
    }
}
