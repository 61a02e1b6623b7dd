import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.security.Provider;
import java.security.PublicKey;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.AlgorithmParameterSpec;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.xml.crypto.AlgorithmMethod;
import javax.xml.crypto.Data;
import javax.xml.crypto.KeySelector;
import javax.xml.crypto.KeySelectorResult;
import javax.xml.crypto.MarshalException;
import javax.xml.crypto.OctetStreamData;
import javax.xml.crypto.URIDereferencer;
import javax.xml.crypto.XMLCryptoContext;
import javax.xml.crypto.XMLStructure;
import javax.xml.crypto.dom.DOMStructure;
import javax.xml.crypto.dsig.CanonicalizationMethod;
import javax.xml.crypto.dsig.Reference;
import javax.xml.crypto.dsig.TransformException;
import javax.xml.crypto.dsig.TransformService;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.crypto.dsig.keyinfo.KeyInfo;
import javax.xml.crypto.dsig.spec.C14NMethodParameterSpec;
import javax.xml.crypto.dsig.spec.TransformParameterSpec;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/**
 * Verifies XML signatures with the JDK's own engine, so that nothing of the gateway checks only itself.
 *
 * <p>Usage: java VerifySignature.java DIRECTORY... where each directory holds
 * document.xml (a SOAP envelope or a sealed document), certificate.pem (the signer's), and, for parts, parts.tsv with
 * a line "content-id TAB content-type TAB file name" each. Prints one line a directory:
 * "valid NAME URI,URI,..." or "invalid NAME reason"; the exit status is 1 when any is invalid.
 */
public final class VerifySignature {
    private static final String DS = XMLSignature.XMLNS;
    private static final String WSU =
        "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
    private static final String CONTENT_TRANSFORM =
        "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Signature-Transform";

