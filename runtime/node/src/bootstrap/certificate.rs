//! The certificate of a node: made with `openssl`, signed by the authority of the site or by one that the node makes for
//! itself.
//!
//! | file | content |
//! | --- | --- |
//! | `ca.crt` | the authority, which clients trust |
//! | `ca.key` | its key, if the node has made it |
//! | `server.crt`, `server.key` | the certificate of the server and its key |
//!
//! A certificate is written after its key and removed before it, so a certificate that exists belongs to its key.

use std::ffi::OsStr;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::fchown;
use std::path::{Path, PathBuf};

use content::{AtomicFile, Durability, IoError, LinkPolicy};

use super::error::Error;
use super::host::Host;

/// The maximum size of a certificate or key, in bytes.
const SIZE_MAX: u64 = 1 << 20;
/// How long a certificate must still be valid, in seconds: 30 days.
const REMAINING: &str = "2592000";
/// How long certificates are valid, in days.
const AUTHORITY_DAYS: &str = "3650";
const SERVER_DAYS: &str = "825";

/// The authority of a site.
#[derive(Clone, Debug)]
pub struct SiteAuthority {
    /// Its certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM, without a password.
    pub key: PathBuf,
}

/// The certificate of a node.
pub(super) struct NodeCertificate<'a> {
    /// The folder of the files.
    pub(super) folder: &'a Path,
    /// The authority of the site; `None` for one of the node's own.
    pub(super) authority: Option<&'a SiteAuthority>,
    /// The addresses of the server.
    pub(super) addresses: Vec<IpAddr>,
    /// The name of the machine.
    pub(super) name: &'a str,
    /// The group that may read the key of the server.
    pub(super) group: Option<u32>,
}

/// What is to be done about a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CertificatePlan {
    /// It is valid.
    Keep,
    /// It must be made, for this reason.
    Make(String),
    /// It is invalid, for this reason, but comes from an authority whose key is not here.
    Foreign(String),
}

