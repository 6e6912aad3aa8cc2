-- Figure 3: Forward secrecy by protocol
--
-- Question: Which classes of cipher suites are used on each port?
-- Population: active: servers whose TLS handshake completed. Passive: connections that came to TLS. In % of those of the
--   protocol.
-- Note: ECDHE and DHE are forward secret, and so is all of TLS 1.3, counted by its group; AES and RC4 are suites without
--   forward secrecy. The paper has passive connections only, as a figure without
--   numbers; its text says that up to 17 % of the connections of a port use RC4.
-- Needs: handshakes -> servers, servers_pct
-- Needs: connections -> connections, connections_pct
-- Keys: protocol, class
-- Order: class = ECDHE DHE AES RC4 other
-- Chart: stack x=protocol y=servers_pct by=class n=servers
-- Chart: stack x=protocol y=connections_pct by=class n=connections

WITH active AS (
    SELECT protocol, coalesce(tls_cipher_class, 'other') AS class, count(*) AS servers
    FROM scan_results WHERE tls_version IS NOT NULL GROUP BY ALL
), passive AS (
    SELECT protocol, coalesce(tls_cipher_class, 'other') AS class, count(*) AS connections
    FROM monitored WHERE established GROUP BY ALL
)
SELECT protocol, class,
       coalesce(servers, 0) AS servers,
       pct(coalesce(servers, 0), sum(servers) OVER (PARTITION BY protocol)) AS servers_pct,
       coalesce(connections, 0) AS connections,
       pct(coalesce(connections, 0), sum(connections) OVER (PARTITION BY protocol)) AS connections_pct
FROM active FULL JOIN passive USING (protocol, class)
ORDER BY study_order(protocol), protocol, list_position(['ECDHE', 'DHE', 'AES', 'RC4', 'other'], class);
