//! What etcd's log carries: changes of membership (raftpb) and requests (etcdserverpb).
//!
//! Requests are shown by method and key; values only by their size. Three requests can hold a
//! password, and so can one of version 2 on the users in its store: of those nothing is shown but
//! their name and whom they concern, however damaged they are.

use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use crate::bytes::{Field, NoMessage, fields};
use crate::model::EntryKind;

/// Requests inside requests that are followed.
const DEPTH_MAX: usize = 8;
/// Methods of requests of version 2, which is how those are told from newer ones.
const METHODS: [&str; 7] = ["PUT", "POST", "DELETE", "QGET", "SYNC", "GET", "HEAD"];
/// Number of the header: request id, user, revision of the rights.
const HEADER: u64 = 100;
/// Requests that can hold a password: authenticate, new user, new password.
const SECRETS: [u64; 3] = [1012, 1100, 1103];
/// Where the users of version 2 lie in its store, each with a hash of the password.
const USERS: &[u8] = b"/security/users";
/// The change of membership with which a joint one is left has no contents.
const LEAVE: &str = "leave-joint";

/// What a field of a request holds, and so how it is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Text where it is UTF-8, else base64.
    Text,
    /// A number.
    Number,
    /// An id, in hexadecimal digits.
    Id,
    /// Yes or no.
    Flag,
    /// Only how long it is.
    Size,
    /// A message of which only its key is shown.
    Key,
    /// Operations.
    Operations,
    /// Not at all.
    Hidden,
}

type Shape = &'static [(u64, &'static str, Kind)];

const RANGE: Shape = &[(1, "key", Kind::Text), (2, "range_end", Kind::Text)];
const PUT: Shape = &[
    (1, "key", Kind::Text),
    (2, "value_bytes", Kind::Size),
    (3, "lease", Kind::Id),
    (4, "prev_kv", Kind::Flag),
    (5, "ignore_value", Kind::Flag),
    (6, "ignore_lease", Kind::Flag),
];
const DELETE: Shape =
    &[(1, "key", Kind::Text), (2, "range_end", Kind::Text), (3, "prev_kv", Kind::Flag)];
const TXN: Shape = &[
    (1, "compare", Kind::Key),
    (2, "success", Kind::Operations),
    (3, "failure", Kind::Operations),
];
const NAME: Shape = &[(1, "name", Kind::Text)];
/// Whom it concerns, and nothing else.
const SECRET: Shape =
    &[(1, "name", Kind::Text), (2, "", Kind::Hidden), (3, "", Kind::Hidden), (4, "", Kind::Hidden)];
const NONE: Shape = &[];

/// Requests by their number: name and fields. A field that is not named makes a request one that
/// is shown by its name alone.
const REQUESTS: &[(u64, &str, Shape)] = &[
    (3, "range", RANGE),
    (4, "put", PUT),
    (5, "delete_range", DELETE),
    (6, "txn", TXN),
    (7, "compaction", &[(1, "revision", Kind::Number), (2, "physical", Kind::Flag)]),
    (8, "lease_grant", &[(1, "ttl", Kind::Number), (2, "lease", Kind::Id)]),
    (9, "lease_revoke", &[(1, "lease", Kind::Id)]),
    (
        10,
        "alarm",
        &[(1, "action", Kind::Number), (2, "member", Kind::Id), (3, "alarm", Kind::Number)],
    ),
    (11, "lease_checkpoint", &[(1, "checkpoints_bytes", Kind::Size)]),
    (1000, "auth_enable", NONE),
    (1011, "auth_disable", NONE),
    (1012, "authenticate", SECRET),
    (1013, "auth_status", NONE),
    (1100, "auth_user_add", SECRET),
    (1101, "auth_user_delete", NAME),
    (1102, "auth_user_get", NAME),
    (1103, "auth_user_change_password", SECRET),
    (1104, "auth_user_grant_role", &[(1, "user", Kind::Text), (2, "role", Kind::Text)]),
    (1105, "auth_user_revoke_role", &[(1, "name", Kind::Text), (2, "role", Kind::Text)]),
    (1106, "auth_user_list", NONE),
    (1107, "auth_role_list", NONE),
    (1200, "auth_role_add", NAME),
    (1201, "auth_role_delete", &[(1, "role", Kind::Text)]),
    (1202, "auth_role_get", &[(1, "role", Kind::Text)]),
    (1203, "auth_role_grant_permission", &[(1, "name", Kind::Text), (2, "permission", Kind::Key)]),
    (
        1204,
        "auth_role_revoke_permission",
        &[(1, "role", Kind::Text), (2, "key", Kind::Text), (3, "range_end", Kind::Text)],
    ),
    (1300, "cluster_version_set", &[(1, "version", Kind::Text)]),
    (
        1301,
        "cluster_member_attr_set",
        &[(1, "member", Kind::Id), (2, "attributes_bytes", Kind::Size)],
    ),
    (1302, "downgrade_info_set", &[(1, "enabled", Kind::Flag), (2, "version", Kind::Text)]),
    (9900, "downgrade_version_test", &[(1, "version", Kind::Text)]),
];

