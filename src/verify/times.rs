//! Append times in a form that the server of the data directory does not read: its log is whole,
//! and yet it does not start on it.

use crate::event::{EntryCount, Meter, Observer, Phase};
use crate::model::{AppendTime, Code, Fault, FaultKind, GroupId, IndexRange, TimeForm};
use crate::store::{Description, Store, StoreError};
use crate::verify::{Error, damage};

/// R121 where the server of the directory cannot read an append time of the unnamed group. Entries
/// are read only where the server is known to be such.
///
/// # Errors
/// When the store cannot be read any further, or the operator wants to stop.
pub(super) fn unread(
    store: &dyn Store,
    description: &Description,
    total: EntryCount,
    observer: &mut dyn Observer,
) -> Result<Option<Fault>, Error> {
    let Some(layout) = description.layout.as_ref() else { return Ok(None) };
    let is_unread = |form: &TimeForm| layout.product.reads_times(*form) == Some(false);
    let unread = [TimeForm::Old, TimeForm::New].into_iter().find(is_unread);
    let Some(form) = unread.filter(|_| store.profile().holds.time_form_matters) else {
        return Ok(None);
    };
    let entries = match store.entries(&GroupId::Unnamed, IndexRange::ALL) {
        Ok(entries) => entries,
        // What is damaged is named where its heads are read.
        Err(error) => return damage(error).map(|_| None),
    };
    let mut meter = Meter::start(Phase::Verifying, None, Some(total), observer)?;
    let (mut count, mut first) = (0u64, None);
    for located in entries {
        let located = match located {
            Ok(located) => located,
            Err(StoreError::Fault(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        meter.entry(located.entry.payload_bytes().len() as u64, observer)?;
        if matches!(located.entry.extra.appended_at, AppendTime::At(time) if time.form == form) {
            count += 1;
            first.get_or_insert((located.entry.index, located.place));
        }
    }
    meter.finish(observer)?;
    let Some((index, place)) = first else { return Ok(None) };
    let (found, wanted) = match form {
        TimeForm::Old => ("old", "new"),
        TimeForm::New => ("new", "old"),
    };
    let product = layout.product.as_str();
    let kind = FaultKind::Broken {
        message: format!(
            "{count} append times are in the {found} form, which {product} cannot read: its \
             server does not start on this log; migrate with --time-form {wanted} writes the other"
        ),
        expected: format!("append times in the {wanted} form"),
        found: None,
    };
    let mut fault = Fault::new(Code::R121, kind).in_group(&GroupId::Unnamed).at_index(index);
    fault.place = place;
    Ok(Some(fault))
}
