// Coeff to Eval: Cooley-Tukey butterflies, words in [0, 4q) between stages. The first pass raises its inputs to
// Montgomery form, the last leaves canonical words. Flag 1: the last pass ends in out = x + b c, c from the table,
// where c is not 0. Flag 2: rows of prime index m are left alone in item j where (m - specials) / alpha = j + offset,
// counted modulo the number of digits: the digits' own rows; `constants` has alpha, specials, offset, digits.

fn butterfly(q: Modulus, x: vec4<u32>, y: vec4<u32>, w: vec4<u32>) -> Two {
    let two_q = vec4<u32>(2u * q.q);
    let u = min(x, x - two_q);
    let v = mul_lazy4(q, y, w);
    return Two(u + v, u + two_q - v);
}

// Two stages on vectors: words of the first mix with the third, of the second with the fourth, then neighbours.
fn two_stages(q: Modulus, v: Sixteen, w: vec4<u32>, even: vec4<u32>, odd: vec4<u32>) -> Sixteen {
    let ac = butterfly(q, v.a, v.c, w);
    let bd = butterfly(q, v.b, v.d, w);
    let ab = butterfly(q, ac.x, bd.x, even);
    let cd = butterfly(q, ac.y, bd.y, odd);
    return Sixteen(ab.x, ab.y, cd.x, cd.y);
}

// Stages [done, done + 4) of the pass.
fn four_stages(p: Pass, done: u32, g: u32, w: u32, q: Modulus) {
    let low = p.stages - done - 4u + p.low;
    let start = start_of(g, low, 4u);
    let f = factors(w, p.first + done, (p.prefix << done) + (g >> low));
    var v = Sixteen(
        load4(start, low, 0u, 1u),
        load4(start, low, 4u, 1u),
        load4(start, low, 8u, 1u),
        load4(start, low, 12u, 1u),
    );
    v = two_stages(q, v, vec4<u32>(f.w0), vec4<u32>(f.w1.x), vec4<u32>(f.w1.y));
    v = two_stages(q, transpose(v), f.w2, f.even, f.odd);
    store4(start, low, 0u, 4u, v.a);
    store4(start, low, 1u, 4u, v.b);
    store4(start, low, 2u, 4u, v.c);
    store4(start, low, 3u, 4u, v.d);
}

// Stage `done` of the pass.
fn one_stage(p: Pass, done: u32, g: u32, w: u32, q: Modulus) {
    let low = p.stages - done - 1u + p.low;
    let i = start_of(g, low, 1u);
    let j = i + (1u << low);
    let two_q = 2u * q.q;
    let u = min(tile[bank(i)], tile[bank(i)] - two_q);
    let v = mul_lazy(q, tile[bank(j)], ring[w + (1u << (p.first + done)) + (p.prefix << done) + (g >> low)]);
    tile[bank(i)] = u + v;
    tile[bank(j)] = u + two_q - v;
}

// Whether prime index m is of the digit that item z extends.
fn own(m: u32, z: u32) -> bool {
    let c = call.constants;
    return m >= table[c + 1u] && (m - table[c + 1u]) / table[c] == z % table[c + 3u] + table[c + 2u];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let m = prime_index(call.over, group.y);
    if (call.flags == 2u && own(m, group.z)) {
        return;
    }
    let q = modulus(m);
    let p = pass_of(group.x);
    let w = twiddles_of(m, 0u);
    let words = 1u << p.log_tile;
    let source = at(call.a, group.z, m);
    for (var e = thread; e < words; e += THREADS) {
        let x = m1[source + column(p, group.x, e)];
        tile[bank(e)] = select(x, mul_lazy(q, x, q.r2), p.first == 0u);
    }
    workgroupBarrier();
    var done = 0u;
    for (; done + 4u <= p.stages; done += 4u) {
        for (var g = thread; g < words / 16u; g += THREADS) {
            four_stages(p, done, g, w, q);
        }
        workgroupBarrier();
    }
    for (; done < p.stages; done++) {
        for (var g = thread; g < words / 2u; g += THREADS) {
            one_stage(p, done, g, w, q);
        }
        workgroupBarrier();
    }
    let out = at(call.out, group.z, m);
    let addend = at(call.b, group.z, m);
    var c = 0u;
    if (call.flags == 1u) {
        c = table[call.constants + group.y];
    }
    for (var e = thread; e < words; e += THREADS) {
        let col = column(p, group.x, e);
        var x = tile[bank(e)];
        if (p.gap == 0u) {
            x = reduce_once(q, min(x, x - 2u * q.q));
            if (c != 0u) {
                x = add(q, x, mul(q, m2[addend + col], c));
            }
        }
        m0[out + col] = x;
    }
}
