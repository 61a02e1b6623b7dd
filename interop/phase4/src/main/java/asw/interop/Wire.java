package asw.interop;

import com.helger.http.header.HttpHeaderMap;
import com.helger.phase4.dump.AS4IncomingDumperFileBased;
import com.helger.phase4.dump.AbstractAS4OutgoingDumperWithHeaders;
import com.helger.phase4.incoming.IAS4IncomingMessageMetadata;
import com.helger.phase4.incoming.IAS4IncomingMessageState;
import com.helger.phase4.messaging.EAS4MessageMode;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Every byte that came in or went out, one numbered file a message: headers, an empty line, the body.
 *
 * in-NUMBER: what we were sent, or how we were answered. out-NUMBER: what we sent. A message is on disk before its
 * first byte leaves.
 */
final class Wire {
  private final Path folder;
  private final AtomicLong number;

  Wire(Path folder) throws IOException {
    this.folder = Files.createDirectories(folder);
    try (var files = Files.list(folder)) {
      number = new AtomicLong(files.count());
    }
  }

  AS4IncomingDumperFileBased incoming() {
    return new AS4IncomingDumperFileBased((metadata, headers) -> next(metadata.getMode() == EAS4MessageMode.REQUEST ? "request" : "answer"));
  }

  Outgoing outgoing() {
    return new Outgoing();
  }

  private File next(String what) {
    return folder.resolve(String.format("%06d-%s", number.incrementAndGet(), what)).toFile();
  }

  /** Requests only: our answers are phase4's business, theirs to us are ours. */
  final class Outgoing extends AbstractAS4OutgoingDumperWithHeaders<Outgoing> {
    @Override
    protected OutputStream openOutputStream(EAS4MessageMode mode, IAS4IncomingMessageMetadata metadata,
        IAS4IncomingMessageState state, String messageId, HttpHeaderMap headers, int attempt) throws IOException {
      if (mode != EAS4MessageMode.REQUEST)
        return null;
      return Files.newOutputStream(next("sent").toPath(), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    }
  }
}
