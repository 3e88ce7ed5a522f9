//! Memberships of openraft and of sorock: in the encoding of the log's entries, or where nobody
//! says which that is, in whichever encoding every byte of them fits.
//!
//! openraft's Membership is `configs`, the sets of voters (two of them during joint consensus), and
//! `nodes`, what is known of each node: an address (its BasicNode), nothing, or anything else.
//! Nodes in no set are learners. JSON and msgpack say what is what; of postcard and bincode a
//! membership is only known when nodes are addresses or nothing and the bytes end with them.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use crate::bytes::{Cursor, Overlong};
use crate::decode::Membership;
use crate::model::{Dialect, NodeIds, Server, Suffrage};

/// Nodes of a membership; more belong to no real cluster.
const NODES_MAX: usize = 1 << 16;

/// Decodes a membership.
pub(super) fn membership(dialect: Dialect, payload: &[u8]) -> Option<Membership> {
    match dialect {
        Dialect::Any if payload.first() == Some(&b'{') => json(payload),
        Dialect::Any => {
            let plain = [Plain::Bincode, Plain::Postcard].map(|form| (form, NodeIds::Numbers));
            let opaque = || plain.into_iter().find_map(|form| opaque(form, payload));
            msgpack(payload).or_else(opaque).or_else(|| sorock(payload))
        }
        Dialect::Hashicorp => None,
        Dialect::OpenraftJson => json(payload),
        Dialect::OpenraftMsgpack => msgpack(payload),
        Dialect::OpenraftPostcard(ids) => opaque((Plain::Postcard, ids), payload),
        Dialect::OpenraftBincode(ids) => opaque((Plain::Bincode, ids), payload),
        Dialect::Sorock => sorock(payload),
    }
}

fn json(payload: &[u8]) -> Option<Membership> {
    of_value(&serde_json::from_slice(payload).ok()?, "json")
}

fn msgpack(payload: &[u8]) -> Option<Membership> {
    super::msgpack::value(payload).and_then(|value| of_value(&value, "msgpack"))
}

fn opaque(form: (Plain, NodeIds), payload: &[u8]) -> Option<Membership> {
    let nodes = [Node::Address, Node::Nothing];
    nodes.into_iter().find_map(|node| plain_of(form, node, payload))
}

/// A membership that says what is what: a map by names, or an array in the order of declaration.
fn of_value(value: &Value, encoding: &str) -> Option<Membership> {
    let (configs, nodes) = match value {
        Value::Object(fields) => (fields.get("configs")?, fields.get("nodes")?),
        Value::Array(fields) => match fields.as_slice() {
            [configs, nodes] => (configs, nodes),
            _ => return None,
        },
        _ => return None,
    };
    let (configs, nodes) = (configs.as_array()?, nodes.as_object()?);
    let mut voters = Vec::new();
    for config in configs {
        let config = config.as_array()?;
        if voters.len() + config.len() > NODES_MAX {
            return None;
        }
        for id in config {
            voters.push(id_of(id)?);
        }
    }
    if nodes.len() > NODES_MAX {
        return None;
    }
    let mut known = BTreeMap::new();
    for (id, node) in nodes {
        known.insert(id.clone(), address(node));
    }
    let decoder = if encoding == "json" { "openraft-json" } else { "openraft-msgpack" };
    built(&voters, known, decoder)
}

fn id_of(id: &Value) -> Option<String> {
    match id {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        _ => None,
    }
}

/// The address of a node of any type: text, or a field that is called so, or the only text in it.
fn address(node: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let found = match node {
        Value::Object(fields) => ["addr", "address", "rpc_addr"]
            .into_iter()
            .find_map(|name| fields.get(name).and_then(text)),
        Value::Array(fields) => fields.iter().find_map(text),
        other => text(other),
    };
    found.unwrap_or_default()
}

/// The servers of the sets and of the nodes, in the order of their ids as numbers.
fn built(
    voters: &[String],
    mut nodes: BTreeMap<String, String>,
    decoder: &'static str,
) -> Option<Membership> {
    for id in voters {
        nodes.entry(id.clone()).or_default();
    }
    let voting: HashSet<&String> = voters.iter().collect();
    let mut servers: Vec<Server> = nodes
        .into_iter()
        .map(|(id, address)| {
            let votes = voting.contains(&id);
            let suffrage = if votes { Suffrage::Voter } else { Suffrage::Nonvoter };
            Server { id, address, suffrage }
        })
        .collect();
    servers.sort_by_cached_key(|server| {
        (server.id.parse::<u64>().unwrap_or(u64::MAX), server.id.clone())
    });
    (!voters.is_empty()).then_some(Membership { servers, decoder })
}

