//! The folders that `sealift image pull` writes images to, and its output if there is nothing to do.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::mpsc;

use content::Digest;
use images::{Store, dir_layout};
use tests::sealift;

/// A folder `<place>` with an image of one layer, which holds `content`.
fn image(scratch: &Path, place: &str, content: &str) -> Digest {
    let store = Store::open(&scratch.join("source")).unwrap();
    let config = r#"{"os":"linux","architecture":"amd64"}"#;
    let blob = |text: &str| {
        let digest = store.put(text.as_bytes()).unwrap();
        serde_json::json!({ "mediaType": "x/y", "digest": digest, "size": text.len() })
    };
    let manifest =
        serde_json::json!({ "schemaVersion": 2, "config": blob(config), "layers": [blob(content)] });
    let digest = store.put(manifest.to_string().as_bytes()).unwrap();
    dir_layout::write(&store, &digest, &[], &scratch.join(place)).unwrap();
    digest
}

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Runs `sealift image` with the content store in `cache`.
    fn image(&self, words: &[&str]) -> (i32, String, String) {
        let mut command = sealift::command(self.0.path());
        command.arg("image").args(words).env("SEALIFT_CACHE", self.0.path().join("cache"));
        sealift::told(&command.output().unwrap())
    }

    fn succeed(&self, words: &[&str]) -> String {
        let (code, out, err) = self.image(words);
        assert_eq!(code, 0, "{words:?}: {out}{err}");
        out
    }

    fn refuse(&self, words: &[&str], reason: &str) {
        let (code, out, err) = self.image(words);
        assert!(code == 3 && err.contains(reason), "{words:?}: {code}: {out}{err}");
    }

    fn exists(&self, path: &str) -> bool {
        self.0.path().join(path).exists()
    }
}

/// The words of a pull into the folder `c`.
fn pull<'a>(images: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [&["pull"], images, &["--into", "c"], more].concat()
}

