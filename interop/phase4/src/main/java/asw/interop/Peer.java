package asw.interop;

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
 * Started with one argument, its settings file. Orders come line by line on standard input ("send FILE", "flood FILE
 * COUNT", "stop"); what happens goes line by line, tab separated, to standard output. Ends with its standard input.
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
    X509Certificate partner = (X509Certificate) trust.getCertificate("partner");

    Server server = new Server();
    ServerConnector connector = connector(server, settings);
    server.addConnector(connector);
    ServletContextHandler context = new ServletContextHandler("/");
    server.setHandler(context);
    Inbox inbox = new Inbox(settings.directory.resolve("inbox"), Boolean.parseBoolean(settings.text("keep", "true")));
    WebScopeManager.onGlobalBegin(context.getServletContext());
    AS4ServerInitializer.initAS4Server();
    PMode accepted;
    try (WebScoped scope = new WebScoped()) {
      accepted = Agreements.create("asw-in", settings, false);
    }
    context.addServlet(new ServletHolder(new Endpoint(customizer(keys, accepted, inbox))), "/as4");
    server.start();
    say("ready", String.valueOf(connector.getLocalPort()));
    Outbox outbox;
    try (WebScoped scope = new WebScoped()) {
      outbox = new Outbox(settings, keys, Keys.tls(settings), partner);
    }
    try (BufferedReader orders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      String line;
      while ((line = orders.readLine()) != null && !line.equals("stop"))
        obey(line.split(" "), outbox);
    }
    server.stop();
    AS4ServerInitializer.shutdownAS4Server();
    WebScopeManager.onGlobalEnd();
  }

  private static void obey(String[] words, Outbox outbox) {
    try {
      Properties order = new Properties();
      try (InputStream in = Files.newInputStream(Path.of(words[1]))) {
        order.load(in);
      }
      try (WebScoped scope = new WebScoped()) {
        if (words[0].equals("send")) {
          say("sent", order.getProperty("message.id"), outbox.send(order));
        } else if (words[0].equals("flood")) {
          flood(order, Integer.parseInt(words[2]), outbox);
        }
      }
    } catch (Exception e) {
      say("failed", words.length > 1 ? words[1] : "", String.valueOf(e));
    }
  }

  /** Sends the same document many times under new ids: for measurement. Says how many and the CPU seconds used. */
  private static void flood(Properties order, int count, Outbox outbox) throws Exception {
    var system = (com.sun.management.OperatingSystemMXBean) java.lang.management.ManagementFactory.getOperatingSystemMXBean();
    String stem = order.getProperty("message.id");
    long cpu = system.getProcessCpuTime();
    long begin = System.nanoTime();
    int good = 0;
    for (int number = 0; number < count; number++) {
      order.setProperty("message.id", number + "-" + begin + "-" + stem);
      if (outbox.send(order).startsWith("success"))
        good++;
    }
    say("flooded", String.valueOf(good), String.valueOf((system.getProcessCpuTime() - cpu) / 1e9),
        String.valueOf((System.nanoTime() - begin) / 1e9));
  }

  private static ServerConnector connector(Server server, PeerSettings settings) throws Exception {
    SslContextFactory.Server tls = new SslContextFactory.Server();
    tls.setSslContext(Keys.tls(settings));
    tls.setNeedClientAuth(true);
    HttpConfiguration http = new HttpConfiguration();
    http.addCustomizer(new SecureRequestCustomizer(false));
    ServerConnector connector = new ServerConnector(server, new SslConnectionFactory(tls, "http/1.1"), new HttpConnectionFactory(http));
    connector.setHost("127.0.0.1");
    connector.setPort(Integer.parseInt(settings.text("port", "0")));
    return connector;
  }

  private static IAS4ServletRequestHandlerCustomizer customizer(
      AS4CryptoFactoryInMemoryKeyStore keys, PMode accepted, IAS4IncomingMessageProcessorSPI inbox) {
    return new IAS4ServletRequestHandlerCustomizer() {
      @Override
      public void customizeBeforeHandling(IRequestWebScopeWithoutResponse scope, AS4UnifiedResponse response, AS4RequestHandler handler) {
        handler.setCryptoFactory(keys);
        handler.setPModeResolver((id, service, action, initiator, responder, agreement, address) -> accepted);
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

  /** POST only; multipart bodies are phase4's own business. */
  static final class Endpoint extends AbstractXServlet {
    Endpoint(IAS4ServletRequestHandlerCustomizer customizer) {
      settings().setMultipartEnabled(false);
      handlerRegistry().registerHandler(EHttpMethod.POST, new AS4XServletHandler().setRequestHandlerCustomizer(customizer));
    }
  }

}