/// Fields of a request of version 2.
const LEGACY: Shape = &[
    (2, "method", Kind::Text),
    (3, "path", Kind::Text),
    (4, "value_bytes", Kind::Size),
    (5, "dir", Kind::Flag),
    (6, "prev_value_bytes", Kind::Size),
    (7, "prev_index", Kind::Number),
    (8, "prev_exist", Kind::Flag),
    (9, "expiration", Kind::Number),
    (10, "wait", Kind::Flag),
    (11, "since", Kind::Number),
    (12, "recursive", Kind::Flag),
    (13, "sorted", Kind::Flag),
    (14, "quorum", Kind::Flag),
    (15, "time", Kind::Number),
    (16, "stream", Kind::Flag),
    (17, "refresh", Kind::Flag),
];

/// Whether the contents are a request that can hold a password, in whatever state they are.
pub(super) fn is_secret(payload: &[u8]) -> bool {
    secret_in(payload).is_some()
}

/// The number of a request that can hold a password; 2 for one of version 2, wrapped or not.
fn secret_in(payload: &[u8]) -> Option<u64> {
    let mut fields = fields(payload).map_while(Result::ok);
    fields.find_map(|field| match field {
        (number, _) if SECRETS.contains(&number) => Some(number),
        (3, Field::Bytes(path)) if is_of_users(path) => Some(2),
        (2, Field::Bytes(inside)) if !is_method(inside) && is_on_users(inside) => Some(2),
        _ => None,
    })
}

/// Whether a request of version 2 is on the users.
fn is_on_users(message: &[u8]) -> bool {
    let paths = fields(message).map_while(Result::ok);
    paths.into_iter().any(|field| matches!(field, (3, Field::Bytes(path)) if is_of_users(path)))
}

fn is_of_users(path: &[u8]) -> bool {
    path.first() == Some(&b'/') && path.windows(USERS.len()).any(|part| part == USERS)
}

/// Decodes a request; one that can hold a password always decodes.
pub(super) fn request(payload: &[u8]) -> Option<Value> {
    read_request(payload).ok().flatten().or_else(|| {
        let secret = secret_in(payload)?;
        let name = request_of(secret).map_or("v2", |(_, name, _)| name);
        Some(json!({ "request": name, "redacted": true }))
    })
}

fn request_of(number: u64) -> Option<&'static (u64, &'static str, Shape)> {
    REQUESTS.iter().find(|(known, ..)| *known == number)
}

fn read_request(payload: &[u8]) -> Result<Option<Value>, NoMessage> {
    let mut said = Map::new();
    let mut asked = None;
    for field in fields(payload) {
        match field? {
            (1, Field::Number(id)) => {
                said.insert("id".to_owned(), format!("{id:x}").into());
            }
            (2, Field::Bytes(method)) if is_method(method) => return legacy(payload).map(Some),
            (HEADER, Field::Bytes(header)) => read_header(header, &mut said)?,
            (number, Field::Bytes(message)) if asked.is_none() => asked = Some((number, message)),
            _ => return Ok(None),
        }
    }
    let Some((number, message)) = asked else { return Ok(None) };
    if number == 2 {
        said.insert("request".to_owned(), "v2".into());
        said.insert("v2".to_owned(), legacy(message)?);
        return Ok(Some(said.into()));
    }
    let Some((_, name, shape)) = request_of(number) else { return Ok(None) };
    said.insert("request".to_owned(), (*name).into());
    show(message, shape, 0, &mut said)?;
    if SECRETS.contains(&number) {
        said.insert("redacted".to_owned(), true.into());
    }
    Ok(Some(said.into()))
}

