//! Settings that cannot be used.

use super::*;

#[test]
fn a_content_store_that_cannot_be_written_is_an_error_of_the_store() {
    let place = TestProject::new("files: []");
    let store = place.folder.path().join("host/secret/store");
    let environment = BTreeMap::from([("SEALIFT_CACHE".to_owned(), store.to_str().unwrap().to_owned())]);
    let settings = Settings::gather(&place.root(), &environment, &SettingsFlags::default()).unwrap();
    let project = Project::load(&place.root(), settings).unwrap();
    let graph::ActionError::Broken(error) = super::super::images::open_store(&project).unwrap_err() else {
        panic!()
    };
    assert!(error.to_string().ends_with("secret is not a folder"), "{error}");
    // What to do about it depends on its type.
    assert!(error.downcast::<::images::Error>().unwrap().is_unusable_place());
}
