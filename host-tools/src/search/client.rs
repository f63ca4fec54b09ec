//! The client of a search: vectors to ciphertexts, ciphertexts of scores to the best vectors. Only the client has the
//! secret.

use super::{BLOCK, EXPANDED_BITS, LEVEL, LONGEST, QUERY, index::About, vectors::Vectors};
use crate::{
    Error, Result,
    error::WithPath,
    files::{Body, CiphertextMeta, FileError, Found, Kind, Sought},
    keys::{random, secret::Secret},
    load::{self, SecondHalf},
    machine::{ComputeTarget, Host, Job},
    session::cipher::Encrypted,
};
use polyformer_kernel::{
    backend::{Backend, Shape, Wiping},
    ckks::{
        encrypt::{self, Encryptor},
        expand,
        keys::SecretKey,
        scores,
    },
    params::Params,
    wipe::Wiped,
};
use std::path::Path;
use zeroize::Zeroizing;

/// A vector of the index and its score, the inner product with a query of length 1.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Hit {
    /// The place of the vector in the index, from 0.
    pub vector: u64,
    /// The score.
    pub score: f64,
}

/// Who searches.
pub struct Seeker<'a> {
    host: &'a Host,
    on: ComputeTarget,
    secret: &'a Secret,
}

/// The largest distance of a decrypted score from a whole score: 8 deviations of an honest error for vectors of 4,096 numbers,
/// 19 for vectors of 384.
const FARTHEST: f64 = 0.25;

impl<'a> Seeker<'a> {
    /// A client with this secret, which was made for the parameters of `host`, those of [`super::spec`].
    pub fn new(host: &'a Host, on: ComputeTarget, secret: &'a Secret) -> Self {
        Self { host, on, secret }
    }

    /// Encrypts queries, each brought to length 1. The space is that of the index.
    ///
    /// # Errors
    /// [`Error::Usage`] for a query of zeros or too many queries; [`Error::File`] for a number that is not finite or a bad
    /// name of the space.
    pub fn ask(&self, space: &str, queries: &Vectors) -> Result<Encrypted> {
        let place = Path::new("queries");
        crate::files::check_space(space).with_path(place)?;
        let width = queries.width();
        let count = u16::try_from(queries.count()).map_err(|_| {
            Error::usage("queries", format!("{} of them, a file holds up to {}", queries.count(), u16::MAX))
        })?;
        let mut integers = Zeroizing::new(Vec::new());
        queries
            .blocks(|rows| {
                for (i, row) in rows.chunks_exact(width).enumerate() {
                    let length = row.iter().map(|x| *x as f64 * *x as f64).sum::<f64>().sqrt();
                    if length == 0.0 {
                        return Err(FileError::model(format!("query {}: {width} zeros have no direction", i + 1)));
                    }
                    integers.extend(row.iter().map(|x| (*x as f64 / length * QUERY).round() as i64));
                }
                Ok(())
            })
            .with_path(place)?;
        let sought = Sought { space: space.into(), width, nonce: random::bytes()? };
        let Self { host, on, secret } = *self;
        host.run_client(on, Ask { host, secret, integers: &integers, count, sought })
    }

    /// The best `most` vectors of each query, the best first; of equal scores, the first vector of the index first.
    ///
    /// # Errors
    /// [`Error::File`] for scores of another key or of other parameters; [`Error::Unreliable`] for scores that no honest
    /// server gives: no whole number, larger than possible, or a score of a vector that the index does not have.
    pub fn best(&self, scores: &Encrypted, most: usize) -> Result<Vec<Vec<Hit>>> {
        let words: Vec<&[u32]> = scores.tensors.iter().map(|tensor| &tensor[..]).collect();
        let Body::Scores(sealed, found) = &scores.header.body else {
            let (expected, actual) = (Kind::Scores, scores.header.kind());
            return Err(FileError::Kind { expected, actual }).with_path(Path::new("scores"));
        };
        scores.header.expect_same(&self.secret.header).with_path(Path::new("scores"))?;
        self.best_of_words(&words, (sealed, found), most)
    }

    /// [`Seeker::best`] of the words of c0 and c1, whose header was compared with the secret's.
    ///
    /// # Errors
    /// Those of [`Seeker::best`].
    pub fn best_of_words(
        &self,
        words: &[&[u32]],
        (sealed, found): (&CiphertextMeta, &Found),
        most: usize,
    ) -> Result<Vec<Vec<Hit>>> {
        let Self { host, on, secret } = *self;
        let about = About {
            space: found.sought.space.clone(),
            width: found.sought.width,
            vectors: found.vectors,
            scale: found.scale,
        };
        let expected = found.queries as usize * about.blocks();
        if sealed.count as usize != expected || sealed.level != LEVEL - 1 || sealed.seed.is_some() {
            let what = format!("{expected}, the ciphertexts of {} queries at level 0", found.queries);
            return Err(FileError::field("count", Some(&sealed.count.to_string()), what))
                .with_path(Path::new("scores"));
        }
        host.run_client(on, Best { host, secret, words, about, queries: found.queries as usize, most })
    }
}

/// The factor from the integers of a query to the coefficients of its ciphertext.
fn coefficient(width: usize) -> i64 {
    1 << (EXPANDED_BITS - expand::steps(width))
}

/// The coefficient of a score of 1 in integers.
fn unit(params: &Params, width: usize) -> f64 {
    scores::scale(params, LEVEL, width, coefficient(width) as f64)
}

