//! Memberships of hashicorp/raft, in msgpack.
//!
//! `Configuration`: a map with the key `Servers`, an array (or nil) of maps with `Address`, `ID`
//! (strings) and `Suffrage` (0 voter, 1 nonvoter, 2 staging). The older peer list: an array (or
//! nil) of strings, each the address of a voter. Written by raft's `configuration.go` and `util.go`
//! through go-msgpack, which reads keys in any order, any width of header and integer, and ignores
//! unknown keys; so does this reader. Bytes behind the value make it something else.

use rmp::Marker;

use crate::decode::Membership;
use crate::model::{Server, Suffrage};

/// Containers inside a value that is skipped; deeper ones belong to no known program.
const SKIPPED_DEPTH_MAX: usize = 16;
/// A server takes at least this many bytes: a map header.
const SERVER_BYTES_MIN: usize = 1;

/// Decodes a `Configuration`.
pub(super) fn configuration(payload: &[u8]) -> Option<Membership> {
    let mut input = Input { rest: payload };
    let mut servers = None;
    for _ in 0..input.map()? {
        if input.text()? == b"Servers" {
            servers = Some(input.servers()?);
        } else {
            input.skip()?;
        }
    }
    let servers = input.rest.is_empty().then_some(servers)??;
    Some(Membership { servers, decoder: "hashicorp-configuration" })
}

/// Decodes a peer list.
pub(super) fn peers(payload: &[u8]) -> Option<Membership> {
    let mut input = Input { rest: payload };
    let mut servers = Vec::new();
    for _ in 0..input.array()? {
        let address = String::from_utf8(input.text()?.to_vec()).ok()?;
        servers.push(Server { id: address.clone(), address, suffrage: Suffrage::Voter });
    }
    input.rest.is_empty().then_some(Membership { servers, decoder: "hashicorp-peers" })
}

/// What is still unread. Every step consumes at least a byte or fails, so that a large announced
/// count ends with the input.
struct Input<'b> {
    rest: &'b [u8],
}

impl<'b> Input<'b> {
    fn servers(&mut self) -> Option<Vec<Server>> {
        let count = self.array()?;
        if count > self.rest.len() / SERVER_BYTES_MIN {
            return None;
        }
        let mut servers = Vec::new();
        for _ in 0..count {
            servers.push(self.server()?);
        }
        Some(servers)
    }

    fn server(&mut self) -> Option<Server> {
        let (mut id, mut address, mut suffrage) = (String::new(), String::new(), 0);
        for _ in 0..self.map()? {
            match self.text()? {
                b"ID" => id = String::from_utf8(self.text()?.to_vec()).ok()?,
                b"Address" => address = String::from_utf8(self.text()?.to_vec()).ok()?,
                b"Suffrage" => suffrage = self.unsigned()?,
                _ => self.skip()?,
            }
        }
        Some(Server { id, address, suffrage: Suffrage::of_code(suffrage)? })
    }

    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn marker(&mut self) -> Option<Marker> {
        self.take(1).and_then(|byte| byte.first()).map(|byte| Marker::from_u8(*byte))
    }

