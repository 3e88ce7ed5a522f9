//! Words as a shell takes them, so that a hint can be pasted.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::model::GroupId;

/// `word` quoted for bash, zsh and ksh where it needs it.
pub fn quoted(word: &OsStr) -> String {
    let bytes = word.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:,=+@%^~".contains(byte);
    let tilde_first = bytes.first() == Some(&b'~');
    if !bytes.is_empty() && bytes.iter().all(plain) && !tilde_first {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if crate::report::words::escaped(text).replace("\\\\", "\\") == text => {
            format!("'{}'", text.replace('\'', "'\\''"))
        }
        _ => ansi_c(bytes),
    }
}

/// A path quoted for a shell; one that would be taken for a flag gets `./` in front.
pub fn quoted_path(path: &std::path::Path) -> String {
    let name = path.as_os_str();
    if name.as_bytes().first() == Some(&b'-') && name.len() > 1 {
        return quoted(std::path::Path::new(".").join(path).as_os_str());
    }
    quoted(name)
}

/// The flag that chooses `group`, with a space before it; nothing where none is chosen.
pub fn of_group(group: Option<&GroupId>) -> String {
    match group {
        Some(GroupId::Named(name)) => format!(" --group={}", quoted(OsStr::new(name.as_ref()))),
        Some(GroupId::Unnamed) => " --unnamed".to_owned(),
        None => String::new(),
    }
}

/// `$'...'` with every byte that is not printable ASCII as an escape.
fn ansi_c(bytes: &[u8]) -> String {
    let mut text = String::from("$'");
    for byte in bytes {
        match byte {
            b'\'' => text.push_str("\\'"),
            b'\\' => text.push_str("\\\\"),
            0x20..=0x7e => text.push(char::from(*byte)),
            byte => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn words_come_back_from_a_shell_as_they_were() {
        let words: [&[u8]; 10] = [
            b"raft.redb",
            b"",
            b"with space",
            b"it's",
            b"~root",
            b"$HOME `id` \"x\" \\ ;&|<>*?[]{}()!#",
            "ß-grün".as_bytes(),
            b"esc\x1b[31m",
            b"line\nbreak",
            b"not \xff utf-8 'quoted'",
        ];
        for word in words {
            let quoted = quoted(OsStr::from_bytes(word));
            assert!(!quoted.bytes().any(|byte| byte < 0x20), "{quoted:?}");
            let output = std::process::Command::new("bash")
                .arg("-c")
                .arg(format!("printf %s {quoted}"))
                .output()
                .expect("bash");
            assert_eq!(output.stdout, word, "{quoted}");
        }
    }

    #[test]
    fn a_path_is_never_taken_for_a_flag() {
        assert_eq!(quoted_path(Path::new("-rf")), "./-rf");
        assert_eq!(quoted_path(Path::new("-")), "-");
        assert_eq!(quoted_path(Path::new("a b")), "'a b'");
    }
}
