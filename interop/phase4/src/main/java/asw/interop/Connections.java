package asw.interop;

import com.helger.httpclient.HttpClientFactory;
import com.helger.httpclient.HttpClientSettings;
import java.io.IOException;
import javax.net.ssl.SSLContext;
import org.apache.hc.client5.http.config.ConnectionConfig;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.io.PoolingHttpClientConnectionManager;
import org.apache.hc.core5.http.ClassicHttpRequest;
import org.apache.hc.core5.http.HttpHost;
import org.apache.hc.core5.http.protocol.HttpContext;
import org.apache.hc.core5.io.CloseMode;
import org.apache.hc.core5.util.TimeValue;
import org.apache.hc.core5.util.Timeout;

/**
 * phase4 opens and closes an HTTP client for every message; this gives it one that lives on, so that TLS connections
 * are kept and a message does not pay for a handshake.
 */
final class Connections extends HttpClientFactory {
  private final CloseableHttpClient kept;

  Connections(SSLContext tls, int most) {
    super(settings(tls));
    PoolingHttpClientConnectionManager pool = (PoolingHttpClientConnectionManager) createConnectionManager(createTlsSocketStrategy());
    // As usual for a pool: what lay idle is tried before it is used, since the other side may have closed it.
    pool.setDefaultConnectionConfig(ConnectionConfig.custom().setConnectTimeout(Timeout.ofSeconds(5))
        .setValidateAfterInactivity(TimeValue.ofMilliseconds(200)).build());
    pool.setMaxTotal(most);
    pool.setDefaultMaxPerRoute(most);
    // A connection with a client certificate counts as one user's own and would not be used again otherwise.
    kept = createHttpClientBuilder().setConnectionManager(pool).disableConnectionState().build();
  }

  private static HttpClientSettings settings(SSLContext tls) {
    HttpClientSettings settings = new HttpClientSettings();
    settings.setSSLContext(tls);
    settings.setRetryCount(0);
    settings.setResponseTimeout(Timeout.ofSeconds(60));
    return settings;
  }

  @Override
  public CloseableHttpClient createHttpClient() {
    return new CloseableHttpClient() {
      @Override
      protected org.apache.hc.client5.http.impl.classic.CloseableHttpResponse doExecute(
          HttpHost target, ClassicHttpRequest request, HttpContext context) throws IOException {
        return kept.execute(target, request, context);
      }

      @Override
      public void close() {
        // the connections stay open for the next message
      }

      @Override
      public void close(CloseMode mode) {
        // the connections stay open for the next message
      }
    };
  }
}
