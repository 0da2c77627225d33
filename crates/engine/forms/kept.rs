//! Bytes of every form that was ever written, kept in a directory of the crate that writes them: a file for each, in
//! hexadecimal, and beside it what a reader makes of it.
//!
//! A file of bytes is never changed. When a value gets a field, what was written before reads as it did, plus what an absent
//! field means (`UPDATE_EXPECT=1` writes that down, to be looked at), and the new form gets a file of its own
//! ([`write_new`]).

// The engine's codec, wherever this file is a module.
use super::codec::{self, DecodeError};
use bytes::Bytes;
use minicbor::{Decode, Decoder, Encode, data::Type};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{Debug, Write},
    fs,
    path::{Path, PathBuf},
};

/// The debug text that a reader makes of a value, and the bytes that it writes again.
type Seen = (String, Bytes);

/// A value that is written, by its name in the directory.
pub(super) struct Form {
    name: &'static str,
    read: fn(&[u8]) -> Result<Seen, DecodeError>,
}

/// The form of a type.
pub(super) const fn form<T: Encode<()> + for<'b> Decode<'b, ()> + Debug>(name: &'static str) -> Form {
    fn read<T: Encode<()> + for<'b> Decode<'b, ()> + Debug>(bytes: &[u8]) -> Result<Seen, DecodeError> {
        let value: T = codec::decode(bytes)?;
        Ok((format!("{value:#?}\n"), codec::encode(&value)))
    }
    Form { name, read: read::<T> }
}

/// The forms of the crate that this file is a module of.
fn directory() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("run with cargo")).join("forms")
}

/// Files with the bytes of a form.
fn files(name: &str) -> Vec<PathBuf> {
    let of_form = |path: &PathBuf| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        stem.rsplit_once('-').is_some_and(|(of, _)| of == name) && path.extension().is_some_and(|kind| kind == "hex")
    };
    let entries = fs::read_dir(directory()).expect("the directory of forms");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).filter(of_form).collect();
    files.sort();
    files
}

fn bytes(file: &Path) -> Vec<u8> {
    let text: String = fs::read_to_string(file).expect("readable").split_whitespace().collect();
    let digits: Vec<char> = text.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("hexadecimal digits");
    digits.chunks(2).map(byte).collect()
}

fn shapes(name: &str) -> BTreeSet<String> {
    files(name).iter().flat_map(|file| shape(&bytes(file))).collect()
}

/// Every form that was ever written is read, and what is read can be written and read again.
///
/// # Panics
/// If not.
pub(super) fn check_read(forms: &[Form]) {
    for form in forms {
        let files = files(form.name);
        assert!(!files.is_empty(), "there is no file for {}", form.name);
        for file in files {
            let read = (form.read)(&bytes(&file));
            let (shown, written) = read.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let expected = file.with_extension("txt");
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                fs::write(&expected, &shown).expect("written");
            }
            let kept = fs::read_to_string(&expected).unwrap_or_default();
            let differs = kept.lines().zip(shown.lines()).find(|(kept, shown)| kept != shown);
            assert!(kept == shown, "{} is read differently: {differs:?}", file.display());
            let again = (form.read)(&written).expect("what is written can be read");
            assert_eq!(again, (shown, written), "{}", file.display());
        }
    }
}

