//! What threads of the engine wait with: the standard library's, or, when `cfg(shuttle)` is set,
//! that of a checker which tries interleavings (`tests/interleavings/`).

#[cfg(not(shuttle))]
pub(super) use std::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};

#[cfg(shuttle)]
pub(super) use shuttle::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};
