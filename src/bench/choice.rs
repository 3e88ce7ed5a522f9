//! What the operator chose, as the cells to measure.

use crate::bench::LogShape;
use crate::bench::cell::{Cell, Engine, Mode, Operation, ValueBytes, Workload};
use crate::fastlog::policy::{Flush, Strategy};
use crate::model::Durability;

/// Seconds that a cell is measured, when nothing else is said.
pub const SECONDS: f64 = 0.15;

const B128: ValueBytes = ValueBytes(128);
const KIB1: ValueBytes = ValueBytes(1 << 10);
const KIB4: ValueBytes = ValueBytes(4 << 10);
const KIB64: ValueBytes = ValueBytes(64 << 10);
const MIB1: ValueBytes = ValueBytes(1 << 20);

/// Entries of a log that is read.
const READ_ENTRIES: u64 = 65_536;
/// Entries of the log that workload I works on, and of the one of which it drops.
const TABLE_ENTRIES: u64 = 4_096;
const DROPPED_ENTRIES: u64 = 100_000;
/// The log that is opened: 1 GiB, and on the tour a quarter of that.
const OPENED: LogShape = LogShape { entries: 1 << 20, payload_bytes: 1 << 10 };
const OPENED_ON_THE_TOUR: LogShape = LogShape { entries: 1 << 18, payload_bytes: 1 << 10 };

/// The operations of workload I.
const TABLE: [Operation; 10] = [
    Operation::Set,
    Operation::Get,
    Operation::SetUint64,
    Operation::GetUint64,
    Operation::DeleteRange,
    Operation::FirstIndex,
    Operation::LastIndex,
    Operation::GetLog,
    Operation::StoreLog,
    Operation::StoreLogs,
];

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
    /// The logs that are opened; one of 1 GiB, on the tour of 256 MiB.
    pub opened: Vec<LogShape>,
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
            opened: Vec::new(),
            seconds: SECONDS,
        }
    }
}

/// What the cells of a workload have in common.
#[derive(Clone, Copy)]
struct Shape {
    workload: Workload,
    operation: Operation,
    durability: Durability,
    batch: u32,
    writers: u32,
    extent: u64,
}

impl Shape {
    /// One writer, one entry a call, into an empty log.
    fn of(workload: Workload, operation: Operation, durability: Durability) -> Shape {
        Shape { workload, operation, durability, batch: 1, writers: 1, extent: 0 }
    }
}

impl Choice {
    /// The cells, those that are compared with each other side by side.
    pub fn cells(&self) -> Vec<Cell> {
        let chosen =
            |workload: &Workload| self.workloads.is_empty() || self.workloads.contains(workload);
        Workload::ALL.iter().filter(|workload| chosen(workload)).flat_map(|w| self.of(*w)).collect()
    }

    fn of(&self, workload: Workload) -> Vec<Cell> {
        use Operation::{AfterEntries, AfterGroups, AfterSegments, Append, Interleaved, Mixed};
        use Operation::{OpenEntries, OpenIndex, RandomRead, RangeRead, Sequential};
        let sizes = [B128, KIB1, KIB4, KIB64];
        let high = [Durability::High];
        let low = [Durability::Low];
        match workload {
            Workload::A => self.grid(workload, &[Append], &high, &[B128, KIB1, KIB4, KIB64, MIB1]),
            Workload::B | Workload::C => self.grid(workload, &[Append], &high, &sizes),
            Workload::D => self.grid(workload, &[Append], &[low[0], Durability::Mid], &sizes),
            Workload::E => self.grid(workload, &[Mixed], &high, &[KIB1]),
            Workload::F => self.grid(workload, &[RandomRead, RangeRead], &low, &[KIB1]),
            Workload::G => self.opened(&[OpenIndex, OpenEntries]),
            Workload::H => {
                self.grid(workload, &[Interleaved, Sequential], &high, &[KIB1, KIB64, MIB1])
            }
            Workload::I => self.grid(workload, &TABLE, &high, &[B128]),
            Workload::S => {
                let growth = [AfterEntries, AfterGroups, AfterSegments];
                self.grid(workload, &growth, &low, &[B128])
            }
        }
    }

