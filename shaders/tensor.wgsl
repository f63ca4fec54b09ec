// (out, a, b) = (c e, c f + d e, d f) with (c, d) and (e, f) the two ciphertexts, the second perhaps block-constant.
// The second lies in one buffer.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let m = prime_index(call.over, group.y);
    let q = modulus(m);
    let d0 = at(call.out, group.z, m);
    let d1 = at(call.a, group.z, m);
    let d2 = at(call.b, group.z, m);
    let a0 = at(call.c, group.z, m);
    let a1 = at(call.d, group.z, m);
    let b0 = at(call.e, group.z, m);
    let b1 = at(call.f, group.z, m);
    for (var i = 0u; i < PER_THREAD; i++) {
        let col = (group.x * PER_THREAD + i) * THREADS + thread;
        if (col < (1u << call.out.log_cols)) {
            let x0 = m3[a0 + col];
            let x1 = m4[a1 + col];
            let y0 = m5[b0 + (col >> (call.out.log_cols - call.e.log_cols))];
            let y1 = m5[b1 + (col >> (call.out.log_cols - call.f.log_cols))];
            m0[d0 + col] = mul(q, x0, y0);
            m1[d1 + col] = redc_any(q, wide_mul_add(wide_mul(x0, y1), x1, y0));
            m2[d2 + col] = mul(q, x1, y1);
        }
    }
}
