//! TLS: certificates as sites make them, who sees a client certificate, and failures in plain words.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use images::RegistrySession;
use images::pull::{self, HostTls, Proxies, RegistryFault, RegistryOptions};
use rustls::DigitallySignedStruct;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DistinguishedName, ServerConfig, SignatureScheme};

use crate::server::{Answer, Server};
use crate::{Login, Told, content, options, pulled, request, store};

pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates").join(name)
}

/// The methods of a verifier that takes every signature.
macro_rules! any_signature {
    ($($name:ident),+) => {$(
        fn $name(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
    )+};
}

/// Takes every client certificate, and none.
#[derive(Debug)]
struct Curious {
    demands: bool,
}

impl ClientCertVerifier for Curious {
    fn client_auth_mandatory(&self) -> bool {
        self.demands
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    any_signature!(verify_tls12_signature, verify_tls13_signature);

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

fn serving(name: &str, demands: bool) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(file(&format!("{name}.pem"))).unwrap();
    let chain = chain.collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(file(&format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(Arc::new(Curious { demands }))
        .with_single_cert(chain, key);
    Arc::new(config.unwrap())
}

fn trusting(authority: &str) -> RegistryOptions {
    RegistryOptions { certificate_authorities: vec![file(authority)], ..options([]) }
}

fn fault(pulled: Result<(), pull::Error>) -> RegistryFault {
    pulled.unwrap_err().failures.remove(0).fault
}

#[test]
fn a_self_signed_certificate_that_was_given_is_taken_as_it_is() {
    for name in ["self-ca-true", "self-ca-false", "self-unconstrained"] {
        let content = content();
        let server = Server::start_tls(serving(name, false), move |asked| content.answer(asked));
        pulled(&server.host(), &trusting(&format!("{name}.pem"))).unwrap();
        // For that host, or for all; not for others, and not without.
        let own =
            HostTls { certificate_authorities: vec![file(&format!("{name}.pem"))], client_certificate: None };
        let of = |host: String| RegistryOptions { tls: [(host, own.clone())].into(), ..options([]) };
        pulled(&server.host(), &of(server.host())).unwrap();
        for options in [of("other.example".into()), options([])] {
            let error = fault(pulled(&server.host(), &options));
            let text = error.to_string();
            assert!(matches!(error, RegistryFault::Tls(_)), "{name}: {text}");
            assert!(text.contains(&format!("trust it with --ca {}=FILE", server.host())), "{name}: {text}");
        }
    }
}

#[test]
fn what_tls_will_never_accept_is_said_in_plain_words_and_tried_once() {
    for (serves, trusts, expected) in [
        ("server", "self-ca-true.pem", "is from an authority that is not trusted here"),
        ("self-ca-true", "authority.pem", "is self-signed and not trusted here"),
        ("self-other-name", "self-other-name.pem", "is for another name"),
    ] {
        let content = content();
        let server = Server::start_tls(serving(serves, false), move |asked| content.answer(asked));
        let (_folder, store) = store();
        let told = Told::default();
        let error =
            pull::pull(&[request(&server.host())], &store, &RegistrySession::new(trusting(trusts)), &told)
                .unwrap_err()
                .to_string();
        assert!(error.contains(&format!("the certificate of {} {expected}", server.host())), "{error}");
        assert_eq!(told.retries.borrow().len(), 0, "{error}");
    }
}

#[test]
fn a_server_without_tls_is_said_to_be_one_at_once() {
    let plain = Server::start(|_| Answer::empty(400));
    let host = plain.host();
    let (_folder, store) = store();
    let told = Told::default();
    let error = pull::pull(&[request(&host)], &store, &RegistrySession::new(options([])), &told)
        .unwrap_err()
        .to_string();
    assert!(error.contains(&format!("{host} serves plain HTTP: add --plain-http {host}")), "{error}");
    assert_eq!((told.retries.borrow().len(), plain.paths().len()), (0, 0), "{error}");
    // A mirror is not named by an option.
    let mut options = options([]);
    options.mirrors.insert("registry.invalid".into(), vec![format!("https://{host}")]);
    let error = pulled("registry.invalid", &options).unwrap_err().to_string();
    assert!(
        error.contains(&format!("{host} serves plain HTTP: write the mirror as http://{host}")),
        "{error}"
    );
}

#[test]
fn a_client_certificate_is_shown_to_the_host_it_is_for_and_to_nobody_else() {
    // X.509 version 1, as old recipes make them.
    let own = HostTls {
        certificate_authorities: vec![file("authority.pem")],
        client_certificate: Some((file("version-1.pem"), file("version-1.key"))),
    };
    let well = content();
    let storage = Server::start_tls(serving("server", false), move |asked| well.answer(asked));
    let tokens = Server::start_tls(serving("server", false), |_| Answer::json(200, r#"{"token":"good"}"#));
    let (elsewhere, realm, well) = (storage.host(), tokens.host(), content());
    let registry =
        Server::start_tls(serving("server", true), move |asked| match asked.header("authorization") {
            "" => Answer::challenge([format!(r#"Bearer realm="https://{realm}/token""#)]),
            _ if asked.path.contains("/blobs/") => {
                Answer::redirect(307, format!("https://{elsewhere}{}", asked.path))
            }
            _ => well.answer(asked),
        });
    let host = registry.host();
    // The registry's authority is trusted where it leads: the others have none of their own.
    let full = RegistryOptions { tls: [(host.clone(), own.clone())].into(), ..options([]) };
    pulled(&host, &full).unwrap();
    assert_eq!(registry.secrets(), ["Bearer good", "certificate"]);
    assert_eq!((tokens.secrets(), storage.secrets()), (vec![], vec![]));

    // In the place where docker and skopeo look for it.
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join(&host);
    std::fs::create_dir(&place).unwrap();
    let put = |from: &str, to: &str| std::fs::copy(file(from), place.join(to)).map(drop).unwrap();
    put("authority.pem", "ca.crt");
    put("version-1.pem", "client.cert");
    put("version-1.key", "client.key");
    let missing = folder.path().join("none");
    let there = RegistryOptions { certificate_folders: vec![missing, folder.path().into()], ..options([]) };
    pulled(&host, &there).unwrap();
    assert_eq!(registry.secrets(), ["Bearer good", "certificate"]);
    assert_eq!((tokens.secrets(), storage.secrets()), (vec![], vec![]));
    for (lacks, expected) in
        [("client.key", "its key is missing"), ("client.cert", "its certificate (.cert) is missing")]
    {
        let kept = std::fs::read(place.join(lacks)).unwrap();
        std::fs::remove_file(place.join(lacks)).unwrap();
        let error = fault(pulled(&host, &there)).to_string();
        assert!(error.contains(expected), "{error}");
        std::fs::write(place.join(lacks), kept).unwrap();
    }

    // A server that demands one says so, or breaks the connection: its alert may come too late to be read.
    let without = RegistryOptions { attempts: 1, ..trusting("authority.pem") };
    let error = fault(pulled(&host, &without));
    let words = error.to_string();
    assert!(
        matches!(error, RegistryFault::Broken(_)) || words.contains("asks for a client certificate"),
        "{words}"
    );
    // A proxy that speaks TLS could ask for the certificate.
    let variables = [("HTTPS_PROXY".to_owned(), "https://proxy.invalid:3129".to_owned())].into();
    let through = RegistryOptions { proxies: Proxies::from_variables(&variables), ..full };
    let error = fault(pulled(&host, &through)).to_string();
    assert!(error.contains("the proxy proxy.invalid:3129 uses TLS"), "{error}");
    // A key that is another's is an error before anything is asked.
    let wrong =
        HostTls { client_certificate: Some((file("version-1.pem"), file("server.key"))), ..own.clone() };
    let wrong = RegistryOptions { tls: [("other.example".to_owned(), wrong)].into(), ..options([]) };
    assert!(matches!(fault(pulled(&host, &wrong)), RegistryFault::Configuration(_) | RegistryFault::Tls(_)));
    let wrong = HostTls { client_certificate: Some((file("server.pem"), file("version-1.key"))), ..own };
    let wrong = RegistryOptions { tls: [("other.example".to_owned(), wrong)].into(), ..options([]) };
    let error = fault(pulled(&host, &wrong)).to_string();
    assert!(error.contains("its key is not the one in"), "{error}");
}

#[test]
fn a_client_certificate_does_not_follow_an_upload() {
    let own = HostTls {
        certificate_authorities: vec![file("authority.pem")],
        client_certificate: Some((file("version-1.pem"), file("version-1.key"))),
    };
    let storage = Server::start_tls(serving("server", false), |_| Answer::empty(201));
    let elsewhere = storage.host();
    let registry = Server::start_tls(serving("server", true), move |asked| match &*asked.method {
        "POST" => Answer::empty(202).with("Location", format!("https://{elsewhere}{}1", asked.path)),
        "PUT" => Answer::empty(201),
        _ => Answer::empty(404),
    });
    let options = RegistryOptions { tls: [(registry.host(), own)].into(), ..options([]) };
    let (_folder, store) = store();
    let request = small_image(&store, &registry);
    images::push::push(&[request], store, &RegistrySession::new(options.clone()), &()).unwrap();
    assert_eq!(registry.secrets(), ["certificate"]);
    let asked = storage.asked();
    assert!(asked.len() == 1 && asked[0].body == b"{}" && asked[0].secrets().is_empty(), "{asked:?}");
}

/// Puts an image without layers, with the configuration `{}`, into the store, to be pushed to `registry`.
fn small_image(store: &images::Store, registry: &Server) -> images::push::PushRequest {
    let config = store.put(b"{}").unwrap();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "config": {"mediaType": "c", "digest": config, "size": 2}, "layers": [],
    });
    let digest = store.put(manifest.to_string().as_bytes()).unwrap();
    images::push::PushRequest { reference: format!("{}/a:1", registry.host()).parse().unwrap(), digest }
}

#[test]
fn nothing_leads_out_of_tls() {
    let plain = Arc::new(Server::start(|_| Answer::json(200, r#"{"token":"good"}"#)));
    let known = plain.clone();
    for asks in [false, true] {
        let (plain, own) = (known.host(), Arc::new(OnceLock::<String>::new()));
        let registry = Server::start_tls(serving("server", false), move |asked| {
            if asks {
                Answer::challenge([format!(r#"Bearer realm="http://{plain}/token""#)])
            } else {
                Answer::redirect(307, format!("http://{plain}{}", asked.path))
            }
        });
        own.set(registry.host()).unwrap();
        let login = Login::of(&[(registry.host(), r#"{"auth": "dTpw"}"#)]);
        let options = RegistryOptions { auth_files: login.files(), ..trusting("authority.pem") };
        let error = fault(pulled(&registry.host(), &options));
        assert!(matches!(error, RegistryFault::Redirect(_) | RegistryFault::Unauthorized(_)), "{error}");
        assert_eq!(registry.secrets(), Vec::<String>::new());
    }
    // An upload that a proxy with TLS before a registry without sends on to it.
    let plain_host = plain.host();
    let registry = Server::start_tls(serving("server", false), move |asked| match &*asked.method {
        "POST" => Answer::empty(202).with("Location", format!("http://{plain_host}{}1", asked.path)),
        _ => Answer::empty(404),
    });
    let (_folder, store) = store();
    let request = small_image(&store, &registry);
    let error = images::push::push(&[request], store, &RegistrySession::new(trusting("authority.pem")), &())
        .unwrap_err();
    assert!(matches!(*error.fault, RegistryFault::Redirect(_)), "{error}");
    assert!(plain.paths().is_empty());
}

#[test]
fn a_registry_on_loopback_is_reached_without_the_proxy() {
    let proxy = Server::start(|_| Answer::empty(502));
    let content = content();
    let server = Server::start(move |asked| content.answer(asked));
    let variables = |value: String| [("HTTP_PROXY".to_owned(), value)].into();
    let with = |value: String| RegistryOptions {
        proxies: Proxies::from_variables(&variables(value)),
        ..options([&server])
    };
    pulled(&server.host(), &with(format!("http://{}", proxy.host()))).unwrap();
    assert!(proxy.paths().is_empty());
    // What is not on loopback goes through it, with its password.
    let mut through = with(format!("http://u:p@{}", proxy.host()));
    through.plain_http.insert("registry.invalid".into());
    through.attempts = 1;
    pulled("registry.invalid", &through).unwrap_err();
    let asked = proxy.asked();
    assert!(asked[0].path.starts_with("http://registry.invalid/v2/"), "{asked:?}");
    assert_eq!(asked[0].header("proxy-authorization"), "Basic dTpw");
    // One that cannot be used is an error, not direct access.
    let error = fault(pulled(&server.host(), &with("http://u:hunter2@".into()))).to_string();
    assert!(error.contains("HTTP_PROXY") && !error.contains("hunter2"), "{error}");
    assert!(server.paths().iter().all(|path| path.starts_with("/v2/")));
}
