import java.io.*;
import java.security.KeyStore;
import java.security.Security;
import javax.net.ssl.*;

/** TLS echo servers of SunJSSE: arguments KEYSTORE, then PORT PROTOCOL SUITE for each; says "ready". */
public class Server {
    public static void main(String[] args) throws Exception {
        Security.setProperty("jdk.tls.disabledAlgorithms", "");
        Security.setProperty("jdk.tls.legacyAlgorithms", "");
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(new FileInputStream(args[0]), "changeit".toCharArray());
        KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
        keys.init(store, "changeit".toCharArray());
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        for (int i = 1; i + 2 < args.length; i += 3) {
            SSLServerSocket server = (SSLServerSocket) context.getServerSocketFactory()
                .createServerSocket(Integer.parseInt(args[i]), 16, java.net.InetAddress.getLoopbackAddress());
            server.setEnabledProtocols(new String[] {args[i + 1]});
            server.setEnabledCipherSuites(new String[] {args[i + 2]});
            new Thread(() -> serve(server)).start();
        }
        System.out.println("ready");
    }

    static void serve(SSLServerSocket server) {
        while (true) {
            try (SSLSocket socket = (SSLSocket) server.accept()) {
                BufferedReader in = new BufferedReader(new InputStreamReader(socket.getInputStream()));
                OutputStream out = socket.getOutputStream();
                for (String line = in.readLine(); line != null; line = in.readLine()) {
                    out.write((line + "\n").getBytes());
                    out.flush();
                }
            } catch (IOException error) {
                System.err.println(server.getEnabledCipherSuites()[0] + ": " + error);
            }
        }
    }
}
