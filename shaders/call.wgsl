// The arguments of one call, for every kernel except convert.

struct Call {
    over: u32,      // the basis that is worked on (specials | start << 16)
    flags: u32,
    constants: u32, // where the constants of the call start in the table
    extra: u32,
    out: Operand,
    a: Operand,
    b: Operand,
    c: Operand,
    d: Operand,
    e: Operand,
    f: Operand,
}

var<immediate> call: Call;
