//! Names of things that were computed, each with a hash of its words.

use polyformer_kernel::{
    Result,
    backend::{Backend, Limbs},
    ckks::Ciphertext,
    math::complex::Complex,
};

/// The lines so far.
#[derive(Default)]
pub struct Record {
    lines: Vec<(String, String)>,
    section: String,
}

impl Record {
    /// From now on names begin with `section`.
    pub fn section(&mut self, section: String) {
        self.section = section;
    }

    /// Name and hash of each line, in order.
    pub fn lines(&self) -> &[(String, String)] {
        &self.lines
    }

    /// Adds a line: the first 128 bits of BLAKE3 of the bytes of each item.
    fn add<const N: usize>(&mut self, name: &str, items: impl Iterator<Item = [u8; N]>) {
        let mut hasher = blake3::Hasher::new();
        items.for_each(|bytes| {
            hasher.update(&bytes);
        });
        let hash = hasher.finalize().to_hex();
        self.lines.push((format!("{}/{name}", self.section), hash[..32].to_string()));
    }

    /// 32-bit words.
    pub fn words(&mut self, name: &str, words: &[u32]) {
        self.add(name, words.iter().map(|w| w.to_le_bytes()));
    }

    /// Signed integers.
    pub fn integers(&mut self, name: &str, integers: &[i64]) {
        self.add(name, integers.iter().map(|x| x.to_le_bytes()));
    }

    /// The bits of floats.
    pub fn floats(&mut self, name: &str, floats: &[f64]) {
        self.add(name, floats.iter().map(|x| x.to_bits().to_le_bytes()));
    }

    /// The bits of complex numbers.
    pub fn complex(&mut self, name: &str, values: &[Complex]) {
        self.add(name, values.iter().flat_map(|z| [z.re, z.im]).map(|x| x.to_bits().to_le_bytes()));
    }

    /// Polynomials in the memory of a backend, as one line.
    pub fn limbs<B: Backend>(&mut self, name: &str, be: &mut B, parts: &[&Limbs<B::Buf>]) -> Result<()> {
        let mut words = Vec::new();
        for part in parts {
            let mut row = vec![0; part.shape.words()];
            be.download(part, &mut row)?;
            words.extend(row);
        }
        self.words(name, &words);
        Ok(())
    }

    /// Both halves of a ciphertext, and its level.
    pub fn ciphertext<B: Backend>(&mut self, name: &str, be: &mut B, x: &Ciphertext<B>) -> Result<()> {
        self.limbs(&format!("{name}@{}", x.level), be, &[x.c[0].limbs(), x.c[1].limbs()])
    }
}
