//! Any answer is refused in one line, or belongs to the question and has the logits of each question. Header, lengths and
//! words vary; most fields are right, so that later checks are reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polyformer::{
    files::{Asked, Body, CiphertextMeta, Header, KeyId},
    keys::secret::Secret,
    machine::{ComputeTarget, Host},
    model::Pretrained,
    session::{Client, cipher::Encrypted, private::hazmat::expose},
    spec::SpecBuf,
};
use polyformer_kernel::params::{Security, Spec, presets};
use std::sync::LazyLock;

struct Asking {
    host: Host,
    secret: Secret,
    model: Pretrained,
    question: Header,
}

static ASKING: LazyLock<Asking> = LazyLock::new(|| {
    // the base of C12 on a small ring, because the checks do not depend on the degree
    let secret = Secret::for_spec(&Spec { log_n: 8, security: Security::Toy, ..presets::C12 }).unwrap();
    let (host, model) = (Host::new(secret.params.clone()), small_model());
    let values = host.params().slots() as u64;
    let sealed = CiphertextMeta { level: 0, count: 1, values, seed: Some([1; 32]) };
    let asked = Asked { tokens: vec![4, 3], model: model.text.id(), nonce: [3; 16] };
    let question = Header { body: Body::Question(sealed, asked), ..secret.header.clone() };
    Asking { host, secret, model, question }
});

/// A model of a few kilobytes: each answer is compared with the digest of the model's embeddings.
fn small_model() -> Pretrained {
    let path = std::env::temp_dir().join(format!("polyformer-fuzz-answers-{}", std::process::id()));
    std::fs::write(&path, include_bytes!("../corpus/packed/tiny")).unwrap();
    let model = Pretrained::read(&path);
    std::fs::remove_file(&path).unwrap();
    model.unwrap()
}

struct Input<'d>(std::slice::Iter<'d, u8>);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        *self.0.next().unwrap_or(&0)
    }
    /// `right`, and with a small chance another value.
    fn mostly<T>(&mut self, right: T, other: impl FnOnce(&mut Self) -> T) -> T {
        if self.byte() < 240 { right } else { other(self) }
    }
}

fuzz_target!(|data: &[u8]| {
    let Asking { host, secret, model, question } = &*ASKING;
    let mut input = Input(data.iter());
    let Body::Question(sealed, asked) = &question.body else { return };
    let asked = Asked {
        tokens: input.mostly(asked.tokens.clone(), |i| (0..i.byte() % 9).map(|_| 1 << (i.byte() % 20)).collect()),
        model: input.mostly(asked.model, |i| [i.byte(); 16]),
        nonce: input.mostly(asked.nonce, |i| [i.byte(); 16]),
    };
    let sealed = CiphertextMeta {
        level: input.mostly(0, |i| i.byte()),
        count: input.mostly(1, |i| i.byte() as u16 * 257),
        values: input.mostly(sealed.values, |i| (i.byte() as u64) << (i.byte() % 56)),
        seed: input.mostly(None, |i| Some([i.byte(); 32])),
    };
    let body = match input.byte() {
        250 => Body::Ciphertext(sealed),
        251 => Body::Question(sealed, asked.clone()),
        252 => Body::Params,
        253 => Body::RelinKey { level: 0, seed: [0; 32] },
        _ => Body::Answer(sealed, asked.clone()),
    };
    let key = input.mostly(secret.header.key, |i| Some(KeyId([i.byte(); 16])));
    let spec = input.mostly(secret.header.spec.clone(), |_| SpecBuf::preset("C13").unwrap());
    let header = Header { spec, key, body };
    let params = host.params();
    let words = params.base().len() * params.n();
    let tensors = (0..input.mostly(2, |i| i.byte() % 4)).map(|_| {
        let length = input.mostly(words, |i| i.byte() as usize * 100);
        let (by, to) = (input.byte() as u32, input.byte() as u32);
        let mut tensor: Vec<u32> =
            (0..length as u32).map(|i| (i.wrapping_mul(by << 11) ^ (to << 3)) % (1 << 29)).collect();
        if input.byte() < 200 {
            tensor.fill(0); // what an honest answer may be
        }
        tensor
    });
    let answer = Encrypted { tensors: tensors.collect(), header };
    let client = Client::new(host, ComputeTarget::cpu(1), secret, &model.text);
    match client.decrypt(question, &answer) {
        Ok(rows) => {
            assert!(rows.len() == 2 && rows.iter().all(|row| expose(row).len() == model.text.classes()));
            let same = Header { body: question.body.clone(), ..answer.header.clone() };
            assert_eq!(&same, question, "an answer of another key or another set");
            let Body::Answer(_, given) = &answer.header.body else { panic!("a file of another kind was accepted") };
            assert_eq!((&given.nonce, &given.model), (&[3; 16], &model.text.id()), "an answer to another question");
        }
        Err(error) => {
            assert!(!error.to_string().trim_end().contains('\n'), "{error}");
            assert!(data.iter().any(|byte| *byte != 0), "the honest answer is refused: {error}");
        }
    }
});
