-- Table IV: Versions of SSL and TLS
--
-- Question: Which version is negotiated with servers, and which is used?
-- Population: active: servers whose TLS handshake completed; a server is an address and a port. Passive: connections
--   that came to TLS.
-- Note: The active scan offers the newest versions first, and SSL 3 only to servers that take nothing else.
-- Needs: handshakes -> servers, servers_pct
-- Needs: connections -> connections, connections_pct
-- Keys: version
-- Order: version
-- Chart: sources x=version y=servers_pct n=servers
-- Chart: sources x=version y=connections_pct n=connections
-- Paper:
--   version | servers_pct | connections_pct
--   SSLv3 | 0.02 | 1.74
--   TLSv1.0 | 39.26 | 58.79
--   TLSv1.1 | 0.23 | 0.1
--   TLSv1.2 | 60.48 | 39.37

WITH active AS (
    SELECT tls_version AS version, count(*) AS servers FROM scan_results WHERE tls_version IS NOT NULL GROUP BY ALL
), passive AS (
    SELECT tls_version AS version, count(*) AS connections FROM monitored WHERE established GROUP BY ALL
)
SELECT coalesce(version, 'not seen') AS version,
       coalesce(servers, 0) AS servers, pct(coalesce(servers, 0), sum(servers) OVER ()) AS servers_pct,
       coalesce(connections, 0) AS connections, pct(coalesce(connections, 0), sum(connections) OVER ()) AS connections_pct
FROM active FULL JOIN passive USING (version)
ORDER BY version;
