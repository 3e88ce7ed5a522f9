//! Archives that nobody's backup wrote: made by hand, cut, flipped. None may be taken, none may
//! leave a target behind, and each is refused for the right reason.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::DeflateEncoder;
use raftlog::archive::Sha;
use raftlog::backup::{self, Checked, Error, RestoreOptions, Source};
use raftlog::event::Unobserved;
use raftlog::model::{Code, Severity};
use raftlog::store::Level;
use raftlog::vfs::Fs;
use raftlog::vfs::os::OsFs;
use serde_json::{Value, json};

const MTIME: u64 = 1_700_000_000;

/// A member as it stands in a tar stream, whatever it claims.
#[derive(Clone)]
struct Piece {
    header: tar::Header,
    content: Vec<u8>,
}

fn piece(name: &str, kind: u8, content: &[u8]) -> Piece {
    let mut header = tar::Header::new_ustar();
    header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(if kind == b'5' { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MTIME);
    header.set_size(content.len() as u64);
    header.set_cksum();
    Piece { header, content: content.to_vec() }
}

fn file(name: &str, content: &[u8]) -> Piece {
    piece(name, b'0', content)
}

fn directory(name: &str) -> Piece {
    piece(name, b'5', b"")
}

fn with(mut piece: Piece, change: impl FnOnce(&mut tar::Header)) -> Piece {
    change(&mut piece.header);
    piece.header.set_cksum();
    piece
}

/// The tar stream of `pieces`, with the end mark.
fn tar_of(pieces: &[Piece]) -> Vec<u8> {
    let mut tar = Vec::new();
    for Piece { header, content } in pieces {
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// Gzip members of one MiB, with the header that raftlog writes.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = Vec::new();
    for block in bytes.chunks(1 << 20) {
        gzip.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        let mut encoder = DeflateEncoder::new(gzip, Compression::new(6));
        encoder.write_all(block).unwrap();
        gzip = encoder.finish().unwrap();
        gzip.extend_from_slice(&crc32(block).to_le_bytes());
        gzip.extend_from_slice(&u32::try_from(block.len()).unwrap().to_le_bytes());
    }
    gzip
}

fn archive_of(pieces: &[Piece]) -> Vec<u8> {
    gzip(&tar_of(pieces))
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn file_line(name: &str, content: &[u8]) -> Value {
    json!({
        "path": name, "size_bytes": content.len(), "mode": "0644",
        "mtime_s": MTIME, "mtime_ns": 5,
        "crc32": format!("{:08x}", crc32(content)), "sha256": Sha::of(&[content]).to_string(),
    })
}

fn directory_line(name: &str) -> Value {
    json!({ "path": name, "mode": "0755", "mtime_s": MTIME, "mtime_ns": 5 })
}

fn body(directories: Vec<Value>, files: Vec<Value>) -> Value {
    json!({
        "manifest_version": 1, "tool": { "name": "raftlog", "version": "0.1.0" },
        "created_at": "2026-11-21T00:00:00Z", "created_unix_s": 1, "source": "s",
        "format": "redb", "evidence": [], "layout": null, "groups": [],
        "verdict": { "level": "full", "sound": true, "not_judged": null,
                     "errors": 0, "warnings": 0, "infos": 0, "findings": [] },
        "not_packed": [], "directories": directories, "files": files,
    })
}

/// The manifest's bytes, with the checksum that `MANIFEST.md` describes.
fn sealed(body: &Value) -> Vec<u8> {
    let text = serde_json::to_string_pretty(body).unwrap();
    let rest = text.strip_prefix("{\n").unwrap();
    let with = |digits: &str| format!("{{\n  \"manifest_sha256\": \"{digits}\",\n{rest}\n");
    let digits = Sha::of(&[with(&"0".repeat(64)).as_bytes()]).to_string();
    with(&digits).into_bytes()
}

fn closing(manifest: &[u8], members: usize, contents: &[&[u8]]) -> Piece {
    let digests: Vec<Sha> = contents.iter().map(|content| Sha::of(&[content])).collect();
    let mut parts = vec![manifest];
    parts.extend(digests.iter().map(|sha| sha.0.as_slice()));
    let sha256 = Sha::of(&parts).to_string();
    let end = format!("{{\n  \"members\": {members},\n  \"sha256\": \"{sha256}\"\n}}\n");
    file("END.json", end.as_bytes())
}

/// The members of an honest archive: manifest, `data`, `data/a`, `data/b`, the closing one.
fn honest() -> Vec<Piece> {
    let (a, b) = (b"first".as_slice(), [7u8; 2000].as_slice());
    let lines = vec![file_line("data/a", a), file_line("data/b", b)];
    let manifest = sealed(&body(vec![directory_line("data")], lines));
    vec![
        file("MANIFEST.json", &manifest),
        directory("data/"),
        file("data/a", a),
        file("data/b", b),
        closing(&manifest, 4, &[a, b]),
    ]
}

/// The honest archive with another manifest body.
fn honest_but(directories: Vec<Value>, files: Vec<Value>) -> Vec<Piece> {
    let mut pieces = honest();
    pieces[0] = file("MANIFEST.json", &sealed(&body(directories, files)));
    pieces
}

fn fs_of_the_system() -> Arc<dyn Fs> {
    Arc::new(OsFs)
}

fn checked(path: &Path, level: Level) -> Checked {
    backup::verify(&fs_of_the_system(), path, level, &mut Unobserved).unwrap()
}

/// Verifies and restores `bytes`; both must refuse for the same reason, without a trace. Returns
/// the first fault as code, severity and text.
fn refused(bytes: &[u8]) -> (Code, Severity, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar.gz");
    fs::write(&path, bytes).unwrap();
    let told = checked(&path, Level::Full);
    let fault = told.findings.kept().next().expect("a fault").clone();
    assert!(fault.place.is_some(), "{fault}");
    let sources = [
        Source::File(path.clone()),
        Source::Stream(Box::new(std::io::Cursor::new(bytes.to_vec()))),
    ];
    for source in sources {
        let error = backup::restore(
            &fs_of_the_system(),
            source,
            &dir.path().join("target"),
            RestoreOptions::default(),
            &mut Unobserved,
        )
        .expect_err("refused");
        let Error::Damaged { findings, .. } = error else { panic!("{error}") };
        let restoring = findings.kept().next().unwrap();
        // A stream has no size that a promise could be compared with beforehand.
        if !fault.to_string().contains("the sum of all sizes") {
            assert_eq!((restoring.code, restoring.to_string()), (fault.code, fault.to_string()));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left behind");
    }
    let text = format!("{fault}; expected {}", fault.kind.expected().unwrap_or_default());
    (fault.code, fault.severity, text)
}

fn refused_because(what: &str, bytes: &[u8], reason: &str) {
    let (code, severity, text) = refused(bytes);
    assert!(text.contains(reason), "{what}: {text}");
    assert_eq!((code, severity), (Code::R115, Severity::Error), "{what}: {text}");
}

#[test]
fn an_honest_archive_made_by_hand_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar.gz");
    fs::write(&path, archive_of(&honest())).unwrap();
    for level in [Level::Quick, Level::Full] {
        let told = checked(&path, level);
        assert_eq!(told.findings.total(), 0, "{:?}", told.findings);
        assert_eq!((told.files, told.checked_bytes), (2, 2005));
        assert_eq!(told.sha256, Some(Sha::of(&[&fs::read(&path).unwrap()]).to_string()));
    }
    let target = dir.path().join("t");
    let source = Source::File(path);
    let options = RestoreOptions::default();
    backup::restore(&fs_of_the_system(), source, &target, options, &mut Unobserved).unwrap();
    assert_eq!(fs::read(target.join("a")).unwrap(), b"first");
}

/// A member that stands where `data/a` should.
fn instead_of_a(piece: Piece) -> Vec<u8> {
    let mut pieces = honest();
    pieces[2] = piece;
    archive_of(&pieces)
}

#[test]
fn names_that_leave_the_target_are_refused() {
    for (name, reason) in [
        ("/etc/passwd", "absolute"),
        ("../a", "'..'"),
        ("data/../../a", "'..'"),
        ("data/./a", "'.'"),
        ("data//a", "empty"),
        ("data\\..\\..\\a", "backslash"),
        ("data/a\n", "control"),
        ("", "empty"),
    ] {
        refused_because(name, &instead_of_a(file(name, b"first")), reason);
        let lines = vec![file_line(name, b"first")];
        let listed = honest_but(vec![directory_line("data")], lines);
        refused_because(name, &archive_of(&listed), reason);
    }
    let outside = honest_but(vec![directory_line("data")], vec![file_line("etc/passwd", b"x")]);
    refused_because("outside of data", &archive_of(&outside), "outside of data");
    let manifest = honest_but(vec![directory_line("data")], vec![file_line("MANIFEST.json", b"")]);
    refused_because("the manifest itself", &archive_of(&manifest), "outside of data");
}

#[test]
fn links_devices_and_extensions_are_refused() {
    for (kind, reason) in [
        (b'1', "a hard link"),
        (b'2', "a symbolic link"),
        (b'3', "a character device"),
        (b'4', "a block device"),
        (b'6', "a named pipe"),
        (b'7', "unknown type"),
        (b'x', "a pax extension"),
        (b'g', "a pax extension"),
        (b'L', "a GNU long name"),
        (b'K', "a GNU long name"),
        (b'S', "a GNU sparse file"),
    ] {
        let link = with(piece("data/a", kind, b""), |header| {
            header.as_ustar_mut().unwrap().linkname[..11].copy_from_slice(b"/etc/passwd");
        });
        refused_because(reason, &instead_of_a(link), reason);
    }
    let file_with_link = with(file("data/a", b"first"), |header| {
        header.as_ustar_mut().unwrap().linkname[0] = b'x';
    });
    refused_because("a file with a link name", &instead_of_a(file_with_link), "another header");
    let mut gnu = tar::Header::new_gnu();
    gnu.set_path("data/a").unwrap();
    gnu.set_size(5);
    gnu.set_mode(0o644);
    gnu.set_mtime(MTIME);
    gnu.set_cksum();
    let gnu = Piece { header: gnu, content: b"first".to_vec() };
    refused_because("a GNU header", &instead_of_a(gnu), "a GNU header");
}

#[test]
fn every_member_must_be_the_next_line_of_the_manifest() {
    let honest = honest();
    let order = |numbers: &[usize]| {
        archive_of(&numbers.iter().map(|number| honest[*number].clone()).collect::<Vec<_>>())
    };
    refused_because("twice", &order(&[0, 1, 2, 2, 3, 4]), "\"data/a\" again");
    refused_because("swapped", &order(&[0, 1, 3, 2, 4]), "expected data/a");
    refused_because("missing", &order(&[0, 1, 2, 4]), "expected data/b");
    refused_because("no directory", &order(&[0, 2, 3, 4]), "expected data");
    refused_because("manifest not first", &order(&[1, 0, 2, 3, 4]), "expected MANIFEST.json");
    refused_because("no manifest", &order(&[1, 2, 3, 4]), "expected MANIFEST.json");
    refused_because("manifest twice", &order(&[0, 0, 1, 2, 3, 4]), "\"MANIFEST.json\" again");
    refused_because("nothing at all", &order(&[]), "MANIFEST.json is missing");
    refused_because("not closed", &order(&[0, 1, 2, 3]), "END.json is missing");
    refused_because("closed twice", &order(&[0, 1, 2, 3, 4, 4]), "\"END.json\" again");
    refused_because("closed too early", &order(&[0, 1, 2, 4, 3]), "expected data/b");
    let mut more = honest.clone();
    more.insert(4, file("data/c", b"x"));
    refused_because("one more", &archive_of(&more), "expected nothing more");
    refused_because("another case", &instead_of_a(file("data/A", b"first")), "expected data/a");
    refused_because("another kind", &instead_of_a(directory("data/a/")), "expected data/a");
}

#[test]
fn every_number_of_a_header_must_be_that_of_the_manifest() {
    let a = || file("data/a", b"first");
    let mode = with(a(), |header| header.set_mode(0o4755));
    refused_because("mode", &instead_of_a(mode), "mode is 4755");
    let time = with(a(), |header| header.set_mtime(MTIME + 1));
    refused_because("time", &instead_of_a(time), "time is 1700000001");
    let owner = with(a(), |header| header.set_uid(1000));
    refused_because("owner", &instead_of_a(owner), "another header");
    refused_because("longer", &instead_of_a(file("data/a", b"first!")), "size is 6");
    refused_because("shorter", &instead_of_a(file("data/a", b"firs")), "size is 4");
    refused_because("content", &instead_of_a(file("data/a", b"First")), "a file's CRC-32");
    let mut wrong = a();
    wrong.header.as_mut_bytes()[148] ^= 1;
    refused_because("header checksum", &instead_of_a(wrong), "checksum");
    let huge = with(a(), |header| header.set_size(u64::MAX / 2));
    refused_because("size lie", &instead_of_a(huge), "size is 9223372036854775807");
}

#[test]
fn a_file_of_equal_crc_and_other_digest_is_refused_by_the_full_check_alone() {
    // CRC-32 is linear: xor of the polynomial, bit-reversed, leaves it as it is.
    let (good, bad) = ([0u8; 8], [0x01, 0x83, 0xdc, 0xed, 0xb6, 0x00, 0x00, 0x00]);
    let bad = if crc32(&bad) == crc32(&good) { bad } else { colliding(&good) };
    let manifest = sealed(&body(vec![], vec![file_line("data/x", &good)]));
    let pieces =
        [file("MANIFEST.json", &manifest), file("data/x", &bad), closing(&manifest, 2, &[&good])];
    let archive = archive_of(&pieces);
    refused_because("digest", &archive, "a file's SHA-256");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), archive).unwrap();
    assert_eq!(checked(&dir.path().join("a"), Level::Quick).findings.total(), 0);
}

/// Eight bytes with the CRC-32 of `good` that are not `good`.
fn colliding(good: &[u8; 8]) -> [u8; 8] {
    let mut forged = *good;
    forged[0] ^= 0xff;
    // The last four bytes are solved for bit by bit: the CRC is an affine function of them.
    let wanted = crc32(good);
    let base = crc32(&forged);
    let mut rows: Vec<(u32, u32)> = (0..32)
        .map(|bit| {
            let mut one = forged;
            one[4 + bit / 8] ^= 1 << (bit % 8);
            (crc32(&one) ^ base, 1 << bit)
        })
        .collect();
    let (mut difference, mut solution) = (wanted ^ base, 0u32);
    for pivot in (0..32).rev() {
        let Some(place) = rows.iter().position(|(effect, _)| effect >> pivot == 1) else {
            continue;
        };
        let (effect, bits) = rows.swap_remove(place);
        for row in &mut rows {
            if row.0 >> pivot & 1 == 1 {
                *row = (row.0 ^ effect, row.1 ^ bits);
            }
        }
        if difference >> pivot & 1 == 1 {
            (difference, solution) = (difference ^ effect, solution ^ bits);
        }
    }
    for (byte, change) in forged[4..].iter_mut().zip(solution.to_le_bytes()) {
        *byte ^= change;
    }
    assert_eq!(crc32(&forged), wanted);
    forged
}

#[test]
fn manifests_that_contradict_themselves_are_refused() {
    let data = || vec![directory_line("data")];
    let a = || file_line("data/a", b"first");
    let cases: Vec<(&str, Vec<Value>, Vec<Value>, &str)> = vec![
        ("twice", data(), vec![a(), a()], "every name once"),
        ("order", data(), vec![file_line("data/b", b""), a()], "in order"),
        (
            "file and directory",
            vec![directory_line("data"), directory_line("data/a")],
            vec![a()],
            "every name once",
        ),
        ("below a file", data(), vec![a(), file_line("data/a/b", b"")], "its directory listed"),
        ("orphan", data(), vec![file_line("data/x/y", b"")], "its directory listed"),
        ("orphan directory", vec![directory_line("data/x")], vec![], "its directory listed"),
        ("the top as a file", vec![], vec![file_line("data", b"")], "a member"),
    ];
    for (what, directories, files, reason) in cases {
        refused_because(what, &archive_of(&honest_but(directories, files)), reason);
    }
    for (key, value, reason) in [
        ("mode", json!("10000"), "a mode is"),
        ("mode", json!("rw-"), "a mode is"),
        ("mtime_ns", json!(1_000_000_000), "nanoseconds"),
        ("crc32", json!("123"), "a CRC-32 is"),
        ("sha256", json!("ab"), "a SHA-256 is"),
        ("size_bytes", json!(-1), "the manifest is"),
        ("size_bytes", json!(u64::MAX), "the sum of all sizes"),
        ("path", json!(null), "the manifest is"),
    ] {
        let mut line = a();
        line[key] = value;
        refused_because(key, &archive_of(&honest_but(data(), vec![line])), reason);
    }
}

#[test]
fn a_manifest_that_is_not_its_own_checksum_is_refused() {
    let mut pieces = honest();
    let manifest = pieces[0].content.clone();
    for (what, from, to) in [
        ("content", "0644", "0600"),
        ("digits", "\"manifest_sha256\": \"", "\"manifest_sha256\": \"0"),
        ("first key", "manifest_sha256", "manifest_sha255"),
        ("indentation", "{\n  \"", "{\n \""),
    ] {
        let text = String::from_utf8(manifest.clone()).unwrap().replacen(from, to, 1);
        pieces[0] = file("MANIFEST.json", text.as_bytes());
        refused_because(what, &archive_of(&pieces), "the manifest");
    }
    for text in ["", "{}", "\0\0\0", "[[[[[[[[[[[[[[[["] {
        pieces[0] = file("MANIFEST.json", text.as_bytes());
        refused_because(text, &archive_of(&pieces), "the manifest");
    }
}

#[test]
fn a_newer_manifest_is_unsupported_and_not_called_damaged() {
    let mut newer = body(vec![], vec![]);
    newer["manifest_version"] = json!(2);
    newer["files"] = json!("something else");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    fs::write(&path, archive_of(&[file("MANIFEST.json", &sealed(&newer))])).unwrap();
    let error =
        backup::verify(&fs_of_the_system(), &path, Level::Full, &mut Unobserved).unwrap_err();
    assert!(matches!(error, Error::Unsupported { found: 2, known: 1, .. }), "{error}");
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    // A member that promises 8 TiB, in the manifest too: more than deflate can hold in this file.
    let mut line = file_line("data/a", b"");
    line["size_bytes"] = json!(1u64 << 43);
    let manifest = sealed(&body(vec![directory_line("data")], vec![line]));
    let promise = with(file("data/a", b""), |header| header.set_size(1 << 43));
    let pieces = [file("MANIFEST.json", &manifest), directory("data/"), promise];
    refused_because("absurd sum", &archive_of(&pieces), "the sum of all sizes");

    let huge = with(file("MANIFEST.json", b""), |header| header.set_size(1 << 40));
    refused_because("huge manifest", &archive_of(&[huge]), "the size of the manifest");

    // 256 MiB of zeros behind the end of an archive: 250 KiB of gzip.
    let mut bomb = archive_of(&honest());
    let zeros = gzip(&vec![0; 16 << 20]);
    (0..16).for_each(|_| bomb.extend_from_slice(&zeros));
    refused_because("zeros behind the end", &bomb, "follows the end");

    let many: Vec<Value> = (0..100_001).map(|n| file_line(&format!("data/{n:06}"), b"")).collect();
    let many = honest_but(vec![directory_line("data")], many);
    let (_, _, text) = refused(&archive_of(&many));
    assert!(
        text.contains("the number of names") || text.contains("size of the manifest"),
        "{text}"
    );
}

/// What deflate makes of nothing, as a gzip member.
const EMPTY_MEMBER: [u8; 20] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn whatever_follows_the_end_is_refused() {
    let good = archive_of(&honest());
    for (what, tail) in [
        ("garbage", b"garbage".to_vec()),
        ("one byte", vec![0]),
        ("zeros", vec![0; 10_240]),
        ("a second archive", good.clone()),
        ("an empty gzip member", EMPTY_MEMBER.to_vec()),
    ] {
        let (_, _, text) = refused(&[good.as_slice(), &tail].concat());
        assert!(text.contains("follows the end") || text.contains("gzip"), "{what}: {text}");
    }
    let foreign = [&[0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 0, 3], &good[10..]].concat();
    refused_because("recompressed", &foreign, "recompressed");
    let mut tar = tar_of(&honest());
    tar.extend_from_slice(&[0; 512]);
    refused_because("one more block of zeros", &gzip(&tar), "follows the end");
    let whole = tar_of(&honest());
    refused_because("half an end mark", &gzip(&whole[..whole.len() - 512]), "the end mark of two");
    refused_because("no end mark", &gzip(&whole[..whole.len() - 1024]), "end mark");
    refused_because("a short member", &gzip(&whole[..whole.len() - 2048 - 100]), "needs");
}

#[test]
fn an_archive_cut_at_any_length_is_refused_as_cut_off() {
    let good = archive_of(&honest());
    for length in 0..good.len() {
        let (code, severity, text) = refused(&good[..length]);
        assert_eq!((code, severity), (Code::R114, Severity::Error), "{length}: {text}");
        assert!(text.contains("cut off"), "{length}: {text}");
    }
}

#[test]
fn an_archive_with_any_bit_flipped_is_refused_or_holds_the_same_bytes() {
    let tar = tar_of(&honest());
    let good = gzip(&tar);
    let mut noticed = 0;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        if checked(&path, Level::Full).findings.errors() > 0 {
            noticed += 1;
            continue;
        }
        // Deflate can say one thing in two ways: then the archive holds what it held.
        let mut content = Vec::new();
        MultiGzDecoder::new(flipped.as_slice()).read_to_end(&mut content).unwrap();
        assert!(content == tar, "bit {bit} went unnoticed");
    }
    assert!(noticed * 100 > good.len() * 8 * 99, "{noticed} of {}", good.len() * 8);
}
