//! Tables of composite types, which redb has recorded under another class since 4.2: redb 3 opens
//! what raftlog writes of them, and so does redb 4.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use raftlog_interop_redb::{Room, assert_verified};

/// By one generation of the package: reads the rows of a table of given types, and adds some.
macro_rules! generation {
    ($name:ident $redb:ident) => {
        mod $name {
            use super::*;
            use $redb::{Database, Key, ReadableDatabase, ReadableTable, TableDefinition, Value};

            /// Keys and values as they print.
            pub fn rows<K: Key + 'static, V: Value + 'static>(
                file: &Path,
                table: &str,
            ) -> BTreeMap<String, String> {
                let database = Database::open(file).expect("the package opens it");
                let transaction = database.begin_read().expect("begin");
                let definition = TableDefinition::<K, V>::new(table);
                let table = transaction.open_table(definition).expect("a table of these types");
                let rows = table.iter().expect("rows").map(|row| row.expect("row"));
                rows.map(|(key, value)| {
                    (format!("{:?}", key.value()), format!("{:?}", value.value()))
                })
                .collect()
            }

            /// Inserts rows.
            pub fn insert<'k, K: Key + 'static, V: Value + 'static>(
                file: &Path,
                table: &str,
                rows: Vec<(K::SelfType<'k>, V::SelfType<'k>)>,
            ) {
                let database = Database::create(file).expect("the package opens it");
                let transaction = database.begin_write().expect("begin");
                {
                    let definition = TableDefinition::<K, V>::new(table);
                    let opened = transaction.open_table(definition);
                    let mut table = opened.expect("a table of these types");
                    for (key, value) in rows {
                        table.insert(key, value).expect("insert");
                    }
                }
                transaction.commit().expect("commit");
            }
        }
    };
}

generation!(three redb3);
generation!(four redb);

/// What becomes of a file through FastLog and back, and straight to redb.
fn both_ways(room: &Room, source: &Path) -> [PathBuf; 2] {
    [room.there_and_back(source), room.straight_ending(0, source)]
}

fn entry(index: u64) -> Vec<u8> {
    let payload = if index == 1 { r#""Blank""# } else { r#"{"Normal":{"set":7}}"# };
    let leader = r#"{"term":3,"node_id":1}"#;
    format!(r#"{{"log_id":{{"leader_id":{leader},"index":{index}}},"payload":{payload}}}"#)
        .into_bytes()
}

const VOTE: &str = r#"{"leader_id":{"term":3,"node_id":1},"committed":true}"#;

#[test]
fn sorock_opens_its_shards_again_in_the_redb_that_it_is_built_on() {
    let room = Room::default();
    let source = room.fixture("real-sorock-unclean.redb");
    // Its terms go down, which is worth a look.
    for back in [room.there_and_back_ending(3, &source), room.straight_ending(3, &source)] {
        for shard in 0..5 {
            let (log, ballot) = (format!("log-{shard}"), format!("ballot-{shard}"));
            let rows = |file: &Path| {
                let log = three::rows::<u64, Vec<u8>>(file, &log);
                (log, three::rows::<(), Vec<u8>>(file, &ballot))
            };
            let original = rows(&source);
            assert!(!original.0.is_empty() && original.1.len() == 1, "{shard}: {original:?}");
            assert_eq!(rows(&back), original);
            assert_eq!(four::rows::<u64, Vec<u8>>(&back, &log), original.0);
        }
        three::insert::<u64, Vec<u8>>(&back, "log-0", vec![(1_000, vec![7; 300])]);
        four::insert::<u64, Vec<u8>>(&back, "log-0", vec![(1_001, vec![8; 3])]);
        assert_eq!(three::rows::<u64, Vec<u8>>(&back, "log-0")["1001"], "[8, 8, 8]");
    }
}

/// A log in keys of `K`, one of each generation, comes back so that both generations open it.
macro_rules! comes_back {
    ($wrote:ident, $key:ty, $index:expr) => {{
        let room = Room::default();
        let source = room.path("source.redb");
        let rows = (1..=20).map(|index: u64| ($index(index), entry(index))).collect();
        $wrote::insert::<$key, Vec<u8>>(&source, "raft-entries", rows);
        let vote = vec![("vote", VOTE.to_owned().into_bytes())];
        $wrote::insert::<&str, Vec<u8>>(&source, "raft-meta", vote);
        let original = $wrote::rows::<$key, Vec<u8>>(&source, "raft-entries");
        for back in both_ways(&room, &source) {
            assert_eq!(three::rows::<$key, Vec<u8>>(&back, "raft-entries"), original);
            assert_eq!(four::rows::<$key, Vec<u8>>(&back, "raft-entries"), original);
            three::insert::<$key, Vec<u8>>(&back, "raft-entries", vec![($index(21), entry(21))]);
            four::insert::<$key, Vec<u8>>(&back, "raft-entries", vec![($index(22), entry(22))]);
            assert_eq!(three::rows::<$key, Vec<u8>>(&back, "raft-entries").len(), 22);
            assert_verified(&back);
        }
    }};
}

#[test]
fn a_log_by_numbers_in_vecs_opens_in_both_generations_whichever_wrote_it() {
    comes_back!(three, u64, |index| index);
    comes_back!(four, u64, |index| index);
}

#[test]
fn a_log_by_arrays_opens_in_both_generations_whichever_wrote_it() {
    comes_back!(three, [u8; 8], |index: u64| index.to_be_bytes());
    comes_back!(four, [u8; 8], |index: u64| index.to_be_bytes());
}

#[test]
fn logs_and_records_by_tuples_open_in_both_generations() {
    let room = Room::default();
    let source = room.path("source.redb");
    let rows = |groups: [u64; 2], from: u64, to: u64| {
        let each = groups.into_iter().flat_map(|group| (from..=to).map(move |at| (group, at)));
        each.map(|(group, index)| ((group, index), entry(index))).collect::<Vec<_>>()
    };
    three::insert::<(u64, u64), &[u8]>(
        &source,
        "raft_log",
        rows([1, 2], 1, 20).iter().map(|(key, value)| (*key, value.as_slice())).collect(),
    );
    let votes = vec![((1, "vote"), VOTE.as_bytes()), ((2, "vote"), VOTE.as_bytes())];
    three::insert::<(u64, &str), &[u8]>(&source, "raft_meta", votes);
    let read = |file: &Path| {
        let log = three::rows::<(u64, u64), &[u8]>(file, "raft_log");
        (log, three::rows::<(u64, &str), &[u8]>(file, "raft_meta"))
    };
    let original = read(&source);
    for back in both_ways(&room, &source) {
        assert_eq!(read(&back), original);
        assert_eq!(four::rows::<(u64, u64), &[u8]>(&back, "raft_log"), original.0);
        assert_eq!(four::rows::<(u64, &str), &[u8]>(&back, "raft_meta"), original.1);
        let (next, last) = (entry(21), entry(22));
        three::insert::<(u64, u64), &[u8]>(&back, "raft_log", vec![((1, 21), &next[..])]);
        four::insert::<(u64, u64), &[u8]>(&back, "raft_log", vec![((1, 22), &last[..])]);
        assert_eq!(three::rows::<(u64, u64), &[u8]>(&back, "raft_log").len(), 42);
        assert_verified(&back);
    }
}
