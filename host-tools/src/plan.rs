//! The needs of a circuit or a model before any encryption: keys, bootstraps, memory, seconds.
//!
//! ```
//! use polyformer::{model::Pretrained, plan::model::ModelPlan};
//!
//! let model = Pretrained::open(None)?; // the model in the program
//! let params = model.parameter_set()?.params()?;
//! let plan = ModelPlan::new(&params, &model.model, &[9])?; // a question of 9 tokens
//! assert_eq!(plan.cost.bootstrap, 3);
//! println!("{} keys, {} words of memory", plan.wants(&params).len(), plan.memory(&params));
//! # Ok::<(), polyformer::Error>(())
//! ```

pub mod circuit;
pub mod dry_run;
pub mod memory;
pub mod model;
pub mod placement;
pub mod speed;
