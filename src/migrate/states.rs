//! What is recorded of the groups that are migrated, and what stands beside their log.

use crate::event::{Meter, Observer, Phase};
use crate::migrate::{Error, Options};
use crate::model::{Code, Fault, GroupId, LogState};
use crate::store::open::note_in_target;
use crate::store::snapshots::Checked as CheckedSnapshots;
use crate::store::{Level, Snapshots, Store, StoreError};

/// A group with what is recorded of it.
pub(super) struct Stated {
    pub(super) group: GroupId,
    /// What the store records, which is written.
    pub(super) state: LogState,
    /// The same with the snapshot beside the log, by which the log is judged.
    pub(super) seen: LogState,
    /// Whether snapshots are in view.
    pub(super) snapshots_in_view: bool,
    /// Whether the snapshot in view says who the members are.
    pub(super) membership_in_snapshot: bool,
}

/// Groups and their states, and what was wrong with these.
pub(super) struct States {
    pub(super) groups: Vec<Stated>,
    pub(super) faults: Vec<Fault>,
    /// What becomes of the snapshots, for the plan.
    pub(super) note: Option<String>,
}

/// Proves the snapshots beside the source, where there are any.
pub(super) fn snapshots(
    snapshots: Option<&Snapshots>,
    observer: &mut dyn Observer,
) -> Result<Option<CheckedSnapshots>, Error> {
    let Some(snapshots) = snapshots else { return Ok(None) };
    let total = snapshots.list().iter().map(|snapshot| snapshot.size_bytes).sum();
    let checked = Meter::over(Phase::Verifying, total, observer, |progress| {
        snapshots.check(Level::Full, progress)
    })?;
    Ok(Some(checked?))
}

/// What becomes of the snapshots, one line; nothing where there are none.
pub fn kept(snapshots: &Snapshots) -> Option<String> {
    let newest = snapshots.list().first()?;
    let count = match snapshots.list().len() {
        1 => "1 snapshot stays".to_owned(),
        count => format!("{count} snapshots stay"),
    };
    let (dir, index) = (snapshots.dir().display(), newest.index);
    Some(format!("{count} in {dir}, the newest through {index}: the target is only the log"))
}

/// Reads the state of every group that is migrated.
pub(super) fn states(
    source: &dyn Store,
    snapshots: Option<&CheckedSnapshots>,
    options: &Options,
) -> Result<States, Error> {
    let present = source.groups()?;
    let groups = match &options.group {
        None => present,
        Some(group) if present.contains(group) => vec![group.clone()],
        Some(group) => return Err(Error::NoSuchGroup { group: group.clone(), present }),
    };
    let mut states = States { groups: Vec::new(), faults: Vec::new(), note: None };
    for group in groups {
        let state = match source.state(&group) {
            Ok(state) => {
                let note = note_in_target(options.to, &options.sink, &state);
                LogState { note, ..state }
            }
            Err(StoreError::Fault(fault)) => {
                states.faults.push(*fault);
                LogState::default()
            }
            Err(error) => return Err(error.into()),
        };
        let beside = snapshots.filter(|_| group == GroupId::Unnamed);
        let mut seen = state.clone();
        if let Some(checked) = beside {
            checked.complete(&mut seen);
        }
        let snapshots_in_view = beside.is_some_and(|checked| checked.in_view);
        let membership_in_snapshot = beside.is_some_and(CheckedSnapshots::has_membership);
        let stated = Stated { group, state, seen, snapshots_in_view, membership_in_snapshot };
        states.groups.push(stated);
    }
    // What else is to be said of snapshots concerns the next start of a server, not the copy.
    let faults = snapshots.iter().flat_map(|checked| &checked.faults);
    states.faults.extend(faults.filter(|fault| fault.code == Code::R109).cloned());
    Ok(states)
}
