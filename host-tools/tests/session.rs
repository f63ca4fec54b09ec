//! The model of the program on ciphertexts of a small ring: client and server, with several questions at once.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use polyformer::{
    Result,
    accuracy::{
        Labelled,
        encrypted::{Agreement, batches},
        noise,
    },
    files::{Asked, Body, CiphertextMeta, Header, KeyId},
    keys::{embedded::draw, secret::Secret},
    machine::{ComputeTarget, Host, Job},
    model::Pretrained,
    plan::model::{Lengths, ModelPlan},
    session::{Client, RingBridge, Server, cipher, encode_answer, parse_question, private::hazmat::expose},
};
use polyformer_kernel::{
    backend::Backend,
    bootstrap::RotationStrategy,
    params::{Security, Spec, presets},
};

/// The chain of B16 at a degree that keeps no secret.
const TOY: Spec<'static> = Spec { log_n: 12, security: Security::Toy, ..presets::B16 };

struct Run<'a> {
    host: &'a Host,
    on: ComputeTarget,
    secret: &'a Secret,
    model: &'a Pretrained,
    questions: &'a [Labelled],
}

impl Job for Run<'_> {
    type Output = ();

    fn run<B: Backend>(self, mut be: B) -> Result<()> {
        let Self { host, on, secret, model, questions } = self;
        let batches = batches(host.params(), model, questions, (RotationStrategy::Hoisted, false))?;
        assert_eq!(batches.len(), 1);
        let rows = batches[0].plan.layout.lengths.iter().map(|length| if *length > 0 { 4 } else { 0 });
        let (rows, steps) = (rows.collect::<Vec<usize>>(), RotationStrategy::Hoisted);
        let hidden = ModelPlan::asked(host.params(), None, &model.model, Lengths::AtMost(&rows), steps)?;
        let mut demand = batches[0].plan.demand.clone();
        demand.join(&hidden.demand);
        let keys = secret.client(&mut be)?.keys(&mut be, &demand)?;
        let of = Header { body: Body::Params, ..secret.header.clone() };
        let mut server = Server::new(be, host.params(), keys, &model.model, &of)?;
        let client = Client::new(host, on, secret, &model.text);
        let mut sum = Agreement::default();
        sum.add(&mut server, &client, model, questions, &batches[0])?;
        assert_eq!((sum.n, sum.agree, sum.ciphertexts, sum.departed), (3, 3, 1, 0));
        assert!(sum.errors.largest < 2f64.powi(-8), "{sum:?}");
        let group = std::slice::from_ref(&batches[0].questions);
        let predicted = noise::predict(host.params(), model, questions, group, || ())?;
        let ratio = sum.errors.deviation() / predicted.deviation();
        assert!((0.5..2.0).contains(&ratio), "{:?}, {predicted:?}", sum.errors); // one secret each
        assert!(sum.errors.largest < predicted.bound() && predicted.bound() < 40.0 * sum.errors.deviation());
        assert!(sum.encoding > 0.0 && sum.encoding < sum.seconds, "{sum:?}");

        let (plan, ids) = (&batches[0].plan, |i: &usize| questions[*i].ids.clone());
        let ids: Vec<Vec<u32>> = batches[0].questions.iter().map(ids).collect();
        let question = client.encrypt(&plan.layout, &client.slots(&plan.layout, &ids)?)?;
        let mut parts = 0;
        let (answer, executed) = server.infer(plan, &question, &mut |_, _| parts += 1)?;
        assert_eq!((executed.departs(plan), executed.cost.bootstrap), (None, 3));
        assert!(parts > 10);
        let mut other = plan.clone();
        other.cost.key_switch -= 1;
        let switches = plan.cost.key_switch;
        assert_eq!(executed.departs(&other), Some(("key switches", switches - 1, switches)));

        let Body::Answer(sealed, asked) = &answer.header.body else { unreachable!() };
        let words: Vec<&[u32]> = answer.tensors.iter().map(|t| &t[..]).collect();
        let slots = cipher::decrypt_words(host, on, secret, &words, *sealed, &|| ())?;
        let logits = client.decrypt(&question.header, &answer)?;
        assert_eq!((logits.len(), &asked.tokens), (3, &plan.layout.lengths));
        assert!(slots.stray() < 1e-4 && logits.iter().all(|row| row.stray() < 1e-4));
        refuses(&client, &question, &answer);
        for (slot, x) in expose(&slots).iter().enumerate() {
            let (_, place, feature) = plan.layout.place(slot);
            let want = match logits.get(place) {
                Some(row) if feature < model.text.classes() => expose(row)[feature],
                _ => 0.0, // no question, or no class
            };
            assert!((x - want).abs() < 1e-4, "slot {slot}: {x}, not {want}");
        }

        // the same questions, whose lengths the server does not see
        let vectors = client.hidden_slots(&hidden.layout, &ids, &model.model)?;
        let question = client.encrypt_all(&hidden.layout, &vectors.each_ref().map(|vector| vector.as_slice()))?;
        let refused = server.infer(plan, &question, &mut |_, _| ()).err().map(|e| e.to_string());
        assert!(refused.is_some_and(|line| line.starts_with("question: made for 4")), "the plan of other lengths");
        let (answer, executed) = server.infer(&hidden, &question, &mut |_, _| ())?;
        assert_eq!((executed.departs(&hidden), executed.cost.bootstrap), (None, 3));
        for (known, got) in logits.iter().zip(client.decrypt(&question.header, &answer)?) {
            let far = expose(known).iter().zip(expose(&got)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(far < 2f64.powi(-8), "{far}");
        }
        Ok(())
    }
}