    private VerifySignature() {
    }

    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new SwaProvider());
        boolean allValid = true;
        for (String argument : arguments) {
            Path directory = Path.of(argument);
            String verdict;
            try {
                verdict = "valid " + directory.getFileName() + " " + String.join(",", verify(directory));
            } catch (Exception fault) {
                allValid = false;
                verdict = "invalid " + directory.getFileName() + " " + String.valueOf(fault.getMessage())
                    .replace('\n', ' ');
            }
            System.out.println(verdict);
        }
        System.exit(allValid ? 0 : 1);
    }

    private static List<String> verify(Path directory) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        Document document;
        try (InputStream input = Files.newInputStream(directory.resolve("document.xml"))) {
            document = factory.newDocumentBuilder().parse(input);
        }
        NodeList signatures = document.getElementsByTagNameNS(DS, "Signature");
        if (signatures.getLength() != 1) {
            throw new IllegalArgumentException(signatures.getLength() + " signatures");
        }
        PublicKey key;
        try (InputStream input = Files.newInputStream(directory.resolve("certificate.pem"))) {
            key = ((X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(input))
                .getPublicKey();
        }
        DOMValidateContext context = new DOMValidateContext(new PinnedKey(key), signatures.item(0));
        NodeList elements = document.getElementsByTagName("*");
        for (int index = 0; index < elements.getLength(); index++) {
            Element element = (Element) elements.item(index);
            if (element.hasAttributeNS(WSU, "Id")) {
                context.setIdAttributeNS(element, WSU, "Id");
            }
        }
        XMLSignatureFactory signatureFactory = XMLSignatureFactory.getInstance("DOM");
        URIDereferencer usual = signatureFactory.getURIDereferencer();
        Map<String, String[]> parts = parts(directory);
        context.setURIDereferencer((reference, cryptoContext) -> {
            String uri = reference.getURI();
            if (uri == null || !uri.startsWith("cid:")) {
                return usual.dereference(reference, cryptoContext);
            }
            String[] part = parts.get(uri.substring(4));
            if (part == null) {
                throw new javax.xml.crypto.URIReferenceException("no part " + uri);
            }
            try {
                byte[] content = Files.readAllBytes(directory.resolve(part[1]));
                return new OctetStreamData(new ByteArrayInputStream(content), uri, part[0]);
            } catch (java.io.IOException fault) {
                throw new javax.xml.crypto.URIReferenceException(fault);
            }
        });
        XMLSignature signature = signatureFactory.unmarshalXMLSignature(context);
        if (!signature.getSignatureValue().validate(context)) {
            throw new IllegalArgumentException("signature value");
        }
        List<String> uris = new ArrayList<>();
        for (Object item : signature.getSignedInfo().getReferences()) {
            Reference reference = (Reference) item;
            if (!reference.validate(context)) {
                throw new IllegalArgumentException("digest of " + reference.getURI());
            }
            uris.add(reference.getURI().isEmpty() ? "(document)" : reference.getURI());
        }
        return uris;
    }

    private static Map<String, String[]> parts(Path directory) throws Exception {
        Map<String, String[]> parts = new HashMap<>();
        Path list = directory.resolve("parts.tsv");
        if (Files.exists(list)) {
            for (String line : Files.readAllLines(list)) {
                String[] columns = line.split("\t");
                parts.put(columns[0], new String[] {columns[1], columns[2]});
            }
        }
        return parts;
    }

    private static final class PinnedKey extends KeySelector {
        private final PublicKey key;

        PinnedKey(PublicKey key) {
            this.key = key;
        }

        @Override
        public KeySelectorResult select(
                KeyInfo info, KeySelector.Purpose purpose, AlgorithmMethod method, XMLCryptoContext context) {
            return () -> (Key) key;
        }
    }

    /** Offers the SOAP-with-attachments content transform, which the JDK does not know. */
    public static final class SwaProvider extends Provider {
        private static final long serialVersionUID = 1L;

        public SwaProvider() {
            super("SwaTransform", "1", "SwA attachment content transform");
            Map<String, String> attributes = new HashMap<>();
            attributes.put("MechanismType", "DOM");
            putService(new Service(this, "TransformService", CONTENT_TRANSFORM,
                ContentTransform.class.getName(), List.of(), attributes) {
                @Override
                public Object newInstance(Object parameter) {
                    return new ContentTransform();
                }
            });
        }
    }

    /** The part's Content-Type decides: XML is canonicalised, other text gets CRLF, anything else stays. */
    public static final class ContentTransform extends TransformService {
        @Override
        public void init(TransformParameterSpec parameters) {
        }

        @Override
        public void init(XMLStructure parent, XMLCryptoContext context) {
        }

        @Override
        public void marshalParams(XMLStructure parent, XMLCryptoContext context) throws MarshalException {
            if (!(parent instanceof DOMStructure)) {
                throw new MarshalException("not a DOM structure");
            }
        }

        @Override
        public AlgorithmParameterSpec getParameterSpec() {
            return null;
        }

        @Override
        public boolean isFeatureSupported(String feature) {
            return false;
        }

        @Override
        public Data transform(Data data, XMLCryptoContext context) throws TransformException {
            OctetStreamData octets = (OctetStreamData) data;
            String type = octets.getMimeType().split(";")[0].trim().toLowerCase();
            try {
                if (type.equals("text/xml") || type.equals("application/xml") || type.endsWith("+xml")) {
                    XMLSignatureFactory factory = XMLSignatureFactory.getInstance("DOM");
                    return factory.newCanonicalizationMethod(
                        CanonicalizationMethod.EXCLUSIVE, (C14NMethodParameterSpec) null).transform(data, context);
                }
                if (type.startsWith("text/")) {
                    String text = new String(octets.getOctetStream().readAllBytes(), StandardCharsets.ISO_8859_1);
                    String lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n");
                    return new OctetStreamData(
                        new ByteArrayInputStream(lines.getBytes(StandardCharsets.ISO_8859_1)));
                }
                return octets;
            } catch (Exception fault) {
                throw new TransformException(fault);
            }
        }

        @Override
        public Data transform(Data data, XMLCryptoContext context, java.io.OutputStream output)
                throws TransformException {
            return transform(data, context);
        }
    }
}