#[test]
fn no_two_images_are_saved_in_one_place() {
    let scratch = Scratch::new();
    image(scratch.0.path(), "a/app", "one");
    image(scratch.0.path(), "b/app", "two");
    scratch.refuse(&pull(&["dir:a/app", "dir:b/app"], &[]), "would both be saved as app:latest");
    let [one, two] = ["a", "b"].map(|name| format!("{name}/app:1@sha256:{}", name.repeat(64)));
    scratch.refuse(
        &pull(&[&one, &two], &[]),
        &format!("docker.io/{one} and docker.io/{two} would both be saved as app:1"),
    );
    scratch.refuse(&pull(&["a/app:1", "b/x:1"], &["--as", "y:1"]), "--as is given 1 time, for 2 images");
    let digest = format!("a/app@sha256:{}", "0".repeat(64));
    scratch.refuse(&pull(&[&digest], &["--referrers"]), "and the list of its referrers");
    assert!(!scratch.exists("c"), "something was written");

    // An image that is named twice is one; another name is another folder.
    scratch.succeed(&pull(&["dir:a/app", "dir:a/app"], &[]));
    scratch.refuse(&pull(&["dir:b/app"], &[]), "contains another image");
    scratch.succeed(&pull(&["dir:a/app"], &[]));
    scratch.succeed(&pull(&["dir:b/app"], &["--as", "team/app:1"]));
    scratch.refuse(
        &pull(&["dir:b/app"], &["--as", "team/app/1:2"]),
        "would be saved inside the image in c/team/app/1",
    );
    scratch.refuse(
        &pull(&["dir:a/app", "dir:b/app"], &["--as", "x:1", "--as", "x/1:2"]),
        "one folder would be inside the other",
    );
    let listed = scratch.succeed(&["ls", "c"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    scratch.succeed(&pull(&["dir:b/app"], &["--replace"]));
    assert!(!scratch.exists("c/.store"), "the store is among the images");
}

#[test]
fn a_destination_that_is_no_folder_is_refused_for_that() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.0.path().join(name);
    image(scratch.0.path(), "a/app", "one");
    fs::write(at("file"), "").unwrap();
    tests::peer::run(std::process::Command::new("mkfifo").arg(at("fifo")));
    symlink("nowhere", at("dangling")).unwrap();
    let create = ["iso", "create", "a", "--volume-id", "A", "--file", "a.iso"];
    assert_eq!(sealift::run(scratch.0.path(), &create).0, 0);
    scratch.succeed(&["pull", "dir:a/app", "--into", "c"]);
    for (name, reason) in [
        ("file", "it is not a folder"),
        ("fifo", "it is not a folder"),
        ("dangling", "it is a symbolic link whose target does not exist"),
        ("file/x", "file is not a folder"),
    ] {
        for words in [
            &["image", "pull", "dir:a/app"][..],
            &["registry", "index", "c"],
            &["iso", "extract", "a.iso"],
            &["man"],
        ] {
            let (code, _, err) = sealift::run(scratch.0.path(), &[words, &["--into", name]].concat());
            assert!(code == 2 && err.contains(&format!(" {name}: {reason}\n")), "{words:?} {name}: {err}");
        }
    }
}

#[test]
fn an_edited_file_is_mended_and_changes_no_other_image() {
    let scratch = Scratch::new();
    image(scratch.0.path(), "a/app", "one");
    scratch.succeed(&["pull", "dir:a/app", "--into", "c"]);
    let name = Digest::of(b"one").hex();
    let edited = scratch.0.path().join("c/app/latest").join(&name);
    assert_eq!(fs::metadata(&edited).unwrap().permissions().mode() & 0o777, 0o444);
    let edit = || {
        fs::set_permissions(&edited, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&edited, "0ne").unwrap();
    };
    edit();
    scratch.succeed(&["pull", "dir:a/app", "--into", "d"]);
    scratch.succeed(&["check", "d"]);
    let (code, out, _) = scratch.image(&["check", "c"]);
    assert!(code == 1 && out.contains(&name), "{out}");
    scratch.succeed(&["pull", "dir:a/app", "--into", "c"]);
    scratch.succeed(&["check", "c"]);

    // The content store is checked, and the next pull repairs it.
    scratch.succeed(&["check", "--store"]);
    edit();
    let (code, out, err) = scratch.image(&["check", "--store"]);
    assert!(
        code == 1 && out.contains(&format!("{name}: removed")) && out.contains("1 damaged"),
        "{out}{err}"
    );
    let out = scratch.succeed(&["check", "--store", "cache", "--output", "json"]);
    assert!(out.contains("\"damaged\": []"), "{out}");
    scratch.succeed(&["pull", "dir:a/app", "--into", "c"]);
    scratch.succeed(&["check", "c"]);
}

#[test]
fn nothing_to_do_is_an_answer_of_its_own() {
    let scratch = Scratch::new();
    let empty = scratch.0.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let (code, _, err) = scratch.image(&["check", "empty"]);
    assert!(code == 1 && err.contains("contains no image"), "{code}: {err}");
    let words = ["archive", "push", "empty", "--to", "127.0.0.1:1/x", "--repository", ""];
    let (code, _, err) = sealift::run(scratch.0.path(), &words);
    assert!(code == 1 && err.contains("no image"), "{code}: {err}");
    let (code, _, err) = scratch.image(&["check", "--store", "nowhere"]);
    assert!(code == 3 && err.contains("not a content store"), "{code}: {err}");
}

#[test]
fn an_image_for_another_platform_is_refused_by_both_names() {
    let scratch = Scratch::new();
    image(scratch.0.path(), "a/app", "one");
    let words = |platform| ["pull", "dir:a/app", "--into", "c", "--platform", platform];
    let (code, _, err) = scratch.image(&words("linux/arm64"));
    let said = "no image for the platform linux/arm64; the image is for linux/amd64";
    assert!(code == 2 && err.contains(said), "{code}: {err}");
    scratch.succeed(&words("linux/x86_64"));
}

#[test]
fn mirrors_are_asked_before_the_registry_those_of_the_command_line_first() {
    let scratch = Scratch::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (sender, requests) = mpsc::channel();
    // Has no image, and reports the path of each request.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let path = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned));
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            // Before the response, after which the client may end.
            if path.is_none_or(|path| sender.send(path).is_err()) {
                return;
            }
            let _ =
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let pull = |mirrors: &str| {
        let mut command = sealift::command(scratch.0.path());
        command.args(["image", "pull", &format!("{host}/app:1"), "--into", "c", "--plain-http", &host]);
        command.arg(format!("--mirror={host}=http://{host}/flag"));
        command.env("REGISTRY_MIRRORS", mirrors).env("SEALIFT_CACHE", scratch.0.path().join("cache"));
        sealift::told(&command.output().unwrap())
    };
    let (code, out, err) = pull(&format!("{host}=http://{host}/variable"));
    assert_eq!(code, 2, "{out}{err}");
    let paths: Vec<String> = requests.try_iter().collect();
    assert_eq!(
        paths,
        ["/v2/flag/app/manifests/1", "/v2/variable/app/manifests/1", "/v2/app/manifests/1"],
        "{err}"
    );
    let (code, _, err) = pull("docker.io");
    assert!(code == 3 && err.contains("REGISTRY_MIRRORS: expected `host=http://mirror/path`"), "{err}");
    assert_eq!(requests.try_iter().count(), 0);
}
