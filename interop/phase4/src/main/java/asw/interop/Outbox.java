package asw.interop;

import com.helger.httpclient.HttpClientSettings;
import com.helger.phase4.attachment.AS4OutgoingAttachment;
import com.helger.phase4.crypto.AS4CryptoFactoryInMemoryKeyStore;
import com.helger.phase4.incoming.AS4IncomingProfileSelectorConstant;
import com.helger.phase4.model.pmode.PMode;
import com.helger.phase4.ebms3header.Ebms3Error;
import com.helger.phase4.sender.AS4Sender;
import com.helger.phase4.sender.EAS4UserMessageSendResult;
import com.helger.mime.CMimeType;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.util.Properties;
import javax.net.ssl.SSLContext;

/** Sends one message per order. An order is a properties file: message id, action, files, encrypt, compress. */
final class Outbox {
  private final PeerSettings settings;
  private final AS4CryptoFactoryInMemoryKeyStore keys;
  private final SSLContext tls;
  private final PMode plain;
  private final PMode encrypted;
  private final X509Certificate partner;

  Outbox(PeerSettings settings, AS4CryptoFactoryInMemoryKeyStore keys, SSLContext tls, X509Certificate partner) {
    this.settings = settings;
    this.keys = keys;
    this.tls = tls;
    this.partner = partner;
    plain = Agreements.create("asw-out", settings, false);
    encrypted = Agreements.create("asw-out-encrypted", settings, true);
  }

  String send(Properties order) throws Exception {
    boolean encrypt = Boolean.parseBoolean(order.getProperty("encrypt", "false"));
    HttpClientSettings http = new HttpClientSettings();
    http.setSSLContext(tls);
    AS4Sender.BuilderUserMessage builder = AS4Sender.builderUserMessage()
        .httpClientFactory(http)
        .cryptoFactory(keys)
        .as4ProfileID("edelivery-as4-1.15")
        .incomingProfileSelector(new AS4IncomingProfileSelectorConstant(null, false))
        .pmode(encrypt ? encrypted : plain)
        .messageID(order.getProperty("message.id"))
        .refToMessageID(order.getProperty("ref.to.message.id"))
        .agreementRef(settings.text("agreement"))
        .service(order.getProperty("service.type"), order.getProperty("service"))
        .action(order.getProperty("action"))
        .conversationID(order.getProperty("conversation.id"))
        .fromPartyIDType(settings.text("party.type")).fromPartyID(settings.text("party.id"))
        .fromRole(settings.text("role"))
        .toPartyIDType(settings.text("partner.type")).toPartyID(settings.text("partner.id"))
        .toRole(settings.text("partner.role"))
        .endpointURL(order.getProperty("address", settings.text("partner.address", null)));
    if (encrypt)
      builder.receiverCertificate(partner);
    boolean first = true;
    for (String name : order.getProperty("files").split(",")) {
      AS4OutgoingAttachment.Builder part = AS4OutgoingAttachment.builder()
          .data(Path.of(name).toFile()).mimeType(CMimeType.APPLICATION_XML);
      if (Boolean.parseBoolean(order.getProperty("compress", "true")))
        part.compressionGZIP();
      if (first)
        builder.payload(part);
      else
        builder.addAttachment(part);
      first = false;
    }
    StringBuilder errors = new StringBuilder();
    builder.signalMsgConsumer((signal, metadata, state) -> {
      if (signal.hasErrorEntries())
        for (Ebms3Error error : signal.getError())
          errors.append(error.getErrorCode()).append(' ');
    });
    EAS4UserMessageSendResult result = builder.sendMessageAndCheckForReceipt();
    return result.getID() + "\t" + errors.toString().trim();
  }
}
