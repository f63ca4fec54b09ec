// Words of the table, copied to where they belong. The table has for each run of them where it goes, where it is, its length.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = group.x * THREADS + thread;
    let k = call.constants + 3u * group.y;
    if (i < table[k + 2u]) {
        m0[table[k] + i] = table[table[k + 1u] + i];
    }
}
