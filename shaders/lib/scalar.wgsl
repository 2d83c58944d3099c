// Functions of formulas over the scalars of a trial, as `src/tape/expression.rs` defines them. Conditions are numbers: 0 is false.

// a/b; 0 where b is 0.
fn quotient(a: real, b: real) -> real {
    if (b == 0.0) {
        return 0.0;
    }
    return a / b;
}

// √a; 0 where a is negative.
fn root(a: real) -> real {
    return sqrt(max(a, 0.0));
}

// 1 where a < b, else 0.
fn less(a: real, b: real) -> real {
    return select(real(0.0), real(1.0), a < b);
}

// 1 where a is finite, else 0.
fn finite(a: real) -> real {
    return select(real(0.0), real(1.0), abs(a) <= LARGEST);
}

// The value of c₁t + c₂t² + c₃t³ + c₄t⁴.
fn quartic_at(c: vec4<real>, t: real) -> real {
    return (((c.w * t + c.z) * t + c.y) * t + c.x) * t;
}

// What roundings can make of it.
fn quartic_rounding(c: vec4<real>, t: real) -> real {
    return 16.0 * UNIT * quartic_at(abs(c), t);
}

// The value of c₀ + c₁t + c₂t² + c₃t³.
fn cubic_at(c: vec4<real>, t: real) -> real {
    return ((c.w * t + c.z) * t + c.y) * t + c.x;
}

// ∛a, or a little less, for a > 0: a to the power of ¼ + 1/16 + 1/64 + …
fn cube_root(a: real) -> real {
    var factor = sqrt(sqrt(a));
    var product = factor;
    for (var i = 0u; i < 12u; i += 1u) {
        factor = sqrt(sqrt(factor));
        product *= factor;
    }
    return product;
}

// The t > 0 at which c₁t + c₂t² + c₃t³ + c₄t⁴ is least, the first one of those that roundings do not tell apart; 0 where it falls
// nowhere. The derivative changes its sign between its own stationary points, where bisection finds it.
fn least_of_quartic(c1: real, c2: real, c3: real, c4: real) -> real {
    let size = max(max(abs(c1), abs(c2)), max(abs(c3), abs(c4)));
    if (!(size > 0.0 && size <= LARGEST)) {
        return 0.0;
    }
    // A common factor moves nothing.
    let q = vec4<real>(c1, c2, c3, c4) / size;
    let c = vec4<real>(q.x, 2.0 * q.y, 3.0 * q.z, 4.0 * q.w);
    // Fujiwara's bound on all roots, of the highest coefficient there is.
    var bound: real = 0.0;
    if (c.w != 0.0) {
        bound = max(abs(c.z / c.w), max(sqrt(abs(c.y / c.w)), cube_root(abs(c.x / c.w))));
    } else if (c.z != 0.0) {
        bound = max(abs(c.y / c.z), sqrt(abs(c.x / c.z)));
    } else if (c.y != 0.0) {
        bound = abs(c.x / c.y);
    }
    bound *= 2.0;
    if (!(bound > 0.0 && bound <= LARGEST)) {
        return 0.0;
    }
    // 0, the stationary points of the derivative in order, and the bound; those that are not between stand at 0.
    var first: real = 0.0;
    var second: real = 0.0;
    let a = 3.0 * c.w;
    let b = 2.0 * c.z;
    if (a != 0.0) {
        let discriminant = b * b - 4.0 * a * c.y;
        if (discriminant > 0.0) {
            // The form without cancellation.
            let half = -0.5 * (b + select(real(-1.0), real(1.0), b >= 0.0) * sqrt(discriminant));
            first = half / a;
            if (half != 0.0) {
                second = c.y / half;
            }
        }
    } else if (b != 0.0) {
        first = -c.y / b;
    }
    first = select(real(0.0), first, first >= 0.0 && first < bound);
    second = select(real(0.0), second, second >= 0.0 && second < bound);
    var ends = vec4<real>(0.0, min(first, second), max(first, second), bound);
    var stationary = vec3<real>();
    var least: real = LARGEST;
    for (var i = 0u; i < 3u; i += 1u) {
        var low = ends[i];
        var high = ends[i + 1u];
        if ((cubic_at(c, low) > 0.0) != (cubic_at(c, high) > 0.0)) {
            let falling = cubic_at(c, low) > cubic_at(c, high);
            for (var halving = 0u; halving < 200u; halving += 1u) {
                let middle = 0.5 * (low + high);
                if (middle <= low || middle >= high) {
                    break;
                }
                if ((cubic_at(c, middle) > 0.0) == falling) {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            let t = 0.5 * (low + high);
            if (t > 0.0) {
                stationary[i] = t;
                least = min(least, quartic_at(q, t) + quartic_rounding(q, t));
            }
        }
    }
    for (var i = 0u; i < 3u; i += 1u) {
        let t = stationary[i];
        if (t > 0.0 && quartic_at(q, t) - quartic_rounding(q, t) <= least) {
            return select(real(0.0), t, quartic_at(q, t) <= 0.0);
        }
    }
    return 0.0;
}
