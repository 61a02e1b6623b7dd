package asw.interop;

import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;

/**
 * How the inbox treats the next messages, one entry each ("next WORD [ARGUMENT]" on standard input).
 *
 * hold-before, hold-after: stop for ever before or after the message is kept (somebody will kill us). late MILLIS: keep
 * it, then wait. refuse CODE: answer with that ebMS error.
 */
final class Behaviour {
  record Step(String word, String argument) {}

  private final ConcurrentLinkedQueue<Step> steps = new ConcurrentLinkedQueue<>();

  void add(String word, String argument) {
    steps.add(new Step(word, argument));
  }

  /** Null for an ordinary message. */
  Step next() {
    return steps.poll();
  }

  static void waitForEver(String messageId) throws InterruptedException {
    Peer.say("holding", messageId);
    new CountDownLatch(1).await();
  }
}
