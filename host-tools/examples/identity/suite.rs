//! Everything that is recorded, by section.

use super::{
    bootstraps::Bootstrap,
    circuits::{self, Encrypted, SLOTS},
    evaluator::Evaluator,
    machine::{Machine, Part},
    models::Inference,
    record::Record,
    rings::{self, Rings},
    scheme::Scheme,
};
use polyformer::model::Pretrained;
use polyformer_catalogue::every;
use polyformer_kernel::{
    bootstrap::{Order, RotationStrategy},
    params::{Params, Spec, presets},
};
use polyformer_tests::{
    chain::Chain,
    transformer::{decoder, model, noise},
};

/// An error of any layer.
pub type Failure = Box<dyn std::error::Error>;

/// Records every section that `wanted` names.
pub struct Suite<'w> {
    /// The backend.
    pub machine: Machine,
    /// Whether a section is wanted.
    pub wanted: &'w dyn Fn(&str) -> bool,
    /// The record.
    pub out: Record,
}

impl Suite<'_> {
    /// All sections, in a fixed order.
    pub fn run(&mut self) -> Result<(), Failure> {
        self.clear()?;
        for (name, spec) in presets::ALL {
            for log_n in [10, spec.log_n] {
                let scheme = Scheme { keys: log_n == 10 && !spec.specials.is_empty() };
                self.part(format!("scheme/{name}-{log_n}"), (&spec, log_n), &scheme)?;
            }
        }
        for (name, spec, log_n) in [
            ("B16", presets::B16, 10),
            ("H16", presets::H16, 11),
            ("L13", presets::L13, 13),
            ("L14", presets::L14, 14),
            ("L15", presets::L15, 12),
            ("B16", presets::B16, 16),
        ] {
            self.part(format!("evaluator/{name}-{log_n}"), (&spec, log_n), &Evaluator)?;
        }
        for (log_n, log_m) in [(10, 3), (9, 9), (12, 9)] {
            self.part(format!("rings/B16-{log_n}-{log_m}"), (&presets::B16, log_n), &Rings { log_m })?;
        }
        self.bootstraps()?;
        for entry in every(SLOTS)? {
            self.part(format!("circuits/{}", entry.name), (&presets::L15, 10), &Encrypted(&entry))?;
        }
        self.transformers()
    }

    fn part(&mut self, section: String, (spec, log_n): (&Spec<'_>, u8), part: &impl Part) -> Result<(), Failure> {
        if (self.wanted)(&section) {
            self.out.section(section.clone());
            let ran = self.machine.run(&Chain::new(spec, log_n), part, &mut self.out);
            ran.map_err(|e| format!("{section}: {e}"))?;
        }
        Ok(())
    }

    /// The sections without a backend.
    fn clear(&mut self) -> Result<(), Failure> {
        for (name, spec) in [("C12", presets::C12), ("C13", presets::C13)] {
            if self.enter(format!("device/{name}")) {
                rings::device(&spec, &mut self.out)?;
            }
        }
        for entry in every(SLOTS)? {
            if self.enter(format!("clear/circuits/{}", entry.name)) {
                circuits::clear(&entry, &mut self.out)?;
            }
        }
        Ok(())
    }

    fn enter(&mut self, section: String) -> bool {
        let wanted = (self.wanted)(&section);
        if wanted {
            self.out.section(section);
        }
        wanted
    }

    fn bootstraps(&mut self) -> Result<(), Failure> {
        for way in Bootstrap::all() {
            self.part(format!("bootstrap/B16-10/{}", way.name()), (&presets::B16, 10), &way)?;
        }
        for way in Bootstrap::all().into_iter().filter(|way| way.steps == RotationStrategy::Hoisted) {
            self.part(format!("bootstrap/H16-10/{}", way.name()), (&presets::H16, 10), &way)?;
        }
        for order in [Order::SlotsToCoeffsFirst, Order::ModRaiseFirst] {
            let way = Bootstrap { order, steps: RotationStrategy::Hoisted, period: usize::MAX, range: 8.0 };
            self.part(format!("bootstrap/B16-12/{}-range8", way.name()), (&presets::B16, 12), &way)?;
        }
        Ok(())
    }

    /// Small models of arbitrary weights, and the one in the program.
    fn transformers(&mut self) -> Result<(), Failure> {
        for (name, model, lengths) in [
            ("encoder", model(16, 32, 5), vec![3]),
            ("encoder_two_questions", model(16, 48, 5), vec![3, 2]),
            ("decoder", decoder(2, 16, 32, 5), vec![4]),
        ] {
            let questions = lengths.iter().enumerate().map(|(i, tokens)| noise(5 + i, tokens * 16)).collect();
            let inference = Inference { model: &model, questions, steps: RotationStrategy::Hoisted };
            if self.enter(format!("clear/model/{name}")) {
                inference.clear(&mut self.out)?;
            }
            self.part(format!("model/{name}"), (&presets::B16, 10), &inference)?;
        }
        let m = Pretrained::embedded()?;
        let embedded = |text: &str| m.text.tokens(text).map(|ids| m.text.embed(&ids));
        let inference = |texts: &[&str], steps| -> Result<_, Failure> {
            let questions = texts.iter().map(|text| embedded(text)).collect::<Result<_, _>>()?;
            Ok(Inference { model: &m.model, questions, steps })
        };
        for (i, text) in QUESTIONS.iter().enumerate() {
            if self.enter(format!("clear/banking77/{i}")) {
                inference(&[text], RotationStrategy::Hoisted)?.clear(&mut self.out)?;
            }
            for (name, steps) in [("hoisted", RotationStrategy::Hoisted), ("min_ks", RotationStrategy::MinKs)] {
                if self.enter(format!("plan/banking77/{i}/{name}")) {
                    inference(&[text], steps)?.plan(&Params::new(&presets::B16)?, &mut self.out)?;
                }
            }
        }
        let one = inference(&["I forgot my passcode"], RotationStrategy::Hoisted)?;
        self.part("banking77/one-10".into(), (&presets::B16, 10), &one)?;
        let three = inference(&["my card was stolen", "exchange rate", "forgot passcode"], RotationStrategy::MinKs)?;
        self.part("banking77/three-12".into(), (&presets::B16, 12), &three)
    }
}

/// Questions to the model in the program.
const QUESTIONS: [&str; 6] = [
    "I think someone used my card in another country",
    "How long does a transfer take?",
    "Where is my new card?",
    "My top up failed, what happened to my money?",
    "What exchange rate do you use when I pay abroad in euros?",
    "I forgot my passcode",
];
