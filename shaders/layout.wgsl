// What every kernel sees: the constants of the ring, a table of call constants, and the memory of the operands. A row is
// found by arithmetic, as in Shape::at: the specials of a basis come first, then the span of the basis.

struct Modulus { q: u32, neg_q_inv: u32, one: u32, r2: u32 }

// A batch of rows: the word at which it starts, words from one item to the next (0: every item is the first; LISTED: the
// table has a word for each item, where it starts, from `offset` on), its basis (specials | start << 16) and the log2 of the
// words in a row.
struct Operand { offset: u32, stride: u32, basis: u32, log_cols: u32 }

@group(0) @binding(0) var<storage, read> ring: array<u32>;  // 64 moduli, log2(n), twiddles as Ring has them
@group(0) @binding(1) var<storage, read> table: array<u32>; // constants of calls
@group(1) @binding(0) var<storage, read_write> m0: array<u32>;
@group(1) @binding(1) var<storage, read_write> m1: array<u32>;
@group(1) @binding(2) var<storage, read_write> m2: array<u32>;
@group(1) @binding(3) var<storage, read_write> m3: array<u32>;
@group(1) @binding(4) var<storage, read_write> m4: array<u32>;
@group(1) @binding(5) var<storage, read_write> m5: array<u32>;

const LOG_N: u32 = 256u;
const TWIDDLES: u32 = 320u;

// Words that a thread works on, each THREADS after the one before.
const PER_THREAD: u32 = 4u;
const THREADS: u32 = 256u;

fn modulus(m: u32) -> Modulus {
    return Modulus(ring[4u * m], ring[4u * m + 1u], ring[4u * m + 2u], ring[4u * m + 3u]);
}

// Prime index of row `r` of a basis.
fn prime_index(basis: u32, r: u32) -> u32 {
    let specials = basis & 0xffffu;
    return select(r - specials + (basis >> 16u), r, r < specials);
}

// Row of prime index `m` in a basis.
fn row_of(basis: u32, m: u32) -> u32 {
    let specials = basis & 0xffffu;
    return select(m + specials - (basis >> 16u), m, m < specials);
}

const LISTED: u32 = 0xffffffffu;

// Where the row of prime index `m` of an item starts.
fn at(o: Operand, item: u32, m: u32) -> u32 {
    var start = o.offset + item * o.stride;
    if (o.stride == LISTED) {
        start = table[o.offset + item];
    }
    return start + (row_of(o.basis, m) << o.log_cols);
}

// The operand stored in the table at `i`.
fn operand(i: u32) -> Operand {
    return Operand(table[i], table[i + 1u], table[i + 2u], table[i + 3u]);
}
