// Eval to Coeff, the stages of ntt backwards: Gentleman-Sande butterflies, words in [0, 2q) between stages. The last pass
// ends in the product with a constant of the row, 1/n times whatever follows the transform.

fn butterfly(x: ptr<function, array<u32, 16>>, i: u32, j: u32, w: u32, q: Modulus) {
    let two_q = 2u * q.q;
    let u = (*x)[i];
    let v = (*x)[j];
    (*x)[i] = min(u + v, u + v - two_q);
    (*x)[j] = mul_lazy(q, u + two_q - v, w);
}

// Stages [done, done + 4) of the pass, the last first.
fn four_stages(p: Pass, done: u32, g: u32, w: u32, q: Modulus) {
    let low = p.stages - done - 4u + p.low;
    let at = start_of(g, low, 4u);
    let prefix = (p.prefix << done) + (g >> low);
    let stage = p.first + done;
    var x: array<u32, 16>;
    for (var j = 0u; j < 16u; j++) {
        x[j] = tile[bank(at + (j << low))];
    }
    for (var b = 0u; b < 8u; b++) {
        let w3 = ring[w + (8u << stage) + 8u * prefix + b];
        butterfly(&x, 2u * b, 2u * b + 1u, w3, q);
    }
    for (var b = 0u; b < 4u; b++) {
        let w2 = ring[w + (4u << stage) + 4u * prefix + b];
        for (var i = 0u; i < 2u; i++) {
            butterfly(&x, 4u * b + i, 4u * b + i + 2u, w2, q);
        }
    }
    for (var b = 0u; b < 2u; b++) {
        let w1 = ring[w + (2u << stage) + 2u * prefix + b];
        for (var i = 0u; i < 4u; i++) {
            butterfly(&x, 8u * b + i, 8u * b + i + 4u, w1, q);
        }
    }
    let w0 = ring[w + (1u << stage) + prefix];
    for (var i = 0u; i < 8u; i++) {
        butterfly(&x, i, i + 8u, w0, q);
    }
    for (var j = 0u; j < 16u; j++) {
        tile[bank(at + (j << low))] = x[j];
    }
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
    let m = line_index(call.over, group.y);
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
