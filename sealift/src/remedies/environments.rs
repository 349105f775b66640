//! Help for errors about environments.

use node::environments::Error;

use super::archives;
use crate::failure::Failure;

/// An environment that cannot be read or changed.
pub(crate) fn explained(error: Error) -> Failure {
    match error {
        Error::Node(error) => archives::explained(error),
        Error::Name { .. } => Failure::usage_by(error),
        Error::NoKubectl { .. } => Failure::from(error).remedy(
            "install kubectl, or name it with --kubectl; with --dry-run -o yaml add and create-environment print the \
             objects and need no cluster",
        ),
        Error::Unreachable { .. } => Failure::from(error).remedy(
            "set KUBECONFIG or --kubeconfig to the file with the address of the cluster, such as \
             /etc/kubernetes/admin.conf",
        ),
        Error::Conflict { .. } => Failure::failed(error)
            .remedy("add --force-conflicts to take these fields over; re-run the command to resume"),
        Error::Kubectl { .. } => {
            Failure::from(error).remedy("correct what kubectl reports, then re-run the command to resume")
        }
        Error::NoEnvironment(_) => Failure::failed(error).remedy(
            "create it with `sealift solution create-environment`, or list what exists with \
             `sealift solution get-environment`",
        ),
        Error::NoNamespace { .. } => Failure::failed(error)
            .remedy("name one of its namespaces with --namespace, or create this one with create-environment"),
        Error::NotOurs { ref namespace, ref environment } => {
            let remedy = format!(
                "name another one with --namespace, or add it to the environment first: `kubectl label namespace \
                 {namespace} solutions.metalk8s.scality.com/environment={environment}`"
            );
            Failure::failed(error).remedy(remedy)
        }
        Error::OtherEnvironment { .. } => {
            Failure::failed(error).remedy("name a namespace of this environment with --namespace")
        }
        Error::Terminating(_) => {
            Failure::failed(error).remedy("re-run the command once the cluster has deleted the namespace")
        }
        Error::InUse { .. } => Failure::failed(error)
            .remedy("remove them first with `sealift solution remove`; --force deletes them with everything in the namespace"),
        Error::NotAdded { .. } => Failure::failed(error)
            .remedy("list the Solutions of each namespace: `sealift solution get-environment`"),
        Error::OlderDefinitions { .. } => Failure::failed(error).remedy(
            "back up these objects, and delete them or convert them to a version that it knows; or keep the newer \
             version. --force overrides",
        ),
        Error::Taken { .. } => Failure::failed(error).remedy(
            "use another namespace, or have the Solution's vendor rename it; --force-conflicts replaces an object \
             that does not belong to Kubernetes",
        ),
        Error::Content { .. } => {
            Failure::failed(error).remedy("list every fault of the archive: `sealift solution check`")
        }
        error => error.into(),
    }
}
