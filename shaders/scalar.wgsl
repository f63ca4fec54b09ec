// out = a op c, one constant a row of the table; op 0 adds, 1 subtracts, 2 multiplies.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let m = prime_index(call.over, group.y);
    let q = modulus(m);
    let out = at(call.out, group.z, m);
    let a = at(call.a, group.z, m);
    let c = table[call.constants + group.y];
    for (var i = 0u; i < PER_THREAD; i++) {
        let col = (group.x * PER_THREAD + i) * THREADS + thread;
        if (col < (1u << call.out.log_cols)) {
            let x = m1[a + col];
            switch call.flags {
                case 0u: { m0[out + col] = add(q, x, c); }
                case 1u: { m0[out + col] = sub(q, x, c); }
                default: { m0[out + col] = mul(q, x, c); }
            }
        }
    }
}
