// 64-bit products where the adapter has 64-bit integers. Same names and words as modular_u32.wgsl.

alias Wide = u64;

fn wide_from(x: u32) -> Wide {
    return u64(x);
}

fn wide_lo(t: Wide) -> u32 {
    return u32(t & 0xfffffffflu);
}

fn wide_hi(t: Wide) -> u32 {
    return u32(t >> 32u);
}

fn wide_mul(a: u32, b: u32) -> Wide {
    return u64(a) * u64(b);
}

// t + ab, modulo 2^64.
fn wide_mul_add(t: Wide, a: u32, b: u32) -> Wide {
    return t + u64(a) * u64(b);
}

fn mulhi(a: u32, b: u32) -> u32 {
    return wide_hi(wide_mul(a, b));
}

// t/R in [0, 2q) for t < q 2^32.
fn redc_lazy(q: Modulus, t: Wide) -> u32 {
    let m = wide_lo(t) * q.neg_q_inv;
    return wide_hi(t + u64(m) * u64(q.q));
}