/// Answers to another question, with another level, and without copies are refused.
fn refuses(client: &Client<'_>, question: &cipher::Encrypted, answer: &cipher::Encrypted) {
    let error = |header: Header, tensors: Vec<Vec<u32>>| {
        client.decrypt(&question.header, &cipher::Encrypted { header, tensors }).err().unwrap().to_string()
    };
    let Body::Answer(sealed, asked) = answer.header.body.clone() else { unreachable!() };
    let with = |sealed, asked| Header { body: Body::Answer(sealed, asked), ..answer.header.clone() };
    let line = error(with(sealed, Asked { nonce: [5; 16], ..asked.clone() }), answer.tensors.clone());
    assert!(line.starts_with("answer: the answer to question 0505") && line.ends_with(" is needed"), "{line}");
    let line = error(with(sealed, Asked { tokens: vec![9], ..asked.clone() }), answer.tensors.clone());
    assert_eq!(line, format!("answer: made for 9 tokens where {} are needed", asked.lengths()));
    let line = error(with(sealed, Asked { model: [5; 16], ..asked.clone() }), answer.tensors.clone());
    assert!(line.starts_with("answer: made for model 0505"), "{line}");
    let line = error(Header { key: Some(KeyId([5; 16])), ..answer.header.clone() }, answer.tensors.clone());
    assert!(line.starts_with("answer: belongs to key 0505"), "{line}");
    let line = error(question.header.clone(), question.tensors.clone());
    assert!(line.starts_with("answer: a question file where an answer file is needed"), "{line}");
    let line = error(with(CiphertextMeta { count: 2, ..sealed }, asked.clone()), answer.tensors.clone());
    assert!(line.contains("\"count\" is \"2\""), "{line}");
    let n = answer.tensors[0].len() / 2; // two limbs
    let mut cheat = vec![vec![0; 2 * n]; 2];
    cheat[1].fill(1 << 20); // a constant times the secret
    let line = error(answer.header.clone(), cheat);
    assert!(line.starts_with("answer: an imaginary part of ") && line.contains(" is over 1.6e-2"), "{line}");
}

#[test]
fn questions_that_share_a_ciphertext_are_answered_as_planned_and_other_slots_hold_nothing() {
    let (secret, model) = (Secret::for_spec(&TOY).unwrap(), Pretrained::embedded().unwrap());
    let texts = ["my card was stolen", "exchange rate", "forgot passcode"];
    let questions = texts.map(|t| Labelled { ids: model.text.tokens(t).unwrap(), class: 0 });
    assert!(questions.iter().all(|q| q.ids.len() <= 4));
    let (host, on) = (Host::new(secret.params.clone()), ComputeTarget::cpu(2));
    host.run(on, Run { host: &host, on, secret: &secret, model: &model, questions: &questions }).unwrap();
}

