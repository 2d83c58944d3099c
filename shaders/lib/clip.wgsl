// Bounds of a number. One that is not a number stays so.

fn at_least(x: real, bound: real) -> real {
    return select(x, bound, x < bound);
}

fn at_most(x: real, bound: real) -> real {
    return select(x, bound, x > bound);
}
