//! TLS with a real server: own certificates, client certificates, and what is said when they do not fit.

use std::{path::PathBuf, process::Command, sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, LockKey};
use lock_redis::{Password, Persistence, RedisConfig, RedisLock};
use tests::{
    redis_server::{RedisServer, free_port},
    require, require_tls,
};

use crate::{refused, rights::a_whole_life};

/// Certificates of one authority, in a folder of their own.
pub(crate) struct Papers(tempfile::TempDir);

impl Papers {
    pub(crate) fn issue() -> Self {
        let papers = Self(tempfile::tempdir().unwrap());
        papers.openssl(&[
            "req",
            "-x509",
            "-subj",
            "/CN=authority",
            "-days",
            "2",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
        ]);
        papers.sign("server", "subjectAltName=IP:127.0.0.1");
        papers.sign("client", "extendedKeyUsage=clientAuth");
        papers
    }

    fn openssl(&self, arguments: &[&str]) {
        let mut command = Command::new("openssl");
        if arguments[0] == "req" {
            command
                .args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
                .args(&arguments[1..]);
        } else {
            command.args(arguments);
        }
        let output = command.current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn sign(&self, name: &str, extension: &str) {
        let (key, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.crt"));
        std::fs::write(self.0.path().join("extensions"), extension).unwrap();
        self.openssl(&["req", "-subj", &format!("/CN={name}"), "-keyout", &key, "-out", &request]);
        let signs = ["x509", "-req", "-days", "2", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
        let what = ["-in", &request, "-out", &certificate, "-extfile", "extensions"];
        self.openssl(&[&signs[..], &what[..]].concat());
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A server that speaks TLS on this port.
    pub(crate) fn server(&self, port: u16, ask_clients: &str) -> RedisServer {
        let port = port.to_string();
        let files = self.options();
        let files = files.iter().map(String::as_str);
        let options: Vec<&str> =
            ["--tls-port", &port, "--tls-auth-clients", ask_clients].into_iter().chain(files).collect();
        RedisServer::start_with(&options)
    }

    /// A server's options for these papers.
    pub(crate) fn options(&self) -> Vec<String> {
        let files = [("cert", "server.crt"), ("key", "server.key"), ("ca-cert", "ca.crt")];
        files.map(|(what, name)| [format!("--tls-{what}-file"), self.file(name).display().to_string()]).concat()
    }
}

fn url(scheme: &str, host: &str, port: u16) -> RedisConfig {
    RedisConfig::parse(&format!("{scheme}://{host}:{port}")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_over_tls_and_a_server_that_is_not_trusted() {
    require!("redis-server", "redis-cli", "openssl");
    require_tls!();
    let (papers, port) = (Papers::issue(), free_port());
    let _server = papers.server(port, "no");
    let trusting = |host| {
        let mut config = url("rediss", host, port);
        config.tls.ca = Some(papers.file("ca.crt"));
        config
    };
    let lock: Arc<dyn DistributedLock> = Arc::new(RedisLock::open(trusting("127.0.0.1")).await.unwrap());
    let key = LockKey::new("k").unwrap();
    let guard = lock.acquire(&key, &AcquireOptions::default()).await.unwrap();
    guard.verify().await.unwrap();
    guard.release().await.unwrap();
    refused(url("rediss", "127.0.0.1", port), &["127.0.0.1", "is not trusted", "`redis.ca_file`", "UnknownIssuer"])
        .await;
    refused(trusting("localhost"), &["is not trusted", "name it as the certificate says", "127.0.0.1"]).await;
    refused(url("redis", "127.0.0.1", port), &["closed the connection", "use rediss://"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_for_a_client_s_certificate() {
    require!("redis-server", "redis-cli", "openssl");
    require_tls!();
    let (papers, port) = (Papers::issue(), free_port());
    let _server = papers.server(port, "yes");
    let mut config = url("rediss", "127.0.0.1", port);
    config.tls.ca = Some(papers.file("ca.crt"));
    refused(config.clone(), &["client's certificate", "`redis.cert_file`", "`redis.key_file`"]).await;
    let mut with = |certificate: &str| {
        config.tls.client = Some((papers.file(certificate), papers.file("client.key")));
        config.clone()
    };
    RedisLock::open(with("client.crt")).await.unwrap();
    refused(with("client.csr"), &["certificates or the key", "not usable PEM"]).await;
    refused(with("none.crt"), &["cannot read", "none.crt", "TLS"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_server_serves_the_documented_user() {
    require!("redis-server", "redis-cli", "openssl");
    require_tls!();
    let page = include_str!("../../../docs/deploy-redis.md");
    let settings = page.split("```conf\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let (papers, port) = (Papers::issue(), free_port());
    let settings = settings.replace("/etc/redis/tls", papers.0.path().to_str().unwrap());
    let settings = settings.replace("tls-port 6380", &format!("tls-port {port}")).replace("PASSWORD", "secret-word");
    // As the program's own options, behind those of the fixture.
    let lines = settings.lines().map(|line| line.split_once(' ').unwrap());
    let options: Vec<String> = lines
        .flat_map(|(name, values)| std::iter::once(format!("--{name}")).chain(values.split(' ').map(str::to_owned)))
        .collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let _server = RedisServer::start_with(&options);
    let mut config = url("rediss", "127.0.0.1", port);
    config.tls.ca = Some(papers.file("ca.crt"));
    refused(config.clone(), &["wants a password"]).await;
    (config.user, config.password) = (Some("talkstick".to_owned()), Some(Password::new("secret-word")));
    a_whole_life(config.clone()).await;
    let health = RedisLock::open(config).await.unwrap().health().await.unwrap();
    assert_eq!((health.persistence, health.eviction.as_str()), (Persistence::Log, "noeviction"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_speaks_no_tls() {
    require!("redis-server", "redis-cli");
    let (server, port) = (RedisServer::start(), free_port());
    assert_eq!(server.tell(&["CONFIG", "SET", "port", &port.to_string()]), "OK");
    let mut config = url("rediss", "127.0.0.1", port);
    config.timeout = Duration::from_millis(300);
    refused(config, &["did not answer", "speaks no TLS"]).await;
}
