package asw.interop;

import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Key stores (PKCS#12, one throw-away password for all) and the TLS context made from them. */
final class Keys {
  private Keys() {}

  static KeyStore load(Path file, String password) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(file)) {
      store.load(in, password.toCharArray());
    }
    return store;
  }

  /** A store of one key under `alias`, from PEM files: for kinds of keys that PKCS#12 writers leave out. */
  static KeyStore fromPem(Path keyFile, Path certificateFile, String alias, String password) throws Exception {
    String pem = Files.readString(keyFile).replaceAll("-----[A-Z ]+-----", "");
    PrivateKey key = KeyFactory.getInstance("XDH").generatePrivate(new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(pem)));
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    try (InputStream in = Files.newInputStream(certificateFile)) {
      Certificate certificate = CertificateFactory.getInstance("X.509").generateCertificate(in);
      store.setKeyEntry(alias, key, password.toCharArray(), new Certificate[] {certificate});
    }
    return store;
  }

  static SSLContext tls(PeerSettings settings, String keyStore) throws Exception {
    String password = settings.text("password");
    KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(load(settings.path(keyStore), password), password.toCharArray());
    TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(load(settings.path("truststore"), password));
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    return context;
  }
}
