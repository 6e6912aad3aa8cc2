-- Beyond the paper: Autonomous systems with most servers
--
-- Question: Where are the servers, and how many of them come to TLS?
-- Population: active: targets that answered. Passive: servers (address and port) of monitored connections over IPv4. By the AS
--   that announces their address, of several the one that most peers of the collector see. AS 0 stands for none.
-- Needs: handshakes -> servers, tls, tls_pct
-- Needs: connections -> used_servers, used_tls, used_tls_pct
-- Needs: prefixes
-- Needs: as_names -> registration
-- Needs: as_ranks -> rank
-- Keys: asn

WITH places AS (
    SELECT true AS active, ip, tls_version IS NOT NULL AS secured FROM scan_results
    UNION ALL
    SELECT false, server_ipv4, bool_or(coalesce(established, false))
    FROM monitored WHERE server_ipv4 IS NOT NULL GROUP BY server_ipv4, server_port
), located AS (
    SELECT active, secured, coalesce(CASE WHEN ip <= last_ip THEN origin_as END, 0) AS asn
    FROM places ASOF LEFT JOIN prefixes ON ip >= first_ip
)
SELECT asn, any_value(name) AS registration, any_value(rank) AS rank, count(*) FILTER (active) AS servers,
       count(*) FILTER (active AND secured) AS tls, pct(tls, servers) AS tls_pct,
       count(*) FILTER (NOT active) AS used_servers, count(*) FILTER (NOT active AND secured) AS used_tls,
       pct(used_tls, used_servers) AS used_tls_pct
FROM located LEFT JOIN as_names USING (asn) LEFT JOIN as_ranks USING (asn)
GROUP BY asn
ORDER BY servers DESC, used_servers DESC, asn
LIMIT (SELECT coalesce(getvariable('top'), 10));
