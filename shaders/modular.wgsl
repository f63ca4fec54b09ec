// Arithmetic modulo q < 2^30 on top of `mulhi` and `redc_lazy`, which have a version with 64-bit integers and a version without. The names
// are the names of polyformer_kernel::math::modular.

// x mod q for x in [0, 2q).
fn reduce_once(q: Modulus, x: u32) -> u32 {
    return min(x, x - q.q);
}

fn add(q: Modulus, a: u32, b: u32) -> u32 {
    return reduce_once(q, a + b);
}

fn sub(q: Modulus, a: u32, b: u32) -> u32 {
    return reduce_once(q, a + q.q - b);
}

// ab/R, in [0, 2q), for ab < q 2^32.
fn mul_lazy(q: Modulus, a: u32, b: u32) -> u32 {
    return redc_lazy(q, wide_mul(a, b));
}

// ab/R mod q for ab < q 2^32: the Montgomery product.
fn mul(q: Modulus, a: u32, b: u32) -> u32 {
    return reduce_once(q, mul_lazy(q, a, b));
}

// t/R mod q for any t: a sum of up to sixteen products.
fn redc_any(q: Modulus, t: Wide) -> u32 {
    let hi = mul(q, wide_hi(t), q.one);
    return add(q, hi, reduce_once(q, redc_lazy(q, wide_from(wide_lo(t)))));
}

// A sum of words that may pass 2^32: (low, high).
fn sum_add(t: vec2<u32>, x: u32) -> vec2<u32> {
    let low = t.x + x;
    return vec2<u32>(low, t.y + u32(low < x));
}
