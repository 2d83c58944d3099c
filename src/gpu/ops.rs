//! Calls of the ops with their own kernels: preconditioners, products and means.

use std::rc::Rc;

use crate::error::{Error, Result};
use crate::gpu::call::{Call, Fill, Grid, Many, Plan, Third};
use crate::gpu::compiled::{Access, Read, Write};
use crate::gpu::formulas::{adding, with_sums};
use crate::gpu::frame::{Frame, count};
use crate::gpu::fuse::Job;
use crate::gpu::generate::Context;
use crate::gpu::registers::{PARTS, Place, Registers};
use crate::gpu::text::{File, GRID, SCALAR, arithmetic, constant, file, limits, measurements_file};
use crate::tape::{BlockSize, Blocks, Kind, Matrix, MatrixProduct, Precondition, Program};

const GRAM: File = file!("ops/gram.wgsl");
const CHOLESKY: File = file!("ops/cholesky.wgsl");
const PRECONDITION: File = file!("ops/precondition.wgsl");
pub(super) const PRODUCT: File = file!("ops/product.wgsl");
const MEAN: File = file!("ops/mean.wgsl");

/// Rows of a factor per workgroup of a Gram product.
const GRAM_ROWS: usize = 1024;

/// Blocks of a register with their offsets.
pub(super) fn blocks(program: &Program, of: Blocks) -> Vec<(BlockSize, usize)> {
    let Kind::Blocks(blocks) = &program.declaration(of).kind else { return Vec::new() };
    let mut end = 0;
    let place = |block: &BlockSize| {
        end += block.len();
        (*block, end - block.len())
    };
    blocks.iter().map(place).collect()
}

/// WGSL of a function of the side number.
fn table(name: &str, values: &[usize]) -> String {
    let cases: String =
        values.iter().enumerate().map(|(at, value)| format!("        case {at}u: {{ return {value}u; }}\n")).collect();
    format!(
        "fn {name}(side: u32) -> u32 {{\n    switch (side) {{\n{cases}        default: {{ return 0u; }}\n    }}\n}}\n"
    )
}

fn place(registers: &Registers, of: Blocks) -> Result<Place> {
    registers.find(of).ok_or_else(|| Error::Unsupported {
        what: "an op on a register without a buffer".into(),
        fix: "this is a bug of lowrank: report it".into(),
    })
}

/// Constants of the preconditioner kernels, with tables of the rows and offsets of V and D.
fn sizes_text(sizes: &[(&str, usize)], v: &[(BlockSize, usize)], d: &[(BlockSize, usize)]) -> String {
    let rows = |of: &[(BlockSize, usize)]| of.iter().map(|(block, _)| block.rows).collect::<Vec<_>>();
    let ats = |of: &[(BlockSize, usize)]| of.iter().map(|(_, at)| *at).collect::<Vec<_>>();
    let tables = [("v_rows", rows(v)), ("v_at", ats(v)), ("d_rows", rows(d)), ("d_at", ats(d))];
    let constants = sizes.iter().map(|(name, value)| constant(name, *value));
    constants.chain(tables.into_iter().map(|(name, values)| table(name, &values))).collect()
}

/// Functions that add the sums of λ and return it.
fn damping_text(registers: &Registers, job: &Job<'_>, op: &Precondition) -> String {
    let length = 64 * job.sums.len().max(1);
    let (add, value) = (adding(registers, &job.sums), with_sums(registers, &op.damping, &job.sums));
    format!(
        "var<workgroup> sums: array<real, {length}>;\nfn add_sums(trial: u32, thread: u32) {{\n{add}}}\n\
         fn damping_of(trial: u32) -> real {{\n    return {value};\n}}\n"
    )
}