    /// A big-endian number of `width` bytes, at most 8.
    fn number(&mut self, width: usize) -> Option<u64> {
        Some(self.take(width)?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    fn count(&mut self, width: usize) -> Option<usize> {
        usize::try_from(self.number(width)?).ok()
    }

    fn array(&mut self) -> Option<usize> {
        match self.marker()? {
            Marker::Null => Some(0),
            Marker::FixArray(count) => Some(usize::from(count)),
            Marker::Array16 => self.count(2),
            Marker::Array32 => self.count(4),
            _ => None,
        }
    }

    fn map(&mut self) -> Option<usize> {
        match self.marker()? {
            Marker::FixMap(count) => Some(usize::from(count)),
            Marker::Map16 => self.count(2),
            Marker::Map32 => self.count(4),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<&'b [u8]> {
        let len = match self.marker()? {
            Marker::FixStr(len) => usize::from(len),
            Marker::Str8 | Marker::Bin8 => self.count(1)?,
            Marker::Str16 | Marker::Bin16 => self.count(2)?,
            Marker::Str32 | Marker::Bin32 => self.count(4)?,
            _ => return None,
        };
        self.take(len)
    }

    fn unsigned(&mut self) -> Option<u64> {
        let (width, signed) = match self.marker()? {
            Marker::FixPos(number) => return Some(u64::from(number)),
            Marker::U8 => (1, false),
            Marker::U16 => (2, false),
            Marker::U32 => (4, false),
            Marker::U64 => (8, false),
            Marker::I8 => (1, true),
            Marker::I16 => (2, true),
            Marker::I32 => (4, true),
            Marker::I64 => (8, true),
            _ => return None,
        };
        let number = self.number(width)?;
        let negative = signed && number >> (8 * width - 1) == 1;
        (!negative).then_some(number)
    }

    /// Skips one value of any type, without recursion.
    fn skip(&mut self) -> Option<()> {
        let mut open = vec![1usize];
        while let Some(values) = open.last_mut() {
            if *values == 0 {
                open.pop();
                continue;
            }
            *values -= 1;
            let inside = self.skip_head()?;
            if inside > 0 {
                if open.len() > SKIPPED_DEPTH_MAX {
                    return None;
                }
                open.push(inside);
            }
        }
        Some(())
    }

    /// Skips one value's head and own bytes; returns how many values lie inside it.
    fn skip_head(&mut self) -> Option<usize> {
        let bytes = match self.marker()? {
            Marker::FixArray(count) => return Some(usize::from(count)),
            Marker::Array16 => return self.count(2),
            Marker::Array32 => return self.count(4),
            Marker::FixMap(count) => return Some(usize::from(count) * 2),
            Marker::Map16 => return self.count(2)?.checked_mul(2),
            Marker::Map32 => return self.count(4)?.checked_mul(2),
            Marker::FixStr(len) => usize::from(len),
            Marker::Str8 | Marker::Bin8 => self.count(1)?,
            Marker::Str16 | Marker::Bin16 => self.count(2)?,
            Marker::Str32 | Marker::Bin32 => self.count(4)?,
            Marker::Ext8 => self.count(1)?.checked_add(1)?,
            Marker::Ext16 => self.count(2)?.checked_add(1)?,
            Marker::Ext32 => self.count(4)?.checked_add(1)?,
            Marker::FixExt1 => 2,
            Marker::FixExt2 => 3,
            Marker::FixExt4 => 5,
            Marker::FixExt8 => 9,
            Marker::FixExt16 => 17,
            Marker::U8 | Marker::I8 => 1,
            Marker::U16 | Marker::I16 => 2,
            Marker::U32 | Marker::I32 | Marker::F32 => 4,
            Marker::U64 | Marker::I64 | Marker::F64 => 8,
            Marker::Null | Marker::True | Marker::False | Marker::FixPos(_) | Marker::FixNeg(_) => {
                0
            }
            Marker::Reserved => return None,
        };
        self.take(bytes).map(|_| 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hexadecimal digits")
    }

    fn server(id: &str, address: &str, suffrage: Suffrage) -> Server {
        Server { id: id.to_owned(), address: address.to_owned(), suffrage }
    }

    /// A voter and a nonvoter, as hashicorp/raft wrote them.
    const TWO: &str = "81a7536572766572739283a741646472657373ae3132372e302e302e313a38333030a24944\
                       a26e31a853756666726167650083a741646472657373ae3132372e302e302e323a383330\
                       30a24944a26e32a8537566667261676501";

    #[test]
    fn a_configuration_of_hashicorp_raft_is_read() {
        let membership = configuration(&bytes(TWO)).expect("decodes");
        assert_eq!(
            membership.servers,
            [
                server("n1", "127.0.0.1:8300", Suffrage::Voter),
                server("n2", "127.0.0.2:8300", Suffrage::Nonvoter)
            ]
        );
        assert_eq!(configuration(&bytes("81a753657276657273c0")).expect("nil").servers, []);
        assert_eq!(configuration(&bytes("81a75365727665727390")).expect("empty").servers, []);
    }

    #[test]
    fn a_peer_list_of_hashicorp_raft_is_read() {
        let list = bytes("92ae3132372e302e302e313a38333030ae3132372e302e302e323a38333030");
        assert_eq!(
            peers(&list).expect("decodes").servers,
            [
                server("127.0.0.1:8300", "127.0.0.1:8300", Suffrage::Voter),
                server("127.0.0.2:8300", "127.0.0.2:8300", Suffrage::Voter)
            ]
        );
        assert_eq!(peers(&[0xc0]).expect("nil").servers, []);
    }

    #[test]
    fn other_widths_an_unknown_key_and_another_order_are_read_too() {
        let mut wide = vec![0xdf, 0, 0, 0, 2];
        wide.extend([0xd9, 3]);
        wide.extend(b"New");
        wide.extend([0x92, 0x81, 0x01, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0, 0xd6, 0xff, 1, 2, 3, 4]);
        wide.extend([0xa7]);
        wide.extend(b"Servers");
        wide.extend([0xdc, 0, 1, 0x82, 0xa8]);
        wide.extend(b"Suffrage");
        wide.extend([0xd2, 0, 0, 0, 2, 0xa2]);
        wide.extend(b"ID");
        wide.extend([0xc4, 1, b'x']);
        assert_eq!(
            configuration(&wide).expect("decodes").servers,
            [server("x", "", Suffrage::Staging)]
        );
    }

    #[test]
    fn what_does_not_fit_to_the_last_byte_is_no_configuration() {
        let whole = bytes(TWO);
        for len in 0..whole.len() {
            assert_eq!(configuration(&whole[..len]), None, "cut at {len}");
        }
        let mut longer = whole.clone();
        longer.push(0xc0);
        assert_eq!(configuration(&longer), None);
        let mut suffrage = whole;
        *suffrage.last_mut().expect("not empty") = 3;
        assert_eq!(configuration(&suffrage), None);
        assert_eq!(configuration(&[0x80]), None, "without servers it is another map");
    }

    #[test]
    fn huge_counts_and_deep_nesting_end_at_once() {
        assert_eq!(configuration(&bytes("81a753657276657273ddffffffff")), None);
        assert_eq!(peers(&bytes("ddffffffff")), None);
        let mut deep = bytes("82a3");
        deep.extend(b"New");
        deep.extend(std::iter::repeat_n(0x91, 1 << 20));
        assert_eq!(configuration(&deep), None);
    }

    proptest! {
        #[test]
        fn no_input_makes_the_reader_panic(
            input in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let (a, b) = (configuration(&input), peers(&input));
            prop_assert!(a.is_none() || b.is_none(), "a map is no array");
        }
    }
}
