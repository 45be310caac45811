// java Sign.java SECONDS PATH...
import static java.nio.charset.StandardCharsets.UTF_8;

import java.net.URLEncoder;
import java.time.Instant;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Sign {
    static String link(String path, int seconds) throws Exception {
        long ts = Instant.now().getEpochSecond();
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(System.getenv("SECURE_LINK_SECRET").getBytes(UTF_8), "HmacSHA256"));
        byte[] tag = mac.doFinal((path + "|" + ts + "|" + seconds).getBytes(UTF_8));
        String st = Base64.getUrlEncoder().withoutPadding().encodeToString(tag);
        // URLEncoder is for forms, where a space is a plus. (URI.toASCIIString changes umlauts.)
        String encoded = URLEncoder.encode(path, UTF_8).replace("+", "%20").replace("%2F", "/");
        return encoded + "?st=" + st + "&ts=" + ts + "&e=" + seconds;
    }

    public static void main(String[] args) throws Exception {
        for (int i = 1; i < args.length; i++) {
            System.out.println(link(args[i], Integer.parseInt(args[0])));
        }
    }
}