/// The newest form of each value is in the directory: what is written now looks like nothing new.
///
/// # Panics
/// If not.
pub(super) fn check_kept(forms: &[Form], written: &[(&'static str, Bytes)]) {
    let known: BTreeMap<&str, _> = forms.iter().map(|form| (form.name, shapes(form.name))).collect();
    let mut unknown: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, row) in written {
        let new = shape(row).difference(&known[name]).cloned().collect::<Vec<_>>();
        if !new.is_empty() {
            unknown.entry(name).or_default().extend(new);
        }
    }
    assert!(unknown.is_empty(), "no file shows these, `--ignored write_new_forms` writes them: {unknown:#?}");
    let never: BTreeMap<&str, Vec<&str>> = known.iter().map(|(name, shape)| (*name, always_absent(shape))).collect();
    assert!(never.values().all(Vec::is_empty), "nothing that is written has a value here: {never:#?}");
}

/// Places that are null in every file.
fn always_absent(shape: &BTreeSet<String>) -> Vec<&str> {
    let places = shape.iter().filter_map(|place| place.strip_suffix(" null"));
    let has_value = |place: &str| {
        let other = |shown: &String| shown.strip_prefix(place).is_some_and(|rest| rest != " null" && !rest.is_empty());
        shape.iter().any(|shown| other(shown) && !shown[place.len()..].starts_with(|c: char| c.is_ascii_digit()))
    };
    places.filter(|place| !has_value(place)).collect()
}

/// Writes files for what no file shows yet, as few as will do.
pub(super) fn write_new(forms: &[Form], written: Vec<(&'static str, Bytes)>) {
    let mut rows: BTreeMap<&str, BTreeSet<Bytes>> = BTreeMap::new();
    for (name, row) in written {
        rows.entry(name).or_default().insert(row);
    }
    for form in forms {
        let mut known = shapes(form.name);
        let mut next = files(form.name).len() + 1;
        let left: Vec<_> =
            rows.remove(form.name).unwrap_or_default().into_iter().map(|row| (shape(&row), row)).collect();
        loop {
            let news = |shape: &BTreeSet<String>| shape.difference(&known).count();
            let best = left.iter().max_by_key(|(shape, row)| (news(shape), usize::MAX - row.len()));
            let Some((shape, row)) = best.filter(|(shape, _)| news(shape) > 0) else { break };
            known.extend(shape.iter().cloned());
            let mut text = String::new();
            for line in row.chunks(50) {
                line.iter().for_each(|byte| write!(text, "{byte:02x}").expect("to memory"));
                text.push('\n');
            }
            fs::write(directory().join(format!("{}-{next:02}.hex", form.name)), text).expect("written");
            next += 1;
        }
    }
}

/// The shape of a value: the places of its fields, with their types. Elements of lists are alike.
fn shape(row: &[u8]) -> BTreeSet<String> {
    let mut shape = BTreeSet::new();
    let mut decoder = Decoder::new(&row[1..]);
    walk(&mut decoder, "", &mut shape);
    shape
}

fn walk(from: &mut Decoder<'_>, place: &str, shape: &mut BTreeSet<String>) {
    let kind = from.datatype().expect("a CBOR item");
    match kind {
        Type::Array => {
            let length = from.array().expect("an array").expect("of a known length");
            let begin = from.position();
            let mut kinds = Vec::new();
            for _ in 0..length {
                kinds.push(class(from.datatype().expect("an item")));
                from.skip().expect("an item");
            }
            from.set_position(begin);
            match kinds[..] {
                [] => _ = shape.insert(format!("{place} empty")),
                // A variant is its number and its fields.
                ["number", "array"] => {
                    let number = from.u64().expect("a number");
                    walk(from, &format!("{place}#{}", number.min(MANY_VARIANTS)), shape);
                }
                [..] if kinds.iter().filter(|kind| **kind != "null").collect::<BTreeSet<_>>().len() == 1 => {
                    (0..length).for_each(|_| walk(from, &format!("{place}[]"), shape));
                }
                _ => (0..length).for_each(|index| walk(from, &format!("{place}.{index}"), shape)),
            }
        }
        Type::Map => {
            for _ in 0..from.map().expect("a map").expect("of a known length") {
                from.skip().expect("a key");
                walk(from, &format!("{place}.key"), shape);
            }
        }
        kind => {
            shape.insert(format!("{place} {}", class(kind)));
            from.skip().expect("an item");
        }
    }
}

/// Larger numbers before fields are ids.
const MANY_VARIANTS: u64 = 10;

/// The kind of an item, whatever its length.
fn class(kind: Type) -> &'static str {
    match kind {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 => "number",
        Type::Tag => "large number",
        Type::F16 | Type::F32 | Type::F64 => "float",
        Type::Bool => "bool",
        Type::Bytes => "bytes",
        Type::String => "text",
        Type::Array => "array",
        Type::Map => "map",
        Type::Null => "null",
        other => panic!("{other} is never written"),
    }
}
