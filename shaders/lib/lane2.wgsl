// A lane holds one number for each of TILE trials; see lane1.wgsl.

alias Lane = vec2<real>;

fn lane_zero() -> Lane {
    return Lane();
}

// a·x + acc, trial by trial.
fn lane_fma(a: real, x: Lane, acc: Lane) -> Lane {
    return fma(Lane(a), x, acc);
}

fn lane_add(a: Lane, b: Lane) -> Lane {
    return a + b;
}

fn lane_get(lane: Lane, l: u32) -> real {
    return lane[l];
}

// `lane` with the number of trial l replaced.
fn lane_with(lane: Lane, l: u32, value: real) -> Lane {
    var result = lane;
    result[l] = value;
    return result;
}
