//! The task that writes the original names of the images.

use super::*;

/// The task, if the project has one.
fn task(spec: &str) -> Option<Task> {
    let place = TestProject::new(spec);
    place.write("images/own/image.yaml", "entrypoint: [/x]\n");
    place.write("saved/app.tar", "");
    let (_, plan) = place.plan_in(None).unwrap();
    plan.tasks.into_iter().find(|task| task.name == "_original_names")
}

#[test]
fn only_images_from_elsewhere_have_original_names() {
    assert!(task("images: {build: [images/own]}").is_none());
    assert!(task("images: {pull: ['docker-daemon:app:1']}").is_none());
    let both =
        task("images: {pull: [{name: app, source: 'oci-archive:saved/app.tar', tag: '1'}, 'nginx:1.25']}");
    let inputs = both.unwrap().inputs;
    let value = |wanted: &str| {
        inputs.iter().find_map(|input| match input {
            TaskInput::Value { name, value } if name == wanted => Some(value.clone()),
            _ => None,
        })
    };
    assert!(value("names").unwrap().contains("\"docker.io/library/nginx:1.25\""));
    // The key has no path of this machine.
    assert_eq!(value("image app:1").as_deref(), Some("oci-archive:saved/app.tar"));
    assert!(inputs.iter().filter_map(TaskInput::path).any(|path| path.ends_with("saved/app.tar")));
}

#[test]
fn a_reference_with_two_digests_is_refused() {
    let [one, two] = ["a", "b"].map(|digit| format!("sha256:{}", digit.repeat(64)));
    let spec = |second: &str| {
        format!(
            "images:\n    pull:\n      - {{source: nginx, tag: '1', digest: '{one}'}}\n      \
             - {{name: web, source: docker.io/library/nginx, tag: '1', digest: '{second}'}}"
        )
    };
    assert!(task(&spec(&one)).is_some());
    let error = TestProject::new(&spec(&two)).plan().map(|_| ()).unwrap_err();
    let expected =
        format!("`docker.io/library/nginx:1` names two images: nginx:1 with {one} and web:1 with {two}");
    assert!(error.contains(&expected) && error.contains("sealift.yaml"), "{error}");
}
