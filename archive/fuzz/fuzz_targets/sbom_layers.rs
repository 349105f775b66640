//! Invariant: whatever the layers of an image are, their packages are found or what is wrong is reported. A layer that is empty
//! changes nothing.
#![no_main]

use archive::sbom::LayerView;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|layers: Vec<Vec<u8>>| {
    let Ok(folder) = tempfile::tempdir() else { return };
    let [mut view, mut same] = [(); 2].map(|()| LayerView::new(folder.path()));
    for layer in layers.iter().take(4) {
        let _ = view.add(&mut &layer[..]);
        let _ = same.add(&mut &layer[..]);
        let _ = same.add(&mut &[0; 1024][..]);
    }
    assert_eq!(view.finish(), same.finish());
});
