//! Names of tasks and of images.

use super::*;

#[test]
fn private_tasks_have_public_names_that_can_be_typed() {
    let digest = "a".repeat(64);
    let spec = format!(
        "images:\n    pull: [{{name: nginx, source: registry.invalid/nginx, tag: '1.25', digest: 'sha256:{digest}'}}]\n  \
         files: [{{from: salt, to: salt}}]"
    );
    let place = TestProject::new(&spec);
    place.write("salt/100%.sls", "a\n");
    let (project, plan) = place.plan_in(None).unwrap();
    let graph =
        Graph::new(project.root.clone(), project.settings.build_root.clone(), plan.tasks, pools(&project))
            .unwrap();
    for (name, public) in [
        ("_image_pull:nginx:1.25", "images:nginx:1.25"),
        ("_registry_index", "images:registry_index"),
        ("_deploy_salt_tree:salt/100%25.sls", "salt_tree:salt/100%25.sls"),
        ("_iso_add_tree:product.txt", "populate_iso:product.txt"),
        ("_iso_build", "iso:build"),
        ("_iso_digest", "iso:digest"),
        ("images", "images"),
    ] {
        let id = graph.find(name).unwrap();
        assert_eq!(graph.task(id).public_name(), public);
        assert_eq!(graph.select(&[public]).unwrap().tasks(), [id], "{public}");
    }
    let private: Vec<&str> =
        graph.tasks().map(|(_, task)| task.public_name()).filter(|name| name.starts_with('_')).collect();
    assert_eq!(private, [""; 0]);
}

#[test]
fn tags_of_one_image_and_nested_names_are_tasks_of_their_own() {
    let pull = |name: &str, tag: &str, more: &str| {
        format!(
            "\n      - {{name: {name}, source: registry.invalid/app, tag: '{tag}', digest: 'sha256:{}'{more}}}",
            "a".repeat(64)
        )
    };
    let list = format!(
        "referrers:\n  \"registry.invalid/app:TAG\":\n    \"sha256:{}\": \"sha256:{}\"\n",
        "a".repeat(64),
        "b".repeat(64)
    );
    let spec = |images: &[String]| format!("images:\n    pull:{}", images.concat());
    let more = ", referrers: true, tar: true";
    let place = TestProject::new(&spec(&[
        pull("app", "1", more),
        pull("app", "2", more),
        pull("team/app", "1", more),
    ]));
    let entry = |tag: &str| list.replace("referrers:\n", "").replace("TAG", tag);
    place.write(
        "sealift.lock",
        &format!("version: 1\nimages: {{}}\nreferrers:\n{}{}", entry("1"), entry("2")),
    );
    let (project, plan) = place.plan_in(None).unwrap();
    let names: Vec<&str> = plan.tasks.iter().map(|task| task.name.as_str()).collect();
    for name in ["app:1", "app:2", "team/app:1"] {
        for family in ["_image_pull", "_image_save", "_image_referrers"] {
            assert!(names.contains(&format!("{family}:{name}").as_str()), "{family}:{name}: {names:?}");
        }
    }
    Graph::new(project.root.clone(), project.settings.build_root.clone(), plan.tasks, pools(&project))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())
        .unwrap();

    for (name, tag, expected) in [
        ("app", "1", "a second image `app:1`"),
        ("app/1", "x", "cannot be in one archive"),
        ("App", "1", "`App` cannot name an image"),
        ("a//b", "1", "`a//b` cannot name an image"),
        ("app", "../../x", "`../../x` cannot be a tag"),
        (&"a".repeat(300), "1", "a` cannot name an image: it has 300 characters; the maximum is 255"),
        (&["a"; 16].join("/"), "1", "/a` cannot name an image: it has 16 parts; the maximum is 15"),
        ("app", &"1".repeat(129), "1` cannot be a tag: it has 129 characters; the maximum is 128"),
    ] {
        place.write(
            "sealift.yaml",
            &format!("{HEAD}  {}\n", spec(&[pull("app", "1", ""), pull(name, tag, "")])),
        );
        let error = place.plan().map(|_| ()).unwrap_err();
        assert!(error.contains("sealift.yaml:8:") && error.contains(expected), "{name}:{tag}: {error}");
    }
}

#[test]
fn images_that_are_built_have_nested_names_and_further_tags() {
    let spec = |more: &str| {
        format!(
            "images:\n    build:\n      - images/own\n      - {{folder: images/own, name: team/own, tags: [latest, '1.0']}}{more}"
        )
    };
    let place = TestProject::new(&spec(""));
    place.write("images/own/image.yaml", "entrypoint: [/x]\n");
    let (project, plan) = place.plan_in(None).unwrap();
    let outputs = |name: &str| -> Vec<String> {
        let task = plan.tasks.iter().find(|task| task.name == name).unwrap();
        let images = project.tree().join("images");
        let path =
            |output: &graph::TaskOutput| output.path().strip_prefix(&images).unwrap().display().to_string();
        task.outputs.iter().map(path).collect()
    };
    assert_eq!(outputs("_image_build:own"), ["own/1.0.0"]);
    assert_eq!(outputs("_image_build:team/own"), ["team/own/1.0.0", "team/own/latest", "team/own/1.0"]);
    graph(&project, plan.tasks, &plan.origins).unwrap();
    for (more, expected) in [
        ("\n      - images/own", "sealift.yaml:9:9: a second image `own:1.0.0`"),
        ("\n      - {folder: images/own, name: Own}", "sealift.yaml:9:36: `Own` cannot name an image"),
        (
            "\n      - {folder: images/own, name: a, tags: ['1', '1']}",
            "sealift.yaml:9:51: a second image `a:1`",
        ),
        ("\n      - {folder: images/own, name: a, tags: [a b]}", "sealift.yaml:9:46: `a b` cannot be a tag"),
        ("\n      - {folder: images/own, name: own/1.0.0}", "sealift.yaml:9:36: the images"),
        (
            "\n      - {folder: images/own, tagg: a}",
            "sealift.yaml:9:30: unknown key `tagg`; did you mean `tag`?",
        ),
        ("\n      - {name: a}", "sealift.yaml:9:9: missing key `folder`"),
        ("\n      - [a]", "sealift.yaml:9:9: expected text or keys with values, found a list"),
        ("\n      - images/gone", "sealift.yaml:9:9: images/gone/image.yaml does not exist"),
    ] {
        place.write("sealift.yaml", &format!("{HEAD}  {}\n", spec(more)));
        let error = place.plan().map(drop).unwrap_err();
        assert!(error.contains(expected), "{more}: {error}");
    }
}
