//! Where the parts of a Raft log lie among the tables of a redb file.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::model::{GroupId, LogIndex};
use crate::store::redb::tables::Table;

/// How the key of a row names what the row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyForm {
    /// A number.
    #[serde(rename = "u64")]
    U64,
    /// Bytes; an index is eight of them, the most significant first.
    #[serde(rename = "&[u8]")]
    Bytes,
    /// Eight bytes, the most significant first.
    #[serde(rename = "[u8;8]")]
    Array,
    /// Two numbers: group and index.
    #[serde(rename = "(u64,u64)")]
    Pair,
    /// Text.
    #[serde(rename = "&str")]
    Text,
    /// Text, by redb's other type for it.
    #[serde(rename = "String")]
    String,
    /// Nothing: the table has one row.
    #[serde(rename = "()")]
    Unit,
    /// A smaller number, the group: the table has a row a group.
    #[serde(rename = "u32")]
    Group,
    /// A number, the group, and text.
    #[serde(rename = "(u64,&str)")]
    GroupText,
}

/// Type of the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValueForm {
    /// Bytes.
    #[serde(rename = "&[u8]")]
    Bytes,
    /// Bytes, by redb's other type for them.
    #[serde(rename = "Vec<u8>")]
    Vec,
    /// Text.
    #[serde(rename = "&str")]
    Text,
    /// Text, by redb's other type for it.
    #[serde(rename = "String")]
    String,
}

impl KeyForm {
    const ALL: [(KeyForm, &'static str, Option<usize>); 9] = [
        (KeyForm::U64, "u64", Some(8)),
        (KeyForm::Bytes, "&[u8]", None),
        (KeyForm::Array, "[u8;8]", Some(8)),
        (KeyForm::Pair, "(u64,u64)", Some(16)),
        (KeyForm::Text, "&str", None),
        (KeyForm::String, "String", None),
        (KeyForm::Unit, "()", Some(0)),
        (KeyForm::Group, "u32", Some(4)),
        (KeyForm::GroupText, "(u64,&str)", None),
    ];

    /// The form of a table's keys, where it is one of these.
    pub fn of(table: &Table) -> Option<KeyForm> {
        let definition = &table.definition;
        let form = KeyForm::ALL.into_iter().find(|(_, name, width)| {
            definition.key_type.is(name) && definition.key_width == *width
        });
        form.map(|(form, ..)| form)
    }

    /// Whether keys of this form can name indexes.
    pub fn names_indexes(self) -> bool {
        matches!(self, KeyForm::U64 | KeyForm::Bytes | KeyForm::Array | KeyForm::Pair)
    }

    /// Whether keys of this form are text or bytes, of any kind.
    pub fn is_text(self) -> bool {
        matches!(self, KeyForm::Text | KeyForm::String | KeyForm::Bytes)
    }

    /// Whether the rows of one table of records are of many groups, which their keys name.
    pub fn names_groups(self) -> bool {
        matches!(self, KeyForm::Group | KeyForm::GroupText)
    }

    /// The group that the key of a record names, and the rest of the key. redb 2 wrote the length
    /// of the number before it, and gave the type another class.
    pub fn parts(self, key: &[u8], by_redb_2: bool) -> Option<(u64, &[u8])> {
        match self {
            KeyForm::Group => Some((u32_at(key, 0)?.into(), key.get(4..)?)),
            KeyForm::GroupText => {
                let number_at = if by_redb_2 { 4 } else { 0 };
                Some((u64_at(key, number_at)?, key.get(number_at + 8..)?))
            }
            _ => None,
        }
    }

    /// The index that a key names.
    pub fn index(self, key: &[u8]) -> Option<LogIndex> {
        let number = match self {
            KeyForm::U64 => u64_at(key, 0),
            KeyForm::Bytes | KeyForm::Array => key.try_into().ok().map(u64::from_be_bytes),
            KeyForm::Pair => u64_at(key, 8),
            _ => None,
        };
        number.map(LogIndex)
    }

    /// The group that a key names, where it names one.
    pub fn group(self, key: &[u8]) -> Option<u64> {
        (self == KeyForm::Pair).then(|| u64_at(key, 0)).flatten()
    }

    /// The key of an entry.
    pub fn key(self, group: Option<u64>, index: LogIndex) -> Vec<u8> {
        match self {
            KeyForm::Bytes | KeyForm::Array => index.0.to_be_bytes().to_vec(),
            KeyForm::Pair => {
                let mut key = group.unwrap_or_default().to_le_bytes().to_vec();
                key.extend_from_slice(&index.0.to_le_bytes());
                key
            }
            _ => index.0.to_le_bytes().to_vec(),
        }
    }

    /// The lowest index above a key of a branch, which may be shortened.
    pub fn above(self, key: &[u8]) -> Option<LogIndex> {
        match self.index(key) {
            Some(index) => index.next(),
            None => self.padded(key),
        }
    }

    /// The highest index up to a key of a branch, which may be shortened.
    pub fn through(self, key: &[u8]) -> Option<LogIndex> {
        self.index(key).or_else(|| self.padded(key)?.previous())
    }

    fn padded(self, key: &[u8]) -> Option<LogIndex> {
        let mut bytes = [0; 8];
        bytes.get_mut(..key.len())?.copy_from_slice(key);
        (self == KeyForm::Bytes).then(|| LogIndex(u64::from_be_bytes(bytes)))
    }
}

impl ValueForm {
    const ALL: [(ValueForm, &'static str); 4] = [
        (ValueForm::Bytes, "&[u8]"),
        (ValueForm::Vec, "Vec<u8>"),
        (ValueForm::Text, "&str"),
        (ValueForm::String, "String"),
    ];

    /// The form of a table's values, where it is one of these.
    pub fn of(table: &Table) -> Option<ValueForm> {
        let definition = &table.definition;
        let form = ValueForm::ALL.into_iter().find(|(_, name)| definition.value_type.is(name));
        form.filter(|_| definition.value_width.is_none()).map(|(form, _)| form)
    }

    /// Where the bytes that are meant lie among those that are stored: `Vec<u8>` begins with its
    /// length, in one byte below 254, else 254 or 255 and two or four more, little-endian. `None`
    /// where the length is not that of the rest.
    pub fn meant(self, stored: &[u8]) -> Option<Range<usize>> {
        if self != ValueForm::Vec {
            return Some(0..stored.len());
        }
        let (len, start) = match *stored.first()? {
            254 => (u32::from(u16_at(stored, 1)?), 3),
            255 => (u32_at(stored, 1)?, 5),
            small => (u32::from(small), 1),
        };
        let range = start..stored.len();
        (usize::try_from(len) == Ok(range.len())).then_some(range)
    }
}

/// Names of the tables of one kind, one a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// The table of the unnamed group.
    pub bare: Option<Cow<'static, str>>,
    /// What stands before and behind the name of a group.
    pub around: Option<(Cow<'static, str>, Cow<'static, str>)>,
}

impl Names {
    /// One table, of the unnamed group or of groups that its keys name.
    pub const fn one(name: &'static str) -> Names {
        Names { bare: Some(Cow::Borrowed(name)), around: None }
    }

