//! The list of voters that hashicorp/raft kept before it had configurations.

use crate::store::codec::msgpack::{Reader, Token};

/// Addresses of a peer list: a msgpack array of texts, or nil. `None` when the bytes are anything
/// else, or more.
pub fn peer_list(bytes: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader::new(bytes);
    let count = match reader.token().ok()? {
        Token::Nil => 0,
        Token::Array(count) => count,
        _ => return None,
    };
    let mut list = Vec::new();
    for _ in 0..count {
        let Token::Bytes(range) = reader.token().ok()? else { return None };
        list.push(String::from_utf8(reader.bytes_of(&range).to_vec()).ok()?);
    }
    (reader.consumed() == bytes.len()).then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_list_is_read_to_its_last_byte_and_nothing_else_is() {
        assert_eq!(peer_list(b"\x92\xa1a\xa2bc"), Some(vec!["a".to_owned(), "bc".to_owned()]));
        assert_eq!(peer_list(b"\xc0"), Some(Vec::new()));
        for bad in [&b""[..], b"\x92\xa1a", b"\x91\x01", b"\x90\x00", b"\xdd\xff\xff\xff\xff"] {
            assert_eq!(peer_list(bad), None, "{bad:x?}");
        }
    }
}
