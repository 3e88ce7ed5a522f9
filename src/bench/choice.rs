//! What the operator chose, as the cells to measure.

use crate::bench::cell::{Cell, Engine, Mode, Operation, ValueBytes, Workload};
use crate::fastlog::policy::{Flush, Strategy};
use crate::model::Durability;

/// Seconds that a cell is measured, when nothing else is said.
pub const SECONDS: f64 = 0.25;

const B128: ValueBytes = ValueBytes(128);
const KIB1: ValueBytes = ValueBytes(1 << 10);
const KIB4: ValueBytes = ValueBytes(4 << 10);
const KIB64: ValueBytes = ValueBytes(64 << 10);
const MIB1: ValueBytes = ValueBytes(1 << 20);

/// What to measure; where a list is empty, what the tour takes.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Workloads; all.
    pub workloads: Vec<Workload>,
    /// Engines; all that this program was built with.
    pub engines: Vec<Engine>,
    /// Value sizes; as each workload has them.
    pub values: Vec<ValueBytes>,
    /// Levels; as each workload has them.
    pub durabilities: Vec<Durability>,
    /// Strategies of FastLog; both where that says something.
    pub strategies: Vec<Strategy>,
    /// Flush policies of FastLog; both where that says something.
    pub flushes: Vec<Flush>,
    /// Seconds a cell.
    pub seconds: f64,
}

impl Default for Choice {
    fn default() -> Self {
        Choice {
            workloads: Vec::new(),
            engines: Vec::new(),
            values: Vec::new(),
            durabilities: Vec::new(),
            strategies: Vec::new(),
            flushes: Vec::new(),
            seconds: SECONDS,
        }
    }
}

/// What the cells of a workload have in common.
#[derive(Clone, Copy)]
struct Shape {
    workload: Workload,
    durability: Durability,
    batch: u32,
    writers: u32,
}

impl Choice {
    /// The cells, those that are compared with each other side by side.
    pub fn cells(&self) -> Vec<Cell> {
        let chosen =
            |workload: &Workload| self.workloads.is_empty() || self.workloads.contains(workload);
        Workload::ALL.iter().filter(|workload| chosen(workload)).flat_map(|w| self.of(*w)).collect()
    }

    fn of(&self, workload: Workload) -> Vec<Cell> {
        match workload {
            Workload::A => {
                self.appends(workload, &[Durability::High], &[1], &[B128, KIB1, KIB4, KIB64, MIB1])
            }
            Workload::C => {
                self.appends(workload, &[Durability::High], &[64], &[B128, KIB1, KIB4, KIB64])
            }
            Workload::D => {
                let levels = [Durability::Low, Durability::Mid];
                self.appends(workload, &levels, &[1, 64], &[B128, KIB1, KIB4, KIB64])
            }
        }
    }

    fn appends(
        &self,
        workload: Workload,
        levels: &[Durability],
        batches: &[u32],
        values: &[ValueBytes],
    ) -> Vec<Cell> {
        let values = or(&self.values, values);
        let mut cells = Vec::new();
        for durability in or(&self.durabilities, levels) {
            for batch in batches {
                let shape = Shape { workload, durability, batch: *batch, writers: 1 };
                for value in &values {
                    if self.is_on_the_tour(shape, *value) {
                        self.side_by_side(shape, *value, &mut cells);
                    }
                }
            }
        }
        cells
    }

    /// The tour takes of the weaker levels only as much as shows them; who chooses gets all.
    fn is_on_the_tour(&self, shape: Shape, value: ValueBytes) -> bool {
        let narrow = shape.workload == Workload::D
            && (shape.batch > 1 || shape.durability == Durability::Mid)
            && self.is_tour();
        !narrow || value == KIB1
    }

    fn is_tour(&self) -> bool {
        self.workloads.is_empty() && self.values.is_empty() && self.durabilities.is_empty()
    }

