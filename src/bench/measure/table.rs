//! Workload I: the operations of raft-fastlog's own table.

use crate::bench::Error;
use crate::bench::cell::Operation;
use crate::bench::engines::{Ground, Log};
use crate::bench::measure::Outcome;
use crate::bench::measure::growth::fill;
use crate::bench::measure::reads::Anywhere;
use crate::bench::measure::timed::{Step, Timed};
use crate::bench::values::Values;
use crate::model::{Durability, IndexRange, LogIndex};

const KEY: &[u8] = b"LastVoteCand";
const NUMBER_KEY: &[u8] = b"CurrentTerm";
const TEXT: [u8; 16] = *b"node-1:7000.....";
/// Entries that one call drops, or stores.
const SEVERAL: u64 = 3;

/// Measures the cell's operation on a log of as many entries as the cell says.
pub(super) fn table(log: &dyn Log, ground: &Ground<'_>) -> Result<Outcome, Error> {
    let cell = ground.cell;
    let next = fill(log, ground, cell.extent)?;
    let waits = cell.durability == Durability::High && cell.limit().is_some();
    let timed = Timed::new(ground.clock.as_ref(), cell, waits);
    log.set(KEY, &TEXT)?;
    log.set(NUMBER_KEY, &1u64.to_le_bytes())?;
    let mut values = Values::new(cell.value, cell.batch);
    values.go_to(LogIndex(next));
    let mut anywhere = Anywhere::new();
    let (mut number, mut dropped) = (0u64, 0u64);
    let mut call = || {
        number += 1;
        let mut step = Step { operations: 1, bytes: 0 };
        match cell.operation {
            Operation::Set => log.set(KEY, &TEXT)?,
            Operation::SetUint64 => log.set(NUMBER_KEY, &number.to_le_bytes())?,
            Operation::Get => found(log.get(KEY)? == 16)?,
            Operation::GetUint64 => found(log.get(NUMBER_KEY)? == 8)?,
            Operation::DeleteRange => {
                dropped += SEVERAL;
                if dropped + 1 >= next {
                    return Ok(None);
                }
                log.compact(LogIndex(dropped))?;
            }
            Operation::FirstIndex | Operation::LastIndex => found(log.bounds()?.is_some())?,
            Operation::GetLog => {
                let index = anywhere.index(next - 1);
                let range = IndexRange::new(index, index);
                let read = range.map_or(Ok(0), |range| log.read(range))?;
                found(read == cell.value.0 as u64)?;
            }
            _ => {
                log.append(0, values.take())?;
                step = Step { operations: values.len(), bytes: values.bytes() };
            }
        }
        Ok(Some(step))
    };
    timed.warm_up(&mut call)?;
    Ok(timed.run(&mut call)?.outcome())
}

/// What was stored must be found: speed counts for nothing else.
fn found(is_there: bool) -> Result<(), Error> {
    let message = || "what was stored was not found".to_owned();
    is_there.then_some(()).ok_or_else(|| Error::Engine { engine: "the engine", message: message() })
}