    fn grid(
        &self,
        workload: Workload,
        operations: &[Operation],
        levels: &[Durability],
        values: &[ValueBytes],
    ) -> Vec<Cell> {
        let values = or(&self.values, values);
        let mut cells = Vec::new();
        for durability in or(&self.durabilities, levels) {
            for operation in operations {
                for shape in self.shapes(Shape::of(workload, *operation, durability)) {
                    for value in values.iter().filter(|v| self.is_on_the_tour(shape, **v)) {
                        self.side_by_side(shape, *value, &mut cells);
                    }
                }
            }
        }
        cells
    }

    fn opened(&self, operations: &[Operation]) -> Vec<Cell> {
        let mut cells = Vec::new();
        let usual = if self.is_tour() { OPENED_ON_THE_TOUR } else { OPENED };
        for log in or(&self.opened, &[usual]) {
            for operation in operations {
                let shape = Shape::of(Workload::G, *operation, Durability::High);
                let shape = Shape { extent: log.entries, ..shape };
                self.side_by_side(shape, ValueBytes(log.payload_bytes), &mut cells);
            }
        }
        cells
    }

    /// The same with the batches, writers and extents of its workload.
    fn shapes(&self, shape: Shape) -> Vec<Shape> {
        let extents = |extents: &[u64]| {
            extents.iter().map(|extent| Shape { extent: *extent, ..shape }).collect()
        };
        match (shape.workload, shape.operation) {
            (Workload::B, _) => vec![Shape { writers: 16, ..shape }],
            (Workload::C, _) => vec![Shape { batch: 64, ..shape }],
            (Workload::D, _) => vec![shape, Shape { batch: 64, ..shape }],
            (Workload::F, _) => extents(&[READ_ENTRIES]),
            (Workload::I, Operation::StoreLogs) => vec![Shape { batch: 3, ..shape }],
            (Workload::I, Operation::DeleteRange) => extents(&[DROPPED_ENTRIES]),
            (Workload::I, _) => extents(&[TABLE_ENTRIES]),
            (Workload::S, Operation::AfterEntries) => extents(&[1, 100_000, 1_000_000]),
            (Workload::S, Operation::AfterGroups) => extents(&[1, 1_000, 100_000]),
            (Workload::S, _) => extents(&[1, 16, 256]),
            _ => vec![shape],
        }
    }

    /// Of a tour of two minutes each workload has only as much as shows it; who chooses gets all.
    fn is_on_the_tour(&self, shape: Shape, value: ValueBytes) -> bool {
        use Operation::{DeleteRange, Get, GetLog, Set, StoreLog};
        if !self.is_tour() {
            return true;
        }
        match shape.workload {
            Workload::B | Workload::C => value == KIB1 || value == KIB64,
            Workload::D if shape.batch > 1 => value == KIB1 && shape.durability == Durability::Low,
            Workload::D if shape.durability == Durability::Mid => value == KIB1,
            Workload::D => value != KIB4,
            Workload::H => value == KIB1,
            Workload::I => {
                matches!(shape.operation, Set | Get | DeleteRange | GetLog | StoreLog)
            }
            // Nothing, and much.
            Workload::S => match shape.operation {
                Operation::AfterEntries => shape.extent != 100_000,
                Operation::AfterGroups => shape.extent != 1_000,
                _ => shape.extent != 16,
            },
            _ => true,
        }
    }

    /// Whether the tour shows more than FastLog and its limit: with 1 KiB it does.
    fn shows_peers(&self, shape: Shape, value: ValueBytes) -> bool {
        let sizes = matches!(shape.workload, Workload::A | Workload::B | Workload::C | Workload::D);
        !(self.is_tour() && sizes) || value == KIB1
    }

    fn is_tour(&self) -> bool {
        self.workloads.is_empty()
            && self.engines.is_empty()
            && self.values.is_empty()
            && self.durabilities.is_empty()
    }

