// The common part of ntt and intt: the part of a row that a workgroup holds. A pass does stages [first, first + stages) of
// the transform on a tile of up to 4096 words: the 2^stages words that these stages mix, times as many neighbours as fit.
// Either the pass is the first and neighbours are adjacent columns, or it is the last and they are adjacent blocks.

var<workgroup> tile: array<u32, 4096>;

struct Pass { first: u32, stages: u32, log_tile: u32, low: u32, gap: u32, prefix: u32 }

// `extra` is first | stages << 8.
fn pass_of(group: u32) -> Pass {
    let log_cols = call.out.log_cols;
    let first = call.extra & 0xffu;
    let stages = call.extra >> 8u;
    let log_tile = min(log_cols, 12u);
    let gap = log_cols - first - stages; // log2 of the words between two that the last of these stages mixes
    let neighbours = log_tile - stages;
    return Pass(first, stages, log_tile, select(neighbours, 0u, gap == 0u), gap, select(0u, group << neighbours, gap == 0u));
}

// The column of word e of the tile.
fn column(p: Pass, group: u32, e: u32) -> u32 {
    if (p.gap == 0u) {
        return (group << p.log_tile) + e;
    }
    return ((e >> p.low) << p.gap) + (group << p.low) + (e & ((1u << p.low) - 1u));
}

// The place of word e of the tile. Threads that are 2^k words apart must not access the same bank.
fn bank(e: u32) -> u32 {
    return e ^ ((e >> 5u) & 31u);
}

// The first word of group g of a step that mixes words 2^low apart, 2^radix of them.
fn start_of(g: u32, low: u32, radix: u32) -> u32 {
    return ((g >> low) << (low + radix)) | (g & ((1u << low) - 1u));
}

// The twiddles of prime index m, forward or inverse.
fn twiddles_of(m: u32, inverse: u32) -> u32 {
    return TWIDDLES + ((2u * m + inverse) << ring[LOG_N]);
}

// Sixteen words of a group, four to a vector: word j is component j % 4 of vector j / 4, or the other way round.
struct Sixteen { a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32> }

struct Two { x: vec4<u32>, y: vec4<u32> }

fn mul_lazy4(q: Modulus, a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    return vec4<u32>(mul_lazy(q, a.x, b.x), mul_lazy(q, a.y, b.y), mul_lazy(q, a.z, b.z), mul_lazy(q, a.w, b.w));
}

// Words j, j + step, j + 2 step, j + 3 step of the group that starts at `start`, its words 2^low apart.
fn load4(start: u32, low: u32, j: u32, step: u32) -> vec4<u32> {
    return vec4<u32>(
        tile[bank(start + (j << low))],
        tile[bank(start + ((j + step) << low))],
        tile[bank(start + ((j + 2u * step) << low))],
        tile[bank(start + ((j + 3u * step) << low))],
    );
}

fn store4(start: u32, low: u32, j: u32, step: u32, x: vec4<u32>) {
    tile[bank(start + (j << low))] = x.x;
    tile[bank(start + ((j + step) << low))] = x.y;
    tile[bank(start + ((j + 2u * step) << low))] = x.z;
    tile[bank(start + ((j + 3u * step) << low))] = x.w;
}

fn transpose(v: Sixteen) -> Sixteen {
    return Sixteen(
        vec4<u32>(v.a.x, v.b.x, v.c.x, v.d.x),
        vec4<u32>(v.a.y, v.b.y, v.c.y, v.d.y),
        vec4<u32>(v.a.z, v.b.z, v.c.z, v.d.z),
        vec4<u32>(v.a.w, v.b.w, v.c.w, v.d.w),
    );
}

// The twiddles of four stages: of the first two, by place, each for a whole vector; of the last two for each component.
struct Factors { w0: u32, w1: vec2<u32>, w2: vec4<u32>, even: vec4<u32>, odd: vec4<u32> }

fn factors(w: u32, stage: u32, prefix: u32) -> Factors {
    let w0 = w + (1u << stage) + prefix;
    let w1 = w + (2u << stage) + 2u * prefix;
    let w2 = w + (4u << stage) + 4u * prefix;
    let w3 = w + (8u << stage) + 8u * prefix;
    return Factors(
        ring[w0],
        vec2<u32>(ring[w1], ring[w1 + 1u]),
        vec4<u32>(ring[w2], ring[w2 + 1u], ring[w2 + 2u], ring[w2 + 3u]),
        vec4<u32>(ring[w3], ring[w3 + 2u], ring[w3 + 4u], ring[w3 + 6u]),
        vec4<u32>(ring[w3 + 1u], ring[w3 + 3u], ring[w3 + 5u], ring[w3 + 7u]),
    );
}
