// A lane holds one number for each of TILE trials, so that one read of the measurement data serves them all.
// All four lane files define the same functions; the host puts in the one of TILE, which fits the batch.

alias Lane = real;

fn lane_zero() -> Lane {
    return 0.0;
}

// a·x + acc, trial by trial.
fn lane_fma(a: real, x: Lane, acc: Lane) -> Lane {
    return fma(a, x, acc);
}

fn lane_add(a: Lane, b: Lane) -> Lane {
    return a + b;
}

fn lane_get(lane: Lane, l: u32) -> real {
    return lane;
}

// `lane` with the number of trial l replaced.
fn lane_with(lane: Lane, l: u32, value: real) -> Lane {
    return value;
}