fn is_method(bytes: &[u8]) -> bool {
    METHODS.iter().any(|method| method.as_bytes() == bytes)
}

fn read_header(header: &[u8], into: &mut Map<String, Value>) -> Result<(), NoMessage> {
    for field in fields(header) {
        match field? {
            (1, Field::Number(id)) => into.insert("id".to_owned(), format!("{id:x}").into()),
            (2, Field::Bytes(user)) => into.insert("user".to_owned(), text(user)),
            _ => None,
        };
    }
    Ok(())
}

fn legacy(message: &[u8]) -> Result<Value, NoMessage> {
    let mut said = Map::new();
    let mut id = None;
    for field in fields(message) {
        if let (1, Field::Number(number)) = field? {
            id = Some(number);
        }
    }
    if let Some(id) = id {
        said.insert("id".to_owned(), format!("{id:x}").into());
    }
    show(message, LEGACY, 0, &mut said)?;
    // What is left out is no.
    said.retain(|_, value| *value != Value::Bool(false));
    if is_on_users(message) {
        said.insert("redacted".to_owned(), true.into());
    }
    Ok(said.into())
}

/// Puts the fields of a message as `shape` says.
fn show(
    message: &[u8],
    shape: Shape,
    depth: usize,
    into: &mut Map<String, Value>,
) -> Result<(), NoMessage> {
    for field in fields(message) {
        let (number, value) = field?;
        let known = shape.iter().find(|(known, ..)| *known == number);
        let Some((_, name, kind)) = known else { continue };
        let shown = match (kind, value) {
            (Kind::Hidden, _) => continue,
            (Kind::Text, Field::Bytes(bytes)) => text(bytes),
            (Kind::Number, Field::Number(number)) => number.cast_signed().into(),
            (Kind::Id, Field::Number(id)) => format!("{id:x}").into(),
            (Kind::Flag, Field::Number(flag)) => (flag != 0).into(),
            (Kind::Size, Field::Bytes(bytes)) => bytes.len().into(),
            (Kind::Key, Field::Bytes(bytes)) => key(bytes)?,
            (Kind::Operations, Field::Bytes(bytes)) => operation(bytes, depth)?,
            _ => return Err(NoMessage),
        };
        match kind {
            Kind::Key | Kind::Operations => match into.entry(*name).or_insert_with(|| json!([])) {
                Value::Array(list) => list.push(shown),
                _ => return Err(NoMessage),
            },
            _ => {
                into.insert((*name).to_owned(), shown);
            }
        }
    }
    Ok(())
}

/// The key of a comparison (3), or of a permission (2).
fn key(message: &[u8]) -> Result<Value, NoMessage> {
    let mut found = Value::Null;
    for field in fields(message) {
        if let (2 | 3, Field::Bytes(key)) = field?
            && found.is_null()
        {
            found = text(key);
        }
    }
    Ok(json!({ "key": found }))
}

/// A request inside a transaction.
fn operation(message: &[u8], depth: usize) -> Result<Value, NoMessage> {
    const INSIDE: [(&str, Shape); 4] =
        [("range", RANGE), ("put", PUT), ("delete_range", DELETE), ("txn", TXN)];
    if depth >= DEPTH_MAX {
        return Err(NoMessage);
    }
    let mut said = Map::new();
    for field in fields(message) {
        let (number, Field::Bytes(inside)) = field? else { return Err(NoMessage) };
        let position = number.checked_sub(1).and_then(|number| usize::try_from(number).ok());
        let known = position.and_then(|position| INSIDE.get(position));
        let (name, shape) = known.ok_or(NoMessage)?;
        said.insert("request".to_owned(), (*name).into());
        show(inside, shape, depth + 1, &mut said)?;
    }
    Ok(said.into())
}

fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "b64": BASE64.encode(bytes) }),
    }
}

/// Decodes a change of membership of either version.
pub(super) fn conf_change(kind: EntryKind, payload: &[u8]) -> Option<Value> {
    match kind {
        EntryKind::ConfChange => one_change(payload).ok().flatten(),
        EntryKind::ConfChangeV2 => changes(payload).ok().flatten(),
        _ => None,
    }
}

fn change_name(number: u64) -> Option<&'static str> {
    Some(match number {
        0 => "add-node",
        1 => "remove-node",
        2 => "update-node",
        3 => "add-learner",
        _ => return None,
    })
}

