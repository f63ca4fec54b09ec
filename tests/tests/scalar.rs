//! The scalar backend obeys the laws.

use laws::chain::Chain;
use scalar::Scalar;

fn scalar(chain: &Chain, mut law: impl FnMut(&mut Scalar<'_, '_>)) {
    chain.on_scalar(100, |be| law(be));
}

laws::conformance!(scalar);
