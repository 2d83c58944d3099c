//! The engine information of a rank.

use crate::distributed::Part;
use crate::engine::{EngineInfo, Precision, Shared};
use crate::memory::{Memory, Part as MemoryPart};
use crate::tape::Program;

/// Information of the first part, with the bytes of all parts of this rank.
pub(super) fn info(parts: &[Part<'_>], precision: Precision, shared: Shared, program: &Program) -> EngineInfo {
    let mut info = parts[0].engine.info().clone();
    let mut memory: Vec<MemoryPart> = Vec::new();
    for (index, other) in parts.iter().map(|part| part.engine.info()).enumerate() {
        for part in &other.memory.parts {
            match memory.iter_mut().find(|known| (&known.name, known.place) == (&part.name, part.place)) {
                Some(known) => known.bytes += part.bytes,
                None => memory.push(part.clone()),
            }
        }
        if index > 0 {
            info.operator_bytes_per_iteration += other.operator_bytes_per_iteration;
            info.operator_bytes += other.operator_bytes;
            info.panels += other.panels;
            info.streamed_panels += other.streamed_panels;
            info.streamed_bytes_per_iteration += other.streamed_bytes_per_iteration;
            info.notices.extend(other.notices.iter().cloned());
        }
    }
    info.operator_bytes_per_iteration *= program.passes();
    let mut said = std::collections::BTreeSet::new();
    info.notices.retain(|notice| said.insert(notice.clone()));
    if shared.ranks > 1 {
        info.notices.push(format!(
            "{} ranks share the measurements in {} shards; this rank sends {} bytes per gradient",
            shared.ranks, shared.parts, shared.bytes_per_gradient
        ));
    }
    EngineInfo { precision, memory: Memory { parts: memory }, team: Some(shared), ..info }
}
