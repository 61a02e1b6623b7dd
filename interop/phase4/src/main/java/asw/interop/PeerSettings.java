package asw.interop;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/** What one peer is told: who it is, whom it talks to, where its keys lie. Read once from a properties file. */
final class PeerSettings {
  private final Properties values = new Properties();
  final Path directory;

  PeerSettings(Path file) throws IOException {
    directory = file.toAbsolutePath().getParent();
    try (InputStream in = Files.newInputStream(file)) {
      values.load(in);
    }
  }

  String text(String key) {
    String value = values.getProperty(key);
    if (value == null)
      throw new IllegalArgumentException("peer settings: " + key + " is missing");
    return value;
  }

  String text(String key, String otherwise) {
    return values.getProperty(key, otherwise);
  }

  int number(String key) {
    return Integer.parseInt(text(key));
  }

  Path path(String key) {
    return directory.resolve(text(key));
  }
}
