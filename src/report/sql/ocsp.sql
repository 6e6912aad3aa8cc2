-- Section III-B: Stapled OCSP responses
--
-- Question: How many servers staple an OCSP response, and what does it say?
-- Population: active: servers whose TLS handshake completed; good, revoked and other status are of those that stapled.
--   Passive: connections that came to TLS and in which stapling could be seen (not TLS 1.3), and their servers.
-- Needs: handshakes -> servers, stapling, stapling_pct, good, revoked, other_status
-- Needs: connections -> connections, stapled_connections, stapled_connections_pct, stapling_used_servers
-- Keys: protocol
-- Paper:
--   protocol | stapled_connections | stapling_used_servers
--   imaps | 706 | 58
--   all | 836 | 64

WITH active AS (
    SELECT coalesce(protocol, 'all') AS protocol, count(*) AS servers, count(*) FILTER (tls_ocsp) AS stapling,
           count(*) FILTER (tls_ocsp AND tls_ocsp_status = 'good') AS good,
           count(*) FILTER (tls_ocsp AND tls_ocsp_status = 'revoked') AS revoked,
           count(*) FILTER (tls_ocsp AND coalesce(tls_ocsp_status, '') NOT IN ('good', 'revoked')) AS other_status
    FROM scan_results WHERE tls_version IS NOT NULL GROUP BY ROLLUP (scan_results.protocol)
), passive AS (
    SELECT coalesce(protocol, 'all') AS protocol, count(*) AS connections,
           count(*) FILTER (tls_ocsp) AS stapled_connections,
           count(DISTINCT (server_ip, server_port)) FILTER (tls_ocsp) AS stapling_used_servers
    FROM monitored WHERE established AND tls_ocsp IS NOT NULL GROUP BY ROLLUP (monitored.protocol)
)
SELECT protocol, servers, stapling, pct(stapling, servers) AS stapling_pct, good, revoked, other_status,
       connections, stapled_connections, pct(stapled_connections, connections) AS stapled_connections_pct,
       stapling_used_servers
FROM active FULL JOIN passive USING (protocol)
WHERE greatest(servers, connections) > 0
ORDER BY study_order(protocol), protocol = 'all', protocol;
