//! `meta.json` of a snapshot: one JSON object, read as Go reads it.
//!
//! ```text
//! Version             0 or 1; absent in version 0
//! ID, Index, Term     name, last index covered, its term
//! Peers               base64 of a msgpack list of addresses; the membership of version 0
//! Configuration       {"Servers": [{"Suffrage": 0|1|2, "ID", "Address"}]}; version 1
//! ConfigurationIndex  index of the entry it is from; version 1
//! Size, CRC           of state.bin; base64 of eight bytes, big-endian CRC-64/XZ
//! ```
//!
//! Names of members match whatever their case, unknown ones are passed over, missing ones are zero.

use data_encoding::BASE64;
use serde_json::{Map, Value};

use crate::model::{LogIndex, Server, Suffrage, Term};
use crate::store::codec::peer_list;

/// Newest version of the description that is known.
const VERSION_MAX: u64 = 1;

/// What a description says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) id: String,
    pub(super) index: LogIndex,
    pub(super) term: Term,
    pub(super) servers: Vec<Server>,
    pub(super) membership_index: LogIndex,
    pub(super) size_bytes: u64,
    pub(super) crc: Option<u64>,
}

/// Reads a description.
///
/// # Errors
/// Why the library would pass over it, in words.
pub(super) fn read(bytes: &[u8]) -> Result<Meta, String> {
    let object: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let members = Members::of(object);
    let version = members.number("version")?;
    if version > VERSION_MAX {
        return Err(format!("version {version} is not known"));
    }
    let index = LogIndex(members.number("index")?);
    let (servers, membership_index) = match version {
        0 => (peers(&members)?, index),
        _ => (configuration(&members)?, LogIndex(members.number("configurationindex")?)),
    };
    Ok(Meta {
        id: members.text("id")?.to_owned(),
        index,
        term: Term(members.number("term")?),
        servers,
        membership_index,
        size_bytes: members.number("size")?,
        crc: crc(members.text("crc")?)?,
    })
}

/// The checksum; `None` where it is missing, or has another length and so never fits.
fn crc(text: &str) -> Result<Option<u64>, String> {
    let bytes = base64("CRC", text)?;
    Ok(<[u8; 8]>::try_from(bytes.as_slice()).ok().map(u64::from_be_bytes))
}

fn base64(name: &str, text: &str) -> Result<Vec<u8>, String> {
    BASE64.decode(text.as_bytes()).map_err(|error| format!("{name} is no base64: {error}"))
}

fn peers(members: &Members) -> Result<Vec<Server>, String> {
    let bytes = base64("Peers", members.text("peers")?)?;
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let addresses = peer_list(&bytes).ok_or("Peers is no list of addresses")?;
    let voter =
        |address: String| Server { id: address.clone(), address, suffrage: Suffrage::Voter };
    Ok(addresses.into_iter().map(voter).collect())
}

fn configuration(members: &Members) -> Result<Vec<Server>, String> {
    let Some(Value::Object(configuration)) = members.get("configuration") else {
        return Ok(Vec::new());
    };
    let configuration = Members::of(configuration.clone());
    match configuration.get("servers") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(servers)) => servers.iter().map(server).collect(),
        Some(_) => Err("Servers is no array".to_owned()),
    }
}

fn server(value: &Value) -> Result<Server, String> {
    let Value::Object(object) = value else { return Err("a server is no object".to_owned()) };
    let members = Members::of(object.clone());
    let code = members.number("suffrage")?;
    let suffrage =
        Suffrage::of_code(code).ok_or_else(|| format!("a server has the suffrage {code}"))?;
    let (id, address) = (members.text("id")?.to_owned(), members.text("address")?.to_owned());
    Ok(Server { id, address, suffrage })
}

/// Members of an object by their names in lower case; the last of two counts.
pub(super) struct Members(Map<String, Value>);

impl Members {
    pub(super) fn of(object: Map<String, Value>) -> Members {
        let lower = |(name, value): (String, Value)| (name.to_ascii_lowercase(), value);
        Members(object.into_iter().map(lower).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A number that is not negative; 0 where it is missing.
    pub(super) fn number(&self, name: &str) -> Result<u64, String> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(0),
            Some(value) => {
                value.as_u64().ok_or_else(|| format!("{name} is no number that is 0 or more"))
            }
        }
    }

    /// A text; empty where it is missing.
    pub(super) fn text(&self, name: &str) -> Result<&str, String> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(format!("{name} is no text")),
        }
    }

    /// A yes or no; no where it is missing.
    pub(super) fn flag(&self, name: &str) -> Result<bool, String> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(format!("{name} is neither true nor false")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = r#"{"Version":1,"ID":"2-20-1795234602649","Index":20,"Term":2,
        "Peers":"ka4xMjcuMC4wLjE6ODMwMA==","Configuration":{"Servers":[
        {"Suffrage":0,"ID":"n1","Address":"127.0.0.1:8300"},
        {"Suffrage":1,"ID":"n2","Address":"127.0.0.2:8300"}]},
        "ConfigurationIndex":7,"Size":9,"CRC":"mV3Ju98ZOfo="}
"#;

    fn server(id: &str, address: &str, suffrage: Suffrage) -> Server {
        Server { id: id.to_owned(), address: address.to_owned(), suffrage }
    }

    #[test]
    fn a_description_of_hashicorp_raft_is_read() {
        let meta = read(WRITTEN.as_bytes()).expect("reads");
        assert_eq!(
            meta,
            Meta {
                id: "2-20-1795234602649".to_owned(),
                index: LogIndex(20),
                term: Term(2),
                servers: vec![
                    server("n1", "127.0.0.1:8300", Suffrage::Voter),
                    server("n2", "127.0.0.2:8300", Suffrage::Nonvoter),
                ],
                membership_index: LogIndex(7),
                size_bytes: 9,
                crc: Some(0x995d_c9bb_df19_39fa),
            }
        );
    }

    #[test]
    fn version_0_takes_its_members_from_the_peer_list() {
        let old = r#"{"id":"1-3-5","INDEX":3,"Term":1,"Peers":"ka4xMjcuMC4wLjE6ODMwMA==",
            "Size":0,"CRC":null,"Unknown":[{}]}"#;
        let meta = read(old.as_bytes()).expect("reads");
        let voter = server("127.0.0.1:8300", "127.0.0.1:8300", Suffrage::Voter);
        assert_eq!((meta.servers, meta.membership_index), (vec![voter], LogIndex(3)));
        assert_eq!(meta.crc, None);
    }

    #[test]
    fn what_go_would_not_take_is_refused_in_words() {
        for (from, to, words) in [
            ("\"Version\":1", "\"Version\":2", "version 2"),
            ("\"Index\":20", "\"Index\":-1", "index is no number"),
            ("\"Index\":20", "\"Index\":\"20\"", "index is no number"),
            ("mV3Ju98ZOfo=", "m", "CRC is no base64"),
            ("\"Suffrage\":1", "\"Suffrage\":9", "suffrage 9"),
            ("\"ID\":\"n1\"", "\"ID\":1", "id is no text"),
            ("{\"Version\"", "{\"Version", "expected"),
        ] {
            let changed = WRITTEN.replacen(from, to, 1);
            let why = read(changed.as_bytes()).expect_err(from);
            assert!(why.contains(words), "{from}: {why}");
        }
        for len in 0..WRITTEN.trim_end().len() {
            assert!(read(&WRITTEN.as_bytes()[..len]).is_err(), "cut at {len}");
        }
    }
}
