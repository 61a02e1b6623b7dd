package asw.interop;

import com.helger.phase4.CAS4;
import com.helger.phase4.attachment.IAS4IncomingAttachmentFactory;
import com.helger.phase4.crypto.AS4CryptoFactoryInMemoryKeyStore;
import com.helger.phase4.incoming.AS4IncomingProfileSelectorConstant;
import com.helger.phase4.incoming.AS4RequestHandler;
import com.helger.phase4.incoming.AS4ServerInitializer;
import com.helger.phase4.incoming.spi.IAS4IncomingMessageProcessorSPI;
import com.helger.phase4.model.pmode.PMode;
import com.helger.phase4.servlet.AS4UnifiedResponse;
import com.helger.phase4.servlet.AS4XServletHandler;
import com.helger.phase4.servlet.IAS4ServletRequestHandlerCustomizer;
import com.helger.collection.commons.CommonsArrayList;
import com.helger.http.EHttpMethod;
import com.helger.web.scope.IRequestWebScopeWithoutResponse;
import com.helger.web.scope.mgr.WebScopeManager;
import com.helger.web.scope.mgr.WebScoped;
import com.helger.xservlet.AbstractXServlet;
import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.util.Properties;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.SecureRequestCustomizer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.SslConnectionFactory;
import org.eclipse.jetty.util.ssl.SslContextFactory;

/**
 * A partner gateway that is not ours: phase4 on loopback with mutual TLS.
 *
 * Started with one argument, its settings file. Orders come line by line on standard input, what happens goes line by
 * line, tab separated, to standard output. Ends with its standard input.
 *
 * <pre>
 * send FILE              sent ID RESULT ERRORS RECEIPT SIGNATURE     (orders run beside each other)
 * resend SENT ANSWER     resent SENT STATUS                          the bytes of a wire file once more
 * next WORD [ARGUMENT]   how the inbox treats the next message, see Behaviour
 * flood FILE COUNT [SENDERS]   flooded RECEIPTED CPU_SECONDS SECONDS PER_SECOND
 * cpu                    cpu SECONDS                                 of this process so far
 * stop
 * </pre>
 *
 * Unasked: ready PORT, received ID ACTION SECURITY FILES, refused ID, holding ID, failed ORDER WHY.
 */
public final class Peer {
  private Peer() {}

  static synchronized void say(String... words) {
    System.out.println(String.join("\t", words));
    System.out.flush();
  }

  public static void main(String[] args) throws Exception {
    PeerSettings settings = new PeerSettings(Path.of(args[0]));
    System.setProperty("phase4.manager.inmemory", "true");
    System.setProperty("global.debug", "false");
    System.setProperty("global.production", "true");
    System.setProperty("global.datapath", settings.directory.resolve("phase4-data").toString());
    Files.createDirectories(settings.directory.resolve("phase4-data"));
    String password = settings.text("password");
    KeyStore signing = Keys.load(settings.path("keystore"), password);
    KeyStore trust = Keys.load(settings.path("truststore"), password);
    AS4CryptoFactoryInMemoryKeyStore keys =
        new AS4CryptoFactoryInMemoryKeyStore(signing, settings.text("alias"), password.toCharArray(), trust);
    AS4CryptoFactoryInMemoryKeyStore decryption = settings.text("decryption.keystore", "").isEmpty() ? keys
        : new AS4CryptoFactoryInMemoryKeyStore(decryptionStore(settings), settings.text("alias"), password.toCharArray(), trust);
    X509Certificate partner = (X509Certificate) trust.getCertificate("partner-encryption");
    Wire wire = Boolean.parseBoolean(settings.text("wire", "true")) ? new Wire(settings.directory.resolve("wire")) : null;
    Behaviour behaviour = new Behaviour();

    Server server = new Server();
    ServerConnector connector = connector(server, settings);
    server.addConnector(connector);
    ServletContextHandler context = new ServletContextHandler("/");
    server.setHandler(context);
    Inbox inbox = new Inbox(settings.directory.resolve("inbox"), Boolean.parseBoolean(settings.text("keep", "true")), behaviour);
    WebScopeManager.onGlobalBegin(context.getServletContext());
    AS4ServerInitializer.initAS4Server();
    PMode accepted;
    PMode tested;
    Outbox outbox;
    try (WebScoped scope = new WebScoped()) {
      boolean encrypt = Boolean.parseBoolean(settings.text("encrypt", "false"));
      accepted = Agreements.create("asw-in", settings, encrypt);
      tested = Agreements.test(settings, encrypt);
      outbox = new Outbox(settings, keys, decryption, new Connections(Keys.tls(settings, "tls.client.keystore"), 64), partner, wire);
    }
    context.addServlet(new ServletHolder(new Endpoint(customizer(keys, decryption, settings, accepted, tested, inbox, wire))), "/as4");
    server.start();
    say("ready", String.valueOf(connector.getLocalPort()));
    ExecutorService threads = Executors.newCachedThreadPool();
    try (BufferedReader orders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      String line;
      while ((line = orders.readLine()) != null && !line.equals("stop")) {
        String[] words = line.split(" ");
        if (words[0].equals("next"))
          behaviour.add(words[1], words.length > 2 ? words[2] : "");
        else
          threads.execute(() -> obey(words, outbox));
      }
    }
    threads.shutdownNow();
    server.stop();
    AS4ServerInitializer.shutdownAS4Server();
    WebScopeManager.onGlobalEnd();
    System.exit(0);
  }

