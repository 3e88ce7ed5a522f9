//! d-engine's own suite over a FastLog.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use d_engine_core::storage::storage_engine_test::{StorageEngineBuilder, StorageEngineTestSuite};
use d_engine_core::{Error, LogStore, StorageEngine};
use d_engine_proto::common::{Entry, LogId};
use raftlog::fastlog::{FastLog, Options};
use raftlog::vfs::os::{OsClock, OsFs};
use raftlog_adapters::d_engine_store::Engine;

struct Builder {
    dir: PathBuf,
}

impl Builder {
    fn open(&self) -> Engine {
        let options = Options { segment_bytes: Some(64 << 10), ..Options::default() };
        let (fs, clock) = (Arc::new(OsFs), Arc::new(OsClock));
        let log = FastLog::open_or_create(fs, clock, &self.dir, &options).expect("opens");
        Engine::new(log, "one").expect("a group")
    }
}

#[async_trait]
impl StorageEngineBuilder for Builder {
    type Engine = Engine;

    async fn build(&self) -> Result<Arc<Engine>, Error> {
        Ok(Arc::new(self.open()))
    }

    async fn cleanup(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::test]
async fn fastlog_passes_the_suite_of_d_engine() {
    let dir = tempfile::tempdir().expect("a directory");
    let builder = Builder { dir: dir.path().join("log") };
    StorageEngineTestSuite::run_all_tests(builder).await.expect("passes");
}

/// What d-engine's suite does not ask for.
#[tokio::test]
async fn a_range_is_replaced_as_a_whole_and_the_purge_boundary_survives() {
    let dir = tempfile::tempdir().expect("a directory");
    let builder = Builder { dir: dir.path().join("log") };
    let entry = |index, term| Entry { index, term, payload: None };
    let engine = builder.open();
    let log = engine.log_store();
    log.persist_entries((1..=10).map(|index| entry(index, 1)).collect()).await.expect("kept");
    log.replace_range(8, vec![entry(8, 2)]).await.expect("replaced");
    log.purge(LogId { index: 5, term: 1 }).await.expect("purged");
    drop((log, engine));
    let log = builder.open().log_store();
    let found = log.get_entries(0..=100).expect("read");
    assert_eq!(found, [entry(6, 1), entry(7, 1), entry(8, 2)]);
    assert_eq!(log.load_purge_boundary().expect("read"), Some(LogId { index: 5, term: 1 }));
    assert_eq!(log.last_index(), 8);
}
