//! `sealift registry`: serve images and packages, and configure nginx and the clients.

mod admission_policy;
mod client_config;
mod index;
mod nginx_config;
pub(crate) mod serve;
mod verify_pull;

use std::path::PathBuf;

use clap::Subcommand;

use crate::failure::CommandResult;
use crate::output::ReportOutput;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Index a folder of images for nginx
    #[command(
        after_help = "Every blob is read and must have the digest in its name. Unchanged files that the folder shares with the \
                      content store are not read again."
    )]
    Index {
        /// The folder of images
        images: PathBuf,
        /// Write the index to DIR [default: `registry` beside the images]
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
        #[command(flatten)]
        output: ReportOutput,
    },
    /// Generate the nginx configuration of one archive, or of all archives of this node
    #[command(
        after_help = "Example:\n  sealift registry nginx-config /srv/scality/metalk8s-2.11.0/images --repository metalk8s-2.11.0 \\\n      \
                            > /etc/nginx/conf.d/99-metalk8s-2.11.0-registry.inc\n  \
                            sealift registry nginx-config --configured --install /etc/nginx/nginx.conf"
    )]
    NginxConfig(Box<nginx_config::Arguments>),
    /// Configure containerd to pull from the nodes: certs.d/HOST/hosts.toml
    #[command(
        after_help = "Examples:\n  sealift registry containerd-config --node http://10.0.0.1:8080 --node http://10.0.0.2:8080 --root /\n  \
                            sealift registry containerd-config --original-names --node http://10.0.0.1:8080 --root /\n  \
                            sealift registry containerd-config --original-names --config-path /etc/docker/certs.d --node http://10.0.0.1:8080 --root /\n\n\
                            containerd reads the file at each pull. Its config_path must be /etc/containerd/certs.d.\n\n\
                            With --original-names, images keep the names of their own registries, such as docker.io/library/nginx:1.25. \
                            No other host is asked for them, unless --fallback allows it.\n\n\
                            --policy writes /opt/containerd/image-verifier/bin/sealift, which containerd 2.1 and later call."
    )]
    ContainerdConfig(Box<client_config::ContainerdArguments>),
    /// Configure CRI-O, podman and skopeo to pull from the nodes: registries.conf.d
    #[command(
        after_help = "Examples:\n  sealift registry crio-config --node http://10.0.0.1:8080 --node http://10.0.0.2:8080 --root /\n  \
                            sealift registry crio-config --original-names --configured --node http://10.0.0.1:8080 --root /\n  \
                            sealift registry crio-config --original-names --host docker.io --host quay.io --node http://10.0.0.1:8080 --root /\n  \
                            sealift registry crio-config --policy --original-names --configured --node http://10.0.0.1:8080 --root /\n\n\
                            With --original-names, each registry in the names of the images needs an entry. Images of other registries \
                            are pulled from these. Re-run the command after the import of an archive with images of further registries.\n\n\
                            --policy adds the repositories that need signatures to policy.json, and changes nothing else in it."
    )]
    CrioConfig(Box<client_config::CrioArguments>),
    /// Configure k3s or RKE2 to pull from the nodes: registries.yaml
    #[command(
        after_help = "Examples:\n  sealift registry k3s-config --node http://10.0.0.1:8080 --node http://10.0.0.2:8080 --root /\n  \
                            sealift registry k3s-config --rke2 --node http://10.0.0.1:8080 --root /\n\n\
                            k3s and RKE2 read the file when they start. So that they ask no other host, their config.yaml must have the line \
                            `disable-default-registry-endpoint: true`."
    )]
    K3sConfig(client_config::K3sArguments),
    /// Generate the policy for signatures of images for Kyverno or policy-controller
    #[command(
        after_help = "Examples:\n  sealift registry admission-policy --for kyverno --host registry.example:8443 example.iso \\\n      \
                            | kubectl apply -f -\n  \
                            sealift registry admission-policy --for policy-controller --original-names --configured\n\n\
                            The controller fetches the signatures from the host in the name of the image, which must reach a node. It \
                            asks no transparency log. Images that no archive has, or that need no signature, are not covered."
    )]
    AdmissionPolicy(Box<admission_policy::Arguments>),
    /// Serve images and packages over HTTP, straight from ISO files
    #[command(after_help = "Examples:\n  sealift registry serve metalk8s.iso\n  \
                            sealift registry serve metalk8s.iso solution.iso --listen 0.0.0.0:8080 --no-tls\n  \
                            sealift registry serve metalk8s.iso --listen 0.0.0.0:8443 --tls-certificate cert.pem --tls-key key.pem\n\n\
                            Addresses, for the archive MetalK8s 2.11.0:\n  \
                            images     HOST/metalk8s-2.11.0/IMAGE:TAG  (and HOST/IMAGE:TAG if it is the only archive)\n  \
                            originals  HOST/docker.io/library/nginx:1.25  (of all archives)\n             \
                            HOST/metalk8s-2.11.0/docker.io/library/nginx:1.25  (of one)\n  \
                            packages   http://HOST/metalk8s-2.11.0/redhat/8/REPOSITORY-el8/\n  \
                            files      http://HOST/archives/metalk8s-2.11.0/\n  \
                            page       http://HOST/  (for a browser; text for curl)\n  \
                            state      /healthz /readyz /metrics")]
    Serve(Box<serve::Arguments>),
    /// Check whether the rules of archives for signatures allow an image to be pulled
    #[command(
        after_help = "Example:\n  sealift registry verify-pull --configured --name quay.io/vendor/app:1.0 --digest sha256:6b11842236d7…\n\n\
                            containerd asks for this before each pull, through the program that `containerd-config --policy` writes. The \
                            exit code is 0 if the image may be pulled, because signatures in the archives meet all rules or no rule \
                            covers the name; any other code than 0 means: do not pull. No network is used."
    )]
    VerifyPull(Box<verify_pull::Arguments>),
}

pub(crate) fn run(command: Command) -> CommandResult {
    match command {
        Command::Index { images, into, output } => index::run(&images, into, output),
        Command::NginxConfig(arguments) => nginx_config::run(*arguments),
        Command::ContainerdConfig(arguments) => client_config::containerd(&arguments),
        Command::CrioConfig(arguments) => client_config::crio(&arguments),
        Command::K3sConfig(arguments) => client_config::k3s(&arguments),
        Command::VerifyPull(arguments) => verify_pull::run(&arguments),
        Command::AdmissionPolicy(arguments) => admission_policy::run(&arguments),
        Command::Serve(arguments) => serve::run(*arguments),
    }
}
