//! A server in Java that is a TLS client too: of a server with a certificate authority of its own.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use thinjail_tests::client::{ask, listens, port_free};
use thinjail_tests::host::alone;
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, profiles, skip, wait};

use super::assert_filtered;

/// `/own` asks the TLS server and trusts its authority; `/host` trusts those of the host.
const MAIN: &str = r#"
import com.sun.net.httpserver.*;
import java.io.*; import java.net.*; import java.security.*; import javax.net.ssl.*;

public class Main {
    static String fetch(String store) {
        try {
            var connection = (HttpsURLConnection) new URL("https://localhost:8185/").openConnection();
            if (store != null) {
                var keys = KeyStore.getInstance(new File(store), "changeit".toCharArray());
                var trust = TrustManagerFactory.getInstance("PKIX");
                trust.init(keys);
                var context = SSLContext.getInstance("TLS");
                context.init(null, trust.getTrustManagers(), null);
                connection.setSSLSocketFactory(context.getSocketFactory());
            }
            var status = "status " + connection.getResponseCode();
            // The server talks to one client at a time.
            connection.disconnect();
            return status;
        } catch (Exception error) {
            return error.toString();
        }
    }

    public static void main(String[] args) throws Exception {
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", 8184), 0);
        server.createContext("/", exchange -> {
            var own = exchange.getRequestURI().getPath().equals("/own");
            var answer = fetch(own ? args[0] : null).getBytes();
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.start();
    }
}
"#;

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A tool of Java's, in no jail, that makes this file or directory. Where the processor is emulated it has crashed in code that its
/// JVM had compiled (SIGSEGV in SHA2.implCompress0): only an end by a signal is tried again.
fn tool(program: &str, args: &[&str], makes: &str) {
    for left in (0..3).rev() {
        let done = Command::new(program).args(args).stdin(Stdio::null()).output().unwrap();
        if done.status.success() {
            return;
        }
        assert!(done.status.signal().is_some() && left > 0, "{program} {args:?}: {done:?}");
        let _ = fs::remove_file(makes).or_else(|_| fs::remove_dir_all(makes));
    }
}

fn openssl(words: &str) {
    let words: Vec<_> = words.split(' ').collect();
    ask(Path::new("openssl"), &words);
}

/// A server on port 8185 with a certificate for `localhost`, signed by an authority that only trust.p12 knows.
fn tls_server(temp: &TempDir) -> Ended {
    let dir = temp.path().display();
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(&format!("req -x509 {new} -subj /CN=authority -keyout {dir}/ca.key -out {dir}/ca.pem"));
    let signed = format!("-CA {dir}/ca.pem -CAkey {dir}/ca.key -addext subjectAltName=DNS:localhost");
    openssl(&format!("req -x509 {new} {signed} -subj /CN=localhost -keyout {dir}/key.pem -out {dir}/cert.pem"));
    let import = ["-importcert", "-noprompt", "-storetype", "PKCS12", "-storepass", "changeit", "-alias", "own"];
    let trust = temp.at("app/trust.p12");
    tool("keytool", &[&import[..], &["-file", &temp.at("ca.pem"), "-keystore", &trust]].concat(), &trust);
    let mut server = Command::new("openssl");
    server.args([
        "s_server",
        "-quiet",
        "-www",
        "-accept",
        "127.0.0.1:8185",
        "-cert",
        &temp.at("cert.pem"),
        "-key",
        &temp.at("key.pem"),
    ]);
    let server = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait::until_true("the TLS server", || listens(8185));
    Ended(server)
}

#[test]
fn a_server_in_java_trusts_its_own_authority_and_knows_those_of_the_host() {
    need!(skip::namespaces());
    for program in ["javac", "jar", "keytool", "java", "openssl", "curl"] {
        need!(skip::program(program));
    }
    need!(skip::path("/usr/lib/jvm/java-17-openjdk-amd64"));
    let _alone = alone();
    need!(port_free(8184));
    need!(port_free(8185));
    let temp = TempDir::new();
    temp.dir("app");
    let source = temp.file("Main.java", MAIN);
    let home = "/usr/lib/jvm/java-17-openjdk-amd64";
    let (classes, jar) = (temp.at("classes"), temp.at("app/app.jar"));
    tool(&format!("{home}/bin/javac"), &["-nowarn", "-d", &classes, source.to_str().unwrap()], &classes);
    tool("jar", &["--create", "--file", &jar, "--main-class", "Main", "-C", &classes, "."], &jar);
    let _server = tls_server(&temp);
    let profile = profiles::replaced(profiles::JAVA, "app.jar\"", "app.jar /srv/app/trust.p12\"");
    let profile = profiles::replaced(&profile, "/srv/app", &temp.at("app"));
    let profile = profiles::replaced(&profile, "\"/usr/bin/java ", &format!("\"{home}/bin/java "));
    let profiles = temp.profile("java", &profile);

    let mut jail = thinjail(["run", "java"]).profiles(&profiles).spawn();
    jail.wait_until("the server in Java", |_| listens(8184).then_some(()));
    let get =
        |path: &str| ask(Path::new("curl"), &["-sS", "--max-time", "120", &format!("http://127.0.0.1:8184/{path}")]);
    assert_eq!(get("own"), "status 200");
    // Its list of authorities was read, which is at the end of a link out of the Java home: an empty one is another error.
    let refused = get("host");
    assert!(refused.contains("PKIX path building failed"), "{refused}");
    // A JVM that TERM ends says so.
    assert_filtered(&jail);
    jail.stop().expect_code(143);
}
