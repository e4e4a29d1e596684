//! Answers as JSON.
//!
//! Every answer is an object that begins with the version of the schema, the command, and, where applicable,
//! the kernel version:
//!
//! ```json
//! {"schema":1,"command":"dump","file":"modules.alias.bin","entries":[…]}
//! ```
//!
//! Texts of the kernel are bytes. Invalid UTF-8 has a second field, named like the first with the suffix
//! `_bytes`, with the bytes in hexadecimal; the first field then has U+FFFD in place of invalid bytes. A list of
//! texts has a second list.
//!
//! `host-cli/schema` has the schema; `JSON.md` is its documentation.

use serde_json::{Map, Value, json};

/// The version of the schema of all answers.
const SCHEMA: u32 = 1;

/// The answer of a command, with the common fields.
pub(super) fn answer(command: &str, kernel: Option<&[u8]>) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("schema".into(), json!(SCHEMA));
    object.insert("command".into(), json!(command));
    if let Some(kernel) = kernel {
        text(&mut object, "kernel", kernel);
    }
    object
}

/// Adds a field of bytes that are usually text.
pub(super) fn text(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    object.insert(name.into(), json!(String::from_utf8_lossy(bytes)));
    if str::from_utf8(bytes).is_err() {
        object.insert(format!("{name}_bytes"), json!(digits(bytes)));
    }
}

/// Adds a list of such fields. If one of them is not UTF-8, the second field has them all.
pub(super) fn texts(object: &mut Map<String, Value>, name: &str, list: &mut dyn Iterator<Item = &[u8]>) {
    let list: Vec<&[u8]> = list.collect();
    let texts = list.iter().map(|bytes| json!(String::from_utf8_lossy(bytes))).collect();
    object.insert(name.into(), texts);
    if list.iter().any(|bytes| str::from_utf8(bytes).is_err()) {
        let digits = list.iter().map(|bytes| json!(digits(bytes))).collect();
        object.insert(format!("{name}_bytes"), digits);
    }
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_utf_8_is_kept_in_hexadecimal() {
        let mut object = answer("dump", Some(b"6.1"));
        text(&mut object, "key", b"a\xff");
        let text = Value::Object(object).to_string();
        let expected = r#"{"schema":1,"command":"dump","kernel":"6.1","key":"a\ufffd","key_bytes":"61ff"}"#;
        assert_eq!(text, expected.replace("\\ufffd", "\u{fffd}"));

        let mut object = Map::new();
        texts(&mut object, "good", &mut [&b"a"[..], b""].into_iter());
        texts(&mut object, "odd", &mut [&b"a"[..], b"\xff"].into_iter());
        let expected = r#"{"good":["a",""],"odd":["a","\ufffd"],"odd_bytes":["61","ff"]}"#;
        assert_eq!(Value::Object(object).to_string(), expected.replace("\\ufffd", "\u{fffd}"));
    }
}
