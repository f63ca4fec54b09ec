//! A private question, end to end: the client encrypts text, the server runs the model on the ciphertext, the client
//! decrypts the label.
//!
//!     cargo run --release --example private_question
//!
//! The ring of degree 2^12 keeps no secret and is fast. `session::Asker` is the same flow with keys in files and 128 bits
//! of security, which takes gigabytes and minutes.

use polyformer::{
    Result,
    keys::secret::Secret,
    machine::{ComputeTarget, Host},
    model::Pretrained,
    plan::model::ModelPlan,
    session::{Client, Server},
};
use polyformer_cpu::Cpu;
use polyformer_kernel::params::{Params, Security, Spec, presets};

fn main() -> Result<()> {
    let spec = Spec { log_n: 12, security: Security::Toy, ..presets::B16 };
    let (host, target) = (Host::new(Params::new(&spec)?), ComputeTarget::cpu(2));
    let (params, model) = (host.params(), Pretrained::open(None)?); // 77 intents of a bank's customers

    // both sides derive the plan from the number of tokens
    let ids = model.text.tokens("my card was stolen")?;
    let plan = ModelPlan::new(params, &model.model, &[ids.len()])?;

    // the client: a secret, the keys of the plan, one ciphertext
    let (secret, mut be) = (Secret::for_spec(&spec)?, Cpu::new(host.ring()?));
    let keys = secret.client(&mut be)?.keys(&mut be, &plan.demand)?;
    let client = Client::new(&host, target, &secret, &model.text);
    let question = client.encrypt(&plan.layout, &client.slots(&plan.layout, &[ids])?)?;

    // the server: no secret comes here
    let mut server = Server::new(be, params, keys, &model.model, &secret.header)?;
    let (answer, executed) =
        server.infer(&plan, &question, &mut |part, seconds| println!("{seconds:6.2} s  {part}"))?;
    println!("{} bootstraps, {} key switches", executed.cost.bootstrap, executed.cost.key_switch);

    // the client again
    let logits = client.decrypt(&question.header, &answer)?;
    let label = model.text.label(logits[0].best()[0].0);
    println!("{label}");
    assert_eq!(label, "lost_or_stolen_card");
    Ok(())
}
