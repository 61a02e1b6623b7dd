package asw.interop;

import com.helger.phase4.sender.EAS4UserMessageSendResult;
import com.helger.web.scope.mgr.WebScoped;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/** For measurement: one document many times under new message ids, over kept connections, by several senders. */
final class Flood {
  private Flood() {}

  /** Says: flooded, how many were receipted, CPU seconds of this process, seconds, how many messages a second. */
  static void run(Properties order, int count, int senders, Outbox outbox) throws InterruptedException {
    String stem = order.getProperty("message.id");
    AtomicInteger next = new AtomicInteger();
    AtomicInteger good = new AtomicInteger();
    CountDownLatch ended = new CountDownLatch(senders);
    ExecutorService threads = Executors.newFixedThreadPool(senders);
    double cpu = cpuSeconds();
    long begin = System.nanoTime();
    for (int sender = 0; sender < senders; sender++)
      threads.execute(() -> {
        try {
          for (int number = next.getAndIncrement(); number < count; number = next.getAndIncrement())
            try (WebScoped scope = new WebScoped()) {
              if (outbox.send(order, number + "-" + begin + "-" + stem).result() == EAS4UserMessageSendResult.SUCCESS)
                good.incrementAndGet();
            }
        } finally {
          ended.countDown();
        }
      });
    ended.await();
    double seconds = (System.nanoTime() - begin) / 1e9;
    threads.shutdown();
    Peer.say("flooded", String.valueOf(good.get()), String.format("%.3f", cpuSeconds() - cpu),
        String.format("%.3f", seconds), String.format("%.1f", good.get() / seconds));
  }

  static double cpuSeconds() {
    var system = (com.sun.management.OperatingSystemMXBean) java.lang.management.ManagementFactory.getOperatingSystemMXBean();
    return system.getProcessCpuTime() / 1e9;
  }
}