/// A question from a small ring, inferred in a larger one and answered in the small one.
struct FromDevice<'a> {
    host: &'a Host,
    secret: &'a Secret,
    device: &'a Secret,
    plan: &'a ModelPlan,
    model: &'a Pretrained,
    question: &'a cipher::Encrypted,
}

impl Job for FromDevice<'_> {
    type Output = cipher::Encrypted;

    fn run<B: Backend>(self, mut be: B) -> Result<cipher::Encrypted> {
        let Self { host, secret, device, plan, model, question } = self;
        let params = host.params();
        let keys = secret.client(&mut be)?.keys(&mut be, &plan.demand)?;
        let rings = draw(&mut be, host, secret, device)?;
        let header = Header { body: Body::Params, ..device.header.clone() };
        let between = RingBridge::new(header, device.params.clone(), rings);
        let mut server = Server::new(be, params, keys, &model.model, &secret.header)?;
        let header = Header { key: Some(KeyId([3; 16])), ..question.header.clone() };
        let other = cipher::Encrypted { header, tensors: question.tensors.clone() };
        let refused = server.infer_between(plan, &between, &other, &mut |_, _| ()).err().unwrap().to_string();
        assert!(refused.starts_with("question: belongs to key 0303"), "{refused}");
        let (answer, executed) = server.infer_between(plan, &between, question, &mut |_, _| ())?;
        assert_eq!((executed.departs(plan), executed.cost.bootstrap), (None, 4)); // without the first bootstrap of the question
        Ok(answer)
    }
}

#[test]
fn a_small_device_is_answered_in_its_own_ring() {
    let (secret, model) = (Secret::for_spec(&TOY).unwrap(), Pretrained::embedded().unwrap());
    let device = Secret::for_spec(&Spec { log_n: 11, security: Security::Toy, ..presets::C12 }).unwrap();
    let (host, small, on) = (Host::new(secret.params.clone()), Host::new(device.params.clone()), ComputeTarget::cpu(2));
    let ids = model.text.tokens("my card was stolen").unwrap();
    let plan =
        ModelPlan::of(host.params(), Some(small.params()), &model.model, &[ids.len()], RotationStrategy::Hoisted)
            .unwrap();
    let client = Client::new(&small, on, &device, &model.text);
    let slots = client.slots(&plan.layout, std::slice::from_ref(&ids)).unwrap();
    let question = client.encrypt(&plan.layout, &slots).unwrap();

    let Body::Question(sealed, _) = &question.header.body else { unreachable!() };
    let of = (ids.len(), model.text.id());
    let words: Vec<u8> = question.tensors[0].iter().flat_map(|w| w.to_le_bytes()).collect();
    let bytes = [&sealed.seed.unwrap()[..], &words].concat();
    let question = parse_question(&bytes, &device.header, small.params(), of).unwrap();
    assert_eq!(question.tensors[0].len() * 4, words.len());
    let few = parse_question(&bytes[1..], &device.header, small.params(), of).err().unwrap().to_string();
    assert_eq!(few, "--raw: a question of 16415 bytes where 16416 are needed");
    let large = [&bytes[..40], &[255; 4], &bytes[44..]].concat();
    let large = parse_question(&large, &device.header, small.params(), of).err().unwrap().to_string();
    assert!(large.starts_with("question: tensor \"c0\" row 0 word 2 is 4294967295, not below"), "{large}");

    let job =
        FromDevice { host: &host, secret: &secret, device: &device, plan: &plan, model: &model, question: &question };
    let answer = host.run(on, job).unwrap();
    assert_eq!(encode_answer(&answer).len(), 2 * words.len());
    let logits = client.decrypt(&question.header, &answer).unwrap();
    let want = polyformer::accuracy::logits(&model, &ids).unwrap();
    for (got, want) in expose(&logits[0]).iter().zip(&want) {
        assert!((got - want).abs() < 2f64.powi(-8), "{got} and {want}");
    }
}
