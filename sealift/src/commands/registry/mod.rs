//! `sealift registry`: what static-container-registry, nginx and a registry did.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use crate::commands::clients;
use crate::commands::image::known_store;
use crate::commands::nginx;
use crate::commands::serve::{self, Serve};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Output};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Index a folder of images for nginx
    #[command(
        after_help = "Every blob is read and must have the digest in its name. Files that the content store shares \
                      with the folder, and knows to be unchanged, are not read again."
    )]
    Index {
        /// The folder of images
        images: PathBuf,
        /// Write the index to DIR [default: `registry` beside the images]
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Generate the nginx configuration of one archive, or of all archives of this node
    #[command(
        after_help = "Example:\n  sealift registry nginx-config /srv/scality/metalk8s-2.11.0/images --repository metalk8s-2.11.0 \\\n      \
                            > /etc/nginx/conf.d/99-metalk8s-2.11.0-registry.inc\n  \
                            sealift registry nginx-config --configured --install /etc/nginx/nginx.conf"
    )]
    NginxConfig(Box<nginx::NginxConfig>),
    /// Configure containerd to pull from the nodes: certs.d/HOST/hosts.toml
    #[command(
        after_help = "Example:\n  sealift registry containerd-config --node http://10.0.0.1:8080 --node http://10.0.0.2:8080 --root /\n\n\
                            containerd reads the file at each pull; its configuration must name /etc/containerd/certs.d as config_path."
    )]
    ContainerdConfig(clients::Containerd),
    /// Configure CRI-O, podman and skopeo to pull from the nodes: registries.conf.d
    CrioConfig(clients::Registry),
    /// Serve images and packages over HTTP, straight from ISO files
    #[command(after_help = "Examples:\n  sealift registry serve metalk8s.iso\n  \
                            sealift registry serve metalk8s.iso solution.iso --listen 0.0.0.0:8080 --no-tls\n  \
                            sealift registry serve metalk8s.iso --listen 0.0.0.0:8443 --tls-certificate cert.pem --tls-key key.pem\n\n\
                            Addresses, for the archive MetalK8s 2.11.0:\n  \
                            images     HOST/metalk8s-2.11.0/IMAGE:TAG  (and HOST/IMAGE:TAG if it is the only archive)\n  \
                            packages   http://HOST/metalk8s-2.11.0/redhat/8/REPOSITORY-el8/\n  \
                            files      http://HOST/archives/metalk8s-2.11.0/\n  \
                            state      /healthz /readyz /metrics")]
    Serve(Box<Serve>),
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Index { images, into, output } => {
            let into = into.unwrap_or_else(|| images.parent().unwrap_or(&images).join("registry"));
            let mut index = images::registry::Index::read(&images)?;
            index.check(known_store().as_ref()).map_err(|error| match error {
                images::Error::DigestMismatch { .. } | images::Error::SizeMismatch { .. } => {
                    Failure::from(error).remedy("`sealift image check` names everything that is damaged")
                }
                error => error.into(),
            })?;
            index.write(&into)?;
            let count = index.summary().images;
            if count == 0 {
                output::warn(&format!("{}: no image in this folder", content::printable_path(&images)));
            }
            let report = json!({"registry": into, "images": count});
            Ok(output.report(&report, || format!("{}\n", content::printable_path(&into)))?)
        }
        Command::NginxConfig(arguments) => nginx::nginx_config(*arguments),
        Command::ContainerdConfig(arguments) => clients::containerd(&arguments),
        Command::CrioConfig(arguments) => clients::crio(&arguments),
        Command::Serve(arguments) => serve::run(*arguments),
    }
}
