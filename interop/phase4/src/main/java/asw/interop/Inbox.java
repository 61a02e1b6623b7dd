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
import com.helger.phase4.model.pmode.IPMode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.atomic.AtomicInteger;
import org.w3c.dom.Node;

/** Keeps what arrives: each part in a numbered file of this peer's own naming, one line on standard output. */
final class Inbox implements IAS4IncomingMessageProcessorSPI {
  private final Path folder;
  private final boolean keep;
  private final AtomicInteger count = new AtomicInteger();

  Inbox(Path folder, boolean keep) throws IOException {
    this.folder = Files.createDirectories(folder);
    this.keep = keep;
  }

  @Override
  public AS4MessageProcessorResult processAS4UserMessage(
      IAS4IncomingMessageMetadata metadata, HttpHeaderMap headers, Ebms3UserMessage message, IPMode pmode, Node body,
      ICommonsList<WSS4JAttachment> parts, IAS4IncomingMessageState state, AS4ErrorList errors) {
    int number = count.incrementAndGet();
    int part = 0;
    if (parts != null && keep) {
      for (WSS4JAttachment attachment : parts) {
        part++;
        try (InputStream in = attachment.getSourceStream()) {
          Files.copy(in, folder.resolve(number + "-" + part + ".part"), StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
          return AS4MessageProcessorResult.createFailure();
        }
      }
    }
    if (keep)
      Peer.say("received", String.valueOf(number), message.getMessageInfo().getMessageId(),
          message.getCollaborationInfo().getAction(), String.valueOf(part));
    return AS4MessageProcessorResult.createSuccess();
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
