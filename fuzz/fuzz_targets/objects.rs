//! JSON as the schemes read it, against a reader that keeps every member.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_link::internals;
use secure_link_fuzz::json::Json;
use secure_link_fuzz::offer::Memory;

fuzz_target!(|data: &[u8]| {
    let memory = Memory::new(usize::MAX);
    let shown = data.escape_ascii();
    let members = Json::object(data);
    assert_eq!(internals::is_object(data, &memory), members.is_some(), "{shown}");
    for (name, value) in members.unwrap_or_default() {
        let text = internals::member(data, &name, &memory).expect("it is there");
        match &value {
            Json::Text(text_of) => assert_eq!(text, text_of.as_bytes(), "{shown}"),
            Json::Null => assert_eq!(text, b"", "{shown}"),
            // The JSON of a value is that value.
            _ => assert_eq!(
                serde_json::from_slice::<Json>(text).ok(),
                Some(value.clone()),
                "{shown}"
            ),
        }
    }
    assert_eq!(
        internals::date(data),
        serde_json::from_slice::<Json>(data).ok().and_then(|json| json.date())
    );
});
