//! Invariant: a recipe from another node is refused, or its name is a single file name, its ranges lie in the file and do not
//! overlap, and it is the same when it is written and read again.
#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use node::copy::{ByteRange, Recipe};

fuzz_target!(|line: &[u8]| {
    let Ok(recipe) = serde_json::from_slice::<Recipe>(line) else { return };
    let written = serde_json::to_vec(&recipe).expect("a recipe is JSON");
    assert_eq!(serde_json::from_slice::<Recipe>(&written).ok().as_ref(), Some(&recipe));
    if recipe.check().is_err() {
        return;
    }
    let parts: Vec<Component<'_>> = Path::new(&recipe.name).components().collect();
    assert!(matches!(parts[..], [Component::Normal(name)] if name == recipe.name.as_str()));
    assert!(!recipe.name.starts_with('.') && !recipe.name.contains(char::is_control));
    let mut ranges: Vec<ByteRange> = recipe.parts.iter().flat_map(|part| part.ranges.iter().copied()).collect();
    ranges.sort_by_key(|range| (range.offset, range.bytes));
    let mut reached = 0;
    for range in ranges {
        assert!(range.offset >= reached);
        reached = range.offset.checked_add(range.bytes).expect("the end of a range is a number");
        assert!(reached <= recipe.bytes);
    }
});
