//! What lets kernels run without runtime checks: every loop counts towards an end. That indices lie within their arrays is
//! shown by `intervals`.

use std::collections::BTreeSet;

use crate::shaders::{Parsed, all_modules};
use lowrank::internals::gpu::{KNOWN_FAULTS, Standing};
use naga::{BinaryOperator, Block, Expression, Function, Handle, LocalVariable, Statement};

/// Inner blocks of a statement.
fn inner(statement: &Statement) -> Vec<&Block> {
    match statement {
        Statement::Block(block) => vec![block],
        Statement::If { accept, reject, .. } => vec![accept, reject],
        Statement::Switch { cases, .. } => cases.iter().map(|case| &case.body).collect(),
        Statement::Loop { body, continuing, .. } => vec![body, continuing],
        _ => vec![],
    }
}

fn visit<'b>(block: &'b Block, see: &mut impl FnMut(&'b Statement)) {
    for statement in block.iter() {
        see(statement);
        inner(statement).into_iter().for_each(|block| visit(block, see));
    }
}

/// A function and its module's constants.
struct Place<'m> {
    module: &'m naga::Module,
    function: &'m Function,
}

impl Place<'_> {
    fn at(&self, handle: Handle<Expression>) -> &Expression {
        &self.function.expressions[handle]
    }

    /// The variable that an expression loads.
    fn loads(&self, handle: Handle<Expression>) -> Option<Handle<LocalVariable>> {
        let Expression::Load { pointer } = *self.at(handle) else { return None };
        self.variable(pointer)
    }

    fn variable(&self, pointer: Handle<Expression>) -> Option<Handle<LocalVariable>> {
        if let Expression::LocalVariable(variable) = *self.at(pointer) { Some(variable) } else { None }
    }

    /// The variable that an expression grows with: itself, a sum or product with anything else (sizes and constants here), or
    /// a quotient by a constant.
    fn counter(&self, handle: Handle<Expression>) -> Option<Handle<LocalVariable>> {
        match *self.at(handle) {
            Expression::Binary { op: BinaryOperator::Add | BinaryOperator::Multiply, left, right } => {
                self.counter(left).or_else(|| self.counter(right))
            }
            Expression::Binary { op: BinaryOperator::Divide, left, right } => {
                self.positive(right).then(|| self.counter(left)).flatten()
            }
            _ => self.loads(handle),
        }
    }

    fn positive(&self, handle: Handle<Expression>) -> bool {
        let literal = |literal: &naga::Literal| match *literal {
            naga::Literal::U32(number) => number > 0,
            naga::Literal::I32(number) => number > 0,
            _ => false,
        };
        match self.at(handle) {
            Expression::Literal(number) => literal(number),
            Expression::Constant(constant) => {
                let value = self.module.constants[*constant].init;
                matches!(&self.module.global_expressions[value], Expression::Literal(number) if literal(number))
            }
            _ => false,
        }
    }

    /// Whether one variable is compared before the loop is left, and moves towards that comparison after each round
    /// and at no other place.
    fn ends(&self, body: &Block, continuing: &Block) -> bool {
        let leaves = |statement: &Statement| {
            let blocks = inner(statement);
            matches!(statement, Statement::If { .. })
                && blocks.iter().any(|block| block.iter().any(|inside| matches!(inside, Statement::Break)))
        };
        let Some(guard) = body.iter().position(leaves) else { return false };
        // Expressions that are computed up to the first way out.
        let mut computed = Vec::new();
        for statement in body.iter().take(guard + 1) {
            let mut see = |statement: &Statement| {
                if let Statement::Emit(range) = statement {
                    computed.extend(range.clone());
                }
            };
            see(statement);
            inner(statement).into_iter().for_each(|block| visit(block, &mut see));
        }
        let stored = |block: &Block| {
            let mut all = Vec::new();
            visit(block, &mut |statement| {
                if let Statement::Store { pointer, value } = *statement {
                    all.extend(self.variable(pointer).map(|variable| (variable, value)));
                }
            });
            all
        };
        let within: BTreeSet<_> = stored(body).into_iter().map(|(variable, _)| variable).collect();
        stored(continuing).into_iter().filter(|(variable, _)| !within.contains(variable)).any(|(variable, value)| {
            let Expression::Binary { op, left, right } = *self.at(value) else { return false };
            if self.loads(left) != Some(variable) || !self.positive(right) {
                return false;
            }
            computed.iter().any(|&handle| match *self.at(handle) {
                Expression::Binary { op: compared, left, .. } if self.counter(left) == Some(variable) => {
                    let up = matches!(compared, BinaryOperator::Less | BinaryOperator::LessEqual);
                    let down = matches!(compared, BinaryOperator::Greater);
                    match op {
                        BinaryOperator::Add => up,
                        BinaryOperator::Subtract | BinaryOperator::Divide => down,
                        _ => false,
                    }
                }
                _ => false,
            })
        })
    }
}

/// Numbers of loops of a module, and of those that are not seen to end.
fn loops(module: &naga::Module) -> (usize, usize) {
    let entries = module.entry_points.iter().map(|entry| &entry.function);
    let (mut all, mut endless) = (0, 0);
    for function in module.functions.iter().map(|(_, function)| function).chain(entries) {
        let place = Place { module, function };
        visit(&function.body, &mut |statement| {
            if let Statement::Loop { body, continuing, .. } = statement {
                all += 1;
                endless += usize::from(!place.ends(body, continuing));
            }
        });
    }
    (all, endless)
}

#[test]
fn every_loop_counts_towards_an_end() {
    let mut all = 0;
    for Parsed { module, naga: parsed } in all_modules() {
        let (loops, endless) = loops(parsed);
        all += loops;
        assert_eq!(endless, 0, "{} has loops that are not seen to end:\n{}", module.name, module.text);
    }
    assert!(all > 100, "{all} loops");
}

#[test]
fn loops_without_an_end_are_found() {
    let of = |inside: &str| {
        let text = format!("fn f(n: u32) -> u32 {{\n var s = 0u;\n {inside}\n return s;\n}}\n");
        loops(&naga::front::wgsl::parse_str(&text).expect("valid text"))
    };
    for ends in [
        "for (var i = 0u; i < n; i += 2u) { s += i; }",
        "for (var i = 0u; i + 1u < n && s < 5u; i += 1u) { s += i; }",
        "for (var i = n; i > 0u; i = i / 2u) { for (var j = i; j > 0u; j -= 1u) { s += j; } }",
    ] {
        assert_eq!(of(ends).1, 0, "{ends}");
        assert!(of(ends).0 > 0);
    }
    for endless in [
        "loop { s += 1u; }",
        "for (var i = 0u; i < n; i += 0u) { s += i; }",
        "for (var i = 0u; i < n; i -= 1u) { s += i; }",
        "for (var i = 0u; i < n; i += 1u) { i = 0u; }",
        "for (var i = 0u; s < n; i += 1u) { s = 0u; }",
        "for (var i = n; i > 0u; i += 1u) { s += i; }",
    ] {
        assert_eq!(of(endless), (1, 1), "{endless}");
    }
}

/// An entry of the list that claims a test names one that exists.
#[test]
fn tests_of_known_faults_exist() {
    let mut texts = String::new();
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/device")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                texts.push_str(&std::fs::read_to_string(path).expect("a source"));
            }
        }
    }
    for fault in KNOWN_FAULTS {
        if let Standing::Shown(test) = fault.standing {
            assert!(texts.contains(&format!("fn {test}(")), "no test {test}");
        }
    }
}
