//! What a setting that cannot be used says.

use super::*;

#[test]
fn a_content_store_that_cannot_be_written_is_refused_with_the_setting_to_change() {
    let place = TestProject::new("files: []");
    let store = place.folder.path().join("host/secret/store");
    let environment = BTreeMap::from([("SEALIFT_CACHE".to_owned(), store.to_str().unwrap().to_owned())]);
    let settings = Settings::gather(&place.root(), &environment, &SettingsFlags::default()).unwrap();
    let project = Project::load(&place.root(), settings).unwrap();
    let error = super::super::images::open_store(&project).unwrap_err().to_string();
    let expected = "secret is not a folder; set SEALIFT_CACHE to a folder that you can write to";
    assert!(error.ends_with(expected), "{error}");
}