    fn side_by_side(&self, shape: Shape, value: ValueBytes, cells: &mut Vec<Cell>) {
        let cell = |engine, mode| Cell {
            workload: shape.workload,
            operation: shape.operation,
            engine,
            durability: shape.durability,
            mode,
            value,
            batch: shape.batch,
            writers: shape.writers,
            extent: shape.extent,
            seconds: self.seconds,
        };
        for engine in Engine::ALL.iter().copied().filter(|engine| self.has(*engine, shape)) {
            let is_peer = !matches!(engine, Engine::Limit | Engine::FastLog);
            if is_peer && !self.shows_peers(shape, value) {
                continue;
            }
            match engine {
                Engine::FastLog => {
                    let modes = self.modes(shape, value);
                    cells.extend(modes.into_iter().map(|mode| cell(engine, Some(mode))));
                }
                _ => cells.push(cell(engine, None)),
            }
        }
        // The limit of opening with entries is that of opening.
        cells.retain(|cell| {
            !(cell.engine == Engine::Limit && cell.limit().is_none_or(|limit| limit != *cell))
        });
    }

    fn has(&self, engine: Engine, shape: Shape) -> bool {
        let chosen = match self.engines.is_empty() {
            true => engine.is_built_in(),
            false => self.engines.contains(&engine),
        };
        let synced = shape.durability == Durability::High;
        chosen
            && match (shape.workload, engine) {
                // Past the page cache every write is synced by itself.
                (Workload::A | Workload::B | Workload::C, Engine::LimitDirect) => synced,
                (_, Engine::LimitDirect) => false,
                // It knows no write that is not synced, and nothing by index.
                (Workload::D | Workload::F, Engine::OkayWal) => false,
                (Workload::A | Workload::B | Workload::C, Engine::OkayWal) => synced,
                (Workload::A | Workload::B | Workload::C | Workload::D | Workload::F, _) => {
                    !matches!(engine, Engine::RedbShared | Engine::RedbDedicated)
                }
                (_, engine) if engine.is_peer() => false,
                (Workload::H, engine) => engine != Engine::Redb,
                (_, Engine::RedbShared | Engine::RedbDedicated) => false,
                (Workload::S, engine) => engine == Engine::FastLog,
                _ => true,
            }
    }

    /// The modes of FastLog: those chosen; else every mode with 1 KiB, and with other sizes those
    /// that people run at this level.
    fn modes(&self, shape: Shape, value: ValueBytes) -> Vec<Mode> {
        let chosen = !self.strategies.is_empty() || !self.flushes.is_empty();
        let every = value == KIB1
            && shape.batch == 1
            && matches!(shape.workload, Workload::A | Workload::D);
        let usual = |mode: &Mode| {
            mode.flush == Flush::Immediate
                && (mode.strategy == Strategy::DiskFirst || shape.workload == Workload::D)
        };
        if matches!(shape.workload, Workload::G | Workload::H) {
            return vec![Mode::default()];
        }
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
            for other in [cell.limit(), cell.smallest()].into_iter().flatten() {
                assert!(cells.contains(&other), "{cell} has no {other}");
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
        assert_eq!(cells[0].to_string(), "C append fastlog -1 mem-first batch 7 64 1 0 0.15");
        let opened = Choice {
            workloads: vec![Workload::G],
            opened: vec![LogShape { entries: 9, payload_bytes: 8 }],
            ..Choice::default()
        };
        let cells: Vec<String> = opened.cells().iter().map(Cell::to_string).collect();
        let wanted = [
            "G open-index limit 1 - - 8 1 1 9 0.15",
            "G open-index fastlog 1 disk-first immediate 8 1 1 9 0.15",
            "G open-index redb 1 - - 8 1 1 9 0.15",
            "G open-entries fastlog 1 disk-first immediate 8 1 1 9 0.15",
            "G open-entries redb 1 - - 8 1 1 9 0.15",
        ];
        assert_eq!(cells, wanted);
        let direct = Choice {
            engines: vec![Engine::LimitDirect],
            workloads: vec![Workload::D],
            ..Choice::default()
        };
        assert!(direct.cells().is_empty(), "nothing past the page cache is unsynced");
    }
}
