use std::ops::ControlFlow;

use crate::event::{Meter, Observer, Phase, Stopped};
use crate::inspect::{Error, RecordItem, RecordLine, RecordOptions, Status, Streamed, chosen};
use crate::store::Store;

/// Streams the records as they lie in the files. `visit` may break, which ends the stream well.
///
/// # Errors
/// When the store cannot be read any further; damage is a record.
pub fn records(
    store: &dyn Store,
    options: &RecordOptions,
    visit: &mut dyn FnMut(RecordItem<'_>) -> ControlFlow<()>,
    observer: &mut dyn Observer,
) -> Result<Streamed, Error> {
    if options.group.is_some() {
        chosen(store, options.group.as_ref())?;
    }
    let mut streamed = Streamed::default();
    let mut meter = Meter::start(Phase::Reading, None, None, observer)?;
    for fault in store.opening_faults() {
        streamed.findings.add(fault.clone());
        if visit(RecordItem::Finding(fault)).is_break() {
            return Ok(streamed);
        }
    }
    let mut stopped = None;
    store.scan(&mut |record| {
        if let Err(Stopped) = meter.entry(record.place.len_bytes, observer) {
            stopped = Some(Stopped);
            return ControlFlow::Break(());
        }
        if options.group.is_some() && record.group != options.group {
            return ControlFlow::Continue(());
        }
        if options.limit.is_some_and(|limit| streamed.items >= limit) {
            return ControlFlow::Break(());
        }
        let line = RecordLine::from(record);
        match line.status {
            Status::Damaged => streamed.damaged += 1,
            Status::Torn => streamed.torn += 1,
            Status::Live | Status::Superseded | Status::Dead => {}
        }
        streamed.items += 1;
        visit(RecordItem::Record(&line))
    })?;
    if let Some(stopped) = stopped {
        return Err(stopped.into());
    }
    meter.finish(observer)?;
    Ok(streamed)
}
