//! Answers as JSON.
//!
//! Every answer is one object that begins with the version of its form, the command, and, where there is one, the
//! kernel version:
//!
//! ```json
//! {"schema":1,"command":"dump","file":"modules.alias.bin","entries":[…]}
//! ```
//!
//! Text of the kernel is bytes. What is no UTF-8 has a second field, with the name of the first and `_bytes` behind
//! it, that holds the bytes in hexadecimal; the first then has U+FFFD in their place.

use serde_json::{Map, Value, json};

/// The version of the form of all answers.
const SCHEMA: u32 = 1;

/// An answer of a command, with what every answer begins with.
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
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        object.insert(format!("{name}_bytes"), json!(digits));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf_8_is_not_lost() {
        let mut object = answer("dump", Some(b"6.1"));
        text(&mut object, "key", b"a\xff");
        let text = Value::Object(object).to_string();
        let expected = r#"{"schema":1,"command":"dump","kernel":"6.1","key":"a\ufffd","key_bytes":"61ff"}"#;
        assert_eq!(text, expected.replace("\\ufffd", "\u{fffd}"));
    }
}
