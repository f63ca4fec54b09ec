//! A client encrypts two vectors, a server adds the ciphertexts, the client decrypts the sum.
//!
//!     cargo run --release --example add

use polyformer::{Result, keys::random, machine::Host};
use polyformer_cpu::Cpu;
use polyformer_kernel::{
    arith::Arithmetic,
    ckks::{Ckks, Client, keys::Keys},
    math::complex::Complex,
    params::{Params, presets},
};

fn main() -> Result<()> {
    let host = Host::new(Params::new(&presets::L13)?); // 4096 slots, 128 bits of security
    let mut be = Cpu::new(host.ring()?);

    // the client: four values each, which repeat through all slots
    let mut client = Client::new(&mut be, host.params(), random::generator()?)?;
    let (a, b) = ([1.5, -2.0, 0.25, 8.0], [0.5, 3.0, 0.75, -8.5]);
    let mut x = client.encrypt(&mut be, &a.map(Complex::from), 1)?;
    let y = client.encrypt(&mut be, &b.map(Complex::from), 1)?;

    // the server: a sum needs no key
    let mut server = Ckks::new(be, host.params(), Keys::default())?;
    server.add(&mut x, &y)?;

    // the client again
    let sum = client.decrypt(&mut server.be, &x)?;
    for (i, z) in sum.iter().take(4).enumerate() {
        println!("{} + {} = {:.6}", a[i], b[i], z.re);
        assert!((z.re - (a[i] + b[i])).abs() < 1e-5);
    }
    client.wipe(&mut server.be)?;
    Ok(())
}
