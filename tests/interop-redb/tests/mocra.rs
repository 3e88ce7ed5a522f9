//! mocra-cluster 0.5: openraft's log in msgpack, over redb 2; its storage, and a whole node.

use std::path::Path;
use std::time::Duration;

use mocra_cluster::raft_log_store::RedbLogStore;
use mocra_cluster::{Cmd, ControlPlane, RaftControlPlane};
use raftlog_interop_redb::{
    Room, assert_comes_back_and_goes_on, assert_inspect_agrees, assert_lives_come_back,
    assert_verified, contents,
};

fn store(path: &Path) -> RedbLogStore {
    RedbLogStore::open(path).expect("the package opens it")
}

fn command(number: u64) -> Cmd {
    let key = format!("crawl/{number}").into_bytes();
    match number % 3 {
        0 => Cmd::Set { key, value: vec![200; number as usize] },
        1 => Cmd::Delete { key },
        _ => Cmd::Cas { key, expect: None, value: number.to_be_bytes().to_vec() },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_package_reads_and_extends_its_own_log_when_it_comes_back_from_fastlog() {
    assert_comes_back_and_goes_on("real-mocra-purged.redb", 150, store, command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_package_wrote_is_read_alike_and_comes_back_from_fastlog() {
    assert_lives_come_back(store, command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_goes_on_where_it_was_after_its_log_has_been_through_fastlog() {
    let room = Room::default();
    let data_dir = room.path("node");
    let log = data_dir.join("log.redb");
    let ready = Duration::from_secs(30);
    let node = RaftControlPlane::start_single_node(1, &data_dir).await.expect("start");
    node.wait_ready(ready).await.expect("ready");
    for number in 0..50u8 {
        node.set(&[number], &[number; 9]).await.expect("set");
    }
    node.shutdown().await.expect("shutdown");
    drop(node);
    let before = contents(&mut store(&log)).await;
    let back = room.there_and_back(&log);
    assert_eq!(contents(&mut store(&back)).await, before);
    std::fs::rename(&back, &log).expect("put in place");

    let node = RaftControlPlane::start_single_node(1, &data_dir).await.expect("start again");
    node.wait_ready(ready).await.expect("ready again");
    for number in 0..50u8 {
        assert_eq!(node.get(&[number]).await.expect("get"), Some(vec![number; 9]));
    }
    node.set(b"after", b"wards").await.expect("set");
    node.shutdown().await.expect("shutdown");
    drop(node);
    let after = contents(&mut store(&log)).await;
    assert_eq!(after.entries[..before.entries.len()], before.entries[..]);
    assert!(after.vote >= before.vote, "{:?} {:?}", after.vote, before.vote);
    assert!(after.entries.len() > before.entries.len());
    assert_verified(&log);
    assert_inspect_agrees(&log, &after);
}