    /// A table a group: `before` and the group's name.
    pub const fn each(before: &'static str) -> Names {
        Names { bare: None, around: Some((Cow::Borrowed(before), Cow::Borrowed(""))) }
    }

    /// The pattern in words, with `{}` for the group.
    pub fn of_pattern(pattern: &str) -> Names {
        match pattern.split_once("{}") {
            None => Names { bare: Some(Cow::Owned(pattern.to_owned())), around: None },
            Some((before, behind)) => Names {
                bare: None,
                around: Some((Cow::Owned(before.to_owned()), Cow::Owned(behind.to_owned()))),
            },
        }
    }

    /// As [`Names::of_pattern`] reads it.
    pub fn pattern(&self) -> String {
        match (&self.around, &self.bare) {
            (Some((before, behind)), _) => format!("{before}{{}}{behind}"),
            (None, bare) => bare.as_deref().unwrap_or_default().to_owned(),
        }
    }

    /// The group whose table has this name.
    pub fn group(&self, table: &str) -> Option<GroupId> {
        if self.bare.as_deref() == Some(table) {
            return Some(GroupId::Unnamed);
        }
        let (before, behind) = self.around.as_ref()?;
        let name = table.strip_prefix(&**before)?.strip_suffix(&**behind)?;
        Some(GroupId::named(name))
    }

    /// The table of a group.
    pub fn table(&self, group: &GroupId) -> Option<String> {
        match group.name() {
            None => self.bare.as_deref().map(str::to_owned),
            Some(name) => {
                let (before, behind) = self.around.as_ref()?;
                Some(format!("{before}{name}{behind}"))
            }
        }
    }
}

/// The tables that hold entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTables {
    /// Their names.
    pub names: Names,
    /// Their keys.
    pub key: KeyForm,
    /// Type of their values.
    pub value: ValueForm,
}

