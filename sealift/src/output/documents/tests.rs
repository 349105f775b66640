//! The documents as programs read them.

use super::KINDS;

#[test]
fn the_kinds_are_sorted_and_each_is_in_its_schema() {
    assert!(KINDS.is_sorted_by_key(|kind| kind.name));
    for kind in KINDS {
        let schema = (kind.schema)();
        assert_eq!(schema["properties"]["kind"]["const"], kind.name);
        assert_eq!(schema["required"][0], "apiVersion", "{}", kind.name);
    }
}