impl NodeCertificate<'_> {
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether the certificate must be made.
    pub(super) fn plan(&self, host: &dyn Host) -> CertificatePlan {
        let Some(problem) = self.problem(host) else { return CertificatePlan::Keep };
        let is_given = ["server.crt", "ca.crt"].iter().any(|name| self.file(name).exists());
        let is_foreign = is_given && self.authority.is_none() && !self.file("ca.key").exists();
        if is_foreign { CertificatePlan::Foreign(problem) } else { CertificatePlan::Make(problem) }
    }

    /// What is wrong with the existing certificate.
    fn problem(&self, host: &dyn Host) -> Option<String> {
        let (certificate, key) = (self.file("server.crt"), self.file("server.key"));
        for path in [&certificate, &key] {
            if !path.exists() {
                return Some(format!("{} is missing", path.display()));
            }
        }
        let asks = |arguments: &[&str]| {
            let arguments = ["x509", "-noout", "-in"]
                .map(OsStr::new)
                .into_iter()
                .chain([certificate.as_os_str()])
                .chain(arguments.iter().map(OsStr::new));
            let output = host.run("openssl", &arguments.collect::<Vec<_>>()).ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        };
        if asks(&["-checkend", REMAINING]).is_none() {
            return Some("it expires within 30 days, or cannot be read".to_owned());
        }
        for address in &self.addresses {
            // The exit code is 0 in any case.
            let told = asks(&["-checkip", &address.to_string()]).unwrap_or_default();
            if !told.contains("does match") {
                return Some(format!("it is not for {address}"));
            }
        }
        let authority = self.authority.map_or_else(|| self.file("ca.crt"), |site| site.certificate.clone());
        if !authority.exists() {
            return None;
        }
        let arguments = ["verify", "-partial_chain", "-CAfile"].map(OsStr::new);
        let arguments = arguments.into_iter().chain([authority.as_os_str(), certificate.as_os_str()]);
        let verified = host.run("openssl", &arguments.collect::<Vec<_>>());
        let is_ours = verified.is_ok_and(|output| output.status.success());
        (!is_ours).then(|| format!("{} has not issued it", authority.display()))
    }

    /// Makes the certificate, and the authority if the site has none.
    pub(super) fn make(&self, host: &dyn Host) -> Result<(), Error> {
        content::create_folder(self.folder)?;
        let scratch = tempfile::Builder::new()
            .prefix(".new-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .tempdir_in(self.folder)
            .map_err(IoError::at("create a folder in", self.folder))?;
        let new = |name: &str| scratch.path().join(name);
        let config = new("openssl.cnf");
        crate::file::replace(&config, self.configuration().as_bytes())
            .map_err(IoError::at("write", &config))?;
        let (authority, authority_key) = match self.authority {
            Some(site) => (site.certificate.clone(), site.key.clone()),
            None => {
                self.own_authority(host, &new, &config)?;
                (self.file("ca.crt"), self.file("ca.key"))
            }
        };
        let (key, request, certificate) = (new("server.key"), new("server.csr"), new("server.crt"));
        generate_key(host, &key)?;
        let subject = format!("/CN={}", self.common_name());
        let words = |list: &[&str]| list.iter().map(OsStr::new).map(OsStr::to_owned).collect::<Vec<_>>();
        let mut arguments = words(&["req", "-new", "-sha256", "-subj", &subject, "-config"]);
        arguments.extend([config.clone().into(), "-key".into(), key.clone().into()]);
        arguments.extend(["-out".into(), request.clone().into()]);
        openssl(host, &arguments)?;
        let serial = random_serial(host)?;
        let mut arguments = words(&["x509", "-req", "-sha256", "-days", SERVER_DAYS, "-set_serial", &serial]);
        arguments.extend(["-in".into(), request.into(), "-CA".into(), authority.clone().into()]);
        arguments.extend(["-CAkey".into(), authority_key.into(), "-extfile".into(), config.into()]);
        arguments.extend(["-extensions".into(), "server".into(), "-out".into(), certificate.clone().into()]);
        openssl(host, &arguments)?;
        if self.authority.is_some() {
            self.put("ca.crt", &read(&authority)?, 0o644, None)?;
        }
        crate::file::remove(&self.file("server.crt"))
            .map_err(IoError::at("replace", &self.file("server.crt")))?;
        self.put("server.key", &read(&key)?, 0o640, self.group)?;
        // Clients trust the root alone, so an authority in between must be sent.
        let mut chain = read(&certificate)?;
        if self.authority.is_some() {
            chain.extend(read(&authority)?);
        }
        self.put("server.crt", &chain, 0o644, None)
    }

    /// Makes the authority of the node, unless it has one.
    fn own_authority(
        &self,
        host: &dyn Host,
        new: &dyn Fn(&str) -> PathBuf,
        config: &Path,
    ) -> Result<(), Error> {
        if self.file("ca.crt").exists() && self.file("ca.key").exists() {
            return Ok(());
        }
        let (key, certificate) = (new("ca.key"), new("ca.crt"));
        generate_key(host, &key)?;
        let subject = format!("/CN=Sealift authority of {}", self.common_name());
        let words =
            ["req", "-new", "-x509", "-sha256", "-days", AUTHORITY_DAYS, "-subj", &subject, "-config"];
        let mut arguments: Vec<_> = words.iter().map(OsStr::new).map(OsStr::to_owned).collect();
        arguments.extend([config.to_owned().into(), "-extensions".into(), "authority".into(), "-key".into()]);
        arguments.extend([key.clone().into(), "-out".into(), certificate.clone().into()]);
        openssl(host, &arguments)?;
        self.put("ca.key", &read(&key)?, 0o600, None)?;
        self.put("ca.crt", &read(&certificate)?, 0o644, None)
    }

    /// The configuration of openssl, in a form that 1.0.2 reads, too.
    fn configuration(&self) -> String {
        let mut names = vec!["DNS:localhost".to_owned(), "IP:127.0.0.1".to_owned()];
        if is_host_name(self.name) {
            names.push(format!("DNS:{}", self.name));
        }
        names.extend(self.addresses.iter().map(|address| format!("IP:{address}")));
        format!(
            "[req]\ndistinguished_name = name\nprompt = no\n[name]\nCN = sealift\n\
             [authority]\nbasicConstraints = critical, CA:true\nkeyUsage = critical, keyCertSign, cRLSign\n\
             subjectKeyIdentifier = hash\n\
             [server]\nbasicConstraints = critical, CA:false\nkeyUsage = critical, digitalSignature\n\
             extendedKeyUsage = serverAuth\nsubjectAltName = {}\n",
            names.join(", ")
        )
    }

    fn common_name(&self) -> &str {
        if is_host_name(self.name) { self.name } else { "sealift" }
    }

    fn put(&self, name: &str, bytes: &[u8], mode: u32, group: Option<u32>) -> Result<(), Error> {
        let path = self.file(name);
        let file = AtomicFile::create(&path, mode, Durability::Durable)?;
        let written = file.file().write_all(bytes).and_then(|()| match group {
            Some(group) => fchown(file.file(), None, Some(group)),
            None => Ok(()),
        });
        written.map_err(IoError::at("write", &path))?;
        Ok(file.commit()?)
    }
}

