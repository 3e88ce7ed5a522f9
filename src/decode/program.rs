//! Commands of known programs.

mod dkron;
mod names;

use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use crate::bytes::{Field, fields};
use crate::decode::{Decoded, etcd};

/// The program whose commands a log holds; nothing in a command says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Dkron: a type byte and a protobuf message.
    Dkron,
    /// Consul: a type byte and msgpack, or protobuf for newer types.
    Consul,
    /// Nomad: a type byte and msgpack.
    Nomad,
    /// Vault: protobuf operations; their values are encrypted.
    Vault,
    /// OpenBao: as Vault, with more operations.
    OpenBao,
    /// etcd: protobuf requests.
    Etcd,
}

/// Bit of Consul's and Nomad's type bytes: a server that does not know the type passes over it.
const IGNORABLE: u8 = 0x80;

/// Decodes a command of `program`.
pub(super) fn command(program: Program, payload: &[u8]) -> Option<Decoded> {
    let (decoder, value) = match program {
        Program::Dkron => ("dkron", dkron::command(payload)?),
        Program::Consul => ("consul", message(names::consul, payload)?),
        Program::Nomad => ("nomad", message(names::nomad, payload)?),
        Program::Vault => ("vault", operations(names::vault, payload)?),
        Program::OpenBao => ("openbao", operations(names::openbao, payload)?),
        Program::Etcd => ("etcd", etcd::request(payload)?),
    };
    Some(Decoded { decoder, value })
}

/// A message whose first byte is its type, by name; its body is left as it is.
fn message(name: fn(u8) -> Option<&'static str>, payload: &[u8]) -> Option<Value> {
    let (first, body) = payload.split_first()?;
    let kind = first & !IGNORABLE;
    Some(json!({
        "message": name(kind)?,
        "type": kind,
        "ignorable": first & IGNORABLE != 0,
        "body_b64": BASE64.encode(body),
    }))
}

/// Operations on keys, as Vault and OpenBao write them: kind, key and size of the value.
fn operations(name: fn(u64) -> Option<&'static str>, payload: &[u8]) -> Option<Value> {
    /// Vault's checkpoint of its verifier is this byte alone.
    const CHECKPOINT: [u8; 1] = [16];
    if payload == CHECKPOINT {
        return Some(json!({ "verifier_checkpoint": true }));
    }
    let (mut list, mut command) = (Vec::new(), Map::new());
    for field in fields(payload) {
        match field.ok()? {
            (1, Field::Bytes(one)) => list.push(operation(name, one)?),
            (2, Field::Number(index)) => {
                command.insert("lowest_active_index".to_owned(), index.into());
            }
            _ => return None,
        }
    }
    command.insert("operations".to_owned(), list.into());
    Some(command.into())
}

fn operation(name: fn(u64) -> Option<&'static str>, message: &[u8]) -> Option<Value> {
    let (mut kind, mut flags, mut key, mut value_bytes) = (0, 0, "", 0);
    for field in fields(message) {
        match field.ok()? {
            (1, Field::Number(number)) => kind = number,
            (2, Field::Number(number)) => flags = number,
            (3, Field::Bytes(text)) => key = std::str::from_utf8(text).ok()?,
            (4, Field::Bytes(value)) => value_bytes = value.len(),
            _ => return None,
        }
    }
    let mut operation = json!({ "op": name(kind)?, "key": key, "value_bytes": value_bytes });
    if flags != 0 {
        operation.as_object_mut()?.insert("flags".to_owned(), flags.into());
    }
    Some(operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_consul_and_nomad_are_named_and_their_bodies_kept() {
        let said = |program, payload: &[u8]| command(program, payload).map(|said| said.value);
        let kvs = said(Program::Consul, &[0x82, 0x80]).expect("known");
        let wanted = json!({ "message": "KVS", "type": 2, "ignorable": true, "body_b64": "gA==" });
        assert_eq!(kvs, wanted);
        let plan = said(Program::Nomad, &[13, 0x80]).expect("known");
        assert_eq!(
            (&plan["message"], &plan["ignorable"]),
            (&"ApplyPlanResults".into(), &false.into())
        );
        assert_eq!(said(Program::Nomad, &[127]).expect("known")["message"], "SystemInitialization");
        assert_eq!(said(Program::Nomad, &[63]), None, "a type that nobody knows");
        assert_eq!(said(Program::Consul, &[]), None);
    }

    #[test]
    fn operations_of_vault_and_openbao_show_no_values() {
        let put = [0x0a, 12, 0x08, 2, 0x1a, 4, b'k', b'v', b'/', b'a', 0x22, 2, 7, 8];
        for program in [Program::Vault, Program::OpenBao] {
            let said = command(program, &put).expect("known").value;
            let wanted = json!({ "op": "put", "key": "kv/a", "value_bytes": 2 });
            assert_eq!(said, json!({ "operations": [wanted] }));
        }
        let begin = [0x0a, 2, 0x08, 64, 0x10, 9];
        let said = command(Program::OpenBao, &begin).expect("known").value;
        assert_eq!(said["operations"][0]["op"], "begin-transaction");
        assert_eq!(said["lowest_active_index"], 9);
        assert_eq!(command(Program::Vault, &begin), None, "Vault has no transactions");
        assert_eq!(command(Program::Vault, &put[..9]), None);
        let checkpoint = command(Program::Vault, &[16]).expect("known").value;
        assert_eq!(checkpoint["verifier_checkpoint"], true);
    }
}
