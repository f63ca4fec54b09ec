// 64-bit products out of 16-bit halves, for adapters without 64-bit integers. Same names and words as
// modular_u64.wgsl.

struct Wide { lo: u32, hi: u32 }

fn wide_from(x: u32) -> Wide {
    return Wide(x, 0u);
}

fn wide_lo(t: Wide) -> u32 {
    return t.lo;
}

fn wide_hi(t: Wide) -> u32 {
    return t.hi;
}

fn wide_mul(a: u32, b: u32) -> Wide {
    return Wide(a * b, mulhi(a, b));
}

// t + ab, modulo 2^64.
fn wide_mul_add(t: Wide, a: u32, b: u32) -> Wide {
    let low = a * b;
    let sum = t.lo + low;
    return Wide(sum, t.hi + mulhi(a, b) + u32(sum < low));
}

// The upper half of ab. No sum below passes 2^32.
fn mulhi(a: u32, b: u32) -> u32 {
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let middle = ah * bl + ((al * bl) >> 16u);
    let other = al * bh + (middle & 0xffffu);
    return ah * bh + (middle >> 16u) + (other >> 16u);
}

// t/R in [0, 2q) for t < q 2^32. The lower halves of t and mq add up to 2^32, or are both 0.
fn redc_lazy(q: Modulus, t: Wide) -> u32 {
    let m = t.lo * q.neg_q_inv;
    return t.hi + mulhi(m, q.q) + u32(t.lo != 0u);
}
