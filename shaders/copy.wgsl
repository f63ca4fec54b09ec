// out = a

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let m = prime_index(call.over, group.y);
    let out = at(call.out, group.z, m);
    let a = at(call.a, group.z, m);
    for (var i = 0u; i < PER_THREAD; i++) {
        let col = (group.x * PER_THREAD + i) * THREADS + thread;
        if (col < (1u << call.out.log_cols)) {
            m0[out + col] = m1[a + col];
        }
    }
}
