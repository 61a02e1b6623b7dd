package asw.interop;

import com.helger.collection.commons.ICommonsList;
import com.helger.http.header.HttpHeaderMap;
import com.helger.phase4.attachment.WSS4JAttachment;
import com.helger.phase4.ebms3header.Ebms3SignalMessage;
import com.helger.phase4.ebms3header.Ebms3UserMessage;
import com.helger.phase4.error.AS4ErrorList;
import com.helger.phase4.incoming.IAS4IncomingMessageMetadata;
import com.helger.phase4.incoming.IAS4IncomingMessageState;
import com.helger.phase4.incoming.spi.AS4MessageProcessorResult;
import com.helger.phase4.incoming.spi.AS4SignalMessageProcessorResult;
import com.helger.phase4.incoming.spi.IAS4IncomingMessageProcessorSPI;
import com.helger.phase4.model.error.EEbmsError;
import com.helger.phase4.model.pmode.IPMode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;
import org.w3c.dom.Node;

/** Keeps what arrives: each part in a numbered file of this peer's own naming, one line on standard output. */
final class Inbox implements IAS4IncomingMessageProcessorSPI {
  private final Path folder;
  private final boolean keep;
  private final Behaviour behaviour;
  private final AtomicInteger count;

  Inbox(Path folder, boolean keep, Behaviour behaviour) throws IOException {
    this.folder = Files.createDirectories(folder);
    this.keep = keep;
    this.behaviour = behaviour;
    try (var files = Files.list(folder)) {
      count = new AtomicInteger((int) files.count());
    }
  }

  @Override
  public AS4MessageProcessorResult processAS4UserMessage(
      IAS4IncomingMessageMetadata metadata, HttpHeaderMap headers, Ebms3UserMessage message, IPMode pmode, Node body,
      ICommonsList<WSS4JAttachment> parts, IAS4IncomingMessageState state, AS4ErrorList errors) {
    String messageId = message.getMessageInfo().getMessageId();
    Behaviour.Step step = behaviour.next();
    try {
      if (step != null && step.word().equals("refuse")) {
        Peer.say("refused", messageId);
        errors.add(EEbmsError.getFromErrorCodeOrNull(step.argument()).errorBuilder(Locale.US).refToMessageInError(messageId)
            .errorDetail("the peer was told to refuse this message").build());
        return AS4MessageProcessorResult.createFailure();
      }
      if (step != null && step.word().equals("hold-before"))
        Behaviour.waitForEver(messageId);
      if (keep)
        keep(message, parts, state);
      if (step != null && step.word().equals("hold-after"))
        Behaviour.waitForEver(messageId);
      if (step != null && step.word().equals("late"))
        Thread.sleep(Long.parseLong(step.argument()));
    } catch (IOException e) {
      return AS4MessageProcessorResult.createFailure();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return AS4MessageProcessorResult.createFailure();
    }
    return AS4MessageProcessorResult.createSuccess();
  }

  private void keep(Ebms3UserMessage message, ICommonsList<WSS4JAttachment> parts, IAS4IncomingMessageState state) throws IOException {
    int number = count.incrementAndGet();
    StringBuilder names = new StringBuilder();
    int part = 0;
    if (parts != null)
      for (WSS4JAttachment attachment : parts) {
        Path file = folder.resolve(number + "-" + ++part + ".part");
        try (InputStream in = attachment.getSourceStream()) {
          Files.copy(in, file, StandardCopyOption.REPLACE_EXISTING);
        }
        names.append(names.isEmpty() ? "" : ",").append(file);
      }
    Peer.say("received", message.getMessageInfo().getMessageId(), message.getCollaborationInfo().getAction(),
        (state.isSoapSignatureChecked() ? "signed" : "unsigned") + (state.isSoapDecrypted() ? "+encrypted" : ""), names.toString());
  }

  @Override
  public AS4SignalMessageProcessorResult processAS4SignalMessage(
      IAS4IncomingMessageMetadata metadata, HttpHeaderMap headers, Ebms3SignalMessage signal, IPMode pmode,
      IAS4IncomingMessageState state, AS4ErrorList errors) {
    return AS4SignalMessageProcessorResult.createSuccess();
  }

  @Override
  public void processAS4ResponseMessage(IAS4IncomingMessageMetadata metadata, IAS4IncomingMessageState state,
      String responseMessageId, byte[] response, boolean available, AS4ErrorList errors) {
    // the answer leaves by itself; nothing to keep
  }
}
