// A lane holds one number for each of TILE trials; see lane1.wgsl.

struct Lane {
    low: vec4<real>,
    high: vec4<real>,
}

fn lane_zero() -> Lane {
    return Lane();
}

// a·x + acc, trial by trial.
fn lane_fma(a: real, x: Lane, acc: Lane) -> Lane {
    return Lane(fma(vec4<real>(a), x.low, acc.low), fma(vec4<real>(a), x.high, acc.high));
}

fn lane_add(a: Lane, b: Lane) -> Lane {
    return Lane(a.low + b.low, a.high + b.high);
}

fn lane_get(lane: Lane, l: u32) -> real {
    if (l < 4u) {
        return lane.low[l];
    }
    return lane.high[l - 4u];
}

// `lane` with the number of trial l replaced.
fn lane_with(lane: Lane, l: u32, value: real) -> Lane {
    var result = lane;
    if (l < 4u) {
        result.low[l] = value;
    } else {
        result.high[l - 4u] = value;
    }
    return result;
}