/// Calls of gram, cholesky and precondition.
///
/// # Errors
/// [`Error::Unsupported`] for blocks of different numbers of columns; [`Error::Invalid`] for a mutation that does not apply.
pub(super) fn precondition(
    context: &Context<'_>,
    plan: &mut Plan,
    registers: &Registers,
    program: &Program,
    job: &Job<'_>,
    op: &Precondition,
) -> Result<(Vec<Call>, Vec<Fill>)> {
    let (d, v) = (blocks(program, op.direction), blocks(program, op.factor));
    let sides = d.len();
    let partners: Vec<(BlockSize, usize)> = op.partners.iter().filter_map(|partner| v.get(*partner).copied()).collect();
    let k = d.first().map_or(1, |(block, _)| block.columns);
    if partners.len() != sides || d.iter().chain(&partners).any(|(block, _)| block.columns != k) {
        return Err(Error::Unsupported {
            what: "preconditioning blocks of different numbers of columns on the backend 'gpu'".into(),
            fix: "use the backend 'cpu'".into(),
        });
    }
    let [direction, factor, out] = [op.direction, op.factor, op.out].map(|of| place(registers, of));
    let (direction, factor, out) = (direction?, factor?, out?);
    let raised = registers.find(op.raised).map_or(0, |place| place.offset);
    let shares = partners.iter().map(|(block, _)| block.rows.div_ceil(GRAM_ROWS)).max().unwrap_or(1);
    let row_blocks: usize = d.iter().map(|(block, _)| block.rows.div_ceil(16)).sum();
    let sizes = [
        ("K", k),
        ("SIDES", sides),
        ("GRAM_ROWS", GRAM_ROWS),
        ("GRAM_SHARES", shares),
        ("V_SIZE", factor.len),
        ("D_SIZE", direction.len),
        ("ROW_BLOCKS", row_blocks),
        ("RAISED", raised),
    ];
    let prelude = arithmetic(context.precision) + &limits(context.precision) + &sizes_text(&sizes, &partners, &d);
    let damping = damping_text(registers, job, op);
    // In `cholesky.wgsl` the buffers of scalars and parts have the names of the generated text.
    let named = |text: &str| {
        text.replace("SCALARS", &format!("b{}", registers.scalars)).replace("PARTS", &format!("b{}", registers.parts))
    };
    let module = |name, files: &[(&str, &str)], prelude: &str| {
        Ok::<_, Error>(Rc::new(context.texts.compose(name, prelude.to_owned(), files, named)?))
    };
    let gram = module("gram", &[GRID, GRAM], &prelude)?;
    let cholesky = module("cholesky", &[GRID, SCALAR, ("generated/damping", &damping), CHOLESKY], &prelude)?;
    let solve = module("precondition", &[GRID, PRECONDITION], &prelude)?;
    let all = count(&[registers.batch, sides]);
    let numbers = [count(&[all, shares, k, k]), count(&[all, k, k]), count(&[all, 2])];
    let shared = plan.scratch("shares of Gram matrices", numbers[0]);
    let triangles = plan.scratch("triangles", numbers[1]);
    let dampings = plan.scratch("dampings", numbers[2]);
    let (each, columns) = (Many::Slots { lanes: 1 }, k.div_ceil(16));
    let triangle =
        [(shared, Read), (registers.scalars, Read), (registers.parts, Read), (triangles, Write), (dampings, Write)];
    let solved: [(usize, Access); 5] = [
        (triangles, Read),
        (dampings, Read),
        (direction.buffer, Read),
        (out.buffer, Write),
        (registers.scalars, Write),
    ];
    let calls = vec![
        Call::step(
            &gram,
            "gram",
            &[(factor.buffer, Read), (shared, Write)],
            Grid::new(each, sides * shares * columns * columns),
        ),
        Call::step(&cholesky, "cholesky", &triangle, Grid::new(each, sides)),
        Call::step(&solve, "precondition", &solved, Grid::new(each, row_blocks)),
    ];
    let fill = |buffer, numbers| Fill { buffer, first: 0, numbers };
    // Blocks above the diagonal of a share have no owner.
    let fills =
        vec![fill(triangles, numbers[1]), fill(dampings, numbers[2]), fill(out.buffer, registers.batch * out.len)];
    Ok((calls, fills))
}

