package asw.interop;

import com.helger.base.state.ETriState;
import com.helger.phase4.CAS4;
import com.helger.phase4.crypto.ECryptoAlgorithmCrypt;
import com.helger.phase4.crypto.ECryptoAlgorithmSign;
import com.helger.phase4.crypto.ECryptoAlgorithmSignDigest;
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

/**
 * The P-Modes of the eDelivery AS4 1.15 Common Profile, One-Way/Push, synchronous signed receipt.
 *
 * phase4 looks up a message with RefToMessageId under leg 2, whatever the exchange pattern: answers of a gateway arrive
 * only where the P-Mode has one.
 */
final class Agreements {
  private Agreements() {}

  /** For the test service of the same agreement: phase4 recognises a ping by its P-Mode, not by the message. */
  static PMode test(PeerSettings settings, boolean encrypt) {
    return create("asw-test", settings, encrypt, CAS4.DEFAULT_SERVICE_URL, CAS4.DEFAULT_ACTION_URL);
  }

  /** For documents: any service and action. */
  static PMode create(String id, PeerSettings settings, boolean encrypt) {
    return create(id, settings, encrypt, null, null);
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