fn one_change(payload: &[u8]) -> Result<Option<Value>, NoMessage> {
    let (mut id, mut change, mut node, mut context) = (0, 0, 0, None);
    for field in fields(payload) {
        match field? {
            (1, Field::Number(number)) => id = number,
            (2, Field::Number(number)) => change = number,
            (3, Field::Number(number)) => node = number,
            (4, Field::Bytes(bytes)) => context = Some(bytes),
            (1..=4, _) => return Err(NoMessage),
            _ => {}
        }
    }
    let Some(change) = change_name(change) else { return Ok(None) };
    let mut said = json!({ "change": change, "node": format!("{node:x}") });
    if let Some(object) = said.as_object_mut() {
        if id != 0 {
            object.insert("id".to_owned(), format!("{id:x}").into());
        }
        put_context(context, object);
    }
    Ok(Some(said))
}

/// etcd's context is the member as JSON, of which the number of its id is shown as everywhere.
fn put_context(context: Option<&[u8]>, into: &mut Map<String, Value>) {
    let Some(bytes) = context.filter(|bytes| !bytes.is_empty()) else { return };
    match serde_json::from_slice::<Map<String, Value>>(bytes) {
        Ok(mut member) => {
            if let Some(id) = member.get("id").and_then(Value::as_u64) {
                member.insert("id".to_owned(), format!("{id:x}").into());
            }
            into.insert("member".to_owned(), member.into());
        }
        Err(_) => {
            into.insert("context_b64".to_owned(), BASE64.encode(bytes).into());
        }
    }
}

fn changes(payload: &[u8]) -> Result<Option<Value>, NoMessage> {
    let (mut transition, mut list, mut context) = (0, Vec::new(), None);
    for field in fields(payload) {
        match field? {
            (1, Field::Number(number)) => transition = number,
            (2, Field::Bytes(single)) => {
                let Some(change) = one_of_many(single)? else { return Ok(None) };
                list.push(change);
            }
            (3, Field::Bytes(bytes)) => context = Some(bytes),
            (1..=3, _) => return Err(NoMessage),
            _ => {}
        }
    }
    let transition = match transition {
        0 if list.is_empty() => LEAVE,
        0 => "auto",
        1 => "joint-implicit",
        2 => "joint-explicit",
        _ => return Ok(None),
    };
    let mut said = json!({ "transition": transition, "changes": list });
    if let Some(object) = said.as_object_mut() {
        put_context(context, object);
    }
    Ok(Some(said))
}

