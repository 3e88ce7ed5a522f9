//! zlayer-consensus 0.14: openraft's log in postcard, over redb 2.

use std::io::Cursor;
use std::path::Path;

use openraft::BasicNode;
use raftlog_interop_redb::{assert_comes_back_and_goes_on, assert_lives_come_back};
use serde::{Deserialize, Serialize};
use zlayer_consensus::storage::redb_store::RedbLogStore;

/// What the bundled log's entries hold.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Command {
    Put(String, Vec<u8>),
    Delete(String),
    Nothing,
}

openraft::declare_raft_types!(
    pub Types:
        D = Command,
        R = (),
        NodeId = u64,
        Node = BasicNode,
);

fn store(path: &Path) -> RedbLogStore<Types> {
    RedbLogStore::new(path).expect("the package opens it")
}

fn command(number: u64) -> Command {
    match number % 3 {
        0 => Command::Put(format!("svc/{number}"), vec![7; number as usize]),
        1 => Command::Delete(format!("svc/{number}")),
        _ => Command::Nothing,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_package_reads_and_extends_its_own_log_when_it_comes_back_from_fastlog() {
    assert_comes_back_and_goes_on("real-zlayer-full.redb", 201, store, command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_package_wrote_is_read_alike_and_comes_back_from_fastlog() {
    assert_lives_come_back(store, command).await;
}