/// The tables that hold what a node must not forget beside its entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfTables {
    /// Their names.
    pub names: Names,
    /// Their keys.
    pub key: KeyForm,
    /// Type of their values.
    pub value: ValueForm,
    /// What stands before the keys among a group's stable keys: nothing, or this and a slash. It is
    /// the stable key itself where the table has one row without a key.
    pub label: Cow<'static, str>,
}

impl ConfTables {
    /// The stable key of a row.
    pub fn stable_key(&self, key: &[u8]) -> Vec<u8> {
        match (self.key, self.label.is_empty()) {
            (KeyForm::Unit | KeyForm::Group, _) => self.label.as_bytes().to_vec(),
            (_, true) => key.to_vec(),
            (_, false) => [self.label.as_bytes(), b"/", key].concat(),
        }
    }

    /// The key of the row that holds a stable key, unless another table holds it.
    pub fn row_key<'k>(&self, stable_key: &'k [u8]) -> Option<&'k [u8]> {
        match (self.key, self.label.is_empty()) {
            (KeyForm::Unit | KeyForm::Group, _) => {
                (stable_key == self.label.as_bytes()).then_some(&[][..])
            }
            (_, true) => Some(stable_key),
            (_, false) => stable_key.strip_prefix(self.label.as_bytes())?.strip_prefix(b"/"),
        }
    }
}

/// Where everything lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Entries.
    pub logs: LogTables,
    /// What else there is; tables whose stable keys have a label stand before the one without.
    pub confs: Cow<'static, [ConfTables]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vec_begins_with_its_length_in_one_three_or_five_bytes() {
        let meant = |stored: &[u8]| ValueForm::Vec.meant(stored);
        assert_eq!(meant(&[0]), Some(1..1));
        assert_eq!(meant(&[2, 7, 8]), Some(1..3));
        assert_eq!(meant(&[&[254, 44, 1][..], &[0; 300]].concat()), Some(3..303));
        assert_eq!(meant(&[&[255, 0x70, 0x11, 1, 0][..], &[0; 70_000]].concat()), Some(5..70_005));
        for wrong in [&[][..], &[1], &[1, 2, 3], &[254, 1], &[255, 1, 0, 0]] {
            assert_eq!(meant(wrong), None, "{wrong:?}");
        }
        assert_eq!(ValueForm::Bytes.meant(&[2, 7]), Some(0..2));
    }

    #[test]
    fn keys_that_name_a_group_say_it_in_the_bytes_of_either_redb() {
        let seven = 7u64.to_le_bytes();
        let newer = [&seven[..], b"vote"].concat();
        let older = [&8u32.to_le_bytes()[..], &newer].concat();
        let wanted = Some((7, &b"vote"[..]));
        assert_eq!(KeyForm::GroupText.parts(&newer, false), wanted);
        assert_eq!(KeyForm::GroupText.parts(&older, true), wanted);
        assert_eq!(KeyForm::GroupText.parts(&newer[..7], false), None);
        assert_eq!(KeyForm::Group.parts(&9u32.to_le_bytes(), false), Some((9, &[][..])));
        assert_eq!(KeyForm::Text.parts(b"vote", false), None);
    }

    #[test]
    fn names_of_a_pattern_lead_to_the_group_and_back() {
        let names = Names::of_pattern("log-{}.v1");
        assert_eq!(names.group("log-7.v1"), Some(GroupId::named("7")));
        assert_eq!(names.table(&GroupId::named("7")).as_deref(), Some("log-7.v1"));
        assert_eq!((names.group("log-7"), names.table(&GroupId::Unnamed)), (None, None));
        let one = Names::of_pattern("logs");
        assert_eq!(one.group("logs"), Some(GroupId::Unnamed));
        assert_eq!(one.group("logs2"), None);
    }

    #[test]
    fn shortened_keys_of_branches_bound_the_indexes_of_their_leaves() {
        let short = [0, 0, 0, 0, 0, 0, 1];
        assert_eq!(KeyForm::Bytes.above(&short), Some(LogIndex(256)));
        assert_eq!(KeyForm::Bytes.through(&short), Some(LogIndex(255)));
        let whole = 256u64.to_be_bytes();
        assert_eq!(KeyForm::Bytes.above(&whole), Some(LogIndex(257)));
        assert_eq!(KeyForm::Bytes.through(&whole), Some(LogIndex(256)));
    }
}
