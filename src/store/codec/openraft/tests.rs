use crate::model::{
    Candidate, Entry, EntryKind, HardState, LogId, LogIndex, SharedBytes, Term, Vote,
};
use crate::store::codec::openraft::VoteRead;
use crate::store::codec::{Encoding, Leader, ValueCodec};

/// Little-endian numbers of eight bytes.
fn wide(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn json(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

const BOTH: [Leader; 2] = [Leader::TermAndNode, Leader::Term];

/// The entry (term 3, node 1, index 7) that is Blank, in every encoding.
fn blank(encoding: Encoding, leader: Leader) -> Vec<u8> {
    match (encoding, leader) {
        (Encoding::Msgpack, Leader::TermAndNode) => b"\x92\x92\x92\x03\x01\x07\xa5Blank".to_vec(),
        (Encoding::Msgpack, Leader::Term) => b"\x92\x92\x03\x07\xa5Blank".to_vec(),
        (Encoding::Postcard, Leader::TermAndNode) => vec![3, 1, 7, 0],
        (Encoding::Postcard, Leader::Term) => vec![3, 7, 0],
        (Encoding::Bincode, Leader::TermAndNode) => [wide(&[3, 1, 7]), vec![0; 4]].concat(),
        (Encoding::Bincode, Leader::Term) => [wide(&[3, 7]), vec![0; 4]].concat(),
        (Encoding::Postcard, Leader::TermAndName) => b"\x03\x02n1\x07\0".to_vec(),
        (Encoding::Bincode, Leader::TermAndName) => {
            [wide(&[3, 2]), b"n1".to_vec(), wide(&[7]), vec![0; 4]].concat()
        }
        (Encoding::Msgpack | Encoding::Json, Leader::TermAndName) => {
            unreachable!("they say by themselves what a node id is")
        }
        (Encoding::Json, Leader::TermAndNode) => {
            json(r#"{"log_id":{"leader_id":{"term":3,"node_id":1},"index":7},"payload":"Blank"}"#)
        }
        (Encoding::Json, Leader::Term) => {
            json(r#"{"log_id":{"leader_id":3,"index":7},"payload":"Blank"}"#)
        }
    }
}

/// The same with the command `"x"`, and where its bytes are in the value.
fn normal(encoding: Encoding, leader: Leader) -> (Vec<u8>, Vec<u8>) {
    let blank = blank(encoding, leader);
    let head = |cut: usize| blank[..blank.len() - cut].to_vec();
    match encoding {
        Encoding::Msgpack => {
            ([head(6), b"\x81\xa6Normal\xa1x".to_vec()].concat(), b"\xa1x".to_vec())
        }
        Encoding::Postcard => ([head(1), b"\x01\x01x".to_vec()].concat(), b"\x01x".to_vec()),
        Encoding::Bincode => ([head(4), b"\x01\0\0\0rest".to_vec()].concat(), b"rest".to_vec()),
        Encoding::Json => ([head(8), json(r#"{"Normal":"x"}}"#)].concat(), json("\"x\"")),
    }
}

const ENCODINGS: [Encoding; 4] =
    [Encoding::Msgpack, Encoding::Postcard, Encoding::Bincode, Encoding::Json];

#[test]
fn entries_are_read_in_every_encoding_and_written_back_byte_for_byte() {
    let named = [Encoding::Postcard, Encoding::Bincode].map(|e| (e, Leader::TermAndName));
    let numbered = ENCODINGS.into_iter().flat_map(|e| BOTH.map(|leader| (e, leader)));
    for (encoding, leader) in numbered.chain(named) {
        let codec = ValueCodec::Openraft(encoding, leader);
        let (normal, payload) = normal(encoding, leader);
        for (value, kind, payload) in [
            (blank(encoding, leader), EntryKind::Noop, None),
            (normal, EntryKind::Command, Some(payload)),
        ] {
            let buffer = SharedBytes::from(value.clone());
            let found = codec.decode_in(&buffer, 0..value.len(), LogIndex(7)).expect("an entry");
            let entry = found.entry;
            assert_eq!((found.index_inside, found.trailing_bytes), (LogIndex(7), 0));
            assert_eq!((entry.term, entry.kind), (Term(3), kind), "{encoding:?} {leader:?}");
            assert_eq!(entry.payload.as_deref(), payload.as_deref(), "{encoding:?} {leader:?}");
            let mut out = b"before".to_vec();
            codec.encode(&entry, &mut out).expect("written");
            assert_eq!(out, [b"before", value.as_slice()].concat());
            assert_eq!(codec.proves(&value, LogIndex(7)), Some(Term(3)));
            assert_eq!(codec.proves(&value, LogIndex(8)), None);
            // Cut anywhere it is no entry any more, where the encoding can tell.
            for len in 0..value.len().min(if kind == EntryKind::Noop { usize::MAX } else { 0 }) {
                assert_eq!(codec.proves(&value[..len], LogIndex(7)), None, "{encoding:?} {len}");
            }
        }
    }
}

#[test]
fn what_stands_unusually_around_a_payload_comes_back_too() {
    let codec = ValueCodec::Openraft(Encoding::Json, Leader::TermAndNode);
    let texts = [
        concat!(
            r#"{ "payload":{"Normal":[1, 2] },"log_id":"#,
            r#"{"index":7,"leader_id":{"node_id":"b","term":3}}}"#
        ),
        r#"{"log_id":{"leader_id":{"term":3,"node_id":1},"index":7},"payload":{"Normal":{}}} tail"#,
    ];
    for (text, payload, trailing) in [(texts[0], "[1, 2]", 0), (texts[1], "{}", 4)] {
        let buffer = SharedBytes::from(text.as_bytes());
        let found = codec.decode_in(&buffer, 0..text.len(), LogIndex(7)).expect("an entry");
        assert_eq!(found.entry.payload_bytes(), payload.as_bytes());
        assert_eq!(found.trailing_bytes, trailing);
        let mut out = Vec::new();
        codec.encode(&found.entry, &mut out).expect("written");
        assert_eq!(String::from_utf8(out).expect("text"), text);
    }
}

#[test]
fn an_entry_made_elsewhere_is_refused_rather_than_given_a_leader() {
    let codec = ValueCodec::Openraft(Encoding::Postcard, Leader::TermAndNode);
    let value = SharedBytes::from(vec![3, 1, 7, 1, 9]);
    let mut entry = codec.decode_in(&value, 0..5, LogIndex(7)).expect("an entry").entry;
    entry.term = Term(4);
    assert!(codec.encode(&entry, &mut Vec::new()).is_err(), "its note says another term");
    entry.extra.note = SharedBytes::default();
    assert!(codec.encode(&entry, &mut Vec::new()).is_err(), "no note");
}

#[test]
fn present_and_absent_records_are_told_apart_bare_and_as_options() {
    let id = LogId { term: Term(3), index: LogIndex(300) };
    let codec = |encoding, leader| ValueCodec::Openraft(encoding, leader);
    let both = Leader::TermAndNode;
    for (encoding, bytes, found) in [
        (Encoding::Postcard, vec![3, 1, 0xac, 2], Some(Some(id))),
        (Encoding::Postcard, vec![1, 3, 1, 0xac, 2], Some(Some(id))),
        (Encoding::Postcard, vec![0], Some(None)),
        (Encoding::Postcard, vec![3, 1], None),
        (Encoding::Bincode, wide(&[3, 1, 300]), Some(Some(id))),
        (Encoding::Bincode, [vec![1], wide(&[3, 1, 300])].concat(), Some(Some(id))),
        (Encoding::Bincode, vec![0], Some(None)),
        (Encoding::Bincode, wide(&[3, 1]), None),
        (Encoding::Msgpack, b"\x92\x92\x03\x01\xcd\x01\x2c".to_vec(), Some(Some(id))),
        (Encoding::Msgpack, vec![0xc0], Some(None)),
        (Encoding::Json, json("null"), Some(None)),
        (
            Encoding::Json,
            json(r#"{"leader_id":{"term":3,"node_id":1},"index":300}"#),
            Some(Some(id)),
        ),
        (Encoding::Json, json("{}"), None),
    ] {
        assert_eq!(codec(encoding, both).log_id(&bytes), found, "{encoding:?} {bytes:?}");
    }
}

#[test]
fn votes_are_read_in_both_forms_of_leader_ids() {
    let one = Some(Candidate::Id(1));
    let vote = |candidate| Some(Some(VoteRead { term: 3, candidate }));
    let wide_vote = |flags: &[&[u8]]| flags.concat();
    for (encoding, leader, bytes, found) in [
        (Encoding::Postcard, Leader::TermAndNode, vec![3, 1, 0], vote(one.clone())),
        (Encoding::Postcard, Leader::Term, vec![3, 1, 1, 0], vote(one.clone())),
        (Encoding::Postcard, Leader::Term, vec![3, 0, 0], vote(None)),
        (
            Encoding::Msgpack,
            Leader::TermAndNode,
            b"\x92\x92\x03\x01\xc2".to_vec(),
            vote(one.clone()),
        ),
        (Encoding::Msgpack, Leader::Term, b"\x92\x92\x03\xc0\xc2".to_vec(), vote(None)),
        (
            Encoding::Bincode,
            Leader::Term,
            wide_vote(&[&wide(&[3]), &[1], &wide(&[1]), &[1]]),
            vote(one.clone()),
        ),
        (
            Encoding::Json,
            Leader::Term,
            json(r#"{"leader_id":{"term":3,"voted_for":1},"committed":false}"#),
            vote(one),
        ),
    ] {
        let read = super::vote(encoding, leader, &bytes);
        assert_eq!(read, found, "{encoding:?} {leader:?}");
    }
}

#[test]
fn a_command_that_is_made_is_what_openraft_writes() {
    let id = LogId { term: Term(3), index: LogIndex(7) };
    for encoding in [Encoding::Msgpack, Encoding::Postcard, Encoding::Bincode, Encoding::Json] {
        let codec = ValueCodec::Openraft(encoding, Leader::TermAndNode);
        let (note, payload) = codec.command(id, "x").expect("such a codec");
        let (value, inner) = normal(encoding, Leader::TermAndNode);
        if matches!(encoding, Encoding::Msgpack | Encoding::Json) {
            assert_eq!(*payload, inner[..]);
        }
        let shared = SharedBytes::from(value.clone());
        let read = codec.decode_in(&shared, 0..value.len(), LogIndex(7)).expect("an entry").entry;
        assert_eq!(read.extra.note, note, "{encoding:?}");
        let mut made = Vec::new();
        let entry = Entry { payload: Some(payload), ..read };
        codec.encode(&entry, &mut made).expect("an entry");
        assert_eq!(codec.proves(&made, LogIndex(7)), Some(Term(3)), "{encoding:?}");
    }
    assert_eq!(ValueCodec::Openraft(Encoding::Json, Leader::Term).command(id, "x"), None);
}

#[test]
fn nodes_may_have_names_where_nothing_describes_them() {
    let codec = |encoding| ValueCodec::Openraft(encoding, Leader::TermAndName);
    let named = Some(Some(HardState {
        term: Some(Term(5)),
        vote: Some(Vote {
            term: Some(Term(5)),
            candidate: Some(Candidate::Bytes(SharedBytes::from(b"n1".to_vec()))),
        }),
        commit: None,
    }));
    assert_eq!(codec(Encoding::Postcard).hard_state(b"\x05\x02n1\x01"), named);
    let wide_vote = [wide(&[5, 2]), b"n1\0".to_vec()].concat();
    assert_eq!(codec(Encoding::Bincode).hard_state(&wide_vote), named);
    // A length beyond the value, and bytes that are no text.
    assert_eq!(codec(Encoding::Bincode).hard_state(&wide(&[5, u64::MAX])), None);
    assert_eq!(codec(Encoding::Postcard).proves(b"\x03\x02\xff\xfe\x07\0", LogIndex(7)), None);
}
