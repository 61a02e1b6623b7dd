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

/** The P-Mode of the eDelivery AS4 1.15 Common Profile, One-Way/Push, synchronous signed receipt. */
final class Agreements {
  private Agreements() {}

  static PMode create(String id, PeerSettings settings, boolean encrypt) {
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
        PModeLegBusinessInformation.create(null, CAS4.DEFAULT_ACTION_URL, null, CAS4.DEFAULT_MPC_ID),
        errors, null, security);
    return new PMode(id,
        new PModeParty(settings.text("party.type"), settings.text("party.id"), CAS4.DEFAULT_INITIATOR_URL, null, null),
        new PModeParty(settings.text("partner.type"), settings.text("partner.id"), CAS4.DEFAULT_RESPONDER_URL, null, null),
        settings.text("agreement"), EMEP.ONE_WAY, EMEPBinding.PUSH, leg, null, null,
        new PModeReceptionAwareness(ETriState.TRUE, ETriState.TRUE, 0, 1000, ETriState.TRUE));
  }
}
