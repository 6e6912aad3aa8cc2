-- Section III-B: Application protocols by ALPN
--
-- Question: Which application protocols do clients offer, and which do servers choose?
-- Population: active: servers whose TLS handshake completed, by what they chose of our offer. Passive: connections that
--   came to TLS, once for each protocol in the client's offer, and the servers they went to.
-- Note: The paper saw 2,703 connections to 6 servers that offered what Web browsers offer, on ports 993 and 110, and 1,881 to
--   780 servers of Apple's push service on port 5223. A choice in TLS 1.3 is encrypted: offers show in any version.
-- Needs: handshakes -> choosing_servers, choosing_servers_pct, of_servers
-- Needs: connections -> connections, connections_pct, of_connections, used_servers
-- Keys: protocol, alpn
-- Paper:
--   protocol | alpn | connections | used_servers
--   xmpps-client | apns-security | 1881 | 780

WITH active AS (
    SELECT protocol, tls_alpn AS alpn, count(*) AS servers FROM scan_results
    WHERE tls_version IS NOT NULL AND tls_alpn IS NOT NULL GROUP BY ALL
), secured AS (
    SELECT protocol, count(*) AS servers FROM scan_results WHERE tls_version IS NOT NULL GROUP BY ALL
), passive AS (
    SELECT protocol, alpn, count(*) AS connections, count(DISTINCT (server_ip, server_port)) AS used_servers
    FROM (SELECT protocol, server_ip, server_port, unnest(list_distinct(client_alpn)) AS alpn FROM monitored WHERE established)
    GROUP BY ALL
), used AS (
    SELECT protocol, count(*) AS connections FROM monitored WHERE established GROUP BY ALL
)
SELECT protocol, alpn, coalesce(active.servers, 0) AS choosing_servers,
       pct(coalesce(active.servers, 0), secured.servers) AS choosing_servers_pct, secured.servers AS of_servers,
       coalesce(passive.connections, 0) AS connections, pct(coalesce(passive.connections, 0), used.connections) AS connections_pct,
       used.connections AS of_connections, coalesce(used_servers, 0) AS used_servers
FROM active FULL JOIN passive USING (protocol, alpn) LEFT JOIN secured USING (protocol) LEFT JOIN used USING (protocol)
ORDER BY study_order(protocol), protocol, choosing_servers DESC, connections DESC, alpn;