    fn side_by_side(&self, shape: Shape, value: ValueBytes, cells: &mut Vec<Cell>) {
        let cell = |engine, mode| Cell {
            workload: shape.workload,
            operation: Operation::Append,
            engine,
            durability: shape.durability,
            mode,
            value,
            batch: shape.batch,
            writers: shape.writers,
            extent: 0,
            seconds: self.seconds,
        };
        for engine in Engine::ALL.iter().copied().filter(|engine| self.has(*engine, shape)) {
            match engine {
                Engine::FastLog => {
                    let modes = self.modes(shape, value);
                    cells.extend(modes.into_iter().map(|mode| cell(engine, Some(mode))));
                }
                _ => cells.push(cell(engine, None)),
            }
        }
    }

    fn has(&self, engine: Engine, shape: Shape) -> bool {
        let chosen = self.engines.is_empty() || self.engines.contains(&engine);
        // Past the page cache every write is synced by itself.
        chosen && (engine != Engine::LimitDirect || shape.durability == Durability::High)
    }

    /// The modes of FastLog: those chosen; else every mode with 1 KiB, and with other sizes those
    /// that people run at this level.
    fn modes(&self, shape: Shape, value: ValueBytes) -> Vec<Mode> {
        let chosen = !self.strategies.is_empty() || !self.flushes.is_empty();
        let every = value == KIB1 && shape.batch == 1 && shape.writers == 1;
        let usual = |mode: &Mode| {
            mode.flush == Flush::Immediate
                && (mode.strategy == Strategy::DiskFirst || shape.durability != Durability::High)
        };
        if chosen {
            let flushes = or(&self.flushes, &[Flush::Immediate, Flush::BATCH]);
            let strategies = or(&self.strategies, &Strategy::ALL);
            let with = |strategy| flushes.iter().map(move |flush| Mode { strategy, flush: *flush });
            return strategies.into_iter().flat_map(with).collect();
        }
        Mode::ALL.into_iter().filter(|mode| every || usual(mode)).collect()
    }
}

/// What was chosen, each once and in its order, or else `usual`.
fn or<T: Copy + PartialEq>(chosen: &[T], usual: &[T]) -> Vec<T> {
    let mut taken = Vec::new();
    for item in if chosen.is_empty() { usual } else { chosen } {
        if !taken.contains(item) {
            taken.push(*item);
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_its_limit_beside_it_and_none_comes_twice() {
        let cells = Choice::default().cells();
        for (at, cell) in cells.iter().enumerate() {
            assert!(!cells[..at].contains(cell), "{cell} comes twice");
            if let Some(limit) = cell.limit() {
                assert!(cells.contains(&limit), "{cell} has no limit");
            }
        }
    }

    #[test]
    fn every_mode_of_fastlog_is_on_the_tour() {
        let cells = Choice::default().cells();
        for durability in Durability::ALL {
            for mode in Mode::ALL {
                let found = cells
                    .iter()
                    .any(|cell| cell.durability == durability && cell.mode == Some(mode));
                assert!(found, "{durability} {mode:?}");
            }
        }
    }

    #[test]
    fn what_is_chosen_is_measured_and_nothing_else() {
        let choice = Choice {
            workloads: vec![Workload::C],
            engines: vec![Engine::FastLog],
            values: vec![ValueBytes(7), ValueBytes(7)],
            durabilities: vec![Durability::Low],
            strategies: vec![Strategy::MemFirst],
            flushes: vec![Flush::BATCH],
            ..Choice::default()
        };
        let cells = choice.cells();
        assert_eq!(cells.len(), 1);
        assert_eq!(cells[0].to_string(), "C append fastlog -1 mem-first batch 7 64 1 0 0.25");
        let direct = Choice {
            engines: vec![Engine::LimitDirect],
            workloads: vec![Workload::D],
            ..Choice::default()
        };
        assert!(direct.cells().is_empty(), "nothing past the page cache is unsynced");
    }
}
