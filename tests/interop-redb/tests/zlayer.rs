//! zlayer-consensus 0.14: openraft's log in postcard, over redb 2.

use std::io::Cursor;
use std::path::Path;

use openraft::BasicNode;
use raftlog_interop_redb::{Life, Room, assert_inspect_agrees, assert_verified, contents};
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
    let room = Room::default();
    let source = room.fixture("real-zlayer-full.redb");
    let back = room.there_and_back(&source);
    let original = contents(&mut store(&source)).await;
    assert_eq!(original.entries.len(), 201);
    let written = contents(&mut store(&back)).await;
    assert_eq!(written, original);
    let mut life = Life::on(1, &written);
    life.live(&mut store(&back), 40, command).await;
    let longer = contents(&mut store(&back)).await;
    assert!(longer.last > written.last);
    assert_verified(&back);
    assert_inspect_agrees(&back, &longer);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_package_wrote_is_read_alike_and_comes_back_from_fastlog() {
    for seed in 0..12 {
        let room = Room::default();
        let file = room.path("log.redb");
        Life::new(seed).live(&mut store(&file), 30, command).await;
        let original = contents(&mut store(&file)).await;
        assert_inspect_agrees(&file, &original);
        assert_verified(&file);
        let back = room.there_and_back(&file);
        assert_eq!(contents(&mut store(&back)).await, original, "seed {seed}");
    }
}
