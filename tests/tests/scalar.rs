//! The scalar backend obeys the laws. At n = 2^16, where the suite compares with the scalar backend itself,
//! `full_degree.rs` asks the oracle instead.

use laws::chain::Chain;
use scalar::Scalar;

fn scalar(chain: &Chain, mut law: impl FnMut(&mut Scalar<'_, '_>)) {
    chain.on_scalar(100, |be| law(be));
}

laws::conformance!(n8, 3, scalar);
laws::conformance!(n64, 6, scalar);
laws::conformance!(n1024, 10, scalar);