/// An encoding that describes nothing.
#[derive(Clone, Copy)]
enum Plain {
    Bincode,
    Postcard,
}

/// What is kept of a node.
#[derive(Clone, Copy)]
enum Node {
    Address,
    Nothing,
}

struct Input<'a> {
    cursor: Cursor<'a>,
    form: Plain,
}

impl Input<'_> {
    fn number(&mut self) -> Option<u64> {
        match self.form {
            Plain::Bincode => self.cursor.u64_le("number").ok(),
            Plain::Postcard => self.cursor.varint("number", Overlong::Refuse).ok(),
        }
    }

    fn count(&mut self) -> Option<u64> {
        self.number().filter(|count| *count <= NODES_MAX as u64)
    }

    fn id(&mut self, ids: NodeIds) -> Option<String> {
        match ids {
            NodeIds::Numbers => self.number().map(|number| number.to_string()),
            NodeIds::Names => self.text(),
        }
    }

    fn text(&mut self) -> Option<String> {
        let len = self.count()?;
        let bytes = self.cursor.take("text", usize::try_from(len).ok()?).ok()?;
        String::from_utf8(bytes.to_vec()).ok()
    }
}

fn plain_of((form, ids): (Plain, NodeIds), node: Node, payload: &[u8]) -> Option<Membership> {
    let mut input = Input { cursor: Cursor::new(payload, 0), form };
    let mut voters = Vec::new();
    for _ in 0..input.count()? {
        for _ in 0..input.count()? {
            voters.push(input.id(ids)?);
        }
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..input.count()? {
        let id = input.id(ids)?;
        let address = match node {
            Node::Address => input.text()?,
            Node::Nothing => String::new(),
        };
        nodes.insert(id, address);
    }
    let decoder = match form {
        Plain::Bincode => "openraft-bincode",
        Plain::Postcard => "openraft-postcard",
    };
    input.cursor.is_empty().then(|| built(&voters, nodes, decoder))?
}

/// sorock's: a set of addresses in bincode, each a voter.
fn sorock(payload: &[u8]) -> Option<Membership> {
    let mut input = Input { cursor: Cursor::new(payload, 0), form: Plain::Bincode };
    let mut servers = Vec::new();
    for _ in 0..input.count()? {
        let address = input.text()?;
        servers.push(Server { id: address.clone(), address, suffrage: Suffrage::Voter });
    }
    servers.sort_by(|a, b| a.id.cmp(&b.id));
    let whole = input.cursor.is_empty() && !servers.is_empty();
    whole.then_some(Membership { servers, decoder: "sorock" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(payload: &[u8]) -> Vec<String> {
        words_in(Dialect::Any, payload)
    }

    fn words_in(dialect: Dialect, payload: &[u8]) -> Vec<String> {
        let servers = membership(dialect, payload).map_or_else(Vec::new, |found| found.servers);
        let line = |one: &Server| format!("{} {} {}", one.id, one.address, one.suffrage.as_str());
        servers.iter().map(line).collect()
    }

    const WANTED: [&str; 3] = ["1 h1:1 voter", "2 h2:1 voter", "3 h3:1 nonvoter"];

    #[test]
    fn a_joint_membership_with_a_learner_reads_alike_in_every_encoding() {
        let json = br#"{"configs":[[1],[1,2]],"nodes":{"1":{"addr":"h1:1"},"2":{"addr":"h2:1"},
            "3":{"addr":"h3:1"}}}"#;
        assert_eq!(words(json), WANTED);
        let postcard = b"\x02\x01\x01\x02\x01\x02\x03\x01\x04h1:1\x02\x04h2:1\x03\x04h3:1";
        assert_eq!(words(postcard), WANTED);
        let number = |number: u64| number.to_le_bytes().to_vec();
        let mut bincode = [2, 1, 1, 2, 1, 2, 3].map(number).concat();
        for id in 1..=3u64 {
            bincode.extend([number(id), number(4), format!("h{id}:1").into_bytes()].concat());
        }
        assert_eq!(words(&bincode), WANTED);
        let arrays = b"\x92\x92\x91\x01\x92\x01\x02\x83\x01\x91\xa4h1:1\x02\x91\xa4h2:1\x03\
            \x91\xa4h3:1";
        assert_eq!(words(arrays), WANTED);
    }

    #[test]
    fn a_membership_is_only_read_in_the_encoding_of_its_log() {
        let numbers = NodeIds::Numbers;
        let postcard = b"\x01\x01\x01\x01\x01\x04h1:1";
        let msgpack = b"\x92\x91\x91\x01\x81\x01\x91\xa4h1:1";
        let json = br#"{"configs":[[1]],"nodes":{"1":{"addr":"h1:1"}}}"#;
        let wanted = ["1 h1:1 voter"];
        for (own, payload) in [
            (Dialect::OpenraftPostcard(numbers), &postcard[..]),
            (Dialect::OpenraftMsgpack, msgpack),
            (Dialect::OpenraftJson, json),
        ] {
            for dialect in [
                Dialect::Hashicorp,
                Dialect::OpenraftJson,
                Dialect::OpenraftMsgpack,
                Dialect::OpenraftPostcard(numbers),
                Dialect::OpenraftBincode(numbers),
                Dialect::Sorock,
            ] {
                let found = words_in(dialect, payload);
                assert_eq!(found == wanted, dialect == own, "{own:?} as {dialect:?}");
            }
        }
        let named = b"\x01\x01\x02n1\x02\x02n1\x04h1:1\x02n2\x04h2:1";
        let names = Dialect::OpenraftPostcard(NodeIds::Names);
        assert_eq!(words_in(names, named), ["n1 h1:1 voter", "n2 h2:1 nonvoter"]);
    }

    #[test]
    fn a_byte_more_or_less_is_no_membership() {
        let postcard = b"\x01\x01\x01\x01\x01\x04h1:1";
        assert_eq!(words(postcard), ["1 h1:1 voter"]);
        for len in 0..postcard.len() {
            // Just before the address it is one whose nodes are nothing but their ids.
            let wanted = if len == 5 { vec!["1  voter"] } else { Vec::new() };
            assert_eq!(words(&postcard[..len]), wanted, "{len}");
        }
        assert_eq!(words(&[&postcard[..], b"\0"].concat()).len(), 0);
        assert_eq!(words(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").len(), 0);
        assert_eq!(words(&[0xdd, 0xff, 0xff, 0xff, 0xff]).len(), 0);
    }

    fn voters(count: usize) -> Vec<u8> {
        let ids: Vec<String> = (1..=count).map(|id| id.to_string()).collect();
        format!(r#"{{"configs":[[{}]],"nodes":{{}}}}"#, ids.join(",")).into_bytes()
    }

    #[test]
    fn more_nodes_than_any_cluster_has_are_no_membership_in_any_encoding() {
        let found = membership(Dialect::Any, &voters(100)).map(|found| found.servers.len());
        assert_eq!(found, Some(100));
        assert_eq!(membership(Dialect::Any, &voters(NODES_MAX + 1)), None, "voters");
        let twice = format!(r#"{{"configs":[[{0}],[{0}]],"nodes":{{}}}}"#, ["1"; 40_000].join(","));
        assert_eq!(membership(Dialect::Any, twice.as_bytes()), None, "voters of two sets");
        let nodes: Vec<String> = (0..=NODES_MAX).map(|id| format!(r#""{id}":null"#)).collect();
        let nodes = format!(r#"{{"configs":[[1]],"nodes":{{{}}}}}"#, nodes.join(","));
        assert_eq!(membership(Dialect::Any, nodes.as_bytes()), None, "nodes");
        let mut msgpack = b"\x92\x91\xdd\x00\x01\x00\x01".to_vec();
        msgpack.extend([1; NODES_MAX + 1]);
        msgpack.extend(b"\x81\x01\xc0");
        assert_eq!(membership(Dialect::Any, &msgpack), None, "msgpack");
    }

    #[test]
    fn as_many_voters_as_may_be_are_each_shown_once() {
        let found = membership(Dialect::Any, &voters(NODES_MAX)).expect("a membership");
        assert!(found.servers.iter().all(|server| server.suffrage == Suffrage::Voter));
        assert_eq!(found.servers.len(), NODES_MAX);
    }

    #[test]
    fn nodes_of_any_type_and_ids_of_text_are_shown_as_far_as_they_say() {
        let json = br#"{"configs":[["a"]],"nodes":{"a":{"region":7},"b":null}}"#;
        assert_eq!(words(json), ["a  voter", "b  nonvoter"]);
    }
}