  private static void obey(String[] words, Outbox outbox) {
    try (WebScoped scope = new WebScoped()) {
      switch (words[0]) {
        case "send" -> {
          Properties order = order(words[1]);
          Outbox.Sent sent = outbox.send(order, order.getProperty("message.id"));
          say("sent", order.getProperty("message.id"), sent.result().getID(), sent.errors(), sent.receipt(), sent.signature());
        }
        case "resend" -> say("resent", words[1], String.valueOf(outbox.resend(Path.of(words[1]), Path.of(words[2]))));
        case "flood" -> Flood.run(order(words[1]), Integer.parseInt(words[2]), words.length > 3 ? Integer.parseInt(words[3]) : 1, outbox);
        case "cpu" -> say("cpu", String.format("%.3f", Flood.cpuSeconds()));
        default -> throw new IllegalArgumentException("unknown order");
      }
    } catch (Exception e) {
      say("failed", String.join(" ", words), String.valueOf(e).replace('\n', ' '));
    }
  }

  private static Properties order(String file) throws Exception {
    Properties order = new Properties();
    try (InputStream in = Files.newInputStream(Path.of(file))) {
      order.load(in);
    }
    return order;
  }

  private static ServerConnector connector(Server server, PeerSettings settings) throws Exception {
    SslContextFactory.Server tls = new SslContextFactory.Server();
    tls.setSslContext(Keys.tls(settings, "tls.keystore"));
    tls.setNeedClientAuth(true);
    HttpConfiguration http = new HttpConfiguration();
    http.addCustomizer(new SecureRequestCustomizer(false));
    ServerConnector connector = new ServerConnector(server, new SslConnectionFactory(tls, "http/1.1"), new HttpConnectionFactory(http));
    connector.setHost("127.0.0.1");
    connector.setPort(Integer.parseInt(settings.text("port", "0")));
    return connector;
  }

  private static IAS4ServletRequestHandlerCustomizer customizer(
      AS4CryptoFactoryInMemoryKeyStore keys, AS4CryptoFactoryInMemoryKeyStore decryption, PeerSettings settings, PMode accepted, PMode tested,
      IAS4IncomingMessageProcessorSPI inbox, Wire wire) {
    return new IAS4ServletRequestHandlerCustomizer() {
      @Override
      public void customizeBeforeHandling(IRequestWebScopeWithoutResponse scope, AS4UnifiedResponse response, AS4RequestHandler handler) {
        handler.setCryptoFactorySign(keys);
        handler.setCryptoFactoryCrypt(decryption);
        handler.setIncomingSecurityConfiguration(Agreements.incoming(settings));
        if (wire != null)
          handler.setIncomingDumper(wire.incoming());
        handler.setPModeResolver((id, service, action, initiator, responder, agreement, address) ->
            CAS4.DEFAULT_SERVICE_URL.equals(service) && CAS4.DEFAULT_ACTION_URL.equals(action) ? tested : accepted);
        handler.setIncomingProfileSelector(new AS4IncomingProfileSelectorConstant(null, false));
        handler.setIncomingAttachmentFactory(IAS4IncomingAttachmentFactory.DEFAULT_INSTANCE);
        handler.setProcessorSupplier(() -> new CommonsArrayList<>(inbox));
      }

      @Override
      public void customizeAfterHandling(IRequestWebScopeWithoutResponse scope, AS4UnifiedResponse response, AS4RequestHandler handler) {
        // nothing is left open
      }
    };
  }

  private static KeyStore decryptionStore(PeerSettings settings) throws Exception {
    String name = settings.text("decryption.keystore");
    String password = settings.text("password");
    return name.endsWith(".p12") ? Keys.load(settings.path("decryption.keystore"), password)
        : Keys.fromPem(settings.path("decryption.keystore"), settings.path("decryption.certificate"), settings.text("alias"), password);
  }

  /** POST only; multipart bodies are phase4's own business. */
  static final class Endpoint extends AbstractXServlet {
    Endpoint(IAS4ServletRequestHandlerCustomizer customizer) {
      settings().setMultipartEnabled(false);
      handlerRegistry().registerHandler(EHttpMethod.POST, new AS4XServletHandler().setRequestHandlerCustomizer(customizer));
    }
  }

}
