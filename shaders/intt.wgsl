// Eval to Coeff, the stages of ntt backwards: Gentleman-Sande butterflies, words in [0, 2q) between stages. The last pass
// ends in the product with a constant of the row: 1/n times the factor of the next operation.

fn butterfly(q: Modulus, u: vec4<u32>, v: vec4<u32>, w: vec4<u32>) -> Two {
    let two_q = vec4<u32>(2u * q.q);
    return Two(min(u + v, u + v - two_q), mul_lazy4(q, u + two_q - v, w));
}

// Two stages on vectors. First neighbours mix. Then words of the first and third mix, and words of the second and fourth.
fn two_stages(q: Modulus, v: Sixteen, w: vec4<u32>, even: vec4<u32>, odd: vec4<u32>) -> Sixteen {
    let ab = butterfly(q, v.a, v.b, even);
    let cd = butterfly(q, v.c, v.d, odd);
    let ac = butterfly(q, ab.x, cd.x, w);
    let bd = butterfly(q, ab.y, cd.y, w);
    return Sixteen(ac.x, bd.x, ac.y, bd.y);
}

// Stages [done, done + 4) of the pass, the last first.
fn four_stages(p: Pass, done: u32, g: u32, w: u32, q: Modulus) {
    let low = p.stages - done - 4u + p.low;
    let start = start_of(g, low, 4u);
    let f = factors(w, p.first + done, (p.prefix << done) + (g >> low));
    var v = Sixteen(
        load4(start, low, 0u, 4u),
        load4(start, low, 1u, 4u),
        load4(start, low, 2u, 4u),
        load4(start, low, 3u, 4u),
    );
    v = two_stages(q, v, f.w2, f.even, f.odd);
    v = two_stages(q, transpose(v), vec4<u32>(f.w0), vec4<u32>(f.w1.x), vec4<u32>(f.w1.y));
    store4(start, low, 0u, 1u, v.a);
    store4(start, low, 4u, 1u, v.b);
    store4(start, low, 8u, 1u, v.c);
    store4(start, low, 12u, 1u, v.d);
}

// Stage `done` of the pass.
fn one_stage(p: Pass, done: u32, g: u32, w: u32, q: Modulus) {
    let low = p.stages - done - 1u + p.low;
    let i = start_of(g, low, 1u);
    let j = i + (1u << low);
    let two_q = 2u * q.q;
    let u = tile[bank(i)];
    let v = tile[bank(j)];
    tile[bank(i)] = min(u + v, u + v - two_q);
    tile[bank(j)] =
        mul_lazy(q, u + two_q - v, ring[w + (1u << (p.first + done)) + (p.prefix << done) + (g >> low)]);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let m = prime_index(call.over, group.y);
    let q = modulus(m);
    let p = pass_of(group.x);
    let w = twiddles_of(m, 1u);
    let words = 1u << p.log_tile;
    let source = at(call.a, group.z, m);
    for (var e = thread; e < words; e += THREADS) {
        tile[bank(e)] = m1[source + column(p, group.x, e)];
    }
    workgroupBarrier();
    var done = p.stages;
    for (; done % 4u != 0u; done--) {
        for (var g = thread; g < words / 2u; g += THREADS) {
            one_stage(p, done - 1u, g, w, q);
        }
        workgroupBarrier();
    }
    for (; done > 0u; done -= 4u) {
        for (var g = thread; g < words / 16u; g += THREADS) {
            four_stages(p, done - 4u, g, w, q);
        }
        workgroupBarrier();
    }
    let out = at(call.out, group.z, m);
    let c = table[call.constants + group.y];
    for (var e = thread; e < words; e += THREADS) {
        let x = tile[bank(e)];
        m0[out + column(p, group.x, e)] = select(x, mul(q, x, c), p.first == 0u);
    }
}