fn one_of_many(message: &[u8]) -> Result<Option<Value>, NoMessage> {
    let (mut change, mut node) = (0, 0);
    for field in fields(message) {
        match field? {
            (1, Field::Number(number)) => change = number,
            (2, Field::Number(number)) => node = number,
            (1..=2, _) => return Err(NoMessage),
            _ => {}
        }
    }
    let name = change_name(change);
    Ok(name.map(|change| json!({ "change": change, "node": format!("{node:x}") })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        crate::bytes::put_varint(&mut out, number << 3 | 2);
        crate::bytes::put_varint(&mut out, bytes.len() as u64);
        out.extend_from_slice(bytes);
        out
    }

    #[test]
    fn requests_show_method_and_key_and_the_size_of_values() {
        let put = [field(1, b"key1"), field(2, b"value1")].concat();
        let whole = [field(HEADER, &[8, 0x85, 0x80, 4]), field(4, &put)].concat();
        let wanted = json!({ "id": "10005", "request": "put", "key": "key1", "value_bytes": 6 });
        assert_eq!(request(&whole), Some(wanted));
        let compare = [vec![8, 0, 0x10, 3], field(3, b"key1"), field(7, b"value1")].concat();
        let txn = [field(1, &compare), field(2, &field(2, &put)), field(3, &field(1, &put[..6]))];
        let said = request(&field(6, &txn.concat())).expect("known");
        assert_eq!(said["compare"], json!([{ "key": "key1" }]));
        assert_eq!(said["success"][0]["request"], "put");
        assert_eq!(said["failure"], json!([{ "request": "range", "key": "key1" }]));
        assert!(!said.to_string().contains("value1"), "{said}");
        assert_eq!(request(b"hello"), None);
        assert_eq!(request(&field(77, b"")), None);
        assert_eq!(
            request(&field(5, &field(1, &[0xff]))).expect("known")["key"],
            json!({ "b64": "/w==" })
        );
    }

    #[test]
    fn requests_of_version_2_are_told_by_their_method() {
        let put = [vec![8, 7], field(2, b"PUT"), field(3, b"/0/version"), field(4, b"3.4.0")];
        let wanted = json!({ "id": "7", "method": "PUT", "path": "/0/version", "value_bytes": 5 });
        assert_eq!(request(&put.concat()), Some(wanted.clone()));
        assert_eq!(request(&field(2, &put.concat())).expect("wrapped")["v2"], wanted);
    }

    #[test]
    fn a_password_is_shown_in_no_state_of_its_request() {
        for (number, password) in [(1012, 2), (1100, 2), (1103, 2), (1100, 4), (1103, 3)] {
            let whole = [field(1, b"root"), field(password, b"hunter2")].concat();
            let whole = field(number, &whole);
            assert!(is_secret(&whole));
            let said = request(&whole).expect("decodes").to_string();
            assert!(said.contains("root") && said.contains("redacted"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
            // However it is damaged, as long as it can be told what it is.
            for odd in [&[0x1b][..], &[0x12, 9, 1][..], &field(4, b"x")[..]] {
                let odd = [&whole[..], odd].concat();
                assert!(is_secret(&odd));
                let said = request(&odd).expect("decodes").to_string();
                assert!(!said.contains("hunter2") && said.contains("redacted"), "{said}");
            }
        }
        assert!(!is_secret(&field(4, &field(1, b"key"))));
    }

    #[test]
    fn a_request_of_version_2_on_the_users_is_one_that_can_hold_a_password() {
        let on = |path: &[u8]| {
            [field(2, b"PUT"), field(3, path), field(4, br#"{"password":"$2a$10$hash"}"#)].concat()
        };
        let users = on(b"/2/security/users/root");
        let wrapped = field(2, &users);
        for whole in [&users, &wrapped, &users[..users.len() - 3].to_vec()] {
            assert!(is_secret(whole));
            let said = request(whole).expect("decodes").to_string();
            assert!(said.contains("redacted") && !said.contains("$2a$10"), "{said}");
        }
        assert!(request(&users).expect("decodes").to_string().contains("users/root"));
        for open in [&b"/2/security/roles/root"[..], b"/1/security", b"/0/version"] {
            assert!(!is_secret(&on(open)) && !is_secret(&field(2, &on(open))));
        }
        // A key that is named so in a request of version 3 is no user of version 2.
        let put = [field(1, b"/2/security/users/root"), field(2, b"v")].concat();
        assert!(!is_secret(&field(4, &put)));
    }

    #[test]
    fn transactions_inside_transactions_end() {
        let mut inside = field(4, &[]);
        for _ in 0..100 {
            inside = field(4, &field(2, &inside));
        }
        assert_eq!(request(&field(6, &field(2, &inside))), None);
    }

    #[test]
    fn changes_of_membership_are_read_in_both_versions() {
        let member = br#"{"id":16355919312918685271,"peerURLs":["http://h:1"],"name":"n1"}"#;
        let add = [vec![8, 0, 0x10, 0, 0x18, 0x11], field(4, member)].concat();
        let said = conf_change(EntryKind::ConfChange, &add).expect("decodes");
        assert_eq!((&said["change"], &said["node"]), (&json!("add-node"), &json!("11")));
        assert_eq!(said["member"]["id"], "e2fbe5f52d782657");
        let both = [vec![8, 2], field(2, &[8, 0, 0x10, 1]), field(2, &[8, 3, 0x10, 2])].concat();
        let both = [both, field(3, b"ctx")].concat();
        let wanted = json!({
            "transition": "joint-explicit",
            "changes": [
                { "change": "add-node", "node": "1" },
                { "change": "add-learner", "node": "2" },
            ],
            "context_b64": "Y3R4",
        });
        assert_eq!(conf_change(EntryKind::ConfChangeV2, &both), Some(wanted));
        let leave = conf_change(EntryKind::ConfChangeV2, &[]).expect("decodes");
        assert_eq!(leave["transition"], LEAVE);
        assert_eq!(conf_change(EntryKind::ConfChange, &[0x10, 9]), None);
        assert_eq!(conf_change(EntryKind::Command, &add), None);
    }
}