struct Ask<'a> {
    host: &'a Host,
    secret: &'a Secret,
    integers: &'a [i64],
    count: u16,
    sought: Sought,
}

impl Job for Ask<'_> {
    type Output = Encrypted;

    fn run<B: Backend>(self, be: B) -> Result<Encrypted> {
        let mut guard = Wiping::new(be);
        let be = &mut *guard;
        let (params, width) = (self.host.params(), self.sought.width);
        let basis = params.q(LEVEL);
        let words = basis.len() * params.n();
        let (mut coeffs, mut rng) = (vec![0; params.n()], random::generator()?);
        let mut coeffs = Wiped::new(&mut coeffs);
        let sk = SecretKey::expand(be, params, &self.secret.seed, basis, &mut coeffs)?;
        let mut encryptor = Encryptor::new(params, &mut rng);
        let mut tensor = vec![0; self.count as usize * words];
        for (query, out) in self.integers.chunks_exact(width).zip(tensor.chunks_exact_mut(words)) {
            coeffs.fill(0);
            coeffs.iter_mut().zip(query).for_each(|(c, x)| *c = x * coefficient(width));
            let ct = encryptor.encrypt(be, &sk, LEVEL, &mut coeffs, &mut rng)?;
            be.download(ct.c[0].limbs(), out)?;
        }
        let seed = Some(*encryptor.seed());
        sk.wipe(be)?;
        let sealed = CiphertextMeta { level: LEVEL, count: self.count, values: 0, seed };
        let header = self.secret.header(Body::Query(sealed, self.sought));
        Ok(Encrypted { header, tensors: vec![tensor] })
    }
}

struct Best<'a> {
    host: &'a Host,
    secret: &'a Secret,
    words: &'a [&'a [u32]],
    about: About,
    queries: usize,
    most: usize,
}

impl Job for Best<'_> {
    type Output = Vec<Vec<Hit>>;

    fn run<B: Backend>(self, be: B) -> Result<Self::Output> {
        let mut guard = Wiping::new(be);
        let be = &mut *guard;
        let (params, about) = (self.host.params(), &self.about);
        let n = params.n();
        let shape = Shape { count: 1, basis: params.q(LEVEL - 1), cols: n as u32 };
        let (mut words, mut coeffs) = (vec![0; params.base().len() * n], vec![0; n]);
        let (mut words, mut coeffs) = (Wiped::new(&mut words), Wiped::new(&mut coeffs));
        let sk = SecretKey::expand(be, params, &self.secret.seed, params.base(), &mut coeffs)?;
        let unit = unit(params, about.width);
        let mut out = Vec::with_capacity(self.queries);
        for query in 0..self.queries {
            let mut best = Vec::new();
            for block in 0..about.blocks() {
                let at = (query * about.blocks() + block) * shape.words();
                let part = |i: usize| {
                    let tensor = self.words.get(i).copied().unwrap_or(&[]);
                    let short = polyformer_kernel::Error::Length { expected: at + shape.words(), actual: tensor.len() };
                    tensor.get(at..at + shape.words()).ok_or(short)
                };
                let half = SecondHalf::Stored(part(1)?);
                let ct = load::ciphertext(be, params, shape, LEVEL - 1, part(0)?, half)?;
                encrypt::decrypt(be, params, &sk, &ct, 0, &mut words, &mut coeffs)?;
                let within = about.in_block(block);
                for (i, c) in coeffs.iter().enumerate() {
                    let vector = (block * BLOCK + i) as u64;
                    let score = whole(*c as f64 / unit, i < within).map_err(|what| {
                        Error::unreliable("scores", format!("query {}, vector {vector}: {what}", query + 1))
                    })?;
                    if i < within {
                        best.push((score, vector));
                    }
                }
                best.sort_unstable_by_key(|(score, vector)| (std::cmp::Reverse(*score), *vector));
                best.truncate(self.most);
            }
            let hit = |(score, vector): (i64, u64)| Hit { vector, score: score as f64 / (QUERY * about.scale) };
            out.push(best.into_iter().map(hit).collect());
        }
        sk.wipe(be)?;
        Ok(out)
    }
}

/// The whole score next to a decrypted score. A score without a vector is 0.
fn whole(decrypted: f64, has_vector: bool) -> std::result::Result<i64, String> {
    let score = decrypted.round();
    let most = if has_vector { LONGEST * (QUERY + BLOCK as f64) } else { 0.0 };
    if (decrypted - score).abs() > FARTHEST {
        let away = (decrypted - score).abs();
        return Err(format!("{away:.2} away from a whole score, at most {FARTHEST} is possible"));
    }
    if score.abs() > most {
        return Err(format!("a score of {score:e} in integers, at most {most:e} is possible"));
    }
    Ok(score as i64)
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, LONGEST, QUERY, whole};

    #[test]
    fn a_score_that_no_honest_server_gives_is_refused() {
        assert_eq!((whole(5.1, true), whole(-4.8, true)), (Ok(5), Ok(-5)));
        assert_eq!(whole(5.4, true).unwrap_err(), "0.40 away from a whole score, at most 0.25 is possible");
        let most = LONGEST * (QUERY + BLOCK as f64);
        assert!(whole(most, true).is_ok());
        assert!(whole(2.0 * most, true).unwrap_err().starts_with("a score of 1."));
        assert!(whole(1.0, false).unwrap_err().contains("at most 0e0"));
    }
}