/// Whether a name can be written in the configuration of openssl.
fn is_host_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 63
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    Ok(content::open_read(path, LinkPolicy::Follow, SIZE_MAX)?)
}

fn generate_key(host: &dyn Host, path: &Path) -> Result<(), Error> {
    let words = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt"];
    let mut arguments: Vec<_> = words.iter().map(OsStr::new).map(OsStr::to_owned).collect();
    arguments.extend(["ec_param_enc:named_curve".into(), "-out".into(), path.to_owned().into()]);
    openssl(host, &arguments).map(drop)
}

/// A serial number that no other certificate has: 16 random bytes, of which the first bit is 0.
fn random_serial(host: &dyn Host) -> Result<String, Error> {
    let printed = openssl(host, &["rand".into(), "-hex".into(), "16".into()])?;
    let digits: String = printed.chars().filter(char::is_ascii_hexdigit).skip(1).collect();
    Ok(format!("0x4{digits}"))
}

fn openssl(host: &dyn Host, arguments: &[std::ffi::OsString]) -> Result<String, Error> {
    let arguments: Vec<&OsStr> = arguments.iter().map(std::ffi::OsString::as_os_str).collect();
    super::steps::succeed(host, "openssl", &arguments)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::super::host::LinuxHost;
    use super::*;

    fn tool(arguments: &[&str]) -> bool {
        Command::new("openssl").args(arguments).output().unwrap().status.success()
    }

    #[test]
    fn a_certificate_is_made_once_and_again_when_it_no_longer_fits() {
        if Command::new("openssl").arg("version").output().is_err() {
            eprintln!("skipped: openssl is not installed");
            return;
        }
        let scratch = tempfile::tempdir().unwrap();
        let (host, folder) = (LinuxHost::default(), scratch.path().join("pki"));
        let of = |addresses: &[&str], authority| NodeCertificate {
            folder: &folder,
            authority,
            addresses: addresses.iter().map(|one| one.parse().unwrap()).collect(),
            name: "node1",
            group: None,
        };
        let one = of(&["10.0.0.1", "fd00::1"], None);
        assert!(
            matches!(one.plan(&host), CertificatePlan::Make(why) if why.ends_with("server.crt is missing"))
        );
        one.make(&host).unwrap();
        assert_eq!(one.plan(&host), CertificatePlan::Keep);
        let mode = |name| std::fs::metadata(one.file(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(["ca.crt", "ca.key", "server.crt", "server.key"].map(mode), [0o644, 0o600, 0o644, 0o640]);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 4);
        let authority = std::fs::read(one.file("ca.crt")).unwrap();
        // Another address: only the certificate of the server changes.
        let other = of(&["10.0.0.2"], None);
        assert_eq!(other.plan(&host), CertificatePlan::Make("it is not for 10.0.0.2".into()));
        other.make(&host).unwrap();
        assert_eq!(other.plan(&host), CertificatePlan::Keep);
        assert_eq!(std::fs::read(one.file("ca.crt")).unwrap(), authority);
        // A kill between the key and the certificate.
        std::fs::remove_file(one.file("server.crt")).unwrap();
        assert!(matches!(other.plan(&host), CertificatePlan::Make(_)));
        // The authority of the site.
        let (ca, key) = (scratch.path().join("site.crt"), scratch.path().join("site.key"));
        let (ca_text, key_text) = (ca.to_str().unwrap(), key.to_str().unwrap());
        let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Site", "-days", "90"];
        assert!(tool(&[&new[..], &["-keyout", key_text, "-out", ca_text]].concat()));
        let site = SiteAuthority { certificate: ca.clone(), key };
        let signed = of(&["10.0.0.2"], Some(&site));
        other.make(&host).unwrap();
        assert!(
            matches!(signed.plan(&host), CertificatePlan::Make(why) if why.ends_with("has not issued it"))
        );
        signed.make(&host).unwrap();
        assert_eq!(signed.plan(&host), CertificatePlan::Keep);
        let chain = signed.file("server.crt");
        assert!(tool(&["verify", "-CAfile", ca_text, "-verify_ip", "10.0.0.2", chain.to_str().unwrap()]));
        assert_eq!(std::fs::read(signed.file("ca.crt")).unwrap(), std::fs::read(&ca).unwrap());
        // A certificate that the site has put there is never replaced.
        std::fs::remove_file(one.file("ca.key")).unwrap();
        assert_eq!(
            of(&["10.0.0.3"], None).plan(&host),
            CertificatePlan::Foreign("it is not for 10.0.0.3".into())
        );
    }
}
