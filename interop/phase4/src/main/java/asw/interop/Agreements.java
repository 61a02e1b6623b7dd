package asw.interop;

import com.helger.base.state.ETriState;
import com.helger.phase4.CAS4;
import com.helger.phase4.crypto.AS4CryptParams;
import com.helger.phase4.crypto.AS4SigningParams;
import com.helger.phase4.crypto.ECryptoAlgorithmCrypt;
import com.helger.phase4.crypto.ECryptoAlgorithmSign;
import com.helger.phase4.crypto.ECryptoAlgorithmSignDigest;
import com.helger.phase4.crypto.ECryptoKeyIdentifierType;
import com.helger.phase4.incoming.crypto.AS4IncomingSecurityConfiguration;
import com.helger.phase4.incoming.crypto.IAS4IncomingSecurityConfiguration;
import com.helger.phase4.model.EMEP;
import com.helger.phase4.model.EMEPBinding;
import com.helger.phase4.model.pmode.PMode;
import com.helger.phase4.model.pmode.PModeParty;
import com.helger.phase4.model.pmode.PModeReceptionAwareness;
import com.helger.phase4.model.pmode.leg.EPModeSendReceiptReplyPattern;
import com.helger.phase4.model.pmode.leg.PModeLeg;
import com.helger.phase4.model.pmode.leg.PModeLegBusinessInformation;
import com.helger.phase4.model.pmode.leg.PModeLegErrorHandling;
import com.helger.phase4.model.pmode.leg.PModeLegProtocol;
import com.helger.phase4.model.pmode.leg.PModeLegSecurity;
import com.helger.phase4.wss.EWSSVersion;
import java.util.Properties;

/**
 * The P-Modes of the eDelivery AS4 1.15 Common Profile, One-Way/Push, synchronous signed receipt.
 *
 * phase4 looks up a message with RefToMessageId under leg 2, whatever the exchange pattern: answers of a gateway arrive
 * only where the P-Mode has one.
 */
final class Agreements {
  private Agreements() {}

  /** The eDelivery AS4 2.0 suite in place of that of 1.15. */
  private static boolean modern(PeerSettings settings) {
    return settings.text("suite", "edelivery-1.15").equals("edelivery-2.0");
  }

  /** How our certificate is named in the signature of a message, or of our receipts: `key.reference`. */
  static void sign(AS4SigningParams parameters, PeerSettings settings, Properties order) {
    String reference = order.getProperty("key.reference", settings.text("key.reference", ""));
    if (reference.equals("pkipath"))
      parameters.setKeyIdentifierType(ECryptoKeyIdentifierType.BST_DIRECT_REFERENCE).setUseSingleCertificate(false);
    else if (reference.equals("issuer-serial"))
      parameters.setKeyIdentifierType(ECryptoKeyIdentifierType.ISSUER_SERIAL);
    else if (reference.equals("ski"))
      parameters.setKeyIdentifierType(ECryptoKeyIdentifierType.SKI_KEY_IDENTIFIER);
    else if (reference.equals("thumbprint"))
      parameters.setKeyIdentifierType(ECryptoKeyIdentifierType.THUMBPRINT_IDENTIFIER);
    else if (!reference.isEmpty())
      throw new IllegalArgumentException("key.reference " + reference);
  }

  /** X25519, HKDF and AES key wrap in the 2.0 suite; RSA-OAEP, phase4's default, in the other. */
  static void encrypt(AS4CryptParams parameters, PeerSettings settings) {
    if (modern(settings))
      parameters.setEDelivery2KeyAgreementX25519().setKeyIdentifierType(ECryptoKeyIdentifierType.SKI_KEY_IDENTIFIER);
  }

  /** For what comes in, and for our receipts to it. */
  static IAS4IncomingSecurityConfiguration incoming(PeerSettings settings) {
    AS4SigningParams signing = new AS4SigningParams();
    sign(signing, settings, new Properties());
    AS4CryptParams encryption = new AS4CryptParams();
    encrypt(encryption, settings);
    return new AS4IncomingSecurityConfiguration().setSigningParams(signing).setCryptParams(encryption);
  }

  /** For the test service of the same agreement: phase4 recognises a ping by its P-Mode, not by the message. */
  static PMode test(PeerSettings settings, boolean encrypt) {
    return create("asw-test", settings, encrypt, CAS4.DEFAULT_SERVICE_URL, CAS4.DEFAULT_ACTION_URL);
  }

  /** For documents: any service and action. */
  static PMode create(String id, PeerSettings settings, boolean encrypt) {
    return create(id, settings, encrypt, null, null);
  }

  /** The same, encrypted with AES-256. */
  static PMode stronger(String id, PeerSettings settings) {
    PMode mode = create(id, settings, true);
    mode.getLeg1().getSecurity().setX509EncryptionAlgorithm(ECryptoAlgorithmCrypt.AES_256_GCM);
    return mode;
  }

  private static PMode create(String id, PeerSettings settings, boolean encrypt, String service, String action) {
    PModeLegSecurity security = new PModeLegSecurity();
    security.setWSSVersion(EWSSVersion.WSS_111);
    security.setX509SignatureAlgorithm(ECryptoAlgorithmSign.getFromIDOrThrow(settings.text("signature", "rsa-sha-256")));
    security.setX509SignatureHashFunction(ECryptoAlgorithmSignDigest.DIGEST_SHA_256);
    if (encrypt) {
      security.setX509EncryptionAlgorithm(ECryptoAlgorithmCrypt.AES_128_GCM);
      security.setX509EncryptionMinimumStrength(128);
    }
    security.setPModeAuthorize(false);
    security.setSendReceipt(true);
    security.setSendReceiptNonRepudiation(true);
    security.setSendReceiptReplyPattern(EPModeSendReceiptReplyPattern.RESPONSE);
    PModeLegErrorHandling errors = new PModeLegErrorHandling(null, null, ETriState.TRUE, ETriState.TRUE, ETriState.TRUE, ETriState.TRUE);
    PModeLeg leg = new PModeLeg(
        PModeLegProtocol.createForDefaultSoapVersion(settings.text("partner.address", null)),
        PModeLegBusinessInformation.create(service, action, null, CAS4.DEFAULT_MPC_ID),
        errors, null, security);
    return new PMode(id,
        new PModeParty(settings.text("party.type"), settings.text("party.id"), CAS4.DEFAULT_INITIATOR_URL, null, null),
        new PModeParty(settings.text("partner.type"), settings.text("partner.id"), CAS4.DEFAULT_RESPONDER_URL, null, null),
        settings.text("agreement"), EMEP.ONE_WAY, EMEPBinding.PUSH, leg, leg, null,
        new PModeReceptionAwareness(ETriState.TRUE, ETriState.TRUE, 0, 1000, ETriState.TRUE));
  }
}