/// Call of out ← op(A)·op(B).
///
/// # Errors
/// [`Error::Unsupported`] where sizes do not fit; [`Error::Invalid`] for a mutation that does not apply.
pub(super) fn product(
    context: &Context<'_>,
    registers: &Registers,
    program: &Program,
    op: &MatrixProduct,
) -> Result<Vec<Call>> {
    let of = |matrix: Matrix| -> Result<(Place, BlockSize, usize)> {
        let (block, at) = blocks(program, matrix.register)[matrix.block];
        Ok((place(registers, matrix.register)?, block, at))
    };
    let ((a, a_block, a_at), (b, b_block, b_at), (out, block, at)) = (of(op.a)?, of(op.b)?, of(op.out)?);
    let inner = if op.transpose_a { a_block.rows } else { a_block.columns };
    let facing = if op.transpose_b { b_block.columns } else { b_block.rows };
    let rows = if op.transpose_a { a_block.columns } else { a_block.rows };
    let columns = if op.transpose_b { b_block.rows } else { b_block.columns };
    if (inner, rows, columns) != (facing, block.rows, block.columns) {
        let what = format!("a product of {rows}x{inner} and {facing}x{columns} into {}x{}", block.rows, block.columns);
        return Err(Error::Unsupported { what, fix: "record it with blocks of matching sizes".into() });
    }
    let mut bindings: Vec<(usize, Access)> = Vec::new();
    for buffer in [a.buffer, b.buffer] {
        if buffer != out.buffer && !bindings.contains(&(buffer, Read)) {
            bindings.push((buffer, Read));
        }
    }
    bindings.push((out.buffer, Write));
    let mut head = String::from(
        "@group(0) @binding(0) var<storage, read> slots: array<u32>;\nstruct Place {\n    slot: u32,\n    trial: u32,\n}\n",
    );
    for (binding, (buffer, access)) in bindings.iter().enumerate() {
        let access = if *access == Write { "read_write" } else { "read" };
        head.push_str(&format!("@group(1) @binding({binding}) var<storage, {access}> b{buffer}: array<real>;\n"));
    }
    let index = |place: &Place, at: usize, columns: usize, transposed: bool| {
        let (i, c) = if transposed { ("c", "i") } else { ("i", "c") };
        format!("b{}[{at}u + {} + {i} * {columns}u + {c}]", place.buffer, place.base())
    };
    for (name, place, at, block, transposed) in
        [("a_of", a, a_at, a_block, op.transpose_a), ("b_of", b, b_at, b_block, op.transpose_b)]
    {
        let index = index(&place, at, block.columns, transposed);
        head.push_str(&format!("fn {name}(place: Place, i: u32, c: u32) -> real {{\n    let trial = place.trial;\n    return {index};\n}}\n"));
    }
    let result = index(&out, at, block.columns, false);
    head.push_str(&format!("fn put_result(place: Place, i: u32, c: u32, value: real) {{\n    let trial = place.trial;\n    {result} = value;\n}}\n"));
    let mut prelude = arithmetic(context.precision);
    let sizes = [("RESULT_ROWS", rows), ("RESULT_COLUMNS", columns), ("INNER", inner)];
    sizes.into_iter().for_each(|(name, value)| prelude.push_str(&constant(name, value)));
    let files = [GRID, ("generated/product", head.as_str()), PRODUCT];
    let module = Rc::new(context.texts.compose("product", prelude, &files, str::to_owned)?);
    let grid = Grid::new(Many::Slots { lanes: 1 }, rows.div_ceil(16) * columns.div_ceil(16));
    Ok(vec![Call::step(&module, "multiply", &bindings, grid)])
}

/// Call of Σ w·e and Σ w for the mean of a vector. The slots of `frame` are those in `values`; weights lie like the
/// slots.
///
/// # Errors
/// [`Error::Invalid`] for a mutation that does not apply.
pub(super) fn mean(
    context: &Context<'_>,
    frame: &Frame,
    lanes: usize,
    values: &Place,
    weights: usize,
    means: usize,
) -> Result<(Call, Fill)> {
    let place = constant("VALUES_STRIDE", values.stride) + &constant("VALUES_OFFSET", values.offset);
    let files = [GRID, measurements_file(frame.grouped), MEAN];
    let module = Rc::new(context.texts.compose("mean", frame.prelude(true) + &place, &files, str::to_owned)?);
    let operands = [(values.buffer, Read), (weights, Read), (means, Write)];
    let call = Call::step(&module, "mean", &operands, Grid::new(Many::Slots { lanes }, PARTS));
    let call = if frame.grouped { call.with(Third::Turn) } else { call };
    Ok((call, Fill { buffer: means, first: 0, numbers: count(&[frame.slots, PARTS, 2]) }))
}
