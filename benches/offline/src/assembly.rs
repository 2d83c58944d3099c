//! Accesses to memory, from the text of a machine's instructions: AMD's (buffer_load_b128, s_waitcnt vmcnt(3)) and those of
//! NVK's compiler for NVIDIA (ld.global.a64.b128 … wr:0, wt=000001).

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

/// Accesses of a thread to global memory in the text of a kernel, each counted once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Accesses {
    pub loads: usize,
    /// Bytes of all loads.
    pub load_bytes: usize,
    /// Bytes of the widest load.
    pub widest: usize,
    pub stores: usize,
    /// Most bytes of loads that are under way together, in loops where the kernel has some: when an instruction waits, the
    /// loads before the one that it waits for have arrived.
    pub in_flight: usize,
    pub barriers: usize,
}

/// What an instruction does, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
enum Instruction<'a> {
    /// Bytes, and the scoreboard that NVIDIA's instructions name.
    Load(usize, Option<u32>),
    Store,
    Barrier,
    Branch(&'a str),
    Label(&'a str),
    Other,
}

/// Bytes of the width at the end of an instruction's name.
fn width(name: &str) -> usize {
    let widths = [
        ("dwordx4", 16),
        ("dwordx3", 12),
        ("dwordx2", 8),
        ("dword", 4),
        ("b128", 16),
        ("b96", 12),
        ("b64", 8),
        ("b32", 4),
        ("16", 2),
        ("short", 2),
        ("8", 1),
        ("byte", 1),
    ];
    widths.iter().find(|(word, _)| name.ends_with(word)).map_or(4, |(_, bytes)| *bytes)
}

fn scoreboard(line: &str) -> Option<u32> {
    line.split("wr:").nth(1)?.chars().next()?.to_digit(10)
}

fn instruction(line: &str) -> Instruction<'_> {
    let code = line.split("//").next().unwrap_or(line);
    let mut words = code.split_whitespace();
    let first = words.next().unwrap_or_default();
    if let Some(label) = first.strip_suffix(':') {
        return Instruction::Label(label);
    }
    if first == "block" || first == "block.u" {
        return Instruction::Label(words.nth(1).unwrap_or_default());
    }
    if first.starts_with("s_cbranch") || first == "s_branch" {
        return Instruction::Branch(words.next().unwrap_or_default());
    }
    if first == "s_barrier" {
        return Instruction::Barrier;
    }
    for space in ["buffer", "global", "flat"] {
        let of = first.strip_prefix(space);
        if of.is_some_and(|rest| rest.starts_with("_load")) {
            return Instruction::Load(width(first), None);
        }
        if of.is_some_and(|rest| rest.starts_with("_store")) {
            return Instruction::Store;
        }
    }
    // NVIDIA's: a predicate, results and `=` may come first.
    for word in code.split_whitespace() {
        if word.starts_with("ld.global") {
            return Instruction::Load(width(word), scoreboard(line));
        }
        match word {
            _ if word.starts_with("st.global") => return Instruction::Store,
            _ if word.starts_with("bar.sync") => return Instruction::Barrier,
            "bra" => return Instruction::Branch(code.split_whitespace().last().unwrap_or_default()),
            _ => {}
        }
    }
    Instruction::Other
}

/// Lines between a label and a later branch back to it.
fn loops(lines: &[&str]) -> Vec<Range<usize>> {
    let mut labels = HashMap::new();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        match instruction(line) {
            Instruction::Label(label) => _ = labels.insert(label, at),
            Instruction::Branch(to) => found.extend(labels.get(to).map(|&begin| begin..at + 1)),
            _ => {}
        }
    }
    found
}

/// Loads under way.
#[derive(Default)]
struct Queue(VecDeque<(usize, Option<u32>)>);

impl Queue {
    /// Takes away what has arrived when the instruction of a line begins.
    fn wait(&mut self, line: &str) {
        if let Some(left) = line.split("vmcnt(").nth(1).and_then(|rest| rest.split(')').next()?.parse().ok()) {
            let arrived = self.0.len().saturating_sub(left);
            self.0.drain(..arrived);
        }
        if let Some(mask) = line.split("wt=").nth(1) {
            let bits: Vec<char> = mask.chars().take_while(|c| ['0', '1'].contains(c)).collect();
            let waits = |board: u32| bits.len().checked_sub(1 + board as usize).is_some_and(|at| bits[at] == '1');
            self.0.retain(|(_, board)| !board.is_some_and(waits));
        }
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|(bytes, _)| bytes).sum()
    }
}

impl Accesses {
    /// Accesses of a text; nothing where there is none.
    pub fn of(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let loops = loops(&lines);
        let mut all = Self::default();
        let mut queue = Queue::default();
        let (mut most, mut most_in_loops) = (0, 0);
        for (at, line) in lines.iter().enumerate() {
            queue.wait(line);
            match instruction(line) {
                Instruction::Load(bytes, board) => {
                    all.loads += 1;
                    all.load_bytes += bytes;
                    all.widest = all.widest.max(bytes);
                    queue.0.push_back((bytes, board));
                    most = most.max(queue.bytes());
                    if loops.iter().any(|range| range.contains(&at)) {
                        most_in_loops = most_in_loops.max(queue.bytes());
                    }
                }
                Instruction::Store => all.stores += 1,
                Instruction::Barrier => all.barriers += 1,
                _ => {}
            }
        }
        all.in_flight = if most_in_loops > 0 { most_in_loops } else { most };
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amd_loads_are_under_way_until_a_wait() {
        let text = "BB0:\n\tbuffer_load_b128 v[0:3], v0, s[8:11], 0 offen ; e05c\n\tglobal_load_dwordx2 v[4:5], v0, s[2:3]\n\
                    \ts_waitcnt vmcnt(1)\n\tbuffer_load_dword v6, v0, s[8:11], 0\n\ts_barrier\n\tbuffer_store_b32 v1, v2, s[0:3], 0\n\
                    \ts_waitcnt vmcnt(0)\n";
        let found = Accesses::of(text);
        let expected = Accesses { loads: 3, load_bytes: 28, widest: 16, stores: 1, in_flight: 24, barriers: 1 };
        assert_eq!(found, expected);
    }

    #[test]
    fn loads_before_a_loop_do_not_count_as_under_way_in_it() {
        let text = "\tbuffer_load_b128 v[0:3], v0, s[8:11], 0\n\tbuffer_load_b128 v[4:7], v0, s[8:11], 0\n\ts_waitcnt vmcnt(0)\n\
                    BB1:\n\tbuffer_load_b32 v8, v0, s[8:11], 0\n\ts_waitcnt vmcnt(0) lgkmcnt(0)\n\ts_cbranch_scc1 BB1\n";
        assert_eq!(Accesses::of(text).in_flight, 4);
    }

    #[test]
    fn nvidia_loads_are_under_way_until_their_scoreboard_is_awaited() {
        let text = "block 0 L1 [] -> {\n r0..4 = ld.global.a64.constant.b128 [r4..6] // delay=1 wr:0\n\
                    r8 = ld.global.a64.strong.sys.b32 [r4..6] // delay=1 wr:1\n bar.sync // delay=1\n\
                    r9 = fadd r0 r1 // delay=1 wt=000001\n r10 = ld.global.a64.b64 [r4..6] // delay=1 wr:0\n\
                    @!p0 bra L1 // delay=1\n}\n";
        let found = Accesses::of(text);
        let expected = Accesses { loads: 3, load_bytes: 28, widest: 16, stores: 0, in_flight: 20, barriers: 1 };
        assert_eq!(found, expected);
    }
}
