package asw.interop;

import com.helger.mime.CMimeType;
import com.helger.mime.IMimeType;
import com.helger.phase4.attachment.AS4OutgoingAttachment;
import com.helger.phase4.crypto.AS4CryptoFactoryInMemoryKeyStore;
import com.helger.phase4.crypto.ICryptoSessionKeyProvider;
import com.helger.phase4.ebms3header.Ebms3Error;
import com.helger.phase4.incoming.AS4IncomingProfileSelectorConstant;
import com.helger.phase4.messaging.http.HttpRetrySettings;
import com.helger.phase4.model.MessageProperty;
import com.helger.phase4.model.pmode.PMode;
import com.helger.phase4.sender.AS4Sender;
import com.helger.phase4.sender.EAS4UserMessageSendResult;
import com.helger.phase4.sender.IAS4SignalMessageValidationResultHandler;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.Properties;
import org.apache.hc.client5.http.classic.methods.HttpPost;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.core5.http.io.entity.ByteArrayEntity;
import org.apache.hc.core5.http.io.entity.EntityUtils;

/** Sends one message per order. An order is a properties file: message.id, service, action, files, encrypt, … */
final class Outbox {
  private final PeerSettings settings;
  private final AS4CryptoFactoryInMemoryKeyStore signing;
  private final AS4CryptoFactoryInMemoryKeyStore decryption;
  private final Connections connections;
  private final Wire wire;
  private final PMode plain;
  private final PMode encrypted;
  private final PMode stronger;
  private final X509Certificate partner;

  Outbox(PeerSettings settings, AS4CryptoFactoryInMemoryKeyStore signing, AS4CryptoFactoryInMemoryKeyStore decryption,
      Connections connections, X509Certificate partner, Wire wire) {
    this.settings = settings;
    this.signing = signing;
    this.decryption = decryption;
    this.connections = connections;
    this.partner = partner;
    this.wire = wire;
    plain = Agreements.create("asw-out", settings, false);
    encrypted = Agreements.create("asw-out-encrypted", settings, true);
    stronger = Agreements.stronger("asw-out-stronger", settings);
  }

  /** What came of it: result, ebMS error codes, how the receipt compares with what was sent, its signature. */
  record Sent(EAS4UserMessageSendResult result, String errors, String receipt, String signature) {}

  Sent send(Properties order, String messageId) {
    boolean encrypt = Boolean.parseBoolean(order.getProperty("encrypt", "false"));
    HttpRetrySettings retries = new HttpRetrySettings();
    retries.setMaxRetries(Integer.parseInt(order.getProperty("retries", "0")));
    retries.setDurationBeforeRetry(Duration.ofMillis(500));
    StringBuilder errors = new StringBuilder();
    String[] receipt = {"", "unsigned"};
    AS4Sender.BuilderUserMessage builder = AS4Sender.builderUserMessage()
        .httpClientFactory(connections)
        .httpRetrySettings(retries)
        .cryptoFactorySign(signing)
        .cryptoFactoryCrypt(decryption)
        .as4ProfileID("edelivery-as4-1.15")
        .incomingProfileSelector(new AS4IncomingProfileSelectorConstant(null, false))
        .pmode(!encrypt ? plain : order.containsKey("content.encryption") ? stronger : encrypted)
        .withSigningParams(parameters -> Agreements.sign(parameters, settings, order))
        .withCryptParams(parameters -> Agreements.encrypt(parameters, settings))
        .messageID(messageId)
        .refToMessageID(order.getProperty("ref.to.message.id"))
        .agreementRef(order.getProperty("agreement", settings.text("agreement")))
        .service(order.getProperty("service.type"), order.getProperty("service"))
        .action(order.getProperty("action"))
        .conversationID(order.getProperty("conversation.id"))
        .fromPartyIDType(settings.text("party.type")).fromPartyID(settings.text("party.id"))
        .fromRole(settings.text("role"))
        .toPartyIDType(settings.text("partner.type")).toPartyID(settings.text("partner.id"))
        .toRole(settings.text("partner.role"))
        .endpointURL(settings.text("partner.address"))
        .signalMsgConsumer((signal, metadata, state) -> {
          receipt[1] = state.isSoapSignatureChecked() ? "signed" : "unsigned";
          if (signal.hasErrorEntries())
            for (Ebms3Error error : signal.getError())
              errors.append(errors.isEmpty() ? "" : ",").append(error.getErrorCode());
        })
        .signalMsgValidationResultHdl(new IAS4SignalMessageValidationResultHandler() {
          @Override
          public void onSuccess() {
            receipt[0] = "proves";
          }

          @Override
          public void onError(String message) {
            receipt[0] = "differs";
          }

          @Override
          public void onNotApplicable() {
            receipt[0] = "proves-nothing";
          }
        });
    if (wire != null)
      builder.outgoingDumper(wire.outgoing()).incomingDumper(wire.incoming());
    if (encrypt)
      builder.receiverCertificate(partner);
    if (order.containsKey("content.encryption")) // phase4's default key has 128 bits, whatever it announces
      builder.cryptParams().setSessionKeyProvider(ICryptoSessionKeyProvider.INSTANCE_RANDOM_AES_256);
    for (String name : order.stringPropertyNames())
      if (name.startsWith("property."))
        builder.addMessageProperty(MessageProperty.builder().name(name.substring(9)).value(order.getProperty(name)));
    addParts(builder, order);
    EAS4UserMessageSendResult result = builder.sendMessageAndCheckForReceipt();
    return new Sent(result, errors.toString(), receipt[0], receipt[1]);
  }

  private static void addParts(AS4Sender.BuilderUserMessage builder, Properties order) {
    String files = order.getProperty("files", "");
    if (files.isEmpty())
      return;
    IMimeType type = order.getProperty("mime.type", "xml").equals("binary") ? CMimeType.APPLICATION_OCTET_STREAM : CMimeType.APPLICATION_XML;
    boolean compress = Boolean.parseBoolean(order.getProperty("compress", "true"));
    boolean first = true;
    for (String name : files.split(",")) {
      AS4OutgoingAttachment.Builder part = AS4OutgoingAttachment.builder().data(Path.of(name).toFile()).mimeType(type);
      if (compress)
        part.compressionGZIP();
      if (first)
        builder.payload(part);
      else
        builder.addAttachment(part);
      first = false;
    }
  }

  /** Posts once more, byte for byte, what lies in a file of the wire. Tells the status; the answer goes to a file. */
  int resend(Path sent, Path answer) throws IOException {
    byte[] all = Files.readAllBytes(sent);
    int end = 0;
    while (!(all[end] == '\r' && all[end + 1] == '\n' && all[end + 2] == '\r' && all[end + 3] == '\n'))
      end++;
    HttpPost post = new HttpPost(settings.text("partner.address"));
    for (String line : new String(all, 0, end, StandardCharsets.ISO_8859_1).split("\r\n")) {
      int colon = line.indexOf(':');
      post.addHeader(line.substring(0, colon).trim(), line.substring(colon + 1).trim());
    }
    post.setEntity(new ByteArrayEntity(java.util.Arrays.copyOfRange(all, end + 4, all.length), null));
    CloseableHttpClient client = connections.createHttpClient();
    return client.execute(post, response -> {
      Files.write(answer, EntityUtils.toByteArray(response.getEntity()));
      return response.getCode();
    });
  }
}
