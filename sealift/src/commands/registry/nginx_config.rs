//! `sealift registry nginx-config`: the configuration for one archive, or all of `nginx.conf`.

use std::path::{Path, PathBuf};

use clap::Args;
use node::archives::{LinuxMachine, get};
use node::nginx::{Error, NginxOptions, configuration, install};

use crate::args::node_paths::NodePaths;
use crate::failure::{CommandResult, Failure};
use crate::output::documents::node::NginxConfiguration;
use crate::output::{self, ReportOutput, documents};
use crate::remedies;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder of images of one archive, beside its `registry` folder
    #[arg(required_unless_present = "configured", requires = "repository")]
    images: Option<PathBuf>,
    /// Set the first part of the image names: `metalk8s-2.11.0`, or `{{ repository }}` for a template
    #[arg(long, visible_alias = "name-prefix", value_name = "NAME", conflicts_with = "configured")]
    repository: Option<String>,
    /// Set the folder of images on the server, if it differs; `{{ registry_root }}` for a template
    #[arg(long, value_name = "DIR", conflicts_with = "configured")]
    server_root: Option<PathBuf>,
    /// Also print what a server needs once for all archives: the response to /v2/, and the images under their original names
    #[arg(long, conflicts_with = "configured")]
    with_common: bool,
    /// Generate the whole nginx.conf, for all archives of this node
    #[arg(long)]
    configured: bool,
    /// Write the configuration to FILE if nginx accepts it, and reload nginx [default: print it]
    #[arg(long, value_name = "FILE", requires = "configured")]
    install: Option<PathBuf>,
    /// Write the configuration to FILE, which can be a pipe or device [default: standard output]
    #[arg(
        long,
        value_name = "FILE",
        default_value = "-",
        hide_default_value = true,
        conflicts_with = "install"
    )]
    file: PathBuf,
    /// Test the configuration with this nginx
    #[arg(long, value_name = "PROGRAM", default_value = "nginx", requires = "configured")]
    nginx: PathBuf,
    /// Listen on this address (repeatable): `8080`, `10.0.0.1:8080`; with `HOST=`, as this registry: `docker.io=8201`
    #[arg(long, value_name = "[HOST=]ADDRESS", default_value = "8080", requires = "configured")]
    listen: Vec<String>,
    /// Use the server certificate with its chain in FILE, PEM
    #[arg(long, value_name = "FILE", requires_all = ["configured", "tls_key"])]
    tls_certificate: Option<PathBuf>,
    /// Use the key of the certificate in FILE, PEM
    #[arg(long, value_name = "FILE", requires_all = ["configured", "tls_certificate"])]
    tls_key: Option<PathBuf>,
    /// Set the file of nginx's process id
    #[arg(long, value_name = "FILE", default_value = "/run/nginx.pid", requires = "configured")]
    pid: PathBuf,
    /// Set the file of nginx's error log
    #[arg(long, value_name = "FILE", default_value = "/var/log/nginx/error.log", requires = "configured")]
    error_log: PathBuf,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    paths: NodePaths,
}

pub(super) fn run(arguments: Arguments) -> CommandResult {
    match (&arguments.images, &arguments.repository) {
        (Some(images), Some(repository)) => {
            let root = arguments.server_root.as_ref().unwrap_or(images);
            one(root, repository, &arguments)
        }
        _ => all(&arguments),
    }
}

fn one(root: &Path, repository: &str, arguments: &Arguments) -> CommandResult {
    // A template in the form of the guidelines for Solutions, which the node fills in.
    let is_placeholder = root.as_os_str() == images::nginx::REGISTRY_ROOT;
    let root = if is_placeholder { root.to_path_buf() } else { std::path::absolute(root)? };
    let config = images::nginx::render(repository, &root.to_string_lossy()).map_err(Failure::usage_by)?;
    let common = if arguments.with_common { common(&root)? } else { String::new() };
    printed(&format!("{common}{config}"), arguments)
}

/// What a server needs once, for the archive with the images in `root`.
fn common(root: &Path) -> Result<String, Failure> {
    let registry = format!("{}/../registry", root.to_string_lossy());
    let originals = images::nginx::originals(&[registry], &[]).map_err(Failure::usage_by)?;
    Ok(format!("{}\n{originals}", images::nginx::common()))
}

fn all(arguments: &Arguments) -> CommandResult {
    let paths = arguments.paths.paths();
    let accepted = arguments.paths.served_archives()?;
    let mut listed = get(&paths, &LinuxMachine::default()).map_err(remedies::archives::explained)?;
    listed.retain(|one| accepted.contains(&one.path));
    let count = listed.len();
    let mut roots: Vec<PathBuf> = Vec::new();
    for one in listed {
        match one.problem {
            // Some of its images may be damaged; nginx serves the others.
            Some(problem) if one.images.is_none() || one.mount_broken => {
                output::warn(&output::left_out(&one.path, &problem));
            }
            _ => roots.push(one.mounted.unwrap_or(one.path)),
        }
    }
    if roots.is_empty() && count > 0 {
        return Err(remedies::archives::none_readable());
    }
    let (named, plain): (Vec<_>, Vec<_>) =
        arguments.listen.iter().map(|text| text.split_once('=').ok_or(text)).partition(Result::is_ok);
    let mut listen: Vec<String> = plain.into_iter().filter_map(Result::err).cloned().collect();
    // A registry of its own comes beside the address of the node.
    if listen.is_empty() {
        listen.push("8080".into());
    }
    let registry_listen = named.into_iter().flatten().map(|(host, to)| (host.to_owned(), to.to_owned()));
    let options = NginxOptions {
        listen,
        registry_listen: registry_listen.collect(),
        tls: arguments.tls_certificate.clone().zip(arguments.tls_key.clone()),
        pid: arguments.pid.clone(),
        error_log: arguments.error_log.clone(),
    };
    let generated = configuration(&roots, &options).map_err(remedies::serving::nginx)?;
    for (path, error) in &generated.left_out {
        let how = if matches!(error, Error::NotMounted(_)) { MOUNT } else { "" };
        output::warn(&format!("{}{how}", output::left_out(path, &error.to_string())));
    }
    let Some(file) = &arguments.install else { return printed(&generated.text, arguments) };
    let installed = install(&generated.text, file, &arguments.nginx, &arguments.pid, output::running)
        .map_err(remedies::serving::nginx)?;
    let what = if installed.replaced { "replaced" } else { "unchanged" };
    let told = if installed.reloaded { ", and nginx was reloaded" } else { "; nginx is not running" };
    let document = || NginxConfiguration {
        file: Some(documents::text(file)),
        content: None,
        replaced: installed.replaced,
        reloaded: installed.reloaded,
    };
    let text = || format!("{}: {what}{told}\n", content::printable_path(file));
    Ok(arguments.output.report(document, text)?)
}

/// Writes a configuration to the file that was named, or reports it.
fn printed(content: &str, arguments: &Arguments) -> CommandResult {
    if arguments.output.is_text() || !content::is_standard_output(&arguments.file) {
        return Ok(output::write_file(&arguments.file, content.as_bytes())?);
    }
    let content = Some(content.to_owned());
    let document = || NginxConfiguration { file: None, content, replaced: false, reloaded: false };
    Ok(arguments.output.report(document, String::new)?)
}

/// The help for an archive that is not mounted.
const MOUNT: &str = "; mount it with `sealift archive import --mount kernel`";
